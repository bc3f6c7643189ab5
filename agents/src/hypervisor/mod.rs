//! The hypervisor driver for Linux: guests are QEMU processes of an unprivileged user, each in a session of its own, so
//! that no end of the agent reaches them; volumes come over NBD from their storage hosts.
//!
//! Invariant: a guest is found by its directory and its process's command line; nothing is concluded about one whose
//! monitor does not answer. A device is gone when the guest has let it go, or when there is no guest.

mod command;
mod evidence;
mod guest;
mod names;
mod probe;
mod qmp;
mod seed;
mod volumes;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use windlass_sagas::ids::{PortId, ServerId};
use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::protocol::ledger::{Observed, Work};
use windlass_sagas::record::{
    DirectBoot, Direction, GuestSetup, Refusal, RefusalCode, StepInput, StepOutput,
};

use crate::AgentError;
use crate::blobs::Blobs;
use crate::clock;
use crate::config::HypervisorConfig;
use crate::driver::driver_failed;
use crate::limits::{KERNEL_BYTES_MAX, USER_DATA_BYTES_MAX};
use crate::linux::{Hand, Host, fetched, ids_of, owner, tls};
use crate::network::{self, Tap};
use command::{Kernel, Launch};
use guest::{Guest, Record, Standing};
use volumes::Device;

/// What a host says that emulates its guests.
const EMULATED_TRAIT: &str = "windlass:emulated";
/// What a host says that runs its guests by KVM.
const KVM_TRAIT: &str = "windlass:kvm";
/// What is left of a call's time for its answer.
const ANSWER: Duration = Duration::from_secs(2);

/// The driver.
pub(crate) struct Hypervisor {
    inner: Arc<Inner>,
    /// Wakes when a guest has ended by itself.
    ended: Arc<Notify>,
    /// Looks after guests that run.
    _watch: AbortOnDropHandle<()>,
}

struct Inner {
    host: Host,
    guests: PathBuf,
    kvm: bool,
    user: String,
    blobs: Arc<Blobs>,
}

/// What is missing towards a step's goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Record,
    Process,
    /// It runs by another step, and is this one's from now on: its end is this one's end.
    Owner,
    /// The process must end, after this many milliseconds of grace.
    End(u32),
    Forget,
    Node,
    Device,
    Unplug,
    NodeGone,
    Evidence,
}

impl Missing {
    const fn name(self) -> &'static str {
        match self {
            Self::Record => "the guest is written down",
            Self::Process => "the guest is started",
            Self::Owner => "the guest is written down as this step's",
            Self::End(_) => "the guest is ended",
            Self::Forget => "the guest is forgotten",
            Self::Node => "the volume is opened",
            Self::Device => "the device is plugged in",
            Self::Unplug => "the guest has let the device go",
            Self::NodeGone => "the volume is closed",
            Self::Evidence => "the guest gives evidence",
        }
    }
}

impl Hypervisor {
    pub(crate) async fn open(
        host: Host,
        config: &HypervisorConfig,
        blobs: Arc<Blobs>,
    ) -> Result<Self, AgentError> {
        ids_of(&config.user)?;
        let guests = host.run.join("guests");
        crate::files::make_directory(&guests)?;
        let kvm = probe::kvm_works(config, &host.run).await?;
        let inner = Arc::new(Inner { host, guests, kvm, user: config.user.clone(), blobs });
        let ended = Arc::new(Notify::new());
        let watch = watch::over(inner.guests.clone(), Arc::clone(&ended));
        let watch = AbortOnDropHandle::new(tokio::spawn(watch));
        Ok(Self { inner, ended, _watch: watch })
    }

    /// Wakes when a guest has ended by itself.
    pub(crate) fn ended(&self) -> Arc<Notify> {
        Arc::clone(&self.ended)
    }

    /// What the host can do, as it found out.
    pub(crate) fn traits(&self) -> Vec<String> {
        vec![if self.inner.kvm { KVM_TRAIT } else { EMULATED_TRAIT }.to_owned()]
    }

    /// The end of a guest's console, at most so many bytes.
    pub(crate) fn console(&self, server: ServerId, bytes_max: u32) -> Result<Vec<u8>, Refusal> {
        let guest = self.inner.guest(server);
        if !guest.is_there() {
            return Err(gone("there is no such guest on this host"));
        }
        watch::tail(&guest.at("console.log"), bytes_max.into()).map_err(|error| guest.failed(&error))
    }
}

impl Inner {
    fn guest(&self, server: ServerId) -> Guest {
        Guest::of(&self.guests, server)
    }

