//! One saga's life: every event of it with position, time, attempt, host, latency and cause.
//!
//! Built from commits in order, whoever found them: a reading of the whole journal, or of just the frames that the
//! index names. What a commit does beside the saga (the resources that it changes) is part of it.

mod course;
mod text;

use windlass_journal::Read;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::*;
use windlass_store::Place;

use crate::error::ReplayError;
use crate::fold::{Until, fold_by};
use crate::limits::TIMELINE_ENTRIES_MAX;

pub use course::{About, Begun, Course, StepLine};

/// The life of one saga, as far as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Which.
    pub saga: SagaId,
    /// Its course; without a begin where no commit speaks of it.
    pub course: Course,
    /// Everything that happened, in order.
    pub entries: Vec<Entry>,
    /// Entries beyond `TIMELINE_ENTRIES_MAX`, which are not there.
    pub left_out: u64,
}

/// One event of a saga's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its commit.
    pub position: Position,
    /// Its place in the commit, from 0.
    pub ordinal: u16,
    /// Its commit's time.
    pub time: Time,
    /// The term that it was decided in.
    pub term: Term,
    /// What happened.
    pub event: Event,
    /// The step that it is about.
    pub step: Option<StepIndex>,
    /// Which way that step went.
    pub direction: Option<Direction>,
    /// Which try of it.
    pub attempt: Option<Attempt>,
    /// The host that does the step.
    pub host: Option<HostId>,
    /// From the moment that the attempt might leave to its outcome; of a saga's end, from its begin. Milliseconds.
    pub latency_ms: Option<u64>,
    /// The name of the fact that it was decided from.
    pub fact: &'static str,
    /// Who asked; `None`: the cell's own report.
    pub principal: Option<Principal>,
    /// Where the fact came from.
    pub cause: Cause,
}

impl Timeline {
    /// Before any commit.
    #[must_use]
    pub const fn new(saga: SagaId) -> Self {
        Self { saga, course: Course::new(saga), entries: Vec::new(), left_out: 0 }
    }

    /// How it began; `None`: no commit speaks of it.
    #[must_use]
    pub const fn begun(&self) -> Option<&Begun> {
        self.course.begun()
    }

    /// Takes what `commit` says of the saga. Commits come in the order of their positions.
    pub fn take(&mut self, commit: &Commit) {
        if !commit.events.iter().any(|event| saga_of(event) == Some(self.saga)) {
            return;
        }
        let principal = match &commit.fact {
            Fact::Request(request) => Some(request.principal),
            Fact::Report(_) => None,
        };
        for (ordinal, event) in (0..).zip(&commit.events) {
            // Events of no saga at all are what the commit does to resources.
            if saga_of(event).is_some_and(|saga| saga != self.saga) {
                continue;
            }
            let about = self.course.take(commit, usize::from(ordinal));
            if self.entries.len() >= TIMELINE_ENTRIES_MAX {
                self.left_out += 1;
                continue;
            }
            self.entries.push(Entry {
                position: commit.header.position,
                ordinal,
                time: commit.header.time,
                term: commit.header.term,
                event: event.clone(),
                step: about.step,
                direction: about.direction,
                attempt: about.attempt,
                host: about.line.map(|line| line.ledger.host),
                latency_ms: about.latency_ms,
                fact: commit.fact.name(),
                principal,
                cause: commit.cause,
            });
        }
    }

    /// A step of the plan.
    #[must_use]
    pub fn step(&self, index: StepIndex) -> Option<&StepLine> {
        self.course.step(index)
    }
}

