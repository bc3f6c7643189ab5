//! The history whole: exported as a file, and its chain followed. Who may: a project's readers its part, auditors all.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};
use windlass_proto::v1::{self, ErrorReason};
use windlass_replay::{Ask, ExportError, Finding, Moment, ReplayError, Seen, Verified};
use windlass_sagas::ids::{Position, ProjectId, SagaId};
use windlass_sagas::record::StoredCommit;

use super::Api;
use super::call::{Answer, Call};
use super::errors::Problem;
use super::fields::{self, at_most};
use super::limits::{RETRY_JOURNAL, RETRY_OVERLOADED, SEEN_MAX};
use super::names;
use super::past::only_now;
use super::view::{Place, View};
use super::visit::Point;
use crate::history::whole::{Piece, Told};

/// What an export is answered with.
pub(super) type Export = Pin<Box<dyn Stream<Item = Result<v1::ExportHistoryResponse, Status>> + Send>>;
/// What a verification is answered with.
pub(super) type Verify = Pin<Box<dyn Stream<Item = Result<v1::VerifyHistoryResponse, Status>> + Send>>;

/// What of the history is asked for, before names are looked up.
enum Part {
    Cell,
    Operation(SagaId),
    Project(String),
}

impl Part {
    fn of(parent: &str) -> Result<Self, Problem> {
        match parent.split_once('/').map_or(parent, |(collection, _)| collection) {
            "" | "cell" if !parent.contains('/') => Ok(Self::Cell),
            "operations" => names::saga(parent, "parent").map(Self::Operation),
            "projects" => names::one(parent, "projects", "parent").map(Self::Project),
            _ => Err(Problem::field("parent", "is `cell`, operations/{…} or projects/{…}")),
        }
    }
}

