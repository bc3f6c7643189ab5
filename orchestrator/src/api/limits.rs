//! Every bound of the public API in one place; reaching one is an error with a reason, never a truncation in silence.

use std::time::Duration;

/// The largest request message, bytes.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// The longest resource name in a request, bytes.
pub const RESOURCE_NAME_BYTES_MAX: usize = 1024;
/// Elements of a list whose request asks for 0.
pub const PAGE_DEFAULT: usize = 100;
/// The most elements of one page.
pub const PAGE_MAX: usize = 1_000;
/// The most bytes of one page, so that every client takes it (gRPC's default bound is 4 MiB); the last element may pass
/// it, and a page may hold fewer elements than asked for.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The longest page token, bytes.
pub const PAGE_TOKEN_BYTES_MAX: usize = 1024;
/// The longest filter or order, bytes.
pub const FILTER_BYTES_MAX: usize = 2048;
/// The most comparisons of one filter.
pub const FILTER_TERMS_MAX: usize = 16;
/// The longest user data of a server, bytes.
pub const USER_DATA_BYTES_MAX: usize = 65_535;
/// The longest key or value of a server's metadata, bytes.
pub const METADATA_BYTES_MAX: usize = 255;
/// How long a guest may take to power down where a request does not say, seconds.
pub const GUEST_GRACE_S: u32 = 60;
/// The longest name of a host, bytes (a label of the DNS).
pub const HOST_NAME_BYTES_MAX: usize = 63;
/// How far ahead a join token may end, microseconds.
pub const JOIN_TOKEN_AHEAD_US_MAX: i64 = 7 * 24 * 3600 * 1_000_000;
/// The longest token in `authorization`, bytes.
pub const TOKEN_BYTES_MAX: usize = 512;

/// Bytes of a console whose request asks for 0, and the most of one answer.
pub const CONSOLE_BYTES: u32 = 64 * 1024;
pub const CONSOLE_BYTES_MAX: u32 = windlass_agent_wire::limits::CONSOLE_BYTES_MAX;
/// How long a host may take to answer for a console.
pub const CONSOLE_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a read waits for its `min_position`.
pub const POSITION_WAIT_MAX: Duration = Duration::from_secs(5);
/// Reads that may wait for their `min_position` at a time.
pub const POSITION_WAITS_MAX: usize = 4096;
/// Watches that may be open at a time.
pub const WATCHES_MAX: usize = 4096;
/// `Doctor` requests that may be served at a time: each copies the fold twice.
pub const DOCTORS_MAX: usize = 2;
/// How long an answer waits for the history to show what is durable already.
pub const HISTORY_WAIT_MAX: Duration = Duration::from_secs(5);
/// The most commits of one operation that are read for one answer.
pub const OPERATION_COMMITS_MAX: usize = 20_000;
/// The most operations that one page of a filtered list looks at; a page may then hold fewer than asked for.
pub const OPERATIONS_SCANNED_MAX: usize = 1_000;
/// The longest silence of a watch.
pub const BOOKMARK_PAUSE: Duration = Duration::from_secs(10);
/// Commits that a watch reads from the history at a time.
pub const WATCH_BATCH_COMMITS: usize = 256;
/// Changes at which an answer of a watch is full: commits that come close together share one.
pub const WATCH_CHANGES_OF_ONE_ANSWER: usize = 64;
/// The same, of events.
pub const WATCH_EVENTS_OF_ONE_ANSWER: usize = 256;
/// Commits that one page of a host's events looks at; it may then hold fewer events than asked for.
pub const EVENTS_SCANNED_MAX: usize = 20_000;
/// The most commits that are read for one page of a resource's events.
pub const RESOURCE_COMMITS_MAX: usize = 50_000;
/// Operations that one watch remembers; with more it forgets all and reads them again when they change.
pub const WATCH_OPERATIONS_MAX: usize = 10_000;

/// Commits that may lie between the two moments of one `Diff`.
pub const DIFF_COMMITS_MAX: u64 = 100_000;
/// Resources that one `Diff` tells.
pub const DIFF_RESOURCES_MAX: usize = 1_000;
/// Commits that a `Diff` reads from the history at a time.
pub const DIFF_BATCH_COMMITS: usize = 1_024;

/// How long `Doctor` waits for inventories when its request says 0.
pub const DOCTOR_WAIT_DEFAULT: Duration = Duration::from_secs(10);
/// The longest that it waits, milliseconds.
pub const DOCTOR_WAIT_MS_MAX: u32 = 60_000;
/// Hosts that one `Doctor` request may name.
pub const DOCTOR_HOSTS_MAX: usize = 10_000;
/// Findings that one check lists.
pub const FINDINGS_MAX: usize = 256;
/// Witnesses of a lost tail that one answer lists.
pub const WITNESSES_MAX: usize = 256;
/// Operations with lost commits that one answer lists.
pub const LOST_OPERATIONS_MAX: usize = 256;
/// What keeps a drain from being quiet: so many are listed.
pub const BLOCKERS_MAX: usize = 256;
/// Hosts that a preview lists as candidates of one placement.
pub const CANDIDATES_MAX: usize = 16;

/// The longest message of an error, bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// The longest value of an error's metadata, bytes.
pub const METADATUM_BYTES_MAX: usize = 512;
/// When to try again where an orchestrator takes over or does not lead.
pub const RETRY_LEADER: Duration = Duration::from_millis(500);
/// When to try again where too much waits.
pub const RETRY_OVERLOADED: Duration = Duration::from_millis(200);
/// When to try again where the journal or a position is waited for.
pub const RETRY_JOURNAL: Duration = Duration::from_secs(1);
