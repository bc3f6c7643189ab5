//! What a step wants, as the next missing sub-change: looked up in the world by names alone, so that it is the same
//! whoever asks, however often, and after whatever crash.

use alloc::string::String;
use alloc::vec::Vec;

use windlass_sagas::ids::*;
use windlass_sagas::protocol::ledger::Observed;
use windlass_sagas::record::{
    BoundExport, Direction, Endpoint, GuestSetup, ImageSource, PortSetup, Refusal, RefusalCode, StepInput,
    StepOutput,
};

use crate::change::Change;
use crate::world::{Device, World};

type Next = Result<Option<Change>, Refusal>;

fn refuse(code: RefusalCode, retryable: bool, message: impl Into<String>) -> Next {
    Err(Refusal { code, retryable, message: message.into() })
}

impl World {
    /// The next sub-change towards what the step wants in this direction; `None` where that is reached.
    ///
    /// # Errors
    /// A refusal, where the world does not allow it; nothing was changed by asking.
    pub fn next_change(&self, input: &StepInput, direction: Direction, exports: &[BoundExport]) -> Next {
        match direction {
            Direction::Forward => self.forward(input, exports),
            Direction::Undo => self.back(input, exports),
        }
    }

    fn forward(&self, input: &StepInput, exports: &[BoundExport]) -> Next {
        match input {
            StepInput::ReserveVolume { volume, size_gib, image, made_here, export_to } => {
                self.reserve(*volume, *size_gib, image.as_ref(), *made_here, *export_to)
            }
            StepInput::ReleaseVolume { volume, export_to, delete } => {
                self.release(*volume, *export_to, *delete)
            }
            StepInput::PreparePort(setup) => self.prepare(setup),
            StepInput::RemovePort { port, .. } => self.remove_port(*port),
            StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => self.boot(setup, exports),
            StepInput::DestroyGuest { server } => self.destroy(*server, false),
            StepInput::StopGuest { server, .. } => self.destroy(*server, true),
            StepInput::PlugVolume { attachment, server, volume, device } => {
                self.plug(*attachment, *server, *volume, *device, exports)
            }
            StepInput::UnplugVolume { attachment, server, volume, .. } => {
                self.unplug(*attachment, *server, *volume)
            }
            StepInput::ConfirmGuest { server, .. } => match self.guest(*server) {
                Some(guest) if guest.running => Ok(None),
                Some(_) | None => refuse(RefusalCode::NoEvidence, false, "the guest does not run"),
            },
        }
    }

    fn back(&self, input: &StepInput, exports: &[BoundExport]) -> Next {
        match input {
            StepInput::ReserveVolume { volume, made_here, export_to, .. } => {
                self.release(*volume, *export_to, *made_here)
            }
            StepInput::ReleaseVolume { volume, export_to, .. } => match export_to {
                Some(host) if self.volume(*volume).is_some() => self.open(*volume, *host),
                Some(_) | None => Ok(None),
            },
            StepInput::PreparePort(setup) => self.remove_port(setup.port),
            StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => {
                self.destroy(setup.server, false)
            }
            StepInput::PlugVolume { attachment, server, volume, .. } => {
                self.unplug(*attachment, *server, *volume)
            }
            // A guest that is gone boots with its volumes when it is made again.
            StepInput::UnplugVolume { attachment, server, volume, device } => match self.guest(*server) {
                Some(guest) if guest.running => self.plug(*attachment, *server, *volume, *device, exports),
                Some(_) | None => Ok(None),
            },
            StepInput::RemovePort { .. }
            | StepInput::DestroyGuest { .. }
            | StepInput::ConfirmGuest { .. }
            | StepInput::StopGuest { .. } => Ok(None),
        }
    }

