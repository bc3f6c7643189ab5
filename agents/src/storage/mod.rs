//! The storage driver for Linux: volumes are qcow2 files in a directory, made and looked at by qemu-img, each served by
//! a qemu-storage-daemon of its own to the one host that holds the attachment.
//!
//! Invariant: what exists is found by its name (file, record, process); nothing is created over what exists. An export
//! lasts: after a start of the agent, of the process or of the host it is served again at the same port.

mod pool;
mod record;
mod serve;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;
use windlass_sagas::ids::{HostId, VolumeId};
use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::protocol::ledger::{Observed, Work};
use windlass_sagas::record::{Direction, Endpoint, ImageSource, Refusal, RefusalCode, StepInput, StepOutput};

use crate::AgentError;
use crate::blobs::Blobs;
use crate::config::StorageConfig;
use crate::driver::driver_failed;
use crate::files::make_directory;
use crate::limits::{IMAGE_BYTES_MAX, SUPERVISE_EVERY};
use crate::linux::{Hand, Host, fetched, ids_of, owner};
use pool::{Pool, failed};
use record::{Export, Records};
use serve::Server;

/// The driver.
pub(crate) struct Storage {
    inner: Arc<Inner>,
    /// Sees to it that exports are served.
    _supervisor: AbortOnDropHandle<()>,
}

struct Inner {
    host: Host,
    directory: std::path::PathBuf,
    pool: Pool,
    records: Records,
    server: Server,
    ports: (u16, u16),
    blobs: Arc<Blobs>,
    /// Exports are opened, closed and looked after one at a time: ports are given in one order.
    exports: Mutex<()>,
}

/// What is missing towards a step's goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Bytes,
    Record(HostId),
    Serving,
    /// The record that says that the export is being closed.
    Closing,
    Stop,
    Forget,
    Delete,
}

impl Missing {
    const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "the volume's bytes are made",
            Self::Record(_) => "the export is written down",
            Self::Serving => "the volume is served",
            Self::Closing => "the export is marked as closing",
            Self::Stop => "the volume is no longer served",
            Self::Forget => "the export is forgotten",
            Self::Delete => "the volume's bytes are deleted",
        }
    }
}

impl Storage {
    pub(crate) async fn open(
        host: Host,
        config: &StorageConfig,
        blobs: Arc<Blobs>,
    ) -> Result<Self, AgentError> {
        let user = ids_of(&config.user)?;
        let directory = config.pool.clone().unwrap_or_else(|| host.state.join("pool"));
        for part in ["volumes", "exports"] {
            make_directory(&directory.join(part))?;
        }
        for path in [host.state.clone(), directory.clone(), directory.join("volumes")] {
            let opened = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711));
            opened.map_err(|error| AgentError::File { path, error })?;
        }
        let volumes = directory.join("volumes");
        reachable(&volumes, &config.user)?;
        let inner = Arc::new(Inner {
            pool: Pool::new(volumes, user),
            records: Records::new(directory.join("exports")),
            server: Server::new(host.clone(), user),
            ports: config.ports,
            exports: Mutex::new(()),
            host,
            directory,
            blobs,
        });
        let supervisor = AbortOnDropHandle::new(tokio::spawn(supervise(Arc::clone(&inner))));
        Ok(Self { inner, _supervisor: supervisor })
    }

    /// Where volumes are kept.
    pub(crate) fn pool(&self) -> &Path {
        &self.inner.directory
    }
}

/// Starts serving again whatever is written down and not served: after a start of the agent or of the host, and when a
/// process died.
async fn supervise(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(SUPERVISE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(records) = inner.records.all() else { continue };
        for (volume, _) in records {
            let _turn = inner.exports.lock().await;
            // Read again: it may have been closed meanwhile.
            let Ok(Some(export)) = inner.records.get(volume) else { continue };
            if export.closing || inner.server.process(volume).is_some() || !inner.pool.has(volume) {
                continue;
            }
            match inner.server.start(volume, &inner.pool.file(volume), &export).await {
                Ok(()) => tracing::info!(%volume, port = export.port, "the volume is served again"),
                Err(refusal) => tracing::warn!(%volume, why = refusal.message, "the volume can't be served"),
            }
        }
    }
}

