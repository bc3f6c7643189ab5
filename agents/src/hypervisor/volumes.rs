//! Volumes in a guest: plugged in as a node that dials the export and a device on it, unplugged when the guest has let
//! the device go.
//!
//! Invariant: an unplug is told only when QEMU no longer has the device; a guest that does not let go keeps it, and the
//! step is refused. Nothing takes a device away from a guest that runs.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use windlass_sagas::ids::{AttachmentId, ServerId, VolumeId};
use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::record::{BoundExport, Endpoint, Refusal, RefusalCode};

use super::guest::{Guest, Record, Standing};
use super::qmp::{BlockDevice, Qmp};
use super::{Missing, command, evidence, gone, names};
use crate::driver::driver_failed;
use crate::limits::{LOOK_AGAIN, RELEASE_EVERY, RELEASE_TIME_MAX, VOLUME_DIAL_MAX};
use crate::linux::Tool;

/// What an NBD server says first (NBD protocol, "Newstyle negotiation").
const GREETING: &[u8; 16] = b"NBDMAGICIHAVEOPT";

/// A volume's device, as an attachment makes it.
pub(super) struct Device {
    attachment: AttachmentId,
    volume: VolumeId,
}

impl Device {
    pub(super) const fn new(attachment: AttachmentId, volume: VolumeId) -> Self {
        Self { attachment, volume }
    }

    /// The device in the guest that stands on the volume, whoever plugged it.
    fn found(&self, devices: Vec<BlockDevice>) -> Option<BlockDevice> {
        let node = names::node(self.volume);
        let named = [names::plugged(self.attachment), names::booted(self.volume)];
        devices.into_iter().find(|device| device.node == node || named.contains(&device.id))
    }

    fn is_ours(&self, device: &BlockDevice) -> bool {
        device.id == names::plugged(self.attachment) || device.id == names::booted(self.volume)
    }

    pub(super) async fn to_plug(&self, guest: &Guest) -> Result<Option<Missing>, Refusal> {
        let Standing::Runs(monitor, _) = guest.standing().await? else {
            return Err(gone("the guest does not run"));
        };
        match self.found(monitor.devices().await?) {
            Some(device) if self.is_ours(&device) => Ok(None),
            Some(_) => {
                let message = "the volume is in the guest by another attachment".into();
                Err(Refusal { code: RefusalCode::Foreign, retryable: false, message })
            }
            None if monitor.has_node(&names::node(self.volume)).await? => Ok(Some(Missing::Device)),
            None => Ok(Some(Missing::Node)),
        }
    }

    /// A guest that is gone is the evidence; so is a device of another attachment, which stays as it is.
    pub(super) async fn to_unplug(&self, guest: &Guest) -> Result<Option<Missing>, Refusal> {
        let Standing::Runs(monitor, _) = guest.standing().await? else { return Ok(None) };
        match self.found(monitor.devices().await?) {
            Some(device) if self.is_ours(&device) => Ok(Some(Missing::Unplug)),
            Some(_) => Ok(None),
            None => Ok(monitor.has_node(&names::node(self.volume)).await?.then_some(Missing::NodeGone)),
        }
    }

    pub(super) async fn is_begun(&self, guest: &Guest) -> bool {
        matches!(self.to_unplug(guest).await, Ok(Some(_)) | Err(_))
    }

    pub(super) async fn make(
        &self,
        missing: Missing,
        guest: &Guest,
        place: u8,
        exports: &[BoundExport],
        tls: &Path,
        time_max: Duration,
    ) -> Result<(), Refusal> {
        let Standing::Runs(monitor, _) = guest.standing().await? else {
            return Err(gone("the guest does not run"));
        };
        match missing {
            Missing::Node => {
                let endpoint =
                    endpoint(exports, self.volume).ok_or_else(|| gone("the volume has no export"))?;
                // QEMU stands still while it dials: who does not answer, or turns us away, is found out before.
                dial(&endpoint).await?;
                admitted(&endpoint, self.volume, tls).await?;
                monitor.add_node(command::node(self.volume, &endpoint)).await
            }
            Missing::Device => {
                let mut device = command::device(self.volume, &names::plugged(self.attachment));
                device["bus"] = json!(format!("place{place}"));
                monitor.add_device(device).await
            }
            Missing::Unplug => self.unplug(&monitor, guest, time_max.min(RELEASE_TIME_MAX)).await,
            Missing::NodeGone => monitor.remove_node(&names::node(self.volume)).await,
            _ => Err(driver_failed("a volume has no such sub-change")),
        }
    }