    fn reserve(
        &self,
        volume: VolumeId,
        size_gib: u64,
        image: Option<&ImageSource>,
        made_here: bool,
        export_to: Option<HostId>,
    ) -> Next {
        let Some(file) = self.volume(volume) else {
            if !made_here {
                return refuse(RefusalCode::Missing, false, "the volume has no bytes here");
            }
            if size_gib > self.free().1 {
                return refuse(RefusalCode::NoRoom, false, "the disk has no room for the volume");
            }
            return Ok(Some(Change::Allocate { volume, size_gib }));
        };
        if file.size_gib != size_gib {
            return refuse(RefusalCode::Foreign, false, "a volume of another size has this name");
        }
        if let (Some(image), None, true) = (image, file.image, made_here) {
            return Ok(Some(Change::Fill { volume, image: image.sha256 }));
        }
        match export_to {
            Some(host) => self.open(volume, host),
            None => Ok(None),
        }
    }

    fn open(&self, volume: VolumeId, to: HostId) -> Next {
        match self.export(volume) {
            None => Ok(Some(Change::OpenExport { volume, to })),
            Some(export) if export.to == to => Ok(None),
            Some(_) => refuse(RefusalCode::Foreign, true, "the volume is exported to another host"),
        }
    }

    fn release(&self, volume: VolumeId, export_to: Option<HostId>, delete: bool) -> Next {
        let ours = self.export(volume).is_some_and(|export| delete || Some(export.to) == export_to);
        if ours {
            return Ok(Some(Change::CloseExport { volume }));
        }
        let there = delete && self.volume(volume).is_some();
        Ok(there.then_some(Change::DeleteVolume { volume }))
    }

    fn prepare(&self, setup: &PortSetup) -> Next {
        let (port, on) = (setup.port, true);
        let Some(link) = self.port(port) else {
            return Ok(Some(Change::MakeLink { port, network: setup.network, mac: setup.mac }));
        };
        if link.mac != setup.mac || link.network != setup.network {
            return refuse(RefusalCode::Foreign, false, "a link of another port has this name");
        }
        // Rules come before the tunnel: a port is never reachable without them.
        Ok(match (link.rules, link.tunnel, link.reservation) {
            (false, _, _) => Some(Change::Rules { port, on }),
            (true, false, _) => Some(Change::Tunnel { port, on }),
            (true, true, false) => Some(Change::Reservation { port, on }),
            (true, true, true) => None,
        })
    }

    fn remove_port(&self, port: PortId) -> Next {
        let on = false;
        Ok(self.port(port).map(|link| match (link.reservation, link.tunnel, link.rules) {
            (true, _, _) => Change::Reservation { port, on },
            (false, true, _) => Change::Tunnel { port, on },
            (false, false, true) => Change::Rules { port, on },
            (false, false, false) => Change::RemoveLink { port },
        }))
    }

    fn boot(&self, setup: &GuestSetup, exports: &[BoundExport]) -> Next {
        let server = setup.server;
        if let Some(guest) = self.guest(server) {
            return Ok(match self.has_ended(server) {
                _ if guest.running => None,
                // What is left of it was made for an older start, maybe with other volumes.
                Some(_) => Some(Change::Undefine { server, stopped: true }),
                None => Some(Change::Start { server }),
            });
        }
        if setup.ram_mib > self.free().0 {
            return refuse(RefusalCode::NoRoom, false, "the host has no memory for the guest");
        }
        let ready = |port: &PortId| {
            self.port(*port).is_some_and(|link| link.rules && link.tunnel && link.reservation)
        };
        if !setup.ports.iter().all(ready) {
            return refuse(RefusalCode::Missing, false, "a port of the guest is not ready");
        }
        let dialled = |volume: &VolumeId| endpoint(exports, *volume).map(|endpoint| (*volume, endpoint));
        let Some(volumes) = setup.volumes.iter().map(dialled).collect::<Option<Vec<_>>>() else {
            return refuse(RefusalCode::Missing, false, "a volume of the guest has no export");
        };
        let GuestSetup { vcpus, ram_mib, ports, .. } = setup.clone();
        Ok(Some(Change::Define { server, vcpus, ram_mib, ports, volumes }))
    }

    fn destroy(&self, server: ServerId, stopped: bool) -> Next {
        Ok(self.guest(server).map(|guest| match guest.running {
            true => Change::Stop { server },
            false => Change::Undefine { server, stopped },
        }))
    }

