//! Named worlds: each trace that exhaustive search found against an earlier wording of the protocol (V1 to V9) and each
//! unsafe neighbour of the low water that can be scripted, as crash points and late messages on the real machines.
//!
//! Invariant: a named world passes on the machines as they are, and its script fires wholly; where a planted bug opens
//! its trace again, it fails with that bug.

use windlass_sagas::fault::FaultKind as Kind;
use windlass_sagas::planted::Bug;
use windlass_sagas::record::Direction::{Forward, Undo};
use windlass_sagas::record::{AffirmHostOff, DeclareHostGone, DeleteServer, DeleteVolume};

use crate::fault::{Lane, Plan, Rule};
use crate::lab::Outcome;
use crate::scenario::Scenario;
use crate::workload::{Want, Wish, create_server, create_volume};

/// A named world.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub about: &'static str,
    /// The world.
    pub scenario: Scenario,
    /// Its script.
    pub script: Vec<Rule>,
    /// How the sagas must end: completed, rolled back, abandoned.
    pub ends: [u64; 3],
    /// Calls that must have been sent away by a low water, at least.
    pub below_low_water: u64,
    /// Planted together, these bugs make it fail.
    pub bugs: &'static [Bug],
}

/// The seed that named worlds run with.
pub const SEED: u64 = 1;

const RESERVE: &str = "reserve_volume";
/// The orchestrator that leads first in a world of two with this seed.
const FIRST_LEADER: Lane = Lane::Journal(0);
/// The storage host of a scripted world.
const STORAGE: Lane = Lane::Host(1);
const CALL: &str = "a call";
const LOOK: &str = "a look-up";
const BEFORE: &str = "before the change";
const BETWEEN: &str = "between two sub-changes";
const AFTER: &str = "after the change";
const UNSYNCED: &str = "before a sync of the ledger";
const SYNCED: &str = "after a sync of the ledger";

impl Named {
    fn new(name: &'static str, about: &'static str, wishes: Vec<Wish>, script: Vec<Rule>) -> Self {
        let scenario = Scenario::scripted(name, wishes);
        Self { name, about, scenario, script, ends: [1, 0, 0], below_low_water: 0, bugs: &[] }
    }

    const fn ends(mut self, completed: u64, rolled_back: u64, abandoned: u64) -> Self {
        self.ends = [completed, rolled_back, abandoned];
        self
    }

    const fn fails_with(mut self, bugs: &'static [Bug]) -> Self {
        self.bugs = bugs;
        self
    }

    const fn orchestrators(mut self, count: usize) -> Self {
        self.scenario.topology.orchestrators = count;
        self
    }

    const fn sends_away(mut self, calls: u64) -> Self {
        self.below_low_water = calls;
        self
    }

    const fn gives_up(mut self) -> Self {
        self.scenario.gives_up = true;
        self
    }

    /// Its faults.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan::Script(self.script.clone())
    }

    /// What is wrong with a run of it, beside a violation.
    #[must_use]
    pub fn differs(&self, outcome: &Outcome) -> Option<String> {
        if outcome.fired.len() != self.script.len() {
            let fired: Vec<String> =
                outcome.fired.iter().map(|it| format!("{} {}", it.kind, it.place)).collect();
            return Some(format!("of {} rules fired only: {}", self.script.len(), fired.join(", ")));
        }
        if outcome.ended != self.ends {
            return Some(format!("sagas ended {:?}, not {:?}", outcome.ended, self.ends));
        }
        let away = outcome.seen.below_low_water;
        (away < self.below_low_water).then(|| format!("{away} calls were sent away by a low water"))
    }
}

/// All of them, in the order of the model.
#[must_use]
pub fn all() -> Vec<Named> {
    let mut all = journal();
    all.extend(executes());
    all.extend(refusals());
    all.extend(ledgers());
    all.extend(durability());
    all.extend(low_waters());
    all
}

