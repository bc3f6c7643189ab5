//! What is lost of a journal, as the API says it, and an operator's order to go on without it.

use windlass_proto::v1;
use windlass_proto::v1::ErrorReason;
use windlass_sagas::ids::{CredentialId, Hash, Position, PrincipalId, Term};
use windlass_sagas::protocol::orchestrator::{Against, Alarm};
use windlass_store::SagaStanding;

use super::Api;
use super::errors::{Problem, refused};
use super::fields::{self, stamp};
use super::limits::{LOST_OPERATIONS_MAX, RETRY_JOURNAL, WITNESSES_MAX};
use super::names::{self, NO_PROJECT};
use crate::lead::handle::Refused;
use crate::lead::recovery::{LostSaga, Recovery};
use crate::lead::seen::Seen;

/// An order, taken apart.
pub(super) struct Order {
    tip: (Position, Hash),
    reason: String,
}

impl Order {
    /// Reads it.
    pub(super) fn of(asked: &v1::RecoverRequest) -> Result<Self, Problem> {
        if asked.tip_position == 0 {
            let message = "tip_position is required, as GetRecovery says it";
            return Err(Problem::field("tip_position", message));
        }
        let hash = fields::hash(&asked.tip_hash, "tip_hash")?;
        let reason = fields::reason(&asked.reason)?;
        Ok(Self { tip: (Position(asked.tip_position), hash), reason })
    }
}

impl Api {
    /// What this orchestrator knows to be lost.
    pub(super) async fn lost(&self) -> Result<v1::Recovery, Problem> {
        self.parts().leader.recovery().await.map(|found| message(&found)).map_err(problem)
    }

    /// Gives an order, with who gave it.
    pub(super) async fn recover_by(
        &self,
        order: Order,
        caller: PrincipalId,
        credential: Option<CredentialId>,
    ) -> Result<v1::Recovery, Problem> {
        let Order { tip, reason } = order;
        let by = credential.map(|id| format!(" with the token {id}")).unwrap_or_default();
        let text = format!("{}{by}: {reason}", names::principal(caller));
        self.parts().leader.recover(tip, text).await.map(|found| message(&found)).map_err(problem)
    }
}

fn problem(error: Refused) -> Problem {
    match error {
        Refused::NothingLost => Problem::new(
            ErrorReason::WrongState,
            "nothing is lost of the journal, so there is nothing to order",
        )
        .hint("`windlass recover` says what is lost"),
        Refused::OtherTip(position) => {
            let message =
                format!("the journal ends in another commit than the order names, at position {position}");
            Problem::new(ErrorReason::WrongState, message)
                .hint("look again what is lost, and order for the commit that is shown")
        }
        Refused::JournalUnavailable => {
            Problem::new(ErrorReason::JournalUnavailable, "nobody leads by this order yet")
                .hint("look again what is lost: an order that was taken says so there")
                .retry_after(RETRY_JOURNAL)
        }
        other => refused(other, NO_PROJECT, &[]),
    }
}

fn message(found: &Recovery) -> v1::Recovery {
    let nothing = v1::Recovery {
        position: found.position.0,
        state: v1::recovery::State::NothingLost.into(),
        ..Default::default()
    };
    let Some(condemned) = &found.condemned else { return nothing };
    let state = match condemned.alarm {
        Alarm::TailRewritten { .. } => v1::recovery::State::TailRewritten,
        _ => v1::recovery::State::TailLost,
    };
    let omitted = |all: usize, max: usize| u64::try_from(all.saturating_sub(max)).unwrap_or(u64::MAX);
    let tip = &condemned.tip;
    v1::Recovery {
        state: state.into(),
        tip: Some(commit(tip.position, tip.hash, tip.term)),
        tip_time: stamp(tip.time),
        witnesses: found.witnesses.iter().take(WITNESSES_MAX).map(witness).collect(),
        witnesses_omitted: omitted(found.witnesses.len(), WITNESSES_MAX),
        operations: found.lost.iter().take(LOST_OPERATIONS_MAX).map(operation).collect(),
        operations_omitted: omitted(found.lost.len(), LOST_OPERATIONS_MAX),
        operations_known_to: found.known_to.0,
        next_generation: condemned.next_generation,
        ordered: condemned.ordered,
        ..nothing
    }
}

fn commit(position: Position, hash: Hash, term: Term) -> v1::SeenCommit {
    let (generation, elected) = (term.generation, term.elected.0);
    v1::SeenCommit { position: position.0, hash: hash.to_string(), generation, elected }
}

fn witness((host, seen, against): &(Option<windlass_sagas::ids::HostId>, Seen, Against)) -> v1::Witness {
    let against = match against {
        Against::Ahead => v1::witness::Against::Ahead,
        Against::Other => v1::witness::Against::Other,
    };
    v1::Witness {
        host: host.map(names::host).unwrap_or_default(),
        seen: Some(commit(seen.position, seen.hash, seen.term)),
        against: against.into(),
    }
}

fn operation((lost, known): &(LostSaga, bool)) -> v1::LostOperation {
    let summary = &lost.summary;
    let state = match summary.standing {
        SagaStanding::Running => v1::saga::State::Running,
        SagaStanding::Unwinding => v1::saga::State::Unwinding,
        SagaStanding::Stuck => v1::saga::State::Stuck,
        SagaStanding::Completed => v1::saga::State::Completed,
        SagaStanding::RolledBack => v1::saga::State::RolledBack,
        SagaStanding::Abandoned => v1::saga::State::Abandoned,
    };
    v1::LostOperation {
        name: names::operation(summary.saga),
        kind: summary.kind.operation().to_owned(),
        project: names::project(summary.project),
        state: state.into(),
        first_position: summary.first.0,
        last_position: lost.last.0,
        known: *known,
    }
}