    fn plug(
        &self,
        attachment: AttachmentId,
        server: ServerId,
        volume: VolumeId,
        place: u8,
        exports: &[BoundExport],
    ) -> Next {
        let Some(guest) = self.guest(server).filter(|guest| guest.running) else {
            return refuse(RefusalCode::Missing, false, "the guest does not run");
        };
        match guest.devices.get(&volume) {
            Some(device) if !is_of(device, attachment) => {
                refuse(RefusalCode::Foreign, false, "the volume is in the guest by another attachment")
            }
            Some(device) if device.plugged => Ok(None),
            Some(_) => Ok(Some(Change::Plug { server, volume })),
            None => match endpoint(exports, volume) {
                Some(endpoint) => Ok(Some(Change::AddNode { server, volume, attachment, place, endpoint })),
                None => refuse(RefusalCode::Missing, false, "the volume has no export"),
            },
        }
    }

    /// A guest that is gone is the evidence; so is a device of another attachment, which stays as it is.
    fn unplug(&self, attachment: AttachmentId, server: ServerId, volume: VolumeId) -> Next {
        let device = self.guest(server).and_then(|guest| guest.devices.get(&volume));
        let device = device.filter(|device| is_of(device, attachment));
        Ok(device.map(|device| {
            if device.plugged {
                Change::Unplug { server, volume }
            } else {
                Change::RemoveNode { server, volume }
            }
        }))
    }

    /// How much of what the step wants is there. For a step that removes, "there" means that the thing is gone.
    #[must_use]
    pub fn observe(&self, input: &StepInput, exports: &[BoundExport]) -> Observed {
        match self.forward(input, exports) {
            Ok(None) => Observed::Present(self.output(input)),
            Ok(Some(_)) | Err(_) if self.begun(input) => Observed::Partial,
            Ok(Some(_)) | Err(_) => Observed::Absent,
        }
    }

    /// Whether anything of what the step makes is there; of a step that removes, whether anything is gone already can't
    /// be told, and does not matter.
    fn begun(&self, input: &StepInput) -> bool {
        match input {
            StepInput::ReserveVolume { volume, made_here, export_to, .. } => {
                let exported = self.export(*volume).is_some_and(|export| Some(export.to) == *export_to);
                exported || (*made_here && self.volume(*volume).is_some())
            }
            StepInput::PreparePort(setup) => self.port(setup.port).is_some(),
            StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => {
                self.guest(setup.server).is_some()
            }
            StepInput::PlugVolume { attachment, server, volume, .. } => {
                let device = self.guest(*server).and_then(|guest| guest.devices.get(volume));
                device.is_some_and(|device| is_of(device, *attachment))
            }
            StepInput::ReleaseVolume { .. }
            | StepInput::RemovePort { .. }
            | StepInput::DestroyGuest { .. }
            | StepInput::UnplugVolume { .. }
            | StepInput::ConfirmGuest { .. }
            | StepInput::StopGuest { .. } => false,
        }
    }

    /// What the step gives to later ones, once it is reached.
    #[must_use]
    pub fn output(&self, input: &StepInput) -> StepOutput {
        match input {
            StepInput::ReserveVolume { volume, export_to: Some(_), .. } => self
                .export(*volume)
                .map_or(StepOutput::None, |export| StepOutput::Export(export.endpoint.clone())),
            StepInput::ReserveVolume { .. }
            | StepInput::ReleaseVolume { .. }
            | StepInput::PreparePort(_)
            | StepInput::RemovePort { .. }
            | StepInput::BootGuest(_)
            | StepInput::BootKernel(..)
            | StepInput::DestroyGuest { .. }
            | StepInput::PlugVolume { .. }
            | StepInput::UnplugVolume { .. }
            | StepInput::ConfirmGuest { .. }
            | StepInput::StopGuest { .. } => StepOutput::None,
        }
    }
}

fn endpoint(exports: &[BoundExport], volume: VolumeId) -> Option<Endpoint> {
    exports.iter().find(|export| export.volume == volume).map(|export| export.endpoint.clone())
}

/// Whether an attachment may speak of a device: it plugged it, or the guest booted with it.
fn is_of(device: &Device, attachment: AttachmentId) -> bool {
    device.attachment.is_none_or(|own| own == attachment)
}
