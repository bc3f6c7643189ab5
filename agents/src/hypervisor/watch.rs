//! Looking after guests that run: one that a volume's error has paused goes on once the volume is back, no console grows
//! without bound, and one that has ended by itself is told. It makes no decision of the cell's.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;
use windlass_sagas::ids::ServerId;

use super::guest::Guest;
use super::qmp::Qmp;
use crate::limits::{CONSOLE_BYTES_MAX, ENDED_AGAIN, SUPERVISE_EVERY};

/// Looks after every guest below this directory, for ever; wakes `ended` when one has ended, and again now and then while
/// it is left there: who was told may have had no ear for it.
pub(super) async fn over(guests: PathBuf, ended: Arc<Notify>) {
    let mut told = Told::default();
    let mut ticks = tokio::time::interval(SUPERVISE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut gone = BTreeSet::new();
        for (server, guest) in Guest::all(&guests).unwrap_or_default() {
            if guest.process().is_some() {
                look_after(server, &guest).await;
            } else {
                gone.insert(server);
            }
        }
        if told.is_due(gone, Instant::now()) {
            ended.notify_one();
        }
    }
}

/// Which ended guests were told, and when.
#[derive(Default)]
struct Told {
    gone: BTreeSet<ServerId>,
    last: Option<Instant>,
}

impl Told {
    /// Whether those that are gone now are to be told.
    fn is_due(&mut self, gone: BTreeSet<ServerId>, now: Instant) -> bool {
        let fresh = gone.difference(&self.gone).next().is_some();
        let again = self.last.is_none_or(|last| now.duration_since(last) >= ENDED_AGAIN);
        let due = fresh || (again && !gone.is_empty());
        self.gone = gone;
        if due {
            self.last = Some(now);
        }
        due
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
    fn an_ended_guest_is_told_at_once_and_again_while_it_is_there() {
        let (mut told, start) = (Told::default(), Instant::now());
        let [one, two] = [1, 2].map(|number| ServerId([number; 16]));
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        let mut is_due =
            |gone: &[ServerId], seconds| told.is_due(gone.iter().copied().collect(), at(seconds));
        assert!(!is_due(&[], 0));
        assert!(is_due(&[one], 2) && !is_due(&[one], 4));
        assert!(is_due(&[one, two], 6) && !is_due(&[two], 8));
        assert!(!is_due(&[two], 65) && is_due(&[two], 66), "a minute after it was told last");
        assert!(!is_due(&[], 200) && is_due(&[two], 202), "it ran, and has ended again");
    }

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
