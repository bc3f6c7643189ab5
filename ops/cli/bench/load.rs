//! The closed loop: so many operations in flight through the public API, the next one as soon as one has ended. Their
//! ends are seen on one watch of the project, not by a wait for each.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use windlass_client::{Client, ClientError, v1};

use super::cell::Cell;
use super::limits::{DRAIN_TIME_MAX, ERRORS_MAX};
use super::meter::{Processes, Used};
use super::seeded;

/// What is asked for, and whether it is to complete.
pub(super) struct Ask {
    pub(super) what: What,
    pub(super) completes: bool,
}

/// What is asked for.
pub(super) enum What {
    Create(Box<v1::CreateServerRequest>),
    Delete(v1::DeleteServerRequest),
}

impl What {
    async fn call(self, client: &Client) -> Result<v1::Operation, ClientError> {
        match self {
            Self::Create(request) => client.call(*request).await,
            Self::Delete(request) => client.call(request).await,
        }
    }
}

/// An operation's end, as the watch told it.
struct End {
    operation: String,
    completed: bool,
    at: Instant,
}

/// What a loop came to. Times and counts are of the measured part; errors of all of it.
#[derive(Default)]
pub(super) struct Ran {
    pub(super) latencies: Vec<Duration>,
    pub(super) used: Used,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

impl Ran {
    pub(super) fn error(&mut self, what: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(what);
    }
}

/// When a loop is measured: after so long, for so long.
#[derive(Clone, Copy)]
pub(super) struct Measured<'a> {
    pub(super) processes: &'a Processes,
    pub(super) warm_up: Duration,
    pub(super) time: Duration,
}

/// The load on a cell.
pub(super) struct Load {
    pub(super) client: Client,
    pub(super) hypervisors: Vec<String>,
    /// The number of the next server.
    pub(super) number: u64,
    /// Servers that are to be deleted before the next row.
    pub(super) made: Vec<String>,
    /// Sagas so far.
    pub(super) sagas: u64,
    ends: mpsc::UnboundedReceiver<End>,
    watching: JoinHandle<()>,
}

impl Load {
    /// Seeds the cell and begins to watch its project.
    pub(super) async fn begin(cell: &Cell) -> anyhow::Result<Self> {
        let (client, hypervisors) = (cell.client.clone(), cell.hypervisors());
        seeded::seed(&client, &hypervisors).await?;
        let mut watch = client.watch(seeded::parent(), None).basic();
        watch.next().await.context("the project can't be watched")?;
        let (told, ends) = mpsc::unbounded_channel();
        let watching = tokio::spawn(async move {
            while let Ok(Some(answer)) = watch.next().await {
                let at = Instant::now();
                let operations = answer.changes.into_iter().filter_map(|change| change.operation);
                for operation in operations.filter(|operation| operation.done) {
                    let completed = matches!(operation.result, Some(v1::operation::Result::Response(_)));
                    if told.send(End { operation: operation.name, completed, at }).is_err() {
                        return;
                    }
                }
            }
        });
        let (number, made, sagas) = (0, Vec::new(), 0);
        Ok(Self { client, hypervisors, number, made, sagas, ends, watching })
    }

    /// Ends the watch.
    pub(super) async fn end(self) {
        self.watching.abort();
        // Aborted: that is what was asked for.
        self.watching.await.ok();
    }

    /// Keeps `in_flight` operations going until `next` has no more, or the measured time is over, and all have ended.
    pub(super) async fn run(
        &mut self,
        in_flight: usize,
        next: impl FnMut() -> Option<Ask>,
        measured: Option<Measured<'_>>,
    ) -> anyhow::Result<Ran> {
        let begun = Instant::now();
        let mut flight = Flight::new(self.client.clone(), in_flight, next);
        flight.fill();
        let mut before = None;
        if let Some(measured) = measured {
            self.until(&mut flight, begun + measured.warm_up).await?;
            flight.ran.latencies.clear();
            before = Some(measured.processes.look().await?);
            self.until(&mut flight, begun + measured.warm_up + measured.time).await?;
            flight.over = true;
        }
        let latencies = flight.ran.latencies.len();
        if let (Some(measured), Some(before)) = (measured, before) {
            flight.ran.used = Used::between(&before, &measured.processes.look().await?);
        }
        while !flight.is_over() {
            let most = Instant::now() + DRAIN_TIME_MAX;
            let ended = flight.ended;
            self.step(&mut flight, most).await?;
            anyhow::ensure!(
                flight.ended > ended || Instant::now() < most,
                "operations do not end: {}",
                flight.told()
            );
        }
        if measured.is_some() {
            flight.ran.latencies.truncate(latencies);
        }
        self.sagas += flight.ended;
        Ok(flight.ran)
    }