impl Api {
    /// Exports the history, or a part of it.
    pub(super) async fn give_history(&self, request: Request<v1::ExportHistoryRequest>) -> Answer<Export> {
        let (call, asked) = Self::open("history.export", request)?;
        let min_position = Position(asked.min_position);
        let part = Part::of(&asked.parent);
        let (call, place) = match &part {
            // A project's part tells what its readers may read.
            Ok(Part::Project(project)) => {
                (Call { method: "history.list", ..call }, Ok(Place::Project(project.clone())))
            }
            Ok(Part::Cell | Part::Operation(_)) => (call, Ok(Place::Cell)),
            Err(problem) => (call, Err(problem.clone())),
        };
        let look = |view: &View<'_>| {
            let name = view.cell.projects.get(&view.project).map(|project| project.name.clone());
            Ok((view.project, name.unwrap_or_default(), Position(view.position())))
        };
        let (project, name, end) = self.visit(call, Point::now(min_position), place, look).await?;
        let Ok(slot) = std::sync::Arc::clone(&self.0.exports).try_acquire_owned() else {
            return Err(too_many("exports").into());
        };
        let ask = self.asked(&asked, part?, (project, name), end).await?;
        let mut pieces = ReceiverStream::new(self.parts().whole.export(ask));
        // Why it can't be begun is said before anything is.
        let first = match pieces.next().await {
            Some(Ok(first)) => first,
            Some(Err(error)) => return Err(refused(&error).into()),
            None => return Err(Problem::internal("the export ended before it began").into()),
        };
        let rest = tokio_stream::once(Ok(first)).chain(pieces);
        let answers = rest.map(move |piece| {
            let _held = &slot;
            let Piece { data, position } = piece.map_err(|error| Status::from(refused(&error)))?;
            Ok(v1::ExportHistoryResponse { data, position: position.0, end_position: end.0 })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn asked(
        &self,
        asked: &v1::ExportHistoryRequest,
        part: Part,
        (project, name): (ProjectId, String),
        end: Position,
    ) -> Result<Ask, Problem> {
        let from = asked.from.as_ref().map(|at| moment(at, "from", end)).transpose()?;
        let to = asked.read_at.as_ref().map(|at| moment(at, "read_at", end)).transpose()?;
        if from.is_some() || to.is_some() {
            return match part {
                Part::Cell => Ok(Ask::span(from, to)),
                Part::Operation(_) | Part::Project(_) => {
                    let field = if from.is_some() { "from" } else { "read_at" };
                    Err(Problem::field(field, "only all commits of the cell have a span"))
                }
            };
        }
        match part {
            Part::Cell => Ok(Ask { to: Some(Moment::Position(end)), ..Ask::cell() }),
            Part::Project(_) => Ok(Ask { to: Some(Moment::Position(end)), ..Ask::project(project, name) }),
            Part::Operation(saga) => {
                let commits = self.commits_of(saga, end).await?;
                let at = |commit: &crate::lead::handle::Durable| commit.header.position;
                match (commits.first().map(at), commits.last().map(at)) {
                    (Some(first), Some(last)) => Ok(Ask::operation(saga, first, last)),
                    _ => Err(Problem::not_found("operation", &names::operation(saga)).of_field("parent")),
                }
            }
        }
    }

    /// Follows the chain of the journal.
    pub(super) async fn follow_chain(&self, request: Request<v1::VerifyHistoryRequest>) -> Answer<Verify> {
        let (call, asked) = Self::open("history.verify", request)?;
        let min_position = Position(asked.min_position);
        let look = move |view: &View<'_>| {
            only_now(asked.read_at.as_ref(), "a verification")?;
            Ok((seen(&asked)?, Position(view.position())))
        };
        let (mut seen, end) = self.visit(call, Point::now(min_position), Ok(Place::Cell), look).await?;
        let Ok(slot) = std::sync::Arc::clone(&self.0.exports).try_acquire_owned() else {
            return Err(too_many("exports and verifications").into());
        };
        self.reach(end).await?;
        // What this orchestrator has folded must be there, to the last commit.
        if let Some(last) = self.commit_at(end).await? {
            let stored = StoredCommit::of(&last).map_err(|error| Problem::internal(error.to_string()))?;
            if !seen.iter().any(|seen| seen.position == end) {
                seen.push(Seen { position: end, hash: stored.hash() });
            }
        }
        let told = ReceiverStream::new(self.parts().whole.verify(seen));
        let answers = told.map(move |told| {
            let _held = &slot;
            match told.map_err(|error| Status::from(unfollowed(&error)))? {
                Told::Position(at) => Ok(answer(at, end, None)),
                Told::End(verified) => Ok(answer(verified.tip.position, end, Some(verification(&verified)))),
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn answer(at: Position, end: Position, verification: Option<v1::Verification>) -> v1::VerifyHistoryResponse {
    v1::VerifyHistoryResponse { position: at.0, end_position: end.0.max(at.0), verification }
}

fn seen(asked: &v1::VerifyHistoryRequest) -> Result<Vec<Seen>, Problem> {
    at_most(asked.seen.len(), SEEN_MAX, "seen")?;
    let seen = asked.seen.iter().enumerate().map(|(place, seen)| {
        if seen.position == 0 {
            return Err(Problem::field(format!("seen[{place}].position"), "positions begin with 1"));
        }
        let hash = fields::hash(&seen.hash, &format!("seen[{place}].hash"))?;
        Ok(Seen { position: Position(seen.position), hash })
    });
    seen.collect()
}

fn moment(at: &v1::ReadAt, field: &str, end: Position) -> Result<Moment, Problem> {
    match &at.point {
        Some(v1::read_at::Point::Position(position)) if (1..=end.0).contains(position) => {
            Ok(Moment::Position(Position(*position)))
        }
        Some(v1::read_at::Point::Position(position)) => {
            let message = format!("position {position} is not in the journal, which ends at {end}");
            Err(out_of_range(message).of_field(field))
        }
        Some(v1::read_at::Point::Time(stamp)) => fields::time(stamp, field).map(Moment::Time),
        None => Err(Problem::field(field, "names no position and no time")),
    }
}

fn out_of_range(message: String) -> Problem {
    Problem::new(ErrorReason::PositionOutOfRange, message)
        .hint("`windlass cell` shows the last position and its time")
}

fn too_many(what: &str) -> Problem {
    Problem::new(ErrorReason::Overloaded, format!("too many {what} go on here"))
        .hint("send it again in a moment")
        .retry_after(RETRY_OVERLOADED)
}

/// Why there is no file.
fn refused(error: &ExportError) -> Problem {
    let unavailable = |message: String| {
        Problem::new(ErrorReason::JournalUnavailable, message)
            .hint("verify the journal; export it again in a moment, or at another orchestrator")
            .retry_after(RETRY_JOURNAL)
    };
    match error {
        ExportError::Range { .. } | ExportError::Empty => out_of_range(error.to_string()),
        ExportError::Read(inner) => unavailable(format!("{error}: {inner}")),
        ExportError::Broken { .. } | ExportError::Part(_) | ExportError::NotFound(_) => {
            unavailable(error.to_string())
        }
        ExportError::Unreadable { error: inner, .. } => unavailable(format!("{error}: {inner}")),
        ExportError::Write(_) => Problem::internal(error.to_string()),
    }
}

fn unfollowed(error: &ReplayError) -> Problem {
    Problem::new(ErrorReason::JournalUnavailable, format!("the chain can't be followed: {error}"))
        .hint("ask again in a moment, or another orchestrator")
        .retry_after(RETRY_JOURNAL)
}

fn verification(verified: &Verified) -> v1::Verification {
    let finding = |finding: &Finding| v1::verification::Finding {
        position: finding.position.0,
        frame: finding.cursor.0,
        what: finding.to_string(),
    };
    v1::Verification {
        whole: verified.is_whole(),
        frames: verified.frames,
        commits: verified.commits,
        void_commits: verified.voids.values().sum(),
        cut_off: verified.cut_off,
        findings: verified.findings.iter().map(finding).collect(),
        findings_more: verified.more,
        hash: verified.tip.hash.to_string(),
    }
}