    async fn unplug(&self, monitor: &Qmp, guest: &Guest, time_max: Duration) -> Result<(), Refusal> {
        match evidence::uses(&guest.at("agent"), &names::serial(self.volume)).await {
            Some(true) => return Err(busy("the guest says that it uses the volume: unmount it there first")),
            Some(false) => {}
            None => {
                tracing::info!(volume = %self.volume, "the guest does not say whether it uses the volume");
            }
        }
        let end = Instant::now() + time_max;
        let mut ask_at = Instant::now();
        while let Some(device) = self.found(monitor.devices().await?) {
            if Instant::now() >= end {
                return Err(busy("the guest did not let the device go"));
            }
            if Instant::now() >= ask_at {
                monitor.ask_to_release(&device.id).await;
                ask_at = Instant::now() + RELEASE_EVERY;
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// Where the volume is exported, as the call says.
pub(super) fn endpoint(exports: &[BoundExport], volume: VolumeId) -> Option<Endpoint> {
    exports.iter().find(|export| export.volume == volume).map(|export| export.endpoint.clone())
}

/// Dials an export and waits for its first word.
pub(super) async fn dial(endpoint: &Endpoint) -> Result<(), Refusal> {
    let Endpoint { host, port } = endpoint;
    let dialling = async {
        let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
        let mut word = [0; GREETING.len()];
        stream.read_exact(&mut word).await?;
        Ok::<_, std::io::Error>(word)
    };
    match timeout(VOLUME_DIAL_MAX, dialling).await {
        Ok(Ok(word)) if word == *GREETING => Ok(()),
        Ok(Ok(_)) => Err(driver_failed(&format!("what answers at {host}:{port} serves no volume"))),
        Ok(Err(error)) => Err(driver_failed(&format!("the volume at {host}:{port}: {error}"))),
        Err(_) => Err(driver_failed(&format!("the volume at {host}:{port} does not answer"))),
    }
}

/// Whether the storage host admits us and has the export, as a process of its own finds out.
async fn admitted(endpoint: &Endpoint, volume: VolumeId, tls: &Path) -> Result<(), Refusal> {
    let Endpoint { host, port } = endpoint;
    let credentials = format!("tls-creds-x509,id=tls,endpoint=client,verify-peer=on,dir={}", tls.display());
    let image = format!(
        "driver=nbd,server.type=inet,server.host={host},server.port={port},export={volume},tls-creds=tls"
    );
    let tool = Tool::new("qemu-img").args(["info", "--object", &credentials, "--image-opts", &image]);
    let ended = tool.within(VOLUME_DIAL_MAX * 2).run().await?;
    if ended.success {
        return Ok(());
    }
    Err(driver_failed(&format!("the volume at {host}:{port}: {}", ended.complaint)))
}

/// Every volume in a guest: those that it booted with, and those that were plugged in.
pub(super) async fn in_guest(
    server: ServerId,
    guest: &Guest,
    record: &Record,
) -> Result<Vec<InventoryItem>, Refusal> {
    let booted = record.volumes.iter();
    let mut items: Vec<_> =
        booted.map(|volume| InventoryItem::Device { attachment: None, server, volume: *volume }).collect();
    if let Standing::Runs(monitor, _) = guest.standing().await? {
        let devices = monitor.devices().await?;
        items.extend(devices.iter().filter_map(|device| {
            let attachment = Some(names::attachment_of(&device.id)?);
            Some(InventoryItem::Device { attachment, server, volume: names::volume_of(&device.node)? })
        }));
    }
    Ok(items)
}

fn busy(message: &str) -> Refusal {
    Refusal { code: RefusalCode::GuestBusy, retryable: false, message: message.into() }
}