    async fn until<N: FnMut() -> Option<Ask>>(
        &mut self,
        flight: &mut Flight<N>,
        at: Instant,
    ) -> anyhow::Result<()> {
        while Instant::now() < at && !flight.is_over() {
            self.step(flight, at).await?;
        }
        Ok(())
    }

    /// The next thing that happens, or the time.
    async fn step<N: FnMut() -> Option<Ask>>(
        &mut self,
        flight: &mut Flight<N>,
        at: Instant,
    ) -> anyhow::Result<()> {
        tokio::select! {
            biased;
            end = self.ends.recv() => flight.ends(end.context("the watch broke")?),
            Some(answer) = flight.calls.join_next() => flight.answered(answer?),
            () = tokio::time::sleep_until(at) => {}
        }
        anyhow::ensure!(flight.ran.errors < ERRORS_MAX, "too many failures: {}", flight.told());
        flight.fill();
        Ok(())
    }
}

/// An operation that was asked for: when, and whether it is to complete.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    completes: bool,
}

struct Flight<N> {
    client: Client,
    room: usize,
    next: N,
    /// No more is asked for.
    over: bool,
    calls: JoinSet<(Asked, Result<v1::Operation, ClientError>)>,
    pending: HashMap<String, Asked>,
    /// Ends that were told before the call's own answer.
    early: HashMap<String, End>,
    ended: u64,
    ran: Ran,
}

impl<N: FnMut() -> Option<Ask>> Flight<N> {
    fn new(client: Client, room: usize, next: N) -> Self {
        let (calls, pending, early) = (JoinSet::new(), HashMap::new(), HashMap::new());
        Self { client, room, next, over: false, calls, pending, early, ended: 0, ran: Ran::default() }
    }

    fn is_over(&self) -> bool {
        self.over && self.calls.is_empty() && self.pending.is_empty()
    }

    fn told(&self) -> String {
        self.ran.first_error.clone().unwrap_or_else(|| format!("{} are open", self.pending.len()))
    }

    fn fill(&mut self) {
        while !self.over && self.calls.len() + self.pending.len() < self.room {
            let Some(ask) = (self.next)() else {
                self.over = true;
                return;
            };
            let client = self.client.clone();
            let asked = Asked { at: Instant::now(), completes: ask.completes };
            self.calls.spawn(async move { (asked, ask.what.call(&client).await) });
        }
    }

    fn answered(&mut self, (asked, answer): (Asked, Result<v1::Operation, ClientError>)) {
        match answer {
            Ok(operation) => match self.early.remove(&operation.name) {
                Some(end) => self.ended(asked, &end),
                None => {
                    self.pending.insert(operation.name, asked);
                }
            },
            Err(error) => self.ran.error(|| error.to_string()),
        }
    }

    fn ends(&mut self, end: End) {
        match self.pending.remove(&end.operation) {
            Some(asked) => self.ended(asked, &end),
            None => {
                self.early.insert(end.operation.clone(), end);
            }
        }
    }

    fn ended(&mut self, asked: Asked, end: &End) {
        self.ended += 1;
        self.ran.latencies.push(end.at.saturating_duration_since(asked.at));
        if end.completed != asked.completes {
            let how = if end.completed { "completed" } else { "did not complete" };
            self.ran.error(|| format!("{} {how}", end.operation));
        }
    }
}