    /// What is missing next; looks, and changes nothing.
    async fn missing(&self, work: &Work, direction: Direction) -> Result<Option<Missing>, Refusal> {
        use Direction::{Forward, Undo};
        match (&work.input, direction) {
            (StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _), Forward) => {
                self.boot(setup, work).await
            }
            (StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _), Undo) => {
                Ok(self.end(setup.server, 0))
            }
            (StepInput::DestroyGuest { server }, Forward) => Ok(self.end(*server, 0)),
            (StepInput::StopGuest { server, grace_ms }, Forward) => Ok(self.end(*server, *grace_ms)),
            (StepInput::PlugVolume { attachment, server, volume, .. }, Forward) => {
                Device::new(*attachment, *volume).to_plug(&self.guest(*server)).await
            }
            // A guest that is gone boots with its volumes when it is made again.
            (StepInput::UnplugVolume { attachment, server, volume, .. }, Undo) => {
                let guest = self.guest(*server);
                match guest.process() {
                    Some(_) => Device::new(*attachment, *volume).to_plug(&guest).await,
                    None => Ok(None),
                }
            }
            (StepInput::PlugVolume { attachment, server, volume, .. }, Undo)
            | (StepInput::UnplugVolume { attachment, server, volume, .. }, Forward) => {
                Device::new(*attachment, *volume).to_unplug(&self.guest(*server)).await
            }
            (StepInput::ConfirmGuest { server, evidence }, Forward) => {
                let there = evidence::is_there(&self.guest(*server), &self.host.run, *evidence).await?;
                Ok((!there).then_some(Missing::Evidence))
            }
            (
                StepInput::DestroyGuest { .. } | StepInput::StopGuest { .. } | StepInput::ConfirmGuest { .. },
                Undo,
            ) => Ok(None),
            _ => Err(driver_failed("the hypervisor role has no such step")),
        }
    }

    async fn boot(&self, setup: &GuestSetup, work: &Work) -> Result<Option<Missing>, Refusal> {
        let guest = self.guest(setup.server);
        let is_own = || guest.record().map(|it| it.is_some_and(|record| record.owner == owner(work)));
        match guest.standing().await? {
            Standing::Absent => Ok(Some(Missing::Record)),
            // What is left of a guest that has ended is another step's.
            Standing::Named => Ok(Some(if is_own()? { Missing::Process } else { Missing::Record })),
            Standing::Runs(_, status) => match status.as_str() {
                "internal-error" | "guest-panicked" | "shutdown" => {
                    Err(driver_failed(&format!("the guest came up and failed: {status}")))
                }
                _ => Ok((!is_own()?).then_some(Missing::Owner)),
            },
        }
    }

    fn end(&self, server: ServerId, grace_ms: u32) -> Option<Missing> {
        let guest = self.guest(server);
        match guest.process() {
            Some(_) => Some(Missing::End(grace_ms)),
            None => guest.is_there().then_some(Missing::Forget),
        }
    }

    async fn make(&self, missing: Missing, work: &Work) -> Result<(), Refusal> {
        let guest = self.guest(server_of(&work.input)?);
        match (missing, &work.input) {
            (Missing::Record, StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _)) => {
                guest.write(&Record::new(setup, owner(work), clock::wall().0))
            }
            (Missing::Owner, StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _)) => {
                let record = guest.record()?;
                let record = record.unwrap_or_else(|| Record::new(setup, owner(work), clock::wall().0));
                guest.write(&Record { owner: owner(work), ..record })
            }
            (Missing::Process, StepInput::BootGuest(setup)) => self.start(&guest, setup, None, work).await,
            (Missing::Process, StepInput::BootKernel(setup, boot)) => {
                self.start(&guest, setup, Some(boot), work).await
            }
            (Missing::End(grace_ms), _) => {
                // Of a call's time, what is needed to end it the hard way is kept.
                let most = time_left(work).saturating_sub(Duration::from_secs(5));
                guest.end(Duration::from_millis(grace_ms.into()).min(most)).await
            }
            (Missing::Forget, _) => guest.forget(),
            (
                Missing::Node | Missing::Device | Missing::Unplug | Missing::NodeGone,
                StepInput::PlugVolume { attachment, volume, device, .. }
                | StepInput::UnplugVolume { attachment, volume, device, .. },
            ) => {
                let tls = tls::client(&self.host)?;
                let exports = work.exports.as_slice();
                Device::new(*attachment, *volume)
                    .make(missing, &guest, *device, exports, &tls, time_left(work))
                    .await
            }
            (Missing::Evidence, StepInput::ConfirmGuest { evidence, .. }) => {
                evidence::wait(&guest, &self.host.run, *evidence, time_left(work)).await
            }
            _ => Err(driver_failed("the hypervisor role has no such step")),
        }
    }

    async fn start(
        &self,
        guest: &Guest,
        setup: &GuestSetup,
        boot: Option<&DirectBoot>,
        work: &Work,
    ) -> Result<(), Refusal> {
        let taps = setup.ports.iter().map(|port| self.tap(*port)).collect::<Result<Vec<_>, _>>()?;
        let endpoint = |volume| volumes::endpoint(&work.exports, volume).map(|endpoint| (volume, endpoint));
        let volumes = setup.volumes.iter().map(|volume| endpoint(*volume)).collect::<Option<Vec<_>>>();
        let volumes = volumes.ok_or_else(|| gone("a volume of the guest has no export"))?;
        for (_, endpoint) in &volumes {
            volumes::dial(endpoint).await?;
        }
        let user_data = match setup.user_data {
            Some(hash) => {
                let path = fetched(&self.blobs, hash, USER_DATA_BYTES_MAX).await?;
                tokio::fs::read(&path).await.map_err(|error| guest.failed(&error))?
            }
            None => Vec::new(),
        };
        let kernel = match boot {
            Some(boot) => Some(self.kernel(boot).await?),
            None => None,
        };
        let seed = guest.at("seed.img");
        let written = seed::seed(setup, &user_data)
            .and_then(|bytes| crate::files::replace(&seed, crate::files::PRIVATE, &bytes));
        written.map_err(|error| guest.failed(&error))?;
        let tls = tls::client(&self.host)?;
        let launch = Launch {
            directory: guest.directory(),
            setup,
            kernel,
            kvm: self.kvm,
            user: &self.user,
            taps,
            volumes,
            tls: &tls,
            seed: &seed,
        };
        guest.launch(&launch.arguments()).await
    }

    async fn kernel(&self, boot: &DirectBoot) -> Result<Kernel, Refusal> {
        let kernel = fetched(&self.blobs, boot.kernel, KERNEL_BYTES_MAX).await?;
        let initrd = match boot.initrd {
            Some(hash) => Some(fetched(&self.blobs, hash, KERNEL_BYTES_MAX).await?),
            None => None,
        };
        Ok(Kernel { kernel, initrd, cmdline: boot.cmdline.clone() })
    }

    fn tap(&self, port: PortId) -> Result<Tap, Refusal> {
        network::tap(&self.host.run, port)?.ok_or_else(|| gone("a port of the guest is not ready"))
    }

    async fn begun(&self, input: &StepInput) -> bool {
        match input {
            StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => {
                self.guest(setup.server).is_there()
            }
            StepInput::PlugVolume { attachment, server, volume, .. } => {
                Device::new(*attachment, *volume).is_begun(&self.guest(*server)).await
            }
            _ => false,
        }
    }
}

