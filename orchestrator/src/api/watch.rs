//! One watch, whatever it tells: from a position on, every commit is looked at, none left out, none twice.
//!
//! The past comes from the history, the present from the leader's channel; positions are dense, so a gap between the
//! two is seen and read from the history. A reader that lags too far behind the channel is cut off, never skipped.

use std::sync::Arc;

use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use windlass_proto::v1::ErrorReason;
use windlass_sagas::ids::*;
use windlass_sagas::record::Commit;

use super::Api;
use super::attribution::touched;
use super::call::unread;
use super::errors::{Problem, refused};
use super::limits::*;
use super::names::{self, NO_PROJECT};
use crate::lead::handle::{Durable, Refused};

/// What a watch tells of the commits that it is given, each once and in order.
#[tonic::async_trait]
pub(super) trait Tale: Send + 'static {
    /// What is sent.
    type Answer: Send + 'static;

    /// The one operation that is watched, with which the watch ends.
    fn only(&self) -> Option<SagaId>;

    /// Where the watch ends; `None`: it goes on.
    fn until(&self) -> Option<Position> {
        None
    }

    /// Looks again whether the caller may watch this: tokens and roles end while a watch lasts.
    async fn let_in(&mut self) -> Result<(), Problem>;

    /// The state to begin with, at this position or later; `None`: none is wanted.
    async fn begin(&mut self, from: Position) -> Result<Option<Snapshot<Self::Answer>>, Problem>;

    /// Notes what the next commit says; whether the watch ends with it.
    async fn note(&mut self, commit: &Commit) -> Result<bool, Problem>;

    /// Whether what was noted fills an answer.
    fn is_full(&self) -> bool;

    /// Whether anything was noted.
    fn has_news(&self) -> bool;

    /// The answer that says what was noted (a bookmark: nothing), for everything up to a position.
    fn answer(&mut self, position: Position) -> Self::Answer;

    /// The answer that says that this was all.
    fn last(&mut self, position: Position) -> Self::Answer {
        self.answer(position)
    }
}

/// The state that a watch begins with.
pub(super) struct Snapshot<A> {
    pub(super) position: Position,
    pub(super) answer: A,
    /// Whether nothing more will follow.
    pub(super) ended: bool,
}

/// Whether the watch goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    /// Everything is told, or nobody listens any more.
    Ended,
}

struct Watch<T: Tale> {
    api: Api,
    tale: T,
    /// Everything up to here was looked at, and sent where it is news.
    cursor: Position,
    bookmark: Instant,
    answers: mpsc::Sender<Result<T::Answer, Status>>,
}

impl Api {
    /// The stream of a watch whose caller was let in, of what comes behind `after`.
    pub(super) fn watch<T: Tale>(
        &self,
        tale: T,
        after: Position,
    ) -> Result<ReceiverStream<Result<T::Answer, Status>>, Status> {
        // One message waits at the reader; a reader that does not take it holds the watch up, and the watch is told by
        // the leader's channel once it lags too far.
        let Ok(open) = Arc::clone(&self.0.watches).try_acquire_owned() else {
            return Err(refused(Refused::Overloaded, NO_PROJECT, &[]).into());
        };
        let (answers, stream) = mpsc::channel(1);
        let bookmark = Instant::now() + BOOKMARK_PAUSE;
        let watch = Watch { api: self.clone(), tale, cursor: after, bookmark, answers };
        tokio::spawn(async move {
            watch.run().await;
            drop(open);
        });
        Ok(ReceiverStream::new(stream))
    }
}

/// The position that a watch is asked to begin behind, which is not beyond the journal's end; `None`: from now on.
pub(super) fn after(asked: Option<u64>, end: Position) -> Result<Option<Position>, Problem> {
    let after = asked.map(Position);
    let Some(beyond) = after.filter(|after| *after > end) else { return Ok(after) };
    let message = format!("position {beyond} is beyond the journal's end, {end}");
    Err(Problem::new(ErrorReason::PositionOutOfRange, message)
        .of_field("after_position")
        .hint("send the same as min_position, to wait for it"))
}

impl<T: Tale> Watch<T> {
    /// Sends until the end; the last word is the reason, where it is not an end in order.
    async fn run(mut self) {
        if let Err(problem) = self.follow().await {
            // Nobody may be there to hear it.
            drop(self.answers.send(Err(problem.into())).await);
        }
    }

