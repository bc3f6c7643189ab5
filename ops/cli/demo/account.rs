//! What the demonstration comes to: counted at the worlds, outside the ledgers, and by deciding everything again.

use windlass_agents::sim::read_world;
use windlass_replay::{Source, Verdict};

use super::cell::{Cell, HOSTS};

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Sagas that ended as asked.
    pub(super) completed: u64,
    /// Sagas that were fully undone.
    pub(super) rolled_back: u64,
    /// Processes that were killed.
    pub(super) killed: u64,
    /// Changes that a host saw twice.
    pub(super) repeated: u64,
    /// Things that hosts hold and nobody knows of, or the other way round.
    pub(super) left_over: u64,
    /// Facts that this build decides otherwise, or could not decide again.
    pub(super) differences: u64,
    /// What had to happen and did not.
    pub(super) missing: u64,
}

impl Account {
    /// Whether everything holds.
    pub(super) const fn holds(&self) -> bool {
        self.repeated == 0 && self.left_over == 0 && self.differences == 0 && self.missing == 0
    }

    /// The last line.
    pub(super) fn line(&self) -> String {
        let Self { completed, rolled_back, killed, repeated, left_over, differences, .. } = self;
        let word = if self.holds() { "ok" } else { "FAILED" };
        let sagas = completed + rolled_back;
        format!(
            "demo: {word} sagas={sagas} rolled_back={rolled_back} killed={killed} repeated={repeated} \
             left_over={left_over} differences={differences}"
        )
    }
}

/// What the worlds say: changes that were made twice, and whether anything is left.
pub(super) struct Counted {
    /// Changes in all.
    pub(super) changes: u64,
    /// Those made twice.
    pub(super) repeated: u64,
    /// Hosts that still hold something.
    pub(super) full: u64,
}

/// Counts at the worlds of all hosts, on their disks.
pub(super) fn count(cell: &Cell) -> anyhow::Result<Counted> {
    let mut counted = Counted { changes: 0, repeated: 0, full: 0 };
    for (name, _) in HOSTS {
        let world = read_world(&cell.host(name))?;
        counted.changes += world.changes();
        counted.repeated += world.repeated();
        counted.full += u64::from(!world.is_empty());
    }
    Ok(counted)
}

/// Decides everything in the journal again: how many facts, and how many come out otherwise or could not be decided.
pub(super) async fn decide_again(journal: &Source) -> (u64, u64) {
    let checked = windlass_replay::check(journal, &[]).await;
    let differences = match checked.verdict() {
        Verdict::Same => 0,
        // What could not be looked at is no pass either.
        Verdict::Intended | Verdict::Different | Verdict::NotChecked => checked.differences().max(1),
    };
    (checked.commits, differences)
}
