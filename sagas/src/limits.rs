//! Every bound of the core in one place; reaching one is an error with a reason, never a truncation.

/// The largest encoded commit, bytes.
pub const COMMIT_BYTES_MAX: usize = 64 * 1024;
/// The most commits in one frame.
pub const FRAME_COMMITS_MAX: usize = 256;
/// The largest encoded frame, bytes (the broker's default message limit is 1 MiB).
pub const FRAME_BYTES_MAX: usize = 512 * 1024;
/// The most events of one commit.
pub const COMMIT_EVENTS_MAX: usize = 512;

/// The longest name of a resource, bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 255;
/// The longest reason, message or other free text, bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 1024;
/// The most tags or metadata entries of one resource.
pub const TAGS_MAX: usize = 64;
/// The longest public key, bytes.
pub const PUBLIC_KEY_BYTES_MAX: usize = 4096;
/// The longest that a guest may be given to power down, milliseconds.
pub const GUEST_GRACE_MS_MAX: u32 = 240_000;
/// Restores that a reboot starts at once on its host; each one that ends starts the next.
pub const RESTORES_AT_ONCE: usize = 8;
/// The longest command line of a guest's kernel, bytes: what x86-64's boot protocol surely takes is 2,047.
pub const CMDLINE_BYTES_MAX: usize = 1024;
/// The most rules of one security group.
pub const SECURITY_RULES_MAX: usize = 100;
/// The most security groups of one port.
pub const PORT_GROUPS_MAX: usize = 8;
/// The most fixed addresses of one port.
pub const PORT_ADDRESSES_MAX: usize = 8;
/// The most ports of one server.
pub const SERVER_PORTS_MAX: usize = 8;
/// The most volumes attached to one server, its root included.
pub const SERVER_VOLUMES_MAX: usize = 16;
/// The most allocation pools of one subnet.
pub const SUBNET_POOLS_MAX: usize = 8;
/// The most name servers of one subnet.
pub const SUBNET_DNS_MAX: usize = 4;
/// The most traits of a host, an image or a flavor.
pub const TRAITS_MAX: usize = 32;
/// The most host hints (same host, different host) of one request.
pub const HINTS_MAX: usize = 16;
/// The most steps of one plan.
pub const PLAN_STEPS_MAX: usize = 48;
/// The most things that one inventory report may name as orphans or losses.
pub const INVENTORY_FINDINGS_MAX: usize = 256;
/// The most vCPUs of a flavor.
pub const FLAVOR_VCPUS_MAX: u32 = 1024;
/// The most memory of a flavor, MiB.
pub const FLAVOR_RAM_MIB_MAX: u64 = 16 * 1024 * 1024;
/// The largest volume, GiB.
pub const VOLUME_GIB_MAX: u64 = 64 * 1024;

/// The most faults that the fold holds, armed ones and those whose lease has ended since the last one was armed.
pub const FAULTS_MAX: usize = 64;
/// The shortest and longest lease of a fault, milliseconds.
pub const FAULT_LEASE_MS: (u64, u64) = (1_000, 3_600_000);
/// The lease of a fault that names none, milliseconds.
pub const FAULT_LEASE_DEFAULT_MS: u64 = 5 * 60 * 1000;
/// The most opportunities or strikes that a fault's rule may count.
pub const FAULT_COUNT_MAX: u64 = 1_000_000_000;
/// The most small changes before a strike between two of them.
pub const FAULT_CHANGES_MAX: u32 = 64;
/// How late a delayed or second reply is, or how long an orchestrator stands still, where the rule does not say,
/// milliseconds.
pub const FAULT_DELAY_DEFAULT_MS: u32 = 1_000;
/// The longest of it, milliseconds.
pub const FAULT_DELAY_MS_MAX: u32 = 600_000;

