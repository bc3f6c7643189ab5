//! What an operator is shown of a journal that is not what was seen of it: who has seen what, and which operations lost
//! commits. It only remembers; what may be led on is the machine's word.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::{Hash, HostId, Position, Time};
use windlass_sagas::protocol::orchestrator::{Against, Condemned, Orchestrator, Recover, Standing};
use windlass_sagas::record::SagaKind;
use windlass_store::{List, Store, StoreError, Summary, Tracker};

use super::handle::Refused;
use super::seen::Seen;

/// What is known of the journal.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Where it ends, as far as is durable.
    pub position: Position,
    /// Why nobody leads on it; `None`: nothing is lost, and nothing below is set.
    pub condemned: Option<Condemned>,
    /// Who has seen what it does not hold, furthest ahead first; no host: this orchestrator itself.
    pub witnesses: Vec<(Option<HostId>, Seen, Against)>,
    /// Operations that lost commits, newest first, and whether the journal knows them still.
    pub lost: Vec<(LostSaga, bool)>,
    /// Up to where the index stood that told of them; 0: there was none.
    pub known_to: Position,
}

/// An operation, as an index held it that was dropped since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostSaga {
    /// How it stood.
    pub summary: Summary,
    /// Its last commit.
    pub last: Position,
}

/// What was seen before the fold as it is now.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The furthest that this orchestrator had noted, loaded or folded.
    own: Option<Seen>,
    hosts: BTreeMap<HostId, Seen>,
    dropped: Dropped,
    /// Who gave the order that this orchestrator is to lead by.
    ordered: Option<Reply>,
}

/// Where the answer to a question or an order goes.
type Reply = oneshot::Sender<Result<Recovery, Refused>>;

/// What an index knew that is of another journal.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    known_to: Position,
    sagas: Vec<LostSaga>,
}

impl Before {
    /// This orchestrator has seen it itself.
    pub(super) fn own(&mut self, seen: Seen) {
        let rank = |seen: &Seen| (seen.term.generation, seen.position);
        if self.own.as_ref().is_none_or(|own| rank(&seen) > rank(own)) {
            self.own = Some(seen);
        }
    }

    /// A host's agent has seen it.
    pub(super) fn host(&mut self, host: HostId, seen: Seen) {
        self.hosts.insert(host, seen);
    }

    /// An index was dropped; of several the one that knew most is kept.
    pub(super) fn dropped(&mut self, dropped: Dropped) {
        if dropped.known_to > self.dropped.known_to {
            self.dropped = dropped;
        }
    }

    /// What is lost, as far as this orchestrator may speak of it: the one that leads, or would.
    pub(super) fn ask(&self, machine: &Orchestrator) -> Result<Recovery, Refused> {
        let leads = matches!(machine.standing(), Standing::Leading(_));
        match machine.has_read_all() {
            false => Err(Refused::TakingOver),
            true if leads || machine.has_lease() => Ok(self.against(machine)),
            true => Err(Refused::NotLeader),
        }
    }

    /// Takes an order, if it is for what the journal is: what the machine is to be told. It is answered by `led`.
    pub(super) fn order(
        &mut self,
        machine: &Orchestrator,
        tip: (Position, Hash),
        order: String,
        reply: Reply,
    ) -> Option<Recover> {
        let lost = self.ask(machine).and_then(|found| found.condemned.ok_or(Refused::NothingLost));
        match lost {
            Ok(found) if (found.tip.position, found.tip.hash) == tip => {
                tracing::warn!(alarm = ?found.alarm, order, "an operator orders to lead on without what is lost");
                self.ordered = Some(reply);
                return Some(Recover { order, above: 0 });
            }
            // Who asked may have gone.
            Ok(found) => drop(reply.send(Err(Refused::OtherTip(found.tip.position)))),
            Err(refused) => drop(reply.send(Err(refused))),
        }
        None
    }

    /// This orchestrator leads: what was lost is settled, and an order carried out.
    pub(super) fn led(&mut self, machine: &Orchestrator) {
        (self.own, self.dropped) = (None, Dropped::default());
        if let Some(ordered) = self.ordered.take() {
            // Who gave the order may have gone; it is in the journal.
            drop(ordered.send(self.ask(machine)));
        }
    }

    /// What is to be said of the journal as the machine has read it.
    fn against(&self, machine: &Orchestrator) -> Recovery {
        let position = machine.durable_position();
        let Some(condemned) = machine.condemned() else {
            let (witnesses, lost) = (Vec::new(), Vec::new());
            return Recovery { position, condemned: None, witnesses, lost, known_to: Position(0) };
        };
        let own = self.own.map(|seen| (None, seen)).into_iter();
        let all = own.chain(self.hosts.iter().map(|(host, seen)| (Some(*host), *seen)));
        let mut witnesses: Vec<_> = all
            .filter_map(|(who, seen)| {
                Some((who, seen, machine.against((seen.position, seen.hash), seen.term)?))
            })
            .collect();
        witnesses.sort_by_key(|(_, seen, _)| std::cmp::Reverse(seen.position));
        let lost = machine.fold().map(|fold| self.dropped.lost(fold.cell())).unwrap_or_default();
        Recovery { position, condemned: Some(condemned), witnesses, lost, known_to: self.dropped.known_to }
    }
}

impl Dropped {
    /// What this store and its tracker know, before they are dropped. `reached`: where the fold stood.
    pub(super) fn of(store: &Store, tracker: &Tracker, reached: Position) -> Result<Self, StoreError> {
        let all = List { project: None, after: None, rows_max: windlass_store::limits::LIST_ROWS_MAX };
        let page = store.list(&all, tracker.recent(&all))?;
        let with_last = |summary: Summary| {
            let stored = store.saga_commits(summary.saga, Position(0))?;
            let places = stored.into_iter().chain(tracker.saga_commits(summary.saga));
            let last = places.map(|place| place.position).max().unwrap_or_default().max(summary.changed);
            Ok(LostSaga { summary, last })
        };
        let sagas = page.sagas.into_iter().map(with_last).collect::<Result<_, StoreError>>()?;
        Ok(Self { known_to: store.position()?.max(reached), sagas })
    }

    /// Those that have commits behind the fold's end, or that it does not know although it remembers requests of that time.
    fn lost(&self, cell: &Cell) -> Vec<(LostSaga, bool)> {
        let memory_us =
            i64::try_from(cell.settings.request_memory_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        let remembered_from = Time(cell.time.0.saturating_sub(memory_us));
        let known = |saga: &LostSaga| {
            let id = saga.summary.saga;
            cell.sagas.contains_key(&id) || cell.requests.contains_key(&id)
        };
        // The cell's own sagas have no request to be known by once they have ended.
        let unknown = |saga: &LostSaga| {
            saga.summary.kind != SagaKind::ServerRestore
                && saga.summary.started >= remembered_from
                && !known(saga)
        };
        let lost = |saga: &&LostSaga| saga.last > cell.position || unknown(saga);
        self.sagas.iter().filter(lost).map(|saga| (saga.clone(), known(saga))).collect()
    }
}