fn red(at_ms: u64) -> Wish {
    Wish::ask(at_ms, create_volume("red"))
}

fn cancel(at_ms: u64, of: usize) -> Wish {
    Wish { at_ms, want: Want::Cancel(of), insist: 0, again: false }
}

const fn reserve(what: &'static str, kind: Kind) -> Rule {
    Rule::at(what, kind).of(RESERVE, Forward)
}

fn journal() -> Vec<Named> {
    vec![
        Named::new(
            "v1 two candidates for one term",
            "The first candidate stands still before its campaign is sent; the other one is elected at the same \
             position, so with the same term; then the first one's append arrives.",
            vec![red(5_000)],
            vec![Rule::at("before an append is sent", Kind::OrchestratorPause).lasting_ms(3_000)],
        )
        .orchestrators(2)
        .fails_with(&[Bug::LandedByTermAndPosition]),
        Named::new(
            "p5 a second frame lands behind another leader",
            "A frame is late, the lease is lost, another leader is elected and takes the frame's place, and the deposed one \
             hears late of that. Were a second frame in flight, it would land and be acknowledged behind the other leader.",
            vec![
                Wish::ask(2_000, create_volume("grey")).insisting(9),
                Wish::ask(2_010, create_volume("red")).insisting(9),
            ],
            vec![
                Rule::at("an append", Kind::Delay).after(1).lasting_ms(9_000),
                Rule::at("an append", Kind::Delay).after(2).lasting_ms(5_000),
                Rule::at("an append", Kind::Partition).after(3).lasting_ms(9_000).way(0),
                Rule::at("a delivery of the journal", Kind::Delay).on(FIRST_LEADER).after(2).lasting_ms(9_000),
            ],
        )
        .orchestrators(2)
        .ends(2, 0, 0)
        .fails_with(&[Bug::TwoFramesInFlight]),
    ]
}

fn executes() -> Vec<Named> {
    vec![
        Named::new(
            "v2 a late copy after a power cut took the record",
            "The change is there, the power cut takes its record, the look-up is lost, and a second copy of the Execute \
             comes: it must look before it begins.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(9_000),
                Rule::at(UNSYNCED, Kind::PowerCut).on(STORAGE).after(1).lasting_ms(3_000).way(0),
                reserve(LOOK, Kind::Drop),
            ],
        )
        .fails_with(&[Bug::ExecuteTrustsLedger]),
        Named::new(
            "v3 a look-up that answers Done, then a delete, then a late copy",
            "The agent dies between change and record; the look-up finds the change; the volume is deleted; the late copy \
             of the first Execute must find a record or a tombstone. Another volume's slow step holds the low water.",
            vec![
                Wish::ask(100, create_volume("grey")),
                red(300),
                Wish::ask(2_500, DeleteVolume { volume: "red".into() }).insisting(3),
            ],
            vec![
                reserve(BEFORE, Kind::Hang),
                reserve(CALL, Kind::Duplicate).after(1).lasting_ms(9_000),
                reserve(AFTER, Kind::CrashAfter).lasting_ms(300),
                reserve(BEFORE, Kind::Hang).after(2),
            ],
        )
        .ends(3, 0, 0)
        .fails_with(&[Bug::LookupDoneUnrecorded, Bug::DeleteClosesNoKey]),
        Named::new(
            "p2 an undo overtakes its execute",
            "The Execute is late, the saga is cancelled, the undo finds nothing and leaves a tombstone; then the Execute \
             comes.",
            vec![red(200), cancel(1_000, 0)],
            vec![reserve(CALL, Kind::Delay).lasting_ms(4_000)],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::NoTombstone]),
        Named::new(
            "v5 driver work dies with its agent",
            "The agent dies in the middle of a guest's boot and the saga is cancelled: the undo finds what is half made.",
            vec![Wish::ask(200, create_server("web", &[])), cancel(700, 0)],
            vec![Rule::at(BETWEEN, Kind::CrashBetween).of("boot_vm", Forward).lasting_ms(2_000)],
        )
        .ends(1, 1, 0),
        Named::new(
            "v5 an undo waits for the work that runs",
            "The driver hangs in the middle of its change and the saga is cancelled: the undo waits until the work is killed.",
            vec![Wish::ask(200, create_server("web", &[])), cancel(2_000, 0)],
            vec![Rule::at(BETWEEN, Kind::Hang).of("prepare_port", Forward)],
        )
        .ends(1, 1, 0),
    ]
}

