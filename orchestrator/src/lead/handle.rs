//! The one door to the leader: everybody else in the process proposes facts, reads the fold and follows commits
//! through this handle. It holds no state of its own and never decides anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};
use windlass_sagas::cell::{self, Cell, Decline, Preview, Rejection};
use windlass_sagas::ids::{Hash, HostId, Position, SagaId};
use windlass_sagas::protocol::Inventory;
use windlass_sagas::protocol::orchestrator as lead;
use windlass_sagas::record::{Cause, Commit, Fact};
use windlass_store::Tracker;

use super::recovery::Recovery;
use crate::clock;

/// How long a read may wait for what it rests on, where the handle's own deadline is not shorter: a leader whose journal
/// does not answer sends its readers on to another orchestrator.
pub const READ_TIME_MAX: Duration = Duration::from_secs(2);
/// How many durable commits a slow watcher may lag behind before it is cut off.
pub const WATCH_LAG_MAX: usize = 4096;

/// What wakes the leader's task. One closed enum: everything that can wake it is listed here and in `lead::run`.
pub enum Wake {
    /// A fact to decide; the answer leaves when the position that it rests on is durable.
    Propose { cause: Cause, fact: Box<Fact>, reply: oneshot::Sender<Result<Receipt, Refused>> },
    /// A read of the fold, once it holds at least this position; its answer leaves once what it rests on is durable.
    Read { min_position: Position, read: ReadFold },
    /// Whether anything is lost of the journal.
    Recovery { reply: oneshot::Sender<Result<Recovery, Refused>> },
    /// An operator's order to go on with the journal that ends in this commit; answered once this orchestrator leads.
    Recover { tip: (Position, Hash), order: String, reply: oneshot::Sender<Result<Recovery, Refused>> },
    /// Ask these hosts' agents what they hold; each ledger's answer is told as it comes, on a stream or never.
    TakeInventories { hosts: Vec<HostId>, told: mpsc::Sender<Inventory> },
}

/// Computes an answer from the fold, and what the index does not hold yet, now; gives what sends it, and when it may.
pub type ReadFold = Box<dyn FnOnce(&Cell, &Tracker) -> Leaves + Send>;

/// When the answer to a read may leave the leader's task.
pub enum Leaves {
    /// Once what it rests on is durable.
    WhenDurable(Box<dyn FnOnce() + Send>),
    /// At once: it stays in this process, and whatever comes of it is decided anew.
    Now(Box<dyn FnOnce() + Send>),
}

/// A committed fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The position that the answer speaks for.
    pub position: Position,
    /// The saga that a request started, now or (a repeat) before.
    pub saga: Option<SagaId>,
}

/// Why a proposal or read was not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The decision refused it.
    #[error("{rejection}")]
    Rejected {
        /// Why.
        rejection: Box<Rejection>,
        /// The position that the refusal speaks for.
        position: Position,
    },
    /// It speaks of nothing open.
    #[error("nothing open")]
    Stale,
    /// Deciding it panics.
    #[error("deciding it panics")]
    Poisonous,
    /// This orchestrator does not lead.
    #[error("this orchestrator does not lead")]
    NotLeader,
    /// It has begun to lead and is not ready yet.
    #[error("an orchestrator is taking over")]
    TakingOver,
    /// Too much waits already.
    #[error("the leader has too much to do")]
    Overloaded,
    /// The journal takes nothing at the moment.
    #[error("the journal is not available")]
    JournalUnavailable,
    /// The fold did not reach the wanted position in time.
    #[error("position {0} is not reached")]
    PositionNotReached(Position),
    /// Nothing is lost that an order could go on without.
    #[error("nothing is lost")]
    NothingLost,
    /// The journal ends in another commit than the order names.
    #[error("the journal ends in another commit, at position {0}")]
    OtherTip(Position),
    /// The journal is read here, and not led.
    #[error("this journal is only read")]
    ReadOnly,
    /// The orchestrator stops.
    #[error("the orchestrator stops")]
    Stopping,
}

impl From<lead::Receipt> for Receipt {
    fn from(lead::Receipt { position, saga }: lead::Receipt) -> Self {
        Self { position, saga }
    }
}

/// The machine's word, as the rest of the process hears it.
impl From<lead::Refused> for Refused {
    fn from(refused: lead::Refused) -> Self {
        match refused {
            lead::Refused::Rejected { rejection, position } => Self::Rejected { rejection, position },
            lead::Refused::Stale { .. } => Self::Stale,
            lead::Refused::Poisonous => Self::Poisonous,
            lead::Refused::NotLeader => Self::NotLeader,
            lead::Refused::Overloaded => Self::Overloaded,
            lead::Refused::JournalUnavailable => Self::JournalUnavailable,
            lead::Refused::SteppedDown => Self::TakingOver,
        }
    }
}

impl From<(Decline, Position)> for Refused {
    fn from((decline, position): (Decline, Position)) -> Self {
        match decline {
            Decline::Rejected(rejection) => Self::Rejected { rejection, position },
            Decline::Stale | Decline::Repeat(_) => Self::Stale,
        }
    }
}

/// A durable commit, as watchers get it.
pub type Durable = Arc<Commit>;

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Leader {
    wakes: mpsc::Sender<Wake>,
    commits: broadcast::Sender<Durable>,
    deadline: Duration,
}

