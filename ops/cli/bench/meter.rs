//! What a row used: CPU and memory of each process, the orchestrator's own counters, and the disk's flushes, read
//! before and after it.

use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::limits::METRICS_BYTES_MAX;

/// Microseconds of a tick of the kernel's counters: 100 a second, which Linux promises to programs everywhere.
pub(super) const TICK_US: f64 = 10_000.0;
/// Where a disk's line counts its flushes, after device numbers and name.
const FLUSHES_FIELD: usize = 18;
/// The orchestrator's counters: frames, bytes of frames, commits.
const COUNTERS: [&str; 3] = ["windlass_frames", "windlass_frame_bytes", "windlass_commits"];

/// The processes that count, and where to ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Processes {
    pub(super) orchestrator: Vec<u32>,
    pub(super) agents: Vec<u32>,
    pub(super) bench: Vec<u32>,
    pub(super) broker: Vec<u32>,
    /// Where the orchestrator serves its metrics.
    pub(super) metrics: Option<String>,
    /// What is written is written there.
    pub(super) home: PathBuf,
}

/// The counters at one time.
pub(super) struct Look {
    at: Instant,
    ticks: [u64; 4],
    machine: u64,
    counters: [f64; 3],
    flushes: Option<u64>,
    resident_kib: [u64; 4],
}

/// What was used between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) seconds: f64,
    /// CPU, µs: orchestrator, agents, bench, broker.
    pub(super) cpu_us: [f64; 4],
    /// CPU of everything else on the machine, in cores.
    pub(super) other_cores: f64,
    pub(super) frames: f64,
    pub(super) frame_bytes: f64,
    pub(super) commits: f64,
    /// The disk's, everybody's; `None` where the kernel does not count them for it.
    pub(super) flushes: Option<f64>,
    /// At the end.
    pub(super) resident_mib: [f64; 4],
}

impl Processes {
    fn all(&self) -> [&[u32]; 4] {
        [&self.orchestrator, &self.agents, &self.bench, &self.broker]
    }

    /// Reads all counters now.
    pub(super) async fn look(&self) -> anyhow::Result<Look> {
        let counters = match &self.metrics {
            Some(address) => counters(address).await?,
            None => [0.0; 3],
        };
        let sum = |read: fn(u32) -> anyhow::Result<u64>| -> anyhow::Result<[u64; 4]> {
            let mut sums = [0; 4];
            for (sum, ids) in sums.iter_mut().zip(self.all()) {
                *sum = ids.iter().map(|id| read(*id)).sum::<anyhow::Result<u64>>()?;
            }
            Ok(sums)
        };
        Ok(Look {
            at: Instant::now(),
            ticks: sum(ticks)?,
            machine: machine_ticks()?,
            counters,
            flushes: flushes(&self.home),
            resident_kib: sum(resident_kib)?,
        })
    }
}

impl Used {
    /// What was used between the looks.
    pub(super) fn between(before: &Look, after: &Look) -> Self {
        let seconds = (after.at - before.at).as_secs_f64();
        let ticks = |now: u64, then: u64| count(now.saturating_sub(then)) * TICK_US;
        let mut used = Self { seconds, ..Self::default() };
        for place in 0..4 {
            used.cpu_us[place] = ticks(after.ticks[place], before.ticks[place]);
            used.resident_mib[place] = count(after.resident_kib[place]) / 1024.0;
        }
        let own: f64 = used.cpu_us.iter().sum();
        let machine = ticks(after.machine, before.machine);
        used.other_cores = ((machine - own) / 1e6 / seconds).max(0.0);
        [used.frames, used.frame_bytes, used.commits] =
            std::array::from_fn(|place| after.counters[place] - before.counters[place]);
        used.flushes = after.flushes.zip(before.flushes).map(|(now, then)| count(now.saturating_sub(then)));
        used
    }
}

/// A count of things in memory as a number to divide.
pub(super) fn count_of(things: usize) -> f64 {
    count(u64::try_from(things).unwrap_or(u64::MAX))
}

/// A count as a number to divide; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "what is counted here stays far below 2^53")]
const fn count(count: u64) -> f64 {
    count as f64
}

/// The time of user and kernel of all threads of a process, those that ended included.
pub(super) fn ticks(id: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{id}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is the program's name in parentheses, and may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let [user, kernel] =
        [11, 12].map(|place| fields.clone().nth(place).and_then(|it| it.parse::<u64>().ok()));
    let (user, kernel) = user.zip(kernel).with_context(|| format!("{path} is not as expected"))?;
    Ok(user + kernel)
}

/// What a process has in memory, KiB.
pub(super) fn resident_kib(id: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{id}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{path} is not as expected"))
}

/// All that every process and the kernel did: user, nice, system, and the two kinds of interrupts.
fn machine_ticks() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let fields: Vec<u64> = text
        .lines()
        .next()
        .map(|line| line.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect())
        .unwrap_or_default();
    Ok([0, 1, 2, 5, 6].iter().filter_map(|place| fields.get(*place)).sum())
}

/// How often the disk under `path` was told to flush.
fn flushes(path: &Path) -> Option<u64> {
    let device = std::fs::metadata(path).ok()?.st_dev();
    let numbers = [rustix::fs::major(device), rustix::fs::minor(device)].map(|number| number.to_string());
    let disks = std::fs::read_to_string("/proc/diskstats").ok()?;
    disks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.starts_with(&[numbers[0].as_str(), numbers[1].as_str()]);
        ours.then(|| fields.get(FLUSHES_FIELD)?.parse().ok()).flatten()
    })
}

/// The orchestrator's counters; what it has not counted yet is 0.
async fn counters(address: &str) -> anyhow::Result<[f64; 3]> {
    let mut stream = TcpStream::connect(address).await.context("the orchestrator's metrics")?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut page = String::new();
    stream.take(METRICS_BYTES_MAX).read_to_string(&mut page).await?;
    anyhow::ensure!(page.starts_with("HTTP/1.1 200"), "the orchestrator's metrics can't be read");
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    };
    Ok(COUNTERS.map(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_has_used_memory_and_the_machine_cpu() {
        let processes = Processes { bench: vec![std::process::id()], ..Processes::default() };
        let look = processes.look().await.unwrap();
        assert!(look.resident_kib[2] > 0 && look.machine > 0);
        assert_eq!((look.ticks[0], look.counters), (0, [0.0; 3]));
        let gone = Processes { agents: vec![u32::MAX], ..Processes::default() };
        assert!(gone.look().await.is_err(), "a process that is gone is told");
    }
}
