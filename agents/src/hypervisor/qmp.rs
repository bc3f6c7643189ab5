//! QEMU's monitor: one connection an operation, each question with a deadline, since a guest whose volume's host is
//! silent freezes its monitor too.

use std::path::Path;
use std::time::Duration;

use qapi::futures::{QapiService, QmpStreamTokio};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::WriteHalf;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;
use windlass_sagas::record::Refusal;

use crate::driver::driver_failed;
use crate::limits::QMP_TIME_MAX;

/// Each command's name and whether it takes arguments; what it answers is read field by field, since QEMU's schema grows.
macro_rules! commands {
    ($($name:ident = $word:literal)*) => {$(
        #[derive(Serialize)]
        #[serde(transparent)]
        struct $name(Value);
        impl qapi::Command for $name {
            type Ok = Value;
            const NAME: &'static str = $word;
            const ALLOW_OOB: bool = false;
        }
        impl qapi::qmp::QmpCommand for $name {}
    )*};
}

commands! {
    QueryStatus = "query-status"
    QueryBlock = "query-block"
    QueryNodes = "query-named-block-nodes"
    AddNode = "blockdev-add"
    RemoveNode = "blockdev-del"
    AddDevice = "device_add"
    RemoveDevice = "device_del"
    PowerDown = "system_powerdown"
    Continue = "cont"
}

/// A connection to a monitor.
pub(super) struct Qmp {
    service: QapiService<QmpStreamTokio<WriteHalf<UnixStream>>>,
    _events: AbortOnDropHandle<()>,
}

/// A device with a volume in a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockDevice {
    /// The id that it was given.
    pub(super) id: String,
    /// The node that it stands on.
    pub(super) node: String,
}

impl Qmp {
    /// Connects, and waits until the monitor answers.
    pub(super) async fn connect(socket: &Path) -> Result<Self, Refusal> {
        let connecting = async {
            let stream = QmpStreamTokio::open_uds(socket).await?.negotiate().await?;
            Ok::<_, std::io::Error>(stream.spawn_tokio())
        };
        let (service, events) = within(QMP_TIME_MAX, connecting).await?;
        Ok(Self { service, _events: AbortOnDropHandle::new(events) })
    }

    async fn ask<C: qapi::qmp::QmpCommand<Ok = Value>>(&self, command: C) -> Result<Value, Refusal> {
        within(QMP_TIME_MAX, self.service.execute(command)).await
    }

    /// How the guest runs, in QEMU's words (`running`, `paused`, `io-error`, `internal-error`, `shutdown`, …).
    pub(super) async fn status(&self) -> Result<String, Refusal> {
        let answer = self.ask(QueryStatus(json!({}))).await?;
        Ok(answer["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Every device with a volume.
    pub(super) async fn devices(&self) -> Result<Vec<BlockDevice>, Refusal> {
        let answer = self.ask(QueryBlock(json!({}))).await?;
        let devices = answer.as_array().map(Vec::as_slice).unwrap_or_default().iter();
        Ok(devices.filter_map(device).collect())
    }

    /// Whether a node of this name is there.
    pub(super) async fn has_node(&self, node: &str) -> Result<bool, Refusal> {
        let answer = self.ask(QueryNodes(json!({ "flat": true }))).await?;
        let nodes = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(nodes.iter().any(|found| found["node-name"] == node))
    }

    /// Opens a volume.
    pub(super) async fn add_node(&self, options: Value) -> Result<(), Refusal> {
        self.ask(AddNode(options)).await.map(drop)
    }

    /// Closes a volume.
    pub(super) async fn remove_node(&self, node: &str) -> Result<(), Refusal> {
        self.ask(RemoveNode(json!({ "node-name": node }))).await.map(drop)
    }

    /// Plugs a device in.
    pub(super) async fn add_device(&self, options: Value) -> Result<(), Refusal> {
        self.ask(AddDevice(options)).await.map(drop)
    }

    /// Asks the guest to let go of a device; that it is asked already is no error.
    pub(super) async fn ask_to_release(&self, id: &str) {
        if let Err(refusal) = self.ask(RemoveDevice(json!({ "id": id }))).await {
            tracing::debug!(id, why = refusal.message, "the device is not released yet");
        }
    }

    /// Presses the power button.
    pub(super) async fn power_down(&self) -> Result<(), Refusal> {
        self.ask(PowerDown(json!({}))).await.map(drop)
    }

    /// Lets a guest that was paused go on.
    pub(super) async fn go_on(&self) -> Result<(), Refusal> {
        self.ask(Continue(json!({}))).await.map(drop)
    }
}

/// A device as `query-block` shows it: its id stands in its path.
fn device(entry: &Value) -> Option<BlockDevice> {
    let path = entry["qdev"].as_str()?;
    let id = path.strip_prefix("/machine/peripheral/").unwrap_or(path);
    let id = id.split('/').next()?.to_owned();
    let node = entry["inserted"]["node-name"].as_str().unwrap_or_default().to_owned();
    Some(BlockDevice { id, node })
}

async fn within<T, E: std::fmt::Display>(
    time_max: Duration,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, Refusal> {
    match tokio::time::timeout(time_max, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(driver_failed(&format!("QEMU: {error}"))),
        Err(_) => Err(driver_failed("the guest's QEMU does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_by_its_id() {
        let entry =
            json!({ "qdev": "/machine/peripheral/a-1/virtio-backend", "inserted": { "node-name": "v2" } });
        assert_eq!(device(&entry), Some(BlockDevice { id: "a-1".into(), node: "v2".into() }));
        let plain = json!({ "qdev": "b-1", "device": "" });
        assert_eq!(device(&plain), Some(BlockDevice { id: "b-1".into(), node: String::new() }));
        assert_eq!(device(&json!({ "device": "floppy0" })), None);
    }
}