impl Leader {
    /// A handle to the task that takes these wakes. `deadline` bounds every wait.
    #[must_use]
    pub fn new(wakes: mpsc::Sender<Wake>, commits: broadcast::Sender<Durable>, deadline: Duration) -> Self {
        Self { wakes, commits, deadline }
    }

    /// Proposes a fact; answers once it is durable (R2).
    ///
    /// # Errors
    /// As `Refused` says. After a time-out the fact may still be committed: a request is repeated with its own id.
    pub async fn propose(&self, cause: Cause, fact: Fact) -> Result<Receipt, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Wake::Propose { cause, fact: Box::new(fact), reply })?;
        within(self.deadline, answer).await.ok_or(Refused::JournalUnavailable)?
    }

    /// Decides a fact without committing it.
    ///
    /// # Errors
    /// As `Refused` says.
    pub async fn preview(&self, fact: Fact) -> Result<Preview, Refused> {
        let decide = move |cell: &Cell| cell::preview(cell, &fact, clock::now());
        let (position, decided) = self.read(Position(0), decide).await?;
        decided.map_err(|decline| Refused::from((decline, position)))
    }

    /// Reads the fold at `min_position` or later; what it returns rests on durable positions only. The closure runs on
    /// the leader's thread: it copies what it needs and does nothing else.
    ///
    /// # Errors
    /// As `Refused` says.
    pub async fn read<T: Send + 'static>(
        &self,
        min_position: Position,
        read: impl FnOnce(&Cell) -> T + Send + 'static,
    ) -> Result<(Position, T), Refused> {
        self.read_both(min_position, move |cell, _| read(cell)).await
    }

    /// As `read`, of what the leader's task keeps for the index and has not stored yet.
    ///
    /// # Errors
    /// As `Refused` says.
    pub async fn read_recent<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tracker) -> T + Send + 'static,
    ) -> Result<(Position, T), Refused> {
        self.read_both(Position(0), move |_, recent| read(recent)).await
    }

    /// What a proposal is made from, looked up without a wait: it may rest on what is not durable yet, since the fact is
    /// decided anew behind it. What will not be `proposed` ends the call, so it waits as a read does.
    ///
    /// # Errors
    /// As `Refused` says.
    pub async fn prepare<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Cell) -> T + Send + 'static,
        proposed: fn(&T) -> bool,
    ) -> Result<T, Refused> {
        self.look(Position(0), |cell, _| look(cell), proposed).await
    }

    async fn read_both<T: Send + 'static>(
        &self,
        min_position: Position,
        read: impl FnOnce(&Cell, &Tracker) -> T + Send + 'static,
    ) -> Result<(Position, T), Refused> {
        self.look(min_position, |cell, recent| (cell.position, read(cell, recent)), |_| false).await
    }

    /// Looks at the fold at `min_position` or later; what is seen leaves at once where `now` says so.
    async fn look<T: Send + 'static>(
        &self,
        min_position: Position,
        look: impl FnOnce(&Cell, &Tracker) -> T + Send + 'static,
        now: fn(&T) -> bool,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let read: ReadFold = Box::new(move |cell: &Cell, recent: &Tracker| {
            let looked = look(cell, recent);
            let now = now(&looked);
            let send: Box<dyn FnOnce() + Send> = Box::new(move || drop(reply.send(looked)));
            if now { Leaves::Now(send) } else { Leaves::WhenDurable(send) }
        });
        self.send(Wake::Read { min_position, read })?;
        let time_max = self.deadline.min(READ_TIME_MAX);
        within(time_max, answer).await.ok_or(Refused::PositionNotReached(min_position))
    }

    /// Whether anything is lost of the journal, and what.
    ///
    /// # Errors
    /// `NotLeader` where another orchestrator would lead on it, `TakingOver` while it is being read.
    pub async fn recovery(&self) -> Result<Recovery, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Wake::Recovery { reply })?;
        within(self.deadline, answer).await.ok_or(Refused::TakingOver)?
    }

    /// An operator's order to lead on with a journal that ends in the commit `tip`; `order` says who and why, for the
    /// record. Returns once this orchestrator leads.
    ///
    /// # Errors
    /// As `recovery`; `NothingLost`; `OtherTip`; `JournalUnavailable` where no lead came of it in time.
    pub async fn recover(&self, tip: (Position, Hash), order: String) -> Result<Recovery, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Wake::Recover { tip, order, reply })?;
        within(self.deadline, answer).await.ok_or(Refused::JournalUnavailable)?
    }

    /// Asks agents what they hold; each ledger's inventory comes on the channel, which the caller bounds in time.
    ///
    /// # Errors
    /// As `Refused` says.
    pub fn take_inventories(&self, hosts: Vec<HostId>, told: mpsc::Sender<Inventory>) -> Result<(), Refused> {
        self.send(Wake::TakeInventories { hosts, told })
    }

    /// Follows durable commits from now on. A watcher that lags more than `WATCH_LAG_MAX` is told so by the channel.
    #[must_use]
    pub fn commits(&self) -> broadcast::Receiver<Durable> {
        self.commits.subscribe()
    }

    fn send(&self, wake: Wake) -> Result<(), Refused> {
        self.wakes.try_send(wake).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Refused::Stopping,
        })
    }
}

async fn within<T>(time_max: Duration, answer: oneshot::Receiver<T>) -> Option<T> {
    tokio::time::timeout(time_max, answer).await.ok()?.ok()
}