    async fn follow(&mut self) -> Result<(), Problem> {
        self.tale.let_in().await?;
        let mut flow = Flow::On;
        if let Some(Snapshot { position, answer, ended }) = self.tale.begin(self.cursor).await? {
            self.cursor = position;
            flow = self.send(answer).await;
            if ended {
                flow = Flow::Ended;
            }
        }
        // Behind this the channel is joined, so that little is left to be read of what it says meanwhile.
        if flow == Flow::On {
            flow = self.catch_up().await?;
        }
        if flow == Flow::On && self.tale.until().is_some() {
            let last = self.tale.last(self.cursor);
            self.send(last).await;
            flow = Flow::Ended;
        }
        if flow == Flow::Ended {
            return Ok(());
        }
        let mut commits = self.api.parts().leader.commits();
        if self.catch_up().await? == Flow::Ended {
            return Ok(());
        }
        loop {
            let flow = tokio::select! {
                biased;
                () = self.answers.closed() => Flow::Ended,
                commit = commits.recv() => match commit {
                    Ok(commit) => self.live(commit, &mut commits).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => return Err(too_slow(self.cursor)),
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(Problem::new(ErrorReason::Draining, "this orchestrator stops")
                            .retry_after(RETRY_LEADER));
                    }
                },
                () = sleep_until(self.bookmark) => self.send_bookmark().await?,
            };
            if flow == Flow::Ended {
                return Ok(());
            }
        }
    }

    /// Reads on in the history, up to what is durable now.
    async fn catch_up(&mut self) -> Result<Flow, Problem> {
        let head = self.api.fold(self.cursor, |cell| cell.position).await?;
        let head = self.tale.until().map_or(head, |until| until.min(head));
        if let Some(saga) = self.tale.only() {
            return self.catch_up_with(saga, head).await;
        }
        while self.cursor < head {
            self.api.reach(head).await?;
            let finished = &self.api.parts().finished;
            let commits = finished.commits_after(self.cursor, WATCH_BATCH_COMMITS).await.map_err(unread)?;
            if commits.is_empty() {
                return Err(Problem::internal(format!("the history ends before position {head}")));
            }
            for commit in commits.iter().filter(|commit| commit.header.position <= head) {
                if self.take(commit).await? == Flow::Ended {
                    return Ok(Flow::Ended);
                }
            }
            if Instant::now() >= self.bookmark && self.send_bookmark().await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
        }
        Ok(self.flush().await)
    }

    /// The same for one operation, whose commits the history knows.
    async fn catch_up_with(&mut self, saga: SagaId, head: Position) -> Result<Flow, Problem> {
        let commits = self.api.commits_of(saga, head).await?;
        if commits.is_empty() {
            return Err(Problem::not_found("operation", &names::operation(saga)));
        }
        let ends = |commit: &Durable| touched(commit).contains(&(saga, true));
        let ended = commits.iter().any(ends);
        let after = self.cursor;
        for commit in commits.iter().filter(|commit| commit.header.position > after) {
            if self.take(commit).await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
        }
        self.cursor = self.cursor.max(head);
        let flow = self.flush().await;
        Ok(if ended { Flow::Ended } else { flow })
    }

    /// A commit from the leader's channel, and with it those that wait behind it.
    async fn live(
        &mut self,
        commit: Durable,
        commits: &mut broadcast::Receiver<Durable>,
    ) -> Result<Flow, Problem> {
        let mut next = Some(commit);
        while let Some(commit) = next {
            let position = commit.header.position;
            if position > self.cursor.next() && self.catch_up().await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
            if position > self.cursor && self.take(&commit).await? == Flow::Ended {
                return Ok(Flow::Ended);
            }
            next = match commits.try_recv() {
                Ok(commit) => Some(commit),
                Err(TryRecvError::Lagged(_)) => return Err(too_slow(self.cursor)),
                // Closed: the next `recv` says it.
                Err(TryRecvError::Empty | TryRecvError::Closed) => None,
            };
        }
        Ok(self.flush().await)
    }

    /// The next commit: noted where it is news, and sent where there is enough.
    async fn take(&mut self, commit: &Commit) -> Result<Flow, Problem> {
        let ended = self.tale.note(commit).await?;
        self.cursor = commit.header.position;
        let flow = if ended || self.tale.is_full() { self.flush().await } else { Flow::On };
        Ok(if ended { Flow::Ended } else { flow })
    }

    /// Sends what was noted.
    async fn flush(&mut self) -> Flow {
        if !self.tale.has_news() {
            return Flow::On;
        }
        let answer = self.tale.answer(self.cursor);
        self.send(answer).await
    }

    async fn send_bookmark(&mut self) -> Result<Flow, Problem> {
        self.tale.let_in().await?;
        let answer = self.tale.answer(self.cursor);
        Ok(self.send(answer).await)
    }

    async fn send(&mut self, answer: T::Answer) -> Flow {
        self.bookmark = Instant::now() + BOOKMARK_PAUSE;
        if self.answers.send(Ok(answer)).await.is_ok() { Flow::On } else { Flow::Ended }
    }
}

fn too_slow(position: Position) -> Problem {
    Problem::new(ErrorReason::WatchTooSlow, "the reader is too slow for what happens")
        .hint("open it again with after_position = the last position that arrived")
        .with("position", position.to_string())
}
