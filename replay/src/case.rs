//! What a captured operation is as a case for tests: its kind and steps, what struck which step in which direction, and
//! how it ended.
//!
//! A strike is taken from what is recorded: a fault that somebody had armed for the step, an attempt that was refused,
//! an outcome that never came. The agent's own word for what hit it is nowhere in the history.

use windlass_journal::Read;
use windlass_sagas::cell::state::Ended;
use windlass_sagas::fault::{FaultKind, Target};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_sagas::record::{Direction, Event, FaultRule, SagaKind};

use crate::error::ReplayError;
use crate::fold::{Step, Until, fold_steps};
use crate::timeline::{Begun, Entry, timeline};

/// An operation as a case for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which operation.
    pub saga: SagaId,
    /// Its kind.
    pub kind: SagaKind,
    /// Its steps' names, in the plan's order.
    pub steps: Vec<&'static str>,
    /// What struck it, in order.
    pub strikes: Vec<Strike>,
    /// Whether it needed an operator on its way.
    pub stuck: bool,
    /// How it ended; `None`: it has not.
    pub ended: Option<Ended>,
}

/// One step, struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// Which step.
    pub step: StepIndex,
    /// Its name.
    pub name: &'static str,
    /// Which way it went.
    pub direction: Direction,
    /// What struck it.
    pub fault: FaultKind,
    /// Whether it said that trying again is of no use.
    pub for_good: bool,
}

/// A fault that was armed at agents.
struct Armed {
    rule: FaultRule,
    host: Option<HostId>,
    from: Time,
    to: Time,
    /// How often it may still have struck.
    left: u64,
}

/// What the history shows of a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// The attempt was refused.
    Refused,
    /// No outcome came in time.
    Overdue,
    /// Nothing: the attempt was sent, and went on after the strike.
    Sent,
}

impl Armed {
    fn of(rule: &FaultRule, host: Option<HostId>, from: Time, to: Time) -> Self {
        Self { rule: rule.clone(), host, from, to, left: rule.times.unwrap_or(u64::MAX) }
    }

    /// What a strike of it looks like.
    const fn sign(&self) -> Sign {
        match self.rule.kind {
            FaultKind::ErrorBefore | FaultKind::ErrorAfter | FaultKind::DiskFull | FaultKind::WrongTerm => {
                Sign::Refused
            }
            FaultKind::Hang => Sign::Overdue,
            _ => Sign::Sent,
        }
    }

    /// Whether it may have struck this attempt.
    fn fits(&self, entry: &Entry, name: &str) -> bool {
        let step = self.rule.step.as_ref().is_none_or(|step| step == name);
        let direction = self.rule.direction.is_none_or(|direction| Some(direction) == entry.direction);
        let host = self.host.is_none_or(|host| Some(host) == entry.host);
        step && direction && host && (self.from..=self.to).contains(&entry.time)
    }

    const fn for_good(&self) -> bool {
        matches!(self.rule.kind, FaultKind::ErrorBefore | FaultKind::ErrorAfter) && !self.rule.retryable
    }
}

/// What `journal` tells of an operation as a case; `None`: it does not tell how it began.
///
/// # Errors
/// Where the journal can't be read or folded.
pub async fn case<R: Read>(journal: &R, saga: SagaId) -> Result<Option<Case>, ReplayError> {
    let told = timeline(journal, saga).await?;
    let Some(begun) = told.begun() else { return Ok(None) };
    let mut armed = armed(journal).await?;
    let mut case = Case {
        saga,
        kind: begun.kind,
        steps: begun.steps.iter().map(|step| step.name).collect(),
        strikes: Vec::new(),
        stuck: false,
        ended: None,
    };
    for entry in &told.entries {
        match &entry.event {
            Event::SagaStuck(_) => case.stuck = true,
            Event::SagaCompleted(_) => case.ended = Some(Ended::Completed),
            Event::SagaRolledBack(_) => case.ended = Some(Ended::RolledBack),
            Event::SagaAbandoned(_) => case.ended = Some(Ended::Abandoned),
            _ => case.strikes.extend(strike(begun, entry, &mut armed)),
        }
    }
    case.strikes.dedup();
    Ok(Some(case))
}

/// What an event says of a strike.
fn strike(begun: &Begun, entry: &Entry, armed: &mut [Armed]) -> Option<Strike> {
    let (step, direction) = (entry.step?, entry.direction?);
    let name = begun.steps.get(usize::from(step.0))?.name;
    let (sign, alone) = match &entry.event {
        Event::StepDispatched(_) => (Sign::Sent, None),
        Event::StepRefused(e) => (Sign::Refused, Some((FaultKind::ErrorBefore, !e.refusal.retryable))),
        Event::StepOverdue(_) => (Sign::Overdue, Some((FaultKind::Hang, false))),
        _ => return None,
    };
    let fits = |armed: &&mut Armed| armed.left > 0 && armed.sign() == sign && armed.fits(entry, name);
    let planned = armed.iter_mut().rfind(fits).map(|armed| {
        armed.left -= 1;
        (armed.rule.kind, armed.for_good())
    });
    let (fault, for_good) = planned.or(alone)?;
    Some(Strike { step, name, direction, fault, for_good })
}

/// Every fault that was armed at agents, until it was disarmed.
async fn armed<R: Read>(journal: &R) -> Result<Vec<Armed>, ReplayError> {
    let mut armed: Vec<(FaultId, Armed)> = Vec::new();
    fold_steps(journal, Fold::new(None), Until::End, |step| match step {
        Step::Base(fold) => armed.extend(
            fold.cell()
                .faults
                .values()
                .map(|fault| (fault.id, Armed::of(&fault.rule, fault.host, fault.armed, fault.expires))),
        ),
        Step::Frame(_, absorbed) => {
            for commit in &absorbed.commits {
                for event in &commit.events {
                    match event {
                        Event::FaultArmed(e) => {
                            let from = commit.header.time;
                            armed.push((e.id, Armed::of(&e.rule, e.host, from, e.expires)));
                        }
                        Event::FaultDisarmed(e) => {
                            let ended = armed.iter_mut().filter(|(id, _)| *id == e.fault);
                            ended.for_each(|(_, armed)| armed.to = armed.to.min(commit.header.time));
                        }
                        _ => {}
                    }
                }
            }
        }
        Step::Gap(_) => {}
    })
    .await?;
    let at_agents = |armed: &Armed| armed.rule.kind.target() == Some(Target::Agents);
    Ok(armed.into_iter().map(|(_, armed)| armed).filter(at_agents).collect())
}

/// How an operation ended, in a word.
#[must_use]
pub const fn ended_name(ended: Ended) -> &'static str {
    match ended {
        Ended::Completed => "completed",
        Ended::RolledBack => "rolled back",
        Ended::Abandoned => "abandoned",
    }
}
