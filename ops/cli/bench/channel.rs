//! The channel to one agent alone: calls on a real stream to a real agent process, whose step changes nothing. There is
//! no leader: this speaks as one.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, timeout};
use windlass_orchestrator::clock;
use windlass_orchestrator::dispatch::{AgentEvent, Bare, Link};
use windlass_orchestrator::identity::{CellIdentity, Own};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Answer, Call, CallBody, Down, Hello, Owner, Reply, Up, Verb};
use windlass_sagas::record::{Direction, LedgerId, StepInput, StepKey};

use super::cell::{CHANNEL_HOST, Cell};
use super::limits::{ANSWER_TIME_MAX, ERRORS_MAX};
use super::load::Ran;
use super::measure::Measure;
use super::meter::{Processes, Used};
use super::plan::{Plan, Row};
use crate::output;

/// How long an agent may work at a call, milliseconds.
const REMAINING_MS: u32 = 60_000;
/// Everything below it is settled, every so many calls: so the agent forgets, as it does under a leader.
const LOW_WATER_EVERY: u64 = 512;
/// More calls than one row makes: each begins above the positions of those before it.
const CALLS_OF_ONE_LEAD: u64 = 100_000_000;
/// Calls below the newest that may still be under way.
const SETTLED_BEHIND: u64 = 1_024;

/// One row.
pub(super) async fn measure(cell: &mut Cell, row: Row, plan: &Plan) -> anyhow::Result<Measure> {
    let Row::Channel { synced, in_flight } = row else { anyhow::bail!("{row} is no row of the channel") };
    output::note(format!("{row}: {} s", plan.time.as_secs()));
    let directory = cell.home().join("identity");
    let identity = CellIdentity::load(&directory)?;
    let own = Own::ensure(&directory, &identity.authority, &BTreeSet::new(), clock::now())?.certificate;
    let streams = Bare::serve(&identity, &own, "127.0.0.1:0".parse()?)?;
    let address = streams.address.to_string();
    let agent = cell.start_process(&[CHANNEL_HOST.to_owned()], &address, synced).await?;
    let processes = Processes { agents: agent.id().into_iter().collect(), ..cell.processes() };
    let mut channel = Channel::open(streams, identity.genesis.cell).await?;
    let ran = channel.run(in_flight, plan, &Processes { metrics: None, ..processes }).await;
    drop(channel);
    agent.end().await?;
    Ok(Measure::of(row, ran?))
}

/// A stream, and what a leader knows of it.
struct Channel {
    streams: Bare,
    link: Link,
    cell: CellId,
    ledger: LedgerId,
    incarnation: Incarnation,
    term: Term,
    /// The position of the next call.
    next: u64,
}

impl Channel {
    /// Waits for the agent and begins to lead.
    async fn open(mut streams: Bare, cell: CellId) -> anyhow::Result<Self> {
        let (link, hello) =
            timeout(ANSWER_TIME_MAX, hello(&mut streams)).await.context("no agent came")??;
        let (ledger, incarnation) = *hello.ledgers.first().context("the agent has no ledger")?;
        let elected = Position(hello.highest.elected.0 + CALLS_OF_ONE_LEAD);
        let term = Term { generation: hello.highest.generation, elected };
        anyhow::ensure!(
            link.send(&Down::Lead { term, position: elected, hash: Hash([9; 32]) }),
            "the agent is gone"
        );
        let next = elected.0 + 1;
        Ok(Self { streams, link, cell, ledger, incarnation, term, next })
    }

    /// Keeps so many calls going, each of a step of its own.
    async fn run(&mut self, in_flight: usize, plan: &Plan, processes: &Processes) -> anyhow::Result<Ran> {
        let (begun, mut before, mut ran) = (Instant::now(), None, Ran::default());
        let mut open = HashMap::with_capacity(in_flight);
        while begun.elapsed() < plan.warm_up() + plan.time {
            if before.is_none() && begun.elapsed() >= plan.warm_up() {
                ran.latencies.clear();
                before = Some(processes.look().await?);
            }
            while open.len() < in_flight {
                open.insert(self.call()?, Instant::now());
            }
            let reply = self.reply().await?;
            let at = open.remove(&reply.key).context("an answer to no call")?;
            ran.latencies.push(at.elapsed());
            if !matches!(reply.answer, Answer::Done(_)) {
                ran.error(|| format!("{:?}", reply.answer));
                anyhow::ensure!(ran.errors < ERRORS_MAX, "too many failures: {:?}", reply.answer);
            }
        }
        let before = before.context("nothing was answered in time")?;
        ran.used = Used::between(&before, &processes.look().await?);
        Ok(ran)
    }

    /// Sends the next call; its key.
    fn call(&mut self) -> anyhow::Result<StepKey> {
        let number = self.next;
        self.next += 1;
        let saga = SagaId::derived(&self.incarnation.0, u32::try_from(number).unwrap_or(u32::MAX));
        let key = StepKey { saga, step: StepIndex(0) };
        let volume = VolumeId(saga.0);
        let input = StepInput::ReserveVolume {
            volume,
            size_gib: 1,
            image: None,
            made_here: true,
            export_to: Some(self.ledger.host),
        };
        let call = Call {
            term: self.term,
            key,
            verb: Verb::Execute,
            direction: Direction::Forward,
            attempt: Attempt(1),
            dispatched: Position(number),
            ledger: self.ledger,
            incarnation: self.incarnation,
            remaining_ms: REMAINING_MS,
            owner: Owner { cell: self.cell, project: ProjectId([8; 16]) },
            body: CallBody { input, exports: Vec::new(), closes: Vec::new() },
        };
        self.send(&Down::Call(Box::new(call)))?;
        if number.is_multiple_of(LOW_WATER_EVERY) {
            let Self { ledger, incarnation, term, .. } = *self;
            let position = Position(number.saturating_sub(SETTLED_BEHIND));
            self.send(&Down::LowWater { ledger, incarnation, term, position })?;
        }
        Ok(key)
    }

    fn send(&self, down: &Down) -> anyhow::Result<()> {
        anyhow::ensure!(self.link.send(down), "the agent does not read, or is gone");
        Ok(())
    }

    async fn reply(&mut self) -> anyhow::Result<Reply> {
        loop {
            match next(&mut self.streams, ANSWER_TIME_MAX).await? {
                AgentEvent::Said { up: Up::Reply(reply), .. } => return Ok(reply),
                AgentEvent::Said { .. } | AgentEvent::Connected(_) => {}
                AgentEvent::Lost { .. } => anyhow::bail!("the agent is gone"),
            }
        }
    }
}

/// The first stream, and what its agent says of itself.
async fn hello(streams: &mut Bare) -> anyhow::Result<(Link, Hello)> {
    let mut connected = None;
    loop {
        match next(streams, ANSWER_TIME_MAX).await? {
            AgentEvent::Connected(link) => connected = Some(link),
            AgentEvent::Said { up: Up::Hello(hello), .. } => {
                return Ok((connected.context("Hello on no stream")?, hello));
            }
            AgentEvent::Said { .. } | AgentEvent::Lost { .. } => {}
        }
    }
}

async fn next(streams: &mut Bare, within: Duration) -> anyhow::Result<AgentEvent> {
    let event = timeout(within, streams.events.recv()).await.context("the agent says nothing")?;
    event.context("the streams have ended")
}