impl Hand for Hypervisor {
    async fn observe(&self, work: &Work) -> Result<Observed, Refusal> {
        match self.inner.missing(work, Direction::Forward).await {
            Ok(None) => Ok(Observed::Present(StepOutput::None)),
            Ok(Some(_)) | Err(_) if self.inner.begun(&work.input).await => Ok(Observed::Partial),
            Ok(Some(_)) | Err(_) => Ok(Observed::Absent),
        }
    }

    async fn advance(&self, work: &Work, direction: Direction) -> Result<Option<&'static str>, Refusal> {
        let Some(missing) = self.inner.missing(work, direction).await? else { return Ok(None) };
        self.inner.make(missing, work).await?;
        // Evidence that came is not looked for again: a hello is said once a connection.
        Ok(if missing == Missing::Evidence { None } else { Some(missing.name()) })
    }

    async fn output(&self, _work: &Work) -> Result<StepOutput, Refusal> {
        Ok(StepOutput::None)
    }

    async fn inventory(&self) -> Result<Vec<InventoryItem>, Refusal> {
        let guests = Guest::all(&self.inner.guests);
        let guests =
            guests.map_err(|error| driver_failed(&format!("{}: {error}", self.inner.guests.display())))?;
        let (mut items, mut ended) = (Vec::new(), Vec::new());
        for (server, guest) in guests {
            let Some(record) = guest.record()? else { continue };
            if let Some(booted_by) = record.booted_by().filter(|_| guest.process().is_none()) {
                ended.push((guest, InventoryItem::Ended { server, booted_by }));
                continue;
            }
            items.push(InventoryItem::Guest { server, vcpus: record.vcpus, ram_mib: record.ram_mib });
            items.extend(volumes::in_guest(server, &guest, &record).await?);
        }
        // One that was only about to begin may run by now: it must not be told behind the answer of its boot.
        ended.retain(|(guest, _)| guest.is_there() && guest.process().is_none());
        items.extend(ended.into_iter().map(|(_, item)| item));
        Ok(items)
    }
}

fn server_of(input: &StepInput) -> Result<ServerId, Refusal> {
    match input {
        StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => Ok(setup.server),
        StepInput::DestroyGuest { server }
        | StepInput::StopGuest { server, .. }
        | StepInput::PlugVolume { server, .. }
        | StepInput::UnplugVolume { server, .. }
        | StepInput::ConfirmGuest { server, .. } => Ok(*server),
        _ => Err(driver_failed("the hypervisor role has no such step")),
    }
}

/// How long the work may go on and still be answered.
fn time_left(work: &Work) -> Duration {
    Duration::from_millis(work.remaining_ms.into()).saturating_sub(ANSWER)
}

fn gone(message: &str) -> Refusal {
    Refusal { code: RefusalCode::Missing, retryable: false, message: message.into() }
}
