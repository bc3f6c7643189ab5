//! `decide`: a fact becomes events, or is declined. Pure: it uses nothing but its arguments, changes nothing, and what
//! it makes has ids derived from its saga. One file a family of facts.

mod access;
mod catalog;
mod fault;
mod host;
mod network;
mod operation;
mod power;
mod report;
mod request;
mod restore;
mod server;
mod volume;

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::engine::Draft;
use super::placement::Explanation;
use super::rejection::{Decline, Rejection};
use super::state::{Cell, Saga};
use crate::ids::*;
use crate::record::*;

/// What a decision gives: events, and why hosts were chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The events that a commit would carry.
    pub events: Vec<Event>,
    /// Why each host was chosen.
    pub placements: Vec<(ResourceRef, Explanation)>,
}

impl From<Vec<Event>> for Preview {
    fn from(events: Vec<Event>) -> Self {
        Self { events, placements: Vec::new() }
    }
}

/// Decides what `fact` means at `now`, for the position after `cell.position`.
///
/// # Errors
/// `Repeat` for a request that was committed before, `Rejected` with a stable reason, `Stale` for a report that speaks
/// of nothing open. None of them changes anything.
pub fn decide(cell: &Cell, fact: &Fact, now: Time) -> Result<Vec<Event>, Decline> {
    preview(cell, fact, now).map(|preview| preview.events)
}

/// The same decision with its reasons, for `validate_only` (R5).
///
/// # Errors
/// As `decide`.
pub fn preview(cell: &Cell, fact: &Fact, now: Time) -> Result<Preview, Decline> {
    let now = now.max(cell.time);
    let mut decided = match fact {
        Fact::Request(request) => request::decide(cell, request, now)?,
        Fact::Report(report) => report::decide(cell, report, now)?.into(),
    };
    if decided.events.is_empty() {
        return Err(Decline::Stale);
    }
    decided.events.extend(restore::follow_ups(cell, &decided.events, now));
    Ok(decided)
}

/// A request on its way to a decision.
#[derive(Clone, Copy)]
struct Asked<'a> {
    cell: &'a Cell,
    /// The saga that it starts.
    saga: SagaId,
    /// The project that it is in.
    project: ProjectId,
    /// Who asks.
    principal: Principal,
    /// The commit's time.
    now: Time,
}

impl Asked<'_> {
    /// A saga of zero steps: everything in its first commit (S0).
    fn at_once(&self, kind: SagaKind, subject: ResourceRef, events: Vec<Event>) -> Result<Preview, Decline> {
        let mut all = alloc::vec![self.started(kind, subject, Vec::new(), Plan::default()).into()];
        all.extend(events);
        all.push(SagaCompleted { saga: self.saga }.into());
        Ok(all.into())
    }

    /// A saga with steps: what it claims, its start, its first dispatches.
    fn begin(
        &self,
        kind: SagaKind,
        subject: ResourceRef,
        claims: Vec<Event>,
        holds: Vec<ResourceRef>,
        plan: Plan,
    ) -> Result<Preview, Decline> {
        let mut events = claims;
        events.extend(begun(self.cell, self.started(kind, subject, holds, plan), self.now));
        Ok(events.into())
    }

    fn started(
        &self,
        kind: SagaKind,
        subject: ResourceRef,
        holds: Vec<ResourceRef>,
        plan: Plan,
    ) -> SagaStarted {
        SagaStarted { saga: self.saga, kind, project: self.project, subject, holds, plan: Arc::new(plan) }
    }

    /// The id of the `ordinal`-th thing of its kind that this saga makes.
    fn id(&self) -> &[u8; 16] {
        &self.saga.0
    }
}

/// The start of a saga and its first dispatches.
fn begun(cell: &Cell, started: SagaStarted, now: Time) -> Vec<Event> {
    let saga = Saga::begun(&started, cell.position.next(), now);
    let mut events = alloc::vec![Event::from(started)];
    events.extend(Draft::new(cell, saga, now).advance());
    events
}

/// Checks a bound on a list or text of a request.
fn at_most(field: &str, count: usize, max: usize) -> Result<(), Rejection> {
    if count > max {
        return Err(Rejection::field(field, alloc::format!("at most {max} of {field}, got {count}")));
    }
    Ok(())
}
