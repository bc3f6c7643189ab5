//! What a saga's earlier events say of its next one: which step's attempt an outcome ends, on which host, and how long
//! it took. Whoever tells of events keeps one for each saga, and so a file and a live cell tell the same.

use std::collections::BTreeMap;

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::saga_of;

/// The course of one saga, up to its last event that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    saga: SagaId,
    begun: Option<Begun>,
    /// The last dispatch of each step in each direction: when it might leave, and which try it was.
    calls: BTreeMap<(StepIndex, bool), (Time, Attempt)>,
}

/// The begin of a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its kind.
    pub kind: SagaKind,
    /// Its project.
    pub project: ProjectId,
    /// What it is about.
    pub subject: ResourceRef,
    /// When it began.
    pub time: Time,
    /// The request that started it; `None`: the cell itself did.
    pub request: Option<RequestId>,
    /// Its steps.
    pub steps: Vec<StepLine>,
}

/// One step of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLine {
    /// Its name.
    pub name: &'static str,
    /// Who does it.
    pub ledger: LedgerId,
}

/// What an event is about, as far as the event and the saga's course say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The step that it is about.
    pub step: Option<StepIndex>,
    /// What that step is.
    pub line: Option<StepLine>,
    /// Which way that step went.
    pub direction: Option<Direction>,
    /// Which try of it.
    pub attempt: Option<Attempt>,
    /// From the moment that the attempt might leave to its outcome; of a saga's end, from its begin. Milliseconds.
    pub latency_ms: Option<u64>,
}

impl Course {
    /// Before any event.
    #[must_use]
    pub const fn new(saga: SagaId) -> Self {
        Self { saga, begun: None, calls: BTreeMap::new() }
    }

    /// How it began; `None`: its begin was not taken.
    #[must_use]
    pub const fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    /// A step of its plan.
    #[must_use]
    pub fn step(&self, index: StepIndex) -> Option<&StepLine> {
        self.begun.as_ref()?.steps.get(usize::from(index.0))
    }

    /// Takes all that a commit says of the saga: what is about it, in the order of the commit's events.
    pub fn pass(&mut self, commit: &Commit) {
        for ordinal in 0..commit.events.len() {
            self.take(commit, ordinal);
        }
    }

    /// Takes the next event, at this place in its commit, and says what it is about. Another saga's event, and one that
    /// changes a resource, is about no step.
    pub fn take(&mut self, commit: &Commit, ordinal: usize) -> About {
        let Some(event) = commit.events.get(ordinal) else { return About::default() };
        if saga_of(event) != Some(self.saga) {
            return About::default();
        }
        let time = commit.header.time;
        if let Event::SagaStarted(started) = event {
            self.begun = Some(begun(started, commit, ordinal));
        }
        let said = Said::of(event);
        let mut about = About {
            step: said.step,
            line: said.step.and_then(|step| self.step(step)).copied(),
            direction: said.direction,
            attempt: said.attempt,
            latency_ms: None,
        };
        let call = said.step.zip(said.direction).map(|(step, way)| (step, way == Direction::Undo));
        match (event, call) {
            (Event::StepDispatched(e), Some(call)) => {
                self.calls.insert(call, (time.max(e.not_before), e.attempt));
            }
            (_, Some(call)) if said.of_an_attempt => {
                if let Some((since, attempt)) = self.calls.get(&call) {
                    about.attempt = about.attempt.or(Some(*attempt));
                    about.latency_ms = said.outcome.then(|| time.ms_since(*since));
                }
            }
            (Event::SagaCompleted(_) | Event::SagaRolledBack(_) | Event::SagaAbandoned(_), _) => {
                about.latency_ms = self.begun.as_ref().map(|begun| time.ms_since(begun.time));
            }
            _ => {}
        }
        about
    }
}

fn begun(started: &SagaStarted, commit: &Commit, ordinal: usize) -> Begun {
    // A saga that another one's end or a host set off has no request of its own.
    let request = match &commit.fact {
        Fact::Request(request) if ordinal == 0 || started.kind != SagaKind::ServerRestore => Some(request.id),
        Fact::Request(_) | Fact::Report(_) => None,
    };
    let step = |step: &Step| StepLine { name: step.input.name(), ledger: step.ledger };
    Begun {
        kind: started.kind,
        project: started.project,
        subject: started.subject,
        time: commit.header.time,
        request,
        steps: started.plan.steps.iter().map(step).collect(),
    }
}

/// What an event says by itself.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    step: Option<StepIndex>,
    direction: Option<Direction>,
    attempt: Option<Attempt>,
    /// Whether it speaks of the attempt that is under way.
    of_an_attempt: bool,
    /// Whether it is how that attempt ended.
    outcome: bool,
}

impl Said {
    fn of(event: &Event) -> Self {
        let of_step = |step, direction, attempt| Self {
            step: Some(step),
            direction: Some(direction),
            attempt,
            ..Self::default()
        };
        let ends = |said: Self| Self { of_an_attempt: true, outcome: true, ..said };
        match event {
            Event::StepDispatched(e) => of_step(e.step, e.direction, Some(e.attempt)),
            Event::StepDone(e) => ends(of_step(e.step, Direction::Forward, None)),
            Event::StepRefused(e) => ends(of_step(e.step, e.direction, Some(e.attempt))),
            Event::StepUndone(e) => {
                let said = of_step(e.step, Direction::Undo, None);
                if matches!(e.how, UndoneHow::ByAgent) { ends(said) } else { said }
            }
            Event::StepSkipped(e) => of_step(e.step, Direction::Forward, None),
            Event::StepOverdue(e) => Self { of_an_attempt: true, ..of_step(e.step, e.direction, None) },
            Event::SagaStuck(e) => Self { step: e.step, ..Self::default() },
            _ => Self::default(),
        }
    }
}
