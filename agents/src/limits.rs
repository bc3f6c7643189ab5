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
/// What an orchestrator may send ahead on one stream, bytes: enough for a blob at the speed of a fast network.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Messages that may wait for one orchestrator that does not read; beyond it the stream is cut.
pub const OUT_QUEUE: usize = 4096;
/// Messages from all streams that may wait for the agent's task; then the streams wait.
pub const EVENTS_QUEUE: usize = 1024;
/// The most orchestrators of a cell.
pub const ORCHESTRATORS_MAX: usize = 16;

/// The longest that one piece of driver work may take, whatever its caller would wait.
pub const WORK_TIME_MAX: Duration = Duration::from_secs(3600);
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

/// The most bytes of a blob that one message carries; orchestrators send no more.
pub const BLOB_CHUNK_BYTES_MAX: usize = 256 * 1024;
/// How long an orchestrator that sends a blob may be silent.
pub const BLOB_SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long one blob may take in all.
pub const BLOB_TIME_MAX: Duration = Duration::from_secs(3600);
/// How long a blob stays at least after it was handed out.
pub const BLOB_KEPT_FOR: Duration = Duration::from_secs(3600);
/// The bytes of blobs that are kept where nobody says otherwise.
pub const BLOB_CACHE_BYTES: u64 = 20 * 1024 * 1024 * 1024;

/// How long an attempt to join, or to renew a certificate, may take.
pub const JOIN_TIME_MAX: Duration = Duration::from_secs(30);
/// The longest join token, bytes.
pub const TOKEN_BYTES_MAX: usize = 128;
/// The first and longest pause between two attempts to renew a certificate.
pub const RENEW_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The longest that the task that renews sleeps: a machine's clock may jump.
pub const RENEW_CHECK_EVERY: Duration = Duration::from_secs(600);

/// The most sub-changes of one piece of driver work on a real host: beyond it the host does not come to rest.
pub const SUB_CHANGES_MAX: u64 = 64;
/// How long a tool of the system may take where nothing else is said.
pub const TOOL_TIME_MAX: Duration = Duration::from_secs(20);
/// What is read of a tool's output, bytes.
pub const TOOL_OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The pause between two looks at whether a process is gone.
pub const PROCESS_POLL: Duration = Duration::from_millis(5);
/// How long a killed process may take to go: QEMU frees its memory first.
pub const PROCESS_END_MAX: Duration = Duration::from_secs(15);
/// How long copying an image into a volume may take.
pub const COPY_TIME_MAX: Duration = Duration::from_secs(3600);
/// What looking at an image's header may take of memory, bytes, and of a processor, seconds: the image is a client's.
pub const IMAGE_LOOK_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// See `IMAGE_LOOK_BYTES_MAX`.
pub const IMAGE_LOOK_SECONDS_MAX: u64 = 20;
/// The pause between two rounds of a driver that looks after what must stand (volumes served, guests running on).
pub const SUPERVISE_EVERY: Duration = Duration::from_secs(2);
/// How long after it was told that a guest has ended it is told again, while it is left there.
pub const ENDED_AGAIN: Duration = Duration::from_secs(60);
/// How long QEMU's monitor may take to answer one question.
pub const QMP_TIME_MAX: Duration = Duration::from_secs(3);
/// How long a kernel may take to show that KVM works.
pub const PROBE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a guest's process may take until its monitor answers.
pub const LAUNCH_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a volume's host may take to say the first word when it is dialled.
pub const VOLUME_DIAL_MAX: Duration = Duration::from_secs(2);
/// How long QEMU may stand still while it opens a volume, seconds.
pub const DIAL_OPEN_SECONDS: u32 = 2;
/// How long a guest waits for a volume whose host is away before its requests fail and it is paused, seconds.
pub const RECONNECT_SECONDS: u32 = 60;
/// The pause between two requests to a guest to let a device go.
pub const RELEASE_EVERY: Duration = Duration::from_millis(2_500);
/// How long a guest is asked to let a device go before the step is refused.
pub const RELEASE_TIME_MAX: Duration = Duration::from_secs(20);
/// The pause between two looks for evidence that a guest runs, and between two at a device that is to go.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A guest's console is cut to its newest quarter beyond this, bytes.
pub const CONSOLE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long a guest's agent may take to say a line.
pub const AGENT_ANSWER_MAX: Duration = Duration::from_millis(500);
/// How long one connection waits for a guest's hello.
pub const AGENT_HELLO_MAX: Duration = Duration::from_secs(10);
/// What is read of a guest's agent in one connection, bytes: it may be hostile.
pub const AGENT_BYTES_MAX: u64 = 4096;
/// The largest image, bytes.
pub const IMAGE_BYTES_MAX: u64 = 1 << 40;
/// The largest kernel or initial file system of a guest, bytes.
pub const KERNEL_BYTES_MAX: u64 = 1 << 30;
/// The largest user data of a guest, bytes; what the API takes is less.
pub const USER_DATA_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The pause between two looks at a real host's network: its rules, settings and servers.
pub const NETWORK_LOOK_EVERY: Duration = Duration::from_secs(3);
/// More tracked connections of a port than this that no rule allows any more are cut with all others of the port.
pub const FLOWS_CUT_SINGLY_MAX: usize = 64;
/// How long a DHCP server that is asked to end may take before it is killed.
pub const SERVER_END_MAX: Duration = Duration::from_secs(2);
