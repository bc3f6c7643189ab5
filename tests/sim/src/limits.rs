//! Every bound and every usual duration of the simulation in one place.

/// When the simulated wall clocks begin, microseconds since 1970: a fixed date, so that ids of requests are valid ones.
pub const EPOCH_US: i64 = 1_790_000_000_000_000;
/// The most orchestrators of a world.
pub const ORCHESTRATORS_MAX: usize = 3;
/// The most hosts of a world.
pub const HOSTS_MAX: usize = 4;

/// How long a message takes, microseconds, least and most.
pub const LATENCY_US: (u64, u64) = (200, 2_500);
/// How long one sub-change of a driver takes, microseconds, least and most.
pub const CHANGE_US: (u64, u64) = (2_000, 60_000);
/// How long a sync of a ledger takes, microseconds, least and most.
pub const SYNC_US: (u64, u64) = (500, 4_000);
/// How late a delayed message comes, milliseconds, least and most.
pub const DELAY_MS: (u64, u64) = (20, 12_000);
/// How long a partition holds, milliseconds, least and most.
pub const PARTITION_MS: (u64, u64) = (100, 8_000);
/// How long an orchestrator stands still, milliseconds, least and most.
pub const PAUSE_MS: (u64, u64) = (300, 9_000);
/// How long a process takes to start, milliseconds, least and most.
pub const RESTART_MS: (u64, u64) = (50, 3_000);
/// How long a host takes to start, milliseconds, least and most.
pub const BOOT_MS: (u64, u64) = (2_000, 15_000);
/// How long the journal has no quorum, milliseconds, least and most.
pub const OUTAGE_MS: (u64, u64) = (100, 6_000);
/// How long a disk stays full, milliseconds, least and most.
pub const DISK_FULL_MS: (u64, u64) = (200, 8_000);

/// How long a lease holds without a renewal, milliseconds.
pub const LEASE_MS: u64 = 1_500;
/// How often a lease is renewed, or asked for, milliseconds.
pub const LEASE_PAUSE_MS: u64 = 400;
/// How long an append is waited for before its sender is told that nobody answers, milliseconds.
pub const APPEND_ANSWER_MS: u64 = 1_000;
/// The pause before the journal is asked again by a reader, milliseconds.
pub const READ_PAUSE_MS: u64 = 200;
/// How soon an agent sees that a guest has ended, milliseconds, least and most.
pub const ENDED_SEEN_MS: (u64, u64) = (50, 2_000);
/// How often an agent tells again of guests that have ended, milliseconds.
pub const ENDED_AGAIN_MS: u64 = 60_000;
/// How often a heartbeat is sent, milliseconds.
pub const HEARTBEAT_MS: u64 = 10_000;
/// How long an agent waits before it dials again, milliseconds.
pub const DIAL_MS: u64 = 250;
/// How long a client waits for an answer before it asks elsewhere, milliseconds.
pub const CLIENT_PATIENCE_MS: u64 = 2_500;
/// How often an operator looks after stuck sagas once the faults have stopped, milliseconds.
pub const OPERATOR_PAUSE_MS: u64 = 5_000;

/// How long what stands in quarantine is left alone, milliseconds: longer than any call of its saga may be under way.
pub const QUARANTINE_MS: u64 = 45_000;
/// At which of his visits an operator who skips a stuck undo does so: later than any call of its saga may be under way.
pub const SKIP_VISITS: u32 = 10;
/// How often an operator tries to clear one thing from quarantine.
pub const QUARANTINE_VISITS_MAX: u32 = 6;

/// When no new fault fires any more, milliseconds, least and most.
pub const FAULTS_MS: (u64, u64) = (8_000, 40_000);
/// How long after the faults have stopped everything must have ended, in multiples of a saga's own deadline.
pub const SETTLE_DEADLINES: u64 = 3;
/// How long a saga may take before it is late, milliseconds, as the plans say.
pub const SAGA_DEADLINE_MS: u64 = 20 * 60 * 1000;
/// How long a world stays quiet before it counts as settled, milliseconds.
pub const QUIET_MS: u64 = 30_000;
/// The most events of one world; more are a violation of liveness.
pub const EVENTS_MAX: u64 = 400_000;

/// How many worlds a thread runs before outcomes are put in order and counted.
pub const ROUND_WORLDS: u64 = 64;
/// The most runs that shrinking one failure takes.
pub const SHRINK_RUNS_MAX: usize = 400;

/// How long a follower may need beyond its pause to see that its fold is no longer the journal's, milliseconds: a short
/// end is asked about again, and the journal read anew.
pub(crate) const NOTICED_MS: u64 = 3_000;