/// Refuses a pool that the serving user can't reach, naming the directory that is closed to it.
fn reachable(pool: &Path, user: &str) -> Result<(), AgentError> {
    for directory in pool.ancestors() {
        let mode = std::fs::metadata(directory)
            .map_err(|error| AgentError::File { path: directory.to_path_buf(), error })?
            .permissions()
            .mode();
        if mode & 0o001 == 0 {
            let message = format!(
                "the user {user:?} can't reach the pool {} through {}: allow others to pass it (chmod o+x), or set \
                 linux.storage.pool to a directory elsewhere",
                pool.display(),
                directory.display()
            );
            return Err(AgentError::Setting(message));
        }
    }
    Ok(())
}

impl Inner {
    fn export(&self, volume: VolumeId) -> Result<Option<Export>, Refusal> {
        self.records.get(volume).map_err(|error| driver_failed(&format!("the record of {volume}: {error}")))
    }

    /// What is missing next; looks, and changes nothing.
    async fn missing(&self, input: &StepInput, direction: Direction) -> Result<Option<Missing>, Refusal> {
        match (input, direction) {
            (StepInput::ReserveVolume { volume, size_gib, made_here, export_to, .. }, Direction::Forward) => {
                if !self.pool.has(*volume) {
                    return if *made_here { Ok(Some(Missing::Bytes)) } else { Err(no_bytes()) };
                }
                if self.pool.size_gib(*volume).await? != *size_gib {
                    return Err(foreign("a volume of another size has this name", false));
                }
                export_to.map_or(Ok(None), |host| self.opening(*volume, host))
            }
            (StepInput::ReserveVolume { volume, made_here, export_to, .. }, Direction::Undo) => {
                self.releasing(*volume, *export_to, *made_here)
            }
            (StepInput::ReleaseVolume { volume, export_to, delete }, Direction::Forward) => {
                self.releasing(*volume, *export_to, *delete)
            }
            (StepInput::ReleaseVolume { volume, export_to, .. }, Direction::Undo) => match export_to {
                Some(host) if self.pool.has(*volume) => self.opening(*volume, *host),
                Some(_) | None => Ok(None),
            },
            _ => Err(driver_failed("the storage role has no such step")),
        }
    }

    fn opening(&self, volume: VolumeId, to: HostId) -> Result<Option<Missing>, Refusal> {
        Ok(match self.export(volume)? {
            None => Some(Missing::Record(to)),
            Some(export) if export.to != to => {
                return Err(foreign("the volume is exported to another host", true));
            }
            Some(export) if export.closing => Some(Missing::Record(to)),
            Some(_) => self.server.process(volume).is_none().then_some(Missing::Serving),
        })
    }

    fn releasing(
        &self,
        volume: VolumeId,
        from: Option<HostId>,
        delete: bool,
    ) -> Result<Option<Missing>, Refusal> {
        let export = self.export(volume)?;
        if let Some(export) = export.filter(|export| delete || Some(export.to) == from) {
            return Ok(Some(match (export.closing, self.server.has_any(volume)) {
                (false, _) => Missing::Closing,
                (true, true) => Missing::Stop,
                (true, false) => Missing::Forget,
            }));
        }
        Ok((delete && self.pool.has_any(volume)).then_some(Missing::Delete))
    }

