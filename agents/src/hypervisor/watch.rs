//! Looking after guests that run: one that a volume's error has paused goes on once the volume is back, and no console
//! grows without bound. It makes no decision of the cell's.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use windlass_sagas::ids::ServerId;

use super::guest::Guest;
use super::qmp::Qmp;
use crate::limits::{CONSOLE_BYTES_MAX, SUPERVISE_EVERY};

/// Looks after every guest below this directory, for ever.
pub(super) async fn over(guests: PathBuf) {
    let mut ticks = tokio::time::interval(SUPERVISE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (server, guest) in Guest::all(&guests).unwrap_or_default() {
            if guest.process().is_some() {
                look_after(server, &guest).await;
            }
        }
    }
}

async fn look_after(server: ServerId, guest: &Guest) {
    if let Err(error) = shorten(&guest.at("console.log")) {
        tracing::debug!(%server, %error, "the console can't be shortened");
    }
    // A monitor that does not answer is asked again at the next round.
    let Ok(monitor) = Qmp::connect(&guest.at("watch")).await else { return };
    if monitor.status().await.is_ok_and(|status| status == "io-error") {
        tracing::warn!(%server, "a volume failed and the guest is paused; it is told to go on");
        if let Err(refusal) = monitor.go_on().await {
            tracing::warn!(%server, why = refusal.message, "the guest does not go on");
        }
    }
}

/// The last bytes of a file.
pub(super) fn tail(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes_max)))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Keeps the newest quarter of a console that is over its bound. QEMU writes at the end, wherever that is.
fn shorten(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.len() <= CONSOLE_BYTES_MAX {
        return Ok(());
    }
    let newest = tail(path, CONSOLE_BYTES_MAX / 4)?;
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.set_len(0)?;
    file.write_all(&newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_keeps_its_newest_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("console.log");
        std::fs::write(&path, "short").unwrap();
        shorten(&path).unwrap();
        assert_eq!(tail(&path, 3).unwrap(), b"ort");
        let most = usize::try_from(CONSOLE_BYTES_MAX).unwrap();
        let mut long = vec![b'a'; most];
        long.extend(b"end");
        std::fs::write(&path, &long).unwrap();
        shorten(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), CONSOLE_BYTES_MAX / 4);
        assert_eq!(tail(&path, 4).unwrap(), b"aend");
    }
}
