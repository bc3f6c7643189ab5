//! Reads of the past: the moment that a request names, and the fold as it was then.

use std::sync::Arc;

use windlass_proto::v1::read_at::Point as At;
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::{Position, Time};

use super::Api;
use super::errors::Problem;
use super::fields;
use super::limits::RETRY_JOURNAL;

/// A moment of the cell's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The last commit that is in it.
    pub position: Position,
    /// The time that was asked for, or that commit's own.
    pub time: Time,
}

/// The folds of the past, as the API asks for them. Implementations bound how many are made at a time, and how long one may
/// take.
#[tonic::async_trait]
pub trait Past: Send + Sync {
    /// The fold after the commit at `position`, which is durable.
    async fn fold_at(&self, position: Position) -> Result<Arc<Cell>, NotTold>;

    /// The last commit that is not later than `time`.
    async fn position_at(&self, time: Time) -> Result<Position, NotTold>;
}

/// Why a moment can't be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// The journal begins later, with this commit.
    #[error("this journal begins with position {}, at {}", .0.position, windlass_replay::utc(.0.time))]
    Before(Moment),
    /// The commits there are not in it.
    #[error("this journal does not hold the commits of positions {0} to {1}")]
    LeftOut(Position, Position),
    /// Too many ask at a time, or folding to it takes too long.
    #[error("{0}")]
    Busy(String),
    /// The journal can't be read.
    #[error("the journal can't be read: {0}")]
    Unread(String),
}

impl Api {
    /// The moment that a request names; `now` is where the fold of now stands.
    pub(super) async fn moment(&self, asked: v1::ReadAt, now: Position) -> Result<Moment, Problem> {
        match asked.point {
            None => Err(Problem::field("read_at", "read_at names a position or a time")),
            Some(At::Position(position)) => {
                let position = Position(position);
                if position == Position(0) || position > now {
                    let message = format!("the cell has positions 1 to {now}, not {position}");
                    return Err(out_of_range(message));
                }
                let time = self.past(position).await?.time;
                Ok(Moment { position, time })
            }
            Some(At::Time(time)) => {
                let time = fields::time(&time, "read_at.time")?;
                if time > crate::clock::now() {
                    return Err(out_of_range("that time is still to come".to_owned()));
                }
                let position = self.parts().past.position_at(time).await.map_err(not_told)?;
                Ok(Moment { position: position.min(now), time })
            }
        }
    }

    /// The fold as it was.
    pub(super) async fn past(&self, position: Position) -> Result<Arc<Cell>, Problem> {
        self.parts().past.fold_at(position).await.map_err(not_told)
    }
}

fn out_of_range(message: String) -> Problem {
    Problem::new(ErrorReason::PositionOutOfRange, message)
        .of_field("read_at")
        .hint("`windlass cell` shows where the journal stands; positions begin with 1")
}

fn not_told(why: NotTold) -> Problem {
    match why {
        NotTold::Before(_) | NotTold::LeftOut(..) => out_of_range(why.to_string()),
        NotTold::Busy(_) => Problem::new(ErrorReason::Overloaded, why.to_string())
            .hint("ask again in a moment: what was folded meanwhile is kept")
            .retry_after(RETRY_JOURNAL),
        NotTold::Unread(_) => Problem::new(ErrorReason::JournalUnavailable, why.to_string())
            .hint("ask again in a moment, or another orchestrator")
            .retry_after(RETRY_JOURNAL),
    }
}

/// A refusal of the past for what is recorded nowhere.
pub(super) fn only_now(read_at: Option<&v1::ReadAt>, what: &str) -> Result<(), Problem> {
    match read_at {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            ErrorReason::ReadAtUnsupported,
            format!("{what} is in no history: it is told of now alone"),
        )
        .of_field("read_at")
        .hint("leave read_at out")),
    }
}