    async fn make(&self, missing: Missing, work: &Work) -> Result<(), Refusal> {
        let (volume, size_gib, image) = match &work.input {
            StepInput::ReserveVolume { volume, size_gib, image, .. } => (*volume, *size_gib, image.as_ref()),
            StepInput::ReleaseVolume { volume, .. } => (*volume, 0, None),
            _ => return Err(driver_failed("the storage role has no such step")),
        };
        let _turn = if missing == Missing::Bytes { None } else { Some(self.exports.lock().await) };
        let file = |error: std::io::Error| failed(&self.directory, &error);
        match missing {
            Missing::Bytes => self.bytes(volume, size_gib, image).await,
            Missing::Record(to) => {
                let kept = self.export(volume)?.map(|export| export.port);
                let port = match kept {
                    Some(port) => Some(port),
                    None => self.records.free_port(self.ports, self.host.address).map_err(file)?,
                };
                let port = port.ok_or_else(no_port)?;
                let export = Export { to, port, closing: false, owner: owner(work) };
                self.records.put(volume, &export).map_err(file)
            }
            Missing::Serving => match self.export(volume)? {
                Some(export) => self.server.start(volume, &self.pool.file(volume), &export).await,
                None => Ok(()),
            },
            Missing::Closing => match self.export(volume)? {
                Some(export) => self.records.put(volume, &Export { closing: true, ..export }).map_err(file),
                None => Ok(()),
            },
            Missing::Stop => self.server.stop(volume).await,
            Missing::Forget => self.records.remove(volume).map_err(file),
            Missing::Delete => self.pool.delete(volume),
        }
    }

    async fn bytes(
        &self,
        volume: VolumeId,
        size_gib: u64,
        image: Option<&ImageSource>,
    ) -> Result<(), Refusal> {
        let Some(source) = image else { return self.pool.make(volume, size_gib, None).await };
        let bytes = fetched(&self.blobs, source.sha256, IMAGE_BYTES_MAX).await?;
        self.pool.make(volume, size_gib, Some((&bytes, source.format))).await
    }

    fn begun(&self, input: &StepInput) -> Result<bool, Refusal> {
        Ok(match input {
            StepInput::ReserveVolume { volume, made_here, export_to, .. } => {
                let exported = self.export(*volume)?.is_some_and(|export| Some(export.to) == *export_to);
                exported || (*made_here && self.pool.has_any(*volume))
            }
            _ => false,
        })
    }
}

impl Hand for Storage {
    async fn observe(&self, work: &Work) -> Result<Observed, Refusal> {
        match self.inner.missing(&work.input, Direction::Forward).await {
            Ok(None) => Ok(Observed::Present(self.output(work).await?)),
            Ok(Some(_)) | Err(_) if self.inner.begun(&work.input)? => Ok(Observed::Partial),
            Ok(Some(_)) | Err(_) => Ok(Observed::Absent),
        }
    }

    async fn advance(&self, work: &Work, direction: Direction) -> Result<Option<&'static str>, Refusal> {
        let Some(missing) = self.inner.missing(&work.input, direction).await? else { return Ok(None) };
        self.inner.make(missing, work).await?;
        Ok(Some(missing.name()))
    }

    async fn output(&self, work: &Work) -> Result<StepOutput, Refusal> {
        let StepInput::ReserveVolume { volume, export_to: Some(_), .. } = &work.input else {
            return Ok(StepOutput::None);
        };
        let host = self.inner.host.address.to_string();
        let export = self.inner.export(*volume)?;
        Ok(export.map_or(StepOutput::None, |export| StepOutput::Export(Endpoint { host, port: export.port })))
    }

    async fn inventory(&self) -> Result<Vec<InventoryItem>, Refusal> {
        let volumes = self.inner.pool.all().await?;
        let exports = self.inner.records.all().map_err(|error| failed(&self.inner.directory, &error))?;
        let bytes = volumes.into_iter().map(|(volume, size_gib)| InventoryItem::Volume { volume, size_gib });
        let opened =
            exports.into_iter().map(|(volume, export)| InventoryItem::Export { volume, host: export.to });
        Ok(bytes.chain(opened).collect())
    }
}

fn no_bytes() -> Refusal {
    Refusal { code: RefusalCode::Missing, retryable: false, message: "the volume has no bytes here".into() }
}

fn no_port() -> Refusal {
    let message = "every port of linux.storage.ports is in use".into();
    Refusal { code: RefusalCode::NoRoom, retryable: true, message }
}

fn foreign(message: &str, retryable: bool) -> Refusal {
    Refusal { code: RefusalCode::Foreign, retryable, message: message.into() }
}

#[cfg(test)]
mod tests;
