//! Visits to the fold: the one of now, on the leader's thread, or the one of any moment that the journal tells, made anew
//! from it. Who calls, and what he may, is today's fold's to say in both.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tonic::Response;
use windlass_proto::v1;
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;

use super::Api;
use super::call::{Answer, Call};
use super::errors::{Problem, refused};
use super::inventories::NoAgents;
use super::limits::*;
use super::names::NO_PROJECT;
use super::view::{Place, View};
use crate::lead::handle::Refused;

/// The point that a read asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    pub(super) read_at: Option<v1::ReadAt>,
    pub(super) min_position: Position,
}

impl Point {
    /// Now, at this position or later.
    pub(super) const fn now(min_position: Position) -> Self {
        Self { read_at: None, min_position }
    }
}

/// The point of a request that has both fields.
macro_rules! point {
    ($message:expr) => {
        $crate::api::visit::Point {
            read_at: $message.read_at,
            min_position: windlass_sagas::ids::Position($message.min_position),
        }
    };
}
pub(super) use point;

/// Where something is read on: by whom, in which cell, at which position.
#[derive(Clone, Copy)]
pub(super) struct ReadBack {
    pub(super) cell: CellId,
    pub(super) caller: PrincipalId,
    pub(super) position: Position,
    /// Whether it is read as it was at exactly this position; else as it is now, at this position or later.
    pub(super) past: Option<Time>,
}

impl Api {
    /// Visits the fold as the caller: that of now, at `min_position` or later, or that of the past which the point names.
    pub(super) async fn visit<T: Send + 'static>(
        &self,
        call: Call,
        point: Point,
        place: Result<Place, Problem>,
        look: impl FnOnce(&View<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Point { read_at, min_position } = point;
        if min_position > Position(0) {
            // Nobody waits here who may not ask.
            let place = place.clone();
            self.enter_now(Position(0), call, place, |_| Ok(())).await?;
        }
        let Some(read_at) = read_at else {
            return self.enter_now(min_position, call, place, look).await;
        };
        let access = self.access().clone();
        let who = move |cell: &Cell| Ok::<_, Problem>((access.of(cell, &call)?.kept(), cell.position));
        let (who, now) = self.fold(min_position, who).await??;
        let moment = self.moment(read_at, now).await?;
        let cell = self.past(moment.position).await?;
        look(&View::enter(&cell, &NoAgents, who, Some(moment.time), call.method, &place?)?)
    }

    async fn enter_now<T: Send + 'static>(
        &self,
        min_position: Position,
        call: Call,
        place: Result<Place, Problem>,
        look: impl FnOnce(&View<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let (inventories, access) = (Arc::clone(&self.parts().inventories), self.access().clone());
        let looked = move |cell: &Cell| {
            let who = access.of(cell, &call)?;
            look(&View::enter(cell, &*inventories, who, None, call.method, &place?)?)
        };
        self.fold(min_position, looked).await?
    }

    /// Answers a read from one visit.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        call: Call,
        point: Point,
        place: Result<Place, Problem>,
        look: impl FnOnce(&View<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Answer<T> {
        Ok(Response::new(self.visit(call, point, place, look).await?))
    }

    /// Reads the fold, not as anybody, at `min_position` or later.
    ///
    /// The wait is here and not at the leader's machine, which keeps a reader until its position comes: so nobody can
    /// fill it by asking for positions that never come.
    pub(super) async fn fold<T: Send + 'static>(
        &self,
        min_position: Position,
        read: impl FnOnce(&Cell) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let read = match self.fold_now(min_position, read).await? {
            Ok(answer) => return Ok(answer),
            Err(read) => read,
        };
        let Ok(_waiting) = self.waits().try_acquire() else {
            return Err(refused(Refused::Overloaded, NO_PROJECT, &[]));
        };
        let wait = self.fold_once(min_position, read);
        timeout(POSITION_WAIT_MAX, wait)
            .await
            .unwrap_or_else(|_| Err(super::errors::not_reached(min_position)))
    }

    /// Reads the fold now; where it is not at `min_position` yet, the reader comes back.
    async fn fold_now<T: Send + 'static, R: FnOnce(&Cell) -> T + Send + 'static>(
        &self,
        min_position: Position,
        read: R,
    ) -> Result<Result<T, R>, Problem> {
        let look = move |cell: &Cell| if cell.position >= min_position { Ok(read(cell)) } else { Err(read) };
        match self.parts().leader.read(Position(0), look).await {
            Ok((_, answer)) => Ok(answer),
            Err(error) => Err(unread_now(error)),
        }
    }

    /// Reads the fold as soon as it is at `min_position`.
    async fn fold_once<T: Send + 'static, R: FnOnce(&Cell) -> T + Send + 'static>(
        &self,
        min_position: Position,
        mut read: R,
    ) -> Result<T, Problem> {
        let mut commits = self.parts().leader.commits();
        loop {
            match self.fold_now(min_position, read).await? {
                Ok(answer) => return Ok(answer),
                Err(back) => read = back,
            }
            loop {
                match commits.recv().await {
                    Ok(commit) if commit.header.position < min_position => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Err(refused(Refused::Stopping, NO_PROJECT, &[])),
                }
            }
        }
    }

    /// Reads the fold as a caller whose rights were looked at before.
    pub(super) async fn fold_as<T: Send + 'static>(
        &self,
        at: ReadBack,
        project: ProjectId,
        look: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (inventories, access) = (Arc::clone(&self.parts().inventories), self.access().clone());
        if at.past.is_none() {
            let look = move |cell: &Cell| {
                look(&View::of(cell, &*inventories, access.known(cell, at.caller), None, project))
            };
            return self.fold(at.position, look).await;
        }
        let who = move |cell: &Cell| access.known(cell, at.caller).kept();
        let who = self.fold(Position(0), who).await?;
        let cell = self.past(at.position).await?;
        Ok(look(&View::of(&cell, &NoAgents, who, at.past, project)))
    }
}

/// Why the fold could not be read as it is now: where only its position is said to lack, it is not there itself.
pub(super) fn unread_now(error: Refused) -> Problem {
    let error = match error {
        Refused::PositionNotReached(_) => Refused::TakingOver,
        other => other,
    };
    refused(error, NO_PROJECT, &[])
}