/// How long the fold remembers a request id, milliseconds of commit time (R1); the default of the cell setting.
pub const REQUEST_MEMORY_MS: u64 = 7 * 24 * 3600 * 1000;
/// How far ahead of the leader's clock a request id may be made, milliseconds (R1).
pub const REQUEST_AHEAD_MS: u64 = 5 * 60 * 1000;
/// How long a released address or MAC rests, milliseconds of commit time: one DHCP lease (L2).
pub const ADDRESS_REST_MS: u64 = 10 * 60 * 1000;
/// The lowest VXLAN network identifier that the cell gives (RFC 7348: 24 bits).
pub const VNI_MIN: u32 = 4096;
/// The highest VXLAN network identifier.
pub const VNI_MAX: u32 = 0x00ff_ffff;

/// Facts that may wait for a decision, or commits for a frame, before the leader answers Overloaded.
pub const LEADER_QUEUE_MAX: usize = 4096;
/// The most that is kept of what a panicking decision said, characters.
pub const POISON_CHARS_MAX: usize = 500;
/// How far a clock may be off the last commit's time plus its own waiting before its owner does not campaign, milliseconds.
pub const CLOCK_SKEW_MS_MAX: u64 = 5_000;
/// How long an append may stay unanswered before the same bytes are sent again, milliseconds.
pub const APPEND_RESEND_MS: u64 = 500;
/// How long a follower that hears nothing new goes on before it looks whether its fold still is the journal's, milliseconds.
pub const FOLLOWER_PROOF_MS: u64 = 5_000;
/// Calls that may be out to one ledger at a time; more wait at the dispatcher.
pub const LEDGER_CALLS_MAX: usize = 256;
/// The shortest and longest pause between two look-ups of a call whose outcome is unknown, milliseconds.
pub const LOOKUP_PAUSE_MS: (u64, u64) = (50, 5_000);
/// How long a host may be silent before it is called down, milliseconds.
pub const HOST_GRACE_MS: u64 = 30_000;
/// How long one frame may stay unsettled before those who wait for it, and new facts, are answered that the journal is
/// unavailable, milliseconds; the frame itself is sent on until it is settled.
pub const APPEND_PATIENCE_MS: u64 = 5_000;
/// How long a candidate waits after somebody else's `LeaderElected`, milliseconds, so that two who both believe to hold
/// the lease do not fight.
pub const CAMPAIGN_PAUSE_MS: u64 = 500;
/// How long a clock that jumped must have been steady before its owner campaigns again, milliseconds.
pub const CLOCK_SETTLE_MS: u64 = 60_000;
/// Tails seen by others that a node keeps until its own fold has reached them.
pub const WITNESSES_MAX: usize = 64;
/// Hashes of the last commits that a node keeps to compare with what others have seen.
pub const HASHES_REMEMBERED: usize = 4_096;
/// The pause between two low waters, milliseconds.
pub const LOW_WATER_PAUSE_MS: u64 = 5_000;
/// The pause between two words to agents of the last durable commit, milliseconds.
pub const SEEN_PAUSE_MS: u64 = 5_000;
/// The shortest and longest pause before a report that brought no change is said again, milliseconds.
pub const REPORT_AGAIN_MS: (u64, u64) = (1_000, 60_000);
/// The pause before an inventory that did not arrive, or admitted nothing, is asked for again, milliseconds.
pub const INVENTORY_AGAIN_MS: u64 = 30_000;
/// The pause before a host's view that is not in force is sent again, milliseconds.
pub const VIEW_AGAIN_MS: u64 = 10_000;
/// The pause between two views of one host without ports, milliseconds: what changes in it leaves as one.
pub const VIEW_PAUSE_MS: u64 = 100;
/// How much longer it is for each port of the view, milliseconds.
pub const VIEW_PAUSE_PORT_MS: u64 = 4;
/// The largest view of one host, bytes as it is stored.
pub const VIEW_BYTES_MAX: usize = 1024 * 1024;
/// What a deadline that ran out without a leader gets anew, milliseconds; as much again is spread by jitter.
pub const DEADLINE_RESTART_MS: u64 = 30_000;