fn refusals() -> Vec<Named> {
    vec![
        Named::new(
            "v4a a refused step, and a late copy of its execute",
            "The only attempt is refused for good, the saga rolls back, and the other copy of the Execute comes.",
            vec![red(200)],
            vec![reserve(CALL, Kind::Duplicate).lasting_ms(6_000), reserve(BEFORE, Kind::ErrorBefore).way(1)],
        )
        .ends(0, 1, 0)
        .fails_with(&[Bug::RefusedNotUndone]),
        Named::new(
            "v4b an old refusal while a later attempt is out",
            "The first attempt's refusal is delivered again while the second attempt is on its way.",
            vec![red(200)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                Rule::at("an answer", Kind::Duplicate).lasting_ms(2_000),
                reserve(CALL, Kind::Delay).after(1).lasting_ms(5_000),
            ],
        ),
        Named::new(
            "v4c an old attempt joins a later one",
            "The first attempt's other copy comes while the second attempt runs and hangs: what is refused then is the \
             second attempt.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(4_000),
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                reserve(BEFORE, Kind::Hang).after(1),
            ],
        ),
        Named::new(
            "v4d the ledger is lost with a refusal",
            "The refusal is recorded, the ledger is lost before the answer leaves, and a copy of the call is late: it names \
             another incarnation.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(9_000),
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(SYNCED, Kind::LedgerLost).on(STORAGE).after(1).lasting_ms(500),
            ],
        ),
        Named::new(
            "v9 an attempt that is lost with its leader",
            "The second attempt is committed and late; its leader dies; the successor's look-up finds a refusal of the \
             first attempt, which is no answer.",
            vec![red(200), Wish::ask(1_500, create_volume("grey")).insisting(9)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                reserve(CALL, Kind::Delay).after(1).lasting_ms(20_000),
                Rule::at("before an append is sent", Kind::OrchestratorCrash).after(3).lasting_ms(1_000),
            ],
        )
        .orchestrators(2)
        .ends(2, 0, 0),
        Named::new(
            "l1 a saga is given up",
            "Forward and undo are refused for good, the saga is stuck, an operator gives it up: what it held stays in \
             quarantine and nobody gets it.",
            vec![
                red(200),
                Wish::ask(9_000, DeleteVolume { volume: "red".into() }).insisting(2),
                Wish::ask(9_000, create_server("web", &["red"])).insisting(2),
            ],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(BEFORE, Kind::ErrorBefore).of(RESERVE, Undo).way(1),
            ],
        )
        .gives_up()
        .ends(1, 0, 1)
        .fails_with(&[Bug::LockFreedAtAbandoned]),
    ]
}

fn ledgers() -> Vec<Named> {
    vec![
        Named::new(
            "v6 a lost ledger, its tombstone with it",
            "The step is refused, its undo is recorded and then lost with the whole ledger; a late copy of the Execute \
             comes to the new ledger.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(9_000),
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(SYNCED, Kind::LedgerLost).on(STORAGE).after(2).lasting_ms(500),
            ],
        )
        .ends(0, 1, 0),
        Named::new(
            "v6 a host that is declared gone while it is only slow",
            "The driver hangs, the host is declared gone, its undo is resolved without it; what the host still does \
             concerns nobody.",
            vec![
                Wish::ask(200, create_server("web", &[])),
                Wish::ask(2_000, DeclareHostGone { host: "h0".into(), reason: "it burns".into() }),
                Wish::ask(4_000, AffirmHostOff { host: "h0".into() }),
            ],
            vec![
                Rule::at(CALL, Kind::Duplicate).of("prepare_port", Forward).lasting_ms(8_000),
                Rule::at(BETWEEN, Kind::Hang).of("prepare_port", Forward),
            ],
        )
        .ends(2, 1, 0),
    ]
}