/// The saga that an event is of; `None`: it changes a resource, or the cell.
pub(crate) const fn saga_of(event: &Event) -> Option<SagaId> {
    match event {
        Event::SagaStarted(SagaStarted { saga, .. })
        | Event::StepDispatched(StepDispatched { saga, .. })
        | Event::StepDone(StepDone { saga, .. })
        | Event::StepRefused(StepRefused { saga, .. })
        | Event::StepUndone(StepUndone { saga, .. })
        | Event::StepSkipped(StepSkipped { saga, .. })
        | Event::StepOverdue(StepOverdue { saga, .. })
        | Event::SagaUnwinding(SagaUnwinding { saga, .. })
        | Event::SagaStuck(SagaStuck { saga, .. })
        | Event::SagaResumed(SagaResumed { saga, .. })
        | Event::SagaLate(SagaLate { saga, .. })
        | Event::SagaCompleted(SagaCompleted { saga, .. })
        | Event::SagaRolledBack(SagaRolledBack { saga, .. })
        | Event::SagaAbandoned(SagaAbandoned { saga, .. }) => Some(*saga),
        Event::Genesis(_)
        | Event::LeaderElected(_)
        | Event::FormatRaised(_)
        | Event::ServerClaimed(_)
        | Event::ServerActivated(_)
        | Event::ServerFailed(_)
        | Event::ServerDeleted(_)
        | Event::ServerStopped(_)
        | Event::VolumeClaimed(_)
        | Event::VolumeReady(_)
        | Event::VolumeFailed(_)
        | Event::VolumeAttached(_)
        | Event::VolumeDetached(_)
        | Event::VolumeDeleted(_)
        | Event::PortClaimed(_)
        | Event::PortBound(_)
        | Event::PortReady(_)
        | Event::PortUnbound(_)
        | Event::PortDeleted(_)
        | Event::NetworkCreated(_)
        | Event::NetworkDeleted(_)
        | Event::SubnetCreated(_)
        | Event::SubnetDeleted(_)
        | Event::SecurityGroupCreated(_)
        | Event::SecurityRulesSet(_)
        | Event::SecurityGroupDeleted(_)
        | Event::FlavorCreated(_)
        | Event::FlavorDeleted(_)
        | Event::ImageRegistered(_)
        | Event::ImageDeleted(_)
        | Event::ImageBootSet(_)
        | Event::KeyPairCreated(_)
        | Event::KeyPairDeleted(_)
        | Event::ProjectCreated(_)
        | Event::ProjectDeleted(_)
        | Event::QuotaSet(_)
        | Event::PrincipalCreated(_)
        | Event::PrincipalDeleted(_)
        | Event::CredentialCreated(_)
        | Event::CredentialRevoked(_)
        | Event::RoleGranted(_)
        | Event::RoleRevoked(_)
        | Event::JoinTokenCreated(_)
        | Event::JoinTokenEnded(_)
        | Event::HostJoined(_)
        | Event::HostUp(_)
        | Event::HostDown(_)
        | Event::HostRebooted(_)
        | Event::HostDraining(_)
        | Event::HostGone(_)
        | Event::HostOff(_)
        | Event::HostRejoined(_)
        | Event::IncarnationAdmitted(_)
        | Event::InventoryDiffers(_)
        | Event::ResourceAdopted(_)
        | Event::ResourceDiscarded(_)
        | Event::FaultArmed(_)
        | Event::FaultDisarmed(_)
        | Event::FaultForgotten(_) => None,
    }
}

/// The life of `saga`, from a reading of the whole journal.
///
/// # Errors
/// Where the journal can't be read or folded.
pub async fn timeline<R: Read>(journal: &R, saga: SagaId) -> Result<Timeline, ReplayError> {
    let mut timeline = Timeline::new(saga);
    fold_by(journal, Fold::new(None), Until::End, |_, absorbed| {
        absorbed.commits.iter().for_each(|commit| timeline.take(commit));
    })
    .await?;
    Ok(timeline)
}

/// The same from the frames that the index names, in the order of their positions: of valid commits, that is.
///
/// # Errors
/// Where a frame can't be read, or does not hold the commit that the index says.
pub async fn timeline_at<R: Read>(
    journal: &R,
    saga: SagaId,
    places: &[Place],
) -> Result<Timeline, ReplayError> {
    let mut timeline = Timeline::new(saga);
    let mut frame: Option<(Cursor, Frame)> = None;
    for Place { position, cursor } in places.iter().copied() {
        let not_there = || ReplayError::NotThere { cursor, position };
        if frame.as_ref().is_none_or(|(at, _)| *at != cursor) {
            let read = journal.read(Cursor(cursor.0.saturating_sub(1)), 1).await?;
            let (_, found) = read.first().ok_or_else(not_there)?;
            frame = Some((cursor, Frame::decode(found.bytes()).map_err(|_| not_there())?));
        }
        let stored = frame.iter().flat_map(|(_, frame)| &frame.commits);
        let stored =
            stored.into_iter().find(|commit| commit.header.position == position).ok_or_else(not_there)?;
        timeline.take(&stored.decode().map_err(|_| not_there())?);
    }
    Ok(timeline)
}
