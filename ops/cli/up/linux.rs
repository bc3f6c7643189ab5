//! `windlass up --driver linux`: hosts that are network namespaces of this machine, each with an agent's process and the
//! real drivers; a guest that is made here; everything removed at the end, also after a kill.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use windlass_agents::CancellationToken;
use windlass_client::Client;

use super::guard::{self, Guarded};
use super::site::Site;
use crate::exit;
use crate::host::Role;
use crate::output;
use crate::seed;

/// The pause before an agent that ended is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// How long an agent that is told to end may take.
const END_TIME_MAX: Duration = Duration::from_secs(30);
/// What the machine must have.
const TOOLS: [(&str, &str); 9] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("dnsmasq", "dnsmasq-base"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-storage-daemon", "qemu-system-common or qemu-utils"),
    ("qemu-img", "qemu-utils"),
    ("setsid", "util-linux"),
    ("prlimit", "util-linux"),
];

/// A site that stands.
pub(super) struct Standing {
    site: Site,
    guard: Guarded,
    run: PathBuf,
    state: PathBuf,
    /// Nobody else makes or removes it meanwhile.
    _claim: File,
}

/// One host to be.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) roles: &'a [Role],
}

impl Standing {
    /// Makes the site of this state directory; what an earlier one left is removed first.
    pub(super) async fn make(state: &Path, hosts: Vec<String>) -> anyhow::Result<Self> {
        anyhow::ensure!(
            rustix::process::geteuid().is_root(),
            "--driver linux makes network namespaces and starts guests: run it as root"
        );
        missing_tools()?;
        let state = std::path::absolute(state)?;
        let hosts_directory = state.join("hosts");
        std::fs::create_dir_all(&hosts_directory)?;
        for directory in [&state, &hosts_directory] {
            // Who serves volumes passes through, and reads nothing on the way.
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711))?;
        }
        let claim = claim(&state)?;
        let site = Site::new(&state, hosts);
        let run = Path::new("/run/windlass").join(site.namespace("run"));
        guard::remove(&site, &run).await.context("what an earlier site left can't be removed")?;
        std::fs::create_dir_all(&run)?;
        let guard = Guarded::start(&site, &run, &state.join("guard.log"))?;
        let standing = Self { site, guard, run, state, _claim: claim };
        match standing.site.make().await {
            Ok(()) => Ok(standing),
            Err(error) => {
                standing.end().await?;
                Err(error)
            }
        }
    }

    /// Where hosts reach this machine.
    pub(super) fn here(&self) -> std::net::Ipv4Addr {
        self.site.here()
    }

    /// Removes it.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.guard.end().await
    }

    /// Lets the hosts reach the orchestrator, which listens on loopback alone; gives where.
    pub(super) async fn reach(
        &self,
        api: SocketAddr,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        stop: CancellationToken,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind((self.here(), api.port())).await;
        let listener = listener.with_context(|| format!("{}:{} is in use", self.here(), api.port()))?;
        let address = listener.local_addr()?;
        tasks.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    Some(_) = streams.join_next() => {}
                    accepted = listener.accept() => {
                        let (mut from, _) = accepted?;
                        streams.spawn(async move {
                            if let Ok(mut to) = TcpStream::connect(api).await {
                                // A stream that breaks is dialled again by the agent.
                                tokio::io::copy_bidirectional(&mut from, &mut to).await.ok();
                            }
                        });
                    }
                }
            }
        });
        Ok(address)
    }

    /// Joins a host and keeps its agent running in its namespace.
    pub(super) async fn host(
        &self,
        client: &Client,
        place: &Place<'_>,
        orchestrator: SocketAddr,
        faults: &[String],
        (tasks, stop): (&mut JoinSet<anyhow::Result<()>>, CancellationToken),
    ) -> anyhow::Result<()> {
        let Place { name, roles } = *place;
        let directory = self.state.join("hosts").join(name);
        let authority = self.state.join("identity").join("ca.pem");
        let address = self.site.host(name);
        let at = (orchestrator.to_string(), Some(address.into()));
        seed::join_host(client, &authority, directory.clone(), (name, roles), at).await?;
        let config = directory.join("agent.toml");
        std::fs::write(&config, self.config(name))?;
        let mut arguments = vec![
            "agent".to_owned(),
            "run".to_owned(),
            "--driver=linux".to_owned(),
            format!("--state={}", directory.display()),
            format!("--config={}", config.display()),
            format!("--orchestrator={orchestrator}"),
        ];
        arguments.extend(faults.iter().map(|faults| format!("--faults={faults}")));
        let agent = Agent {
            name: name.to_owned(),
            namespace: self.site.namespace(name),
            arguments,
            log: self.state.join(format!("{name}.log")),
        };
        tasks.spawn(agent.keep(stop));
        Ok(())
    }

    fn config(&self, name: &str) -> String {
        let (run, kernel) = (self.run.join(name), self.state.join("guest").join("kernel"));
        format!(
            "name = {name:?}\n[linux]\nrun = {run:?}\naddress = \"{}\"\nvcpus = 8\nram_mib = 4096\n\
             [linux.hypervisor]\nprobe_kernel = {kernel:?}\n",
            self.site.host(name)
        )
    }
}

