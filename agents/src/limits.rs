//! Every bound of the agents in one place; reaching one is an error, a pause or a cut stream, never a lost record.

use std::time::Duration;

/// The pause between two heartbeats on a stream; orchestrators expect one at least every 5 s.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
/// How long dialling one orchestrator may take, TLS included.
pub const DIAL_TIME_MAX: Duration = Duration::from_secs(5);
/// The first and longest pause before an orchestrator is dialled again; as much again is spread by jitter.
pub const REDIAL_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(3));
/// A stream that stood so long counts as good: the next pause is the first one again.
pub const GOOD_STREAM: Duration = Duration::from_secs(5);
/// The pause between two keep-alive pings on a connection.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// How long a ping may stay unanswered before the connection counts as broken.
pub const KEEP_ALIVE_TIME_MAX: Duration = Duration::from_secs(10);
/// Messages that may wait for one orchestrator that does not read; beyond it the stream is cut.
pub const OUT_QUEUE: usize = 4096;
/// Messages from all streams that may wait for the agent's task; then the streams wait.
pub const EVENTS_QUEUE: usize = 1024;
/// The most orchestrators of a cell.
pub const ORCHESTRATORS_MAX: usize = 16;

/// The longest that one piece of driver work may take, whatever its caller would wait.
pub const WORK_TIME_MAX: Duration = Duration::from_secs(600);
/// The longest that a driver may take to list what it holds.
pub const INVENTORY_TIME_MAX: Duration = Duration::from_secs(60);
/// The longest that a driver may take to put a view in force.
pub const VIEW_TIME_MAX: Duration = Duration::from_secs(60);
/// The longest that a driver may take to read a console; who asked waits 5 s.
pub const CONSOLE_TIME_MAX: Duration = Duration::from_secs(4);
/// Consoles that are read at a time; who asks for more is refused.
pub const CONSOLES_MAX: usize = 16;
/// How long an agent that is told to stop waits for work that runs.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(20);
/// How long an agent that stops waits for its last messages to leave, and for each of its threads to end.
pub const FLUSH_TIME_MAX: Duration = Duration::from_secs(2);

/// Batches of rows that one sync of a ledger may cover.
pub const GROUP_BATCHES_MAX: usize = 256;
/// The pause before a ledger that could not be written is opened and written again.
pub const STORE_AGAIN: Duration = Duration::from_millis(500);
/// A ledger's memtable, bytes.
pub const MEMTABLE_BYTES: u64 = 4 * 1024 * 1024;
/// A ledger's block cache, bytes: it is read once, at start.
pub const CACHE_BYTES: u64 = 1024 * 1024;
/// A ledger's write-ahead logs on disk, bytes; the storage library takes no less.
pub const LOGS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// File descriptors that one ledger may keep open for its tables.
pub const OPEN_FILES_MAX: usize = 32;
/// Free space below which a ledger is not written, bytes: room for the storage library to finish its own work.
pub const DISK_RESERVE_BYTES: u64 = 16 * 1024 * 1024;

/// Small steps of driver work that one write of a simulated world may cover.
pub const WORLD_GROUP_MAX: usize = 256;
/// The longest pause that a simulated step may be given, milliseconds.
pub const LATENCY_MS_MAX: u64 = 600_000;

/// The largest configuration file, plan of faults or identity file, bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most faults of one plan.
pub const FAULTS_MAX: usize = 256;
/// Calls whose step is remembered while faults of replies are planned.
pub const FAULT_CALLS_MAX: usize = 4096;

/// How long an attempt to join, or to renew a certificate, may take.
pub const JOIN_TIME_MAX: Duration = Duration::from_secs(30);
/// The longest join token, bytes.
pub const TOKEN_BYTES_MAX: usize = 128;
/// The first and longest pause between two attempts to renew a certificate.
pub const RENEW_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The longest that the task that renews sleeps: a machine's clock may jump.
pub const RENEW_CHECK_EVERY: Duration = Duration::from_secs(600);
