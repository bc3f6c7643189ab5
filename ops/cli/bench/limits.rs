//! The bounds of a benchmark.

use std::time::Duration;

/// The most simulated hosts.
pub(super) const LINKS_MAX: i64 = 1024;
/// Hosts of one process; each keeps two ledgers open.
pub(super) const HOSTS_OF_ONE_PROCESS: usize = 20;
/// How long a process may take until it says that it is ready.
pub(super) const READY_TIME_MAX: Duration = Duration::from_secs(60);
/// How long sagas in flight may take to end once no more are begun.
pub(super) const DRAIN_TIME_MAX: Duration = Duration::from_secs(60);
/// How long an answer on the channel may take.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Failures after which a row is given up.
pub(super) const ERRORS_MAX: u64 = 100;
/// Sagas in flight while nothing is measured: filling and deleting.
pub(super) const IN_FLIGHT_UNMEASURED: usize = 256;
/// Servers that are made before they are deleted again, while the journal is filled.
pub(super) const FILL_CHUNK: u64 = 2_000;
/// Servers that are made only so that the journal holds commits to measure it with.
pub(super) const SOME: u64 = 64;
/// The most bytes of the metrics' page.
pub(super) const METRICS_BYTES_MAX: u64 = 1024 * 1024;
