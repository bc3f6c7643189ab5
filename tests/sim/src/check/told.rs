//! What happened to each saga, as the journal tells it: for reports and for what a test expects of one. Kept only where
//! decisions are listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_sagas::cell::state::Ended;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

/// One saga's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub saga: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Where in the journal it began.
    pub begun_at: Position,
    /// Steps dispatched forward, each once, in order.
    pub dispatched: Vec<StepIndex>,
    /// Undo resolutions, in order.
    pub undone: Vec<(StepIndex, UndoneHow)>,
    /// Calls of undos, each attempt, in order.
    pub undo_calls: Vec<StepIndex>,
    /// Why it turned back, and where in the journal.
    pub turn: Option<(Turn, Position)>,
    /// How often it needed an operator, and at which step.
    pub stuck: Vec<Option<StepIndex>>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Where in the journal.
    pub ended_at: Option<Position>,
}

/// Every saga behind the founding, in the order of their beginnings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tale {
    sagas: Vec<Told>,
    places: BTreeMap<SagaId, usize>,
}

impl Tale {
    /// All of it.
    pub(crate) fn sagas(self) -> Vec<Told> {
        self.sagas
    }

    /// Takes in a commit.
    pub(super) fn note(&mut self, commit: &Commit) {
        let position = commit.header.position;
        for event in &commit.events {
            match event {
                Event::SagaStarted(e) => self.begun(e, position),
                Event::StepDispatched(e) => self.of(e.saga, |told| match e.direction {
                    Direction::Forward if told.dispatched.contains(&e.step) => {}
                    Direction::Forward => told.dispatched.push(e.step),
                    Direction::Undo => told.undo_calls.push(e.step),
                }),
                Event::StepUndone(e) => self.of(e.saga, |told| told.undone.push((e.step, e.how.clone()))),
                Event::SagaUnwinding(e) => {
                    self.of(e.saga, |told| told.turn = Some((e.reason.clone(), position)));
                }
                Event::SagaStuck(e) => self.of(e.saga, |told| told.stuck.push(e.step)),
                Event::SagaCompleted(e) => self.end(e.saga, Ended::Completed, position),
                Event::SagaRolledBack(e) => self.end(e.saga, Ended::RolledBack, position),
                Event::SagaAbandoned(e) => self.end(e.saga, Ended::Abandoned, position),
                _ => {}
            }
        }
    }

    fn begun(&mut self, e: &SagaStarted, begun_at: Position) {
        self.places.insert(e.saga, self.sagas.len());
        self.sagas.push(Told {
            saga: e.saga,
            kind: e.kind,
            plan: e.plan.clone(),
            begun_at,
            dispatched: Vec::new(),
            undone: Vec::new(),
            undo_calls: Vec::new(),
            turn: None,
            stuck: Vec::new(),
            ended: None,
            ended_at: None,
        });
    }

    fn end(&mut self, saga: SagaId, how: Ended, position: Position) {
        self.of(saga, |told| (told.ended, told.ended_at) = (Some(how), Some(position)));
    }

    fn of(&mut self, saga: SagaId, change: impl FnOnce(&mut Told)) {
        if let Some(told) = self.places.get(&saga).and_then(|place| self.sagas.get_mut(*place)) {
            change(told);
        }
    }
}