/// An agent's process, started again when it ends.
struct Agent {
    name: String,
    namespace: String,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Agent {
    async fn keep(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let mut process = self.start()?;
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    if let Some(pid) = process.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
                        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
                    }
                    tokio::time::timeout(END_TIME_MAX, process.wait()).await.ok();
                    return Ok(());
                }
                ended = process.wait() => {
                    let status = ended?;
                    // What is wrong with the machine or the settings is so at the next start too.
                    let wrong = status.code().is_some_and(|code| code == i32::from(exit::USAGE));
                    anyhow::ensure!(!wrong, "the agent of {} does not start: see {}", self.name, self.log.display());
                    tracing::warn!(host = self.name, %status, "the agent ended and is started again");
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RESTART_PAUSE) => {}
            }
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program).args(&self.arguments);
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("WINDLASS_") && !name.starts_with("WINDLASS_LOG"))
            {
                command.env_remove(&name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        command.spawn().with_context(|| format!("the agent of {} can't be started", self.name))
    }
}

/// Claims the state directory; the kernel gives it free when this process ends.
fn claim(state: &Path) -> anyhow::Result<File> {
    let file = File::create(state.join("site.lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| anyhow::anyhow!("another `windlass up` has the site of {}", state.display()))?;
    Ok(file)
}

fn missing_tools() -> anyhow::Result<()> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let there = |tool: &str| std::env::split_paths(&paths).any(|path| path.join(tool).exists());
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !there(tool)).map(|(_, package)| *package).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "this machine lacks what real hosts need; install: {}",
        missing.join(", ")
    );
    Ok(())
}

/// Makes the guest that is seeded, unless it was made before.
pub(super) async fn make_guest(state: &Path) -> anyhow::Result<PathBuf> {
    const MAKE: &str = include_str!("../../guest/make.sh");
    const INIT: &str = include_str!("../../guest/init.sh");
    let guest = state.join("guest");
    if guest.join("root").exists() {
        return Ok(guest);
    }
    output::note("making a guest of Debian's cloud kernel and busybox");
    let (make, init) = (state.join("make-guest.sh"), state.join("guest-init.sh"));
    std::fs::write(&make, MAKE)?;
    std::fs::write(&init, INIT)?;
    let made = Command::new("sh")
        .arg(&make)
        .arg(&guest)
        .env("GUEST_INIT", &init)
        .stdin(Stdio::null())
        .output()
        .await;
    let made = made.context("sh can't be started")?;
    anyhow::ensure!(made.status.success(), "no guest: {}", String::from_utf8_lossy(&made.stderr).trim());
    Ok(guest)
}