fn durability() -> Vec<Named> {
    vec![
        Named::new(
            "v7a a power cut right after the record of a change",
            "What the record says is there must be there.",
            vec![red(200)],
            vec![Rule::at(SYNCED, Kind::PowerCut).on(STORAGE).after(1).lasting_ms(3_000).way(0)],
        )
        .fails_with(&[Bug::OutcomeBeforeDurable]),
        Named::new(
            "v7b a power cut right after the record of a removal",
            "What the record says is gone must not come back.",
            vec![red(200), Wish::ask(2_000, DeleteVolume { volume: "red".into() })],
            vec![Rule::at(SYNCED, Kind::PowerCut).on(STORAGE).after(2).lasting_ms(3_000).way(0)],
        )
        .ends(2, 0, 0),
        Named::new(
            "v7c a reboot takes a guest that is being deleted",
            "What is volatile is made again from the leader's fold alone: never what was deleted.",
            vec![
                Wish::ask(200, create_server("web", &[])),
                Wish::ask(3_000, DeleteServer { server: "web".into() }).insisting(3),
            ],
            vec![Rule::at(BETWEEN, Kind::HostReboot).of("destroy_vm", Forward).lasting_ms(4_000)],
        )
        .ends(2, 0, 0),
    ]
}

fn low_waters() -> Vec<Named> {
    let refused_late = || {
        vec![
            reserve(BEFORE, Kind::ErrorBefore).way(0),
            reserve(CALL, Kind::Delay).after(1).lasting_ms(12_000),
        ]
    };
    let with = |rule: Rule| refused_late().into_iter().chain([rule]).collect();
    let cancelled = || vec![red(200), cancel(2_000, 0)];
    vec![
        Named::new(
            "lw a late attempt below the low water",
            "The second attempt is late; the saga is cancelled and rolled back; the low water lets its tombstone go; then \
             the attempt comes, with the step's first position.",
            cancelled(),
            refused_late(),
        )
        .ends(1, 1, 0)
        .sends_away(1),
        Named::new(
            "lw a power cut after the drop",
            "The same, with a power cut once the low water is written: it must not be forgotten.",
            cancelled(),
            with(Rule::at(SYNCED, Kind::PowerCut).on(STORAGE).after(4).lasting_ms(2_000).way(0)),
        )
        .ends(1, 1, 0)
        .sends_away(1),
        Named::new(
            "lw an old value comes late",
            "The same, with a copy of an older low water behind the newer one: the highest counts.",
            cancelled(),
            with(Rule::at("a low water", Kind::Duplicate).on(Lane::Stream(0, 1)).lasting_ms(6_500)),
        )
        .ends(1, 1, 0)
        .sends_away(1),
        Named::new(
            "p10 an undo that hangs keeps the low water down",
            "A step is cancelled and its undo hangs over several low waters: it is never sent away as settled.",
            vec![red(200), Wish::ask(400, create_volume("grey"))],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(BEFORE, Kind::Hang).of(RESERVE, Undo),
            ],
        )
        .ends(1, 1, 0),
        Named::new(
            "p10 a low water of what is not durable",
            "The commit that ends the saga gets no answer for many seconds: until it is durable, the low water stays.",
            vec![red(200), Wish::ask(400, create_volume("grey"))],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at("an append", Kind::JournalUnknown).after(4).way(0),
                Rule::at("an append", Kind::JournalUnknown).after(5).way(1),
            ],
        )
        .ends(1, 1, 0),
    ]
}
