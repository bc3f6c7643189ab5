//! Serving a volume: one qemu-storage-daemon each, NBD over TLS, for the one host whose certificate's name it knows.
//!
//! Invariant: a volume is served by at most one process, to at most one host; a client that shows another certificate is
//! turned away before it sees an export. (A bound on connections would not do: it lets a second client hang.)

use std::fs;
use std::path::{Path, PathBuf};

use windlass_sagas::ids::VolumeId;
use windlass_sagas::record::Refusal;

use super::pool::failed;
use super::record::Export;
use crate::driver::driver_failed;
use crate::linux::process::Process;
use crate::linux::{Host, Tool, tls};

const PROGRAM: &str = "qemu-storage-daemon";

/// The processes that serve volumes.
#[derive(Clone, Debug)]
pub(super) struct Server {
    host: Host,
    user: (u32, u32),
}

impl Server {
    pub(super) const fn new(host: Host, user: (u32, u32)) -> Self {
        Self { host, user }
    }

    fn directory(&self, volume: VolumeId) -> PathBuf {
        self.host.run.join("exports").join(volume.to_string())
    }

    /// What the command line of the volume's process carries, and no other's.
    fn mark(&self, volume: VolumeId) -> String {
        self.directory(volume).join("pid").display().to_string()
    }

    /// The process that serves the volume: it has written its number, which it does once it answers.
    pub(super) fn process(&self, volume: VolumeId) -> Option<Process> {
        let directory = self.directory(volume);
        Process::of_file(&directory.join("pid"), &self.mark(volume))
    }

    /// Starts serving; what an earlier start left is ended first.
    pub(super) async fn start(&self, volume: VolumeId, file: &Path, export: &Export) -> Result<(), Refusal> {
        self.stop(volume).await?;
        let directory = self.directory(volume);
        let made = fs::create_dir_all(&directory)
            .and_then(|()| std::os::unix::fs::chown(&directory, Some(self.user.0), Some(self.user.1)));
        made.map_err(|error| failed(&directory, &error))?;
        let credentials = tls::server(&self.host, self.user)?;
        let tool = Tool::new(PROGRAM).user(self.user);
        let ended = tool.args(self.arguments(volume, file, export, &credentials)).run().await?;
        if ended.success {
            return Ok(());
        }
        Err(driver_failed(&format!("{PROGRAM}: {}", ended.complaint)))
    }

    fn arguments(&self, volume: VolumeId, file: &Path, export: &Export, credentials: &Path) -> Vec<String> {
        let directory = self.directory(volume);
        let (pid, socket) = (directory.join("pid"), directory.join("qmp"));
        let address = self.host.address;
        let pairs = [
            (
                "--object",
                format!("tls-creds-x509,id=tls,endpoint=server,verify-peer=on,dir={}", credentials.display()),
            ),
            ("--object", format!("authz-simple,id=host,identity=CN={}", export.to)),
            ("--chardev", format!("socket,id=qmp,server=on,wait=off,path={}", socket.display())),
            ("--monitor", "chardev=qmp".into()),
            (
                "--blockdev",
                format!(
                    "driver=qcow2,node-name=volume,discard=unmap,file.driver=file,file.filename={}",
                    file.display()
                ),
            ),
            (
                "--nbd-server",
                format!(
                    "addr.type=inet,addr.host={address},addr.port={},tls-creds=tls,tls-authz=host",
                    export.port
                ),
            ),
            ("--export", format!("type=nbd,id=export,node-name=volume,writable=on,name={volume}")),
            ("--pidfile", pid.display().to_string()),
        ];
        let mut arguments = vec!["--daemonize".to_owned()];
        arguments.extend(pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
        arguments
    }

    /// Ends serving, with whatever an earlier start left, and removes its directory.
    ///
    /// The client is cut off at once, if there is one: a close comes only when the guest is known to have let go, or by
    /// the order of somebody who knows that its host is no more.
    pub(super) async fn stop(&self, volume: VolumeId) -> Result<(), Refusal> {
        for process in Process::all(PROGRAM, &self.mark(volume)) {
            process.end(std::time::Duration::from_millis(500)).await?;
        }
        let directory = self.directory(volume);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&directory, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether anything of serving the volume is there.
    pub(super) fn has_any(&self, volume: VolumeId) -> bool {
        self.directory(volume).exists()
    }
}
