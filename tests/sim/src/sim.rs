//! One simulated world: a cell's journal, orchestrators, hosts and clients on one agenda, and the checkers beside them.
//!
//! Invariant: one thread, no I/O, no clock; what happens is a function of (founding, scenario, seed, faults) alone. The
//! first violation ends the run.

use std::collections::BTreeMap;

use windlass_journal::memory::{Health, Replicas};
use windlass_sagas::cell::state::StepState;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::ledger::{BatchId, LinkId, WorkId};
use windlass_sagas::protocol::orchestrator::{Receipt, Refused};
use windlass_sagas::protocol::{Answer, Call, CallError, Cursor, Down, Hello, Reply, Up, Verb};
use windlass_sagas::record::Role;

use crate::agenda::{Agenda, Instant};
use crate::agent::Host;
use crate::check::{Chain, Violation, left_over, waiting};
use crate::client::Clients;
use crate::fault::{Dice, Fault, Faults, Lane, Place, Plan};
use crate::founding::Founding;
use crate::journal::{Answered, Journal, Waiting};
use crate::limits::*;
use crate::net::{End, Net, Process};
use crate::orchestrator::{Fate, Node, Work};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trace::{Trace, word};

const CALL: &[FaultKind] =
    &[FaultKind::Delay, FaultKind::Duplicate, FaultKind::Drop, FaultKind::Partition, FaultKind::WrongTerm];
const LOW_WATER: &[FaultKind] = &[FaultKind::Delay, FaultKind::Duplicate, FaultKind::Drop];
const ANSWER: &[FaultKind] = &[FaultKind::Delay, FaultKind::Duplicate, FaultKind::Drop, FaultKind::Partition];

/// Everything that can happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    HostStarts { host: usize, life: u32 },
    Dial { host: usize, life: u32, node: usize },
    StreamOpen { host: usize, node: usize, link: u64, hello: Box<Hello> },
    StreamBroken { host: usize, node: usize, link: u64 },
    HostLosesLink { host: usize, node: usize, link: u64 },
    Heartbeat { host: usize, life: u32 },
    Down { host: usize, node: usize, link: u64, late: bool, down: Box<Down> },
    Up { host: usize, node: usize, link: u64, late: bool, up: Box<Up> },
    Work { host: usize, life: u32, role: Role, work: WorkId },
    Sync { host: usize, life: u32, role: Role, batch: BatchId },
    NodeStarts { node: usize, life: u32 },
    NodeResumes { node: usize, life: u32 },
    Node { node: usize, life: u32, work: Work },
    Submit { waiting: Waiting, frame: Vec<u8>, fate: Fate },
    Settle { fate: Fate },
    Subscribe { from: Process, cursor: Cursor, read: u64 },
    Deliver { to: Process },
    LeaseAsked { from: Process, asked: Option<u64>, sent: Instant },
    ClientAsks { place: usize },
    ClientWaits { token: u64 },
    ClientHears { token: u64, reply: Result<Receipt, Refused> },
    OperatorLooks,
    FaultsStop,
    Look,
}

impl Event {
    /// Its name and the numbers that tell it from others, for the trace.
    fn mark(&self) -> (&'static str, [u64; 3]) {
        match self {
            Self::HostStarts { host, life } => ("host starts", [*host as u64, u64::from(*life), 0]),
            Self::Dial { host, node, .. } => ("dial", [*host as u64, *node as u64, 0]),
            Self::StreamOpen { host, node, link, .. } => {
                ("stream opens", [*host as u64, *node as u64, *link])
            }
            Self::StreamBroken { host, node, link } => ("stream breaks", [*host as u64, *node as u64, *link]),
            Self::HostLosesLink { host, node, link } => ("link lost", [*host as u64, *node as u64, *link]),
            Self::Heartbeat { host, .. } => ("heartbeat", [*host as u64, 0, 0]),
            Self::Down { host, node, link, .. } => ("down", [*host as u64, *node as u64, *link]),
            Self::Up { host, node, link, .. } => ("up", [*host as u64, *node as u64, *link]),
            Self::Work { host, role, work, .. } => ("work", [*host as u64, *role as u64, work.0]),
            Self::Sync { host, role, batch, .. } => ("sync", [*host as u64, *role as u64, batch.0]),
            Self::NodeStarts { node, life } => ("node starts", [*node as u64, u64::from(*life), 0]),
            Self::NodeResumes { node, life } => ("node resumes", [*node as u64, u64::from(*life), 0]),
            Self::Node { node, life, .. } => ("node", [*node as u64, u64::from(*life), 0]),
            Self::Submit { waiting, .. } => {
                ("submit", [waiting.from.node as u64, waiting.append, waiting.after.0])
            }
            Self::Settle { .. } => ("settle", [0; 3]),
            Self::Subscribe { from, cursor, read } => ("subscribe", [from.node as u64, cursor.0, *read]),
            Self::Deliver { to } => ("deliver", [to.node as u64, 0, 0]),
            Self::LeaseAsked { from, asked, .. } => ("lease", [from.node as u64, asked.unwrap_or(0), 0]),
            Self::ClientAsks { place } => ("client asks", [*place as u64, 0, 0]),
            Self::ClientWaits { token } => ("client waits", [*token, 0, 0]),
            Self::ClientHears { token, .. } => ("client hears", [*token, 0, 0]),
            Self::OperatorLooks => ("operator", [0; 3]),
            Self::FaultsStop => ("faults stop", [0; 3]),
            Self::Look => ("look", [0; 3]),
        }
    }
}

/// What was seen on the way, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Leads begun.
    pub leads: u64,
    /// Leads ended by the leader itself.
    pub stepped_down: u64,
    /// Requests acknowledged, repeats too.
    pub acknowledged: u64,
    /// Reads answered.
    pub reads: u64,
    /// Alarms for people.
    pub alarms: u64,
    /// Views pushed.
    pub views: u64,
    /// Calls sent to ledgers.
    pub calls: u64,
    /// Calls sent away because they lie below a low water.
    pub below_low_water: u64,
}

/// A world.
#[derive(Clone, Debug)]
pub(crate) struct Sim {
    pub(crate) agenda: Agenda<Event>,
    pub(crate) faults: Faults,
    pub(crate) net: Net,
    pub(crate) trace: Trace,
    pub(crate) journal: Journal,
    pub(crate) chain: Chain,
    pub(crate) nodes: Vec<Node>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) clients: Clients,
    pub(crate) last_link: u64,
    pub(crate) writers: BTreeMap<WriterId, usize>,
    pub(crate) leads: BTreeMap<Term, Process>,
    pub(crate) seen: Seen,
    pub(crate) readers: u64,
    pub(crate) visits: BTreeMap<SagaId, u32>,
    pub(crate) gives_up: bool,
    /// The faults have stopped; everything must come to its end now.
    pub(crate) settling: bool,
    stopped_at: Instant,
    quiet_since: Instant,
    quiet_at: Position,
    pub(crate) violation: Option<Violation>,
    over: bool,
    dice: Rng,
}

impl Sim {
    pub(crate) fn new(founding: &Founding, scenario: &Scenario, seed: u64, plan: Plan, list: bool) -> Self {
        let mut dice = Rng::of(seed, 0x51a);
        let nodes = (0..founding.topology.orchestrators).map(|node| {
            let clock_us = dice.between(0, 3_000_000).cast_signed() - 1_500_000;
            Node::new(node, seed, clock_us, (founding.cell.clone(), founding.tip))
        });
        let mut sim = Self {
            agenda: Agenda::default(),
            faults: Faults::new(seed, plan, list),
            net: Net::new(seed),
            trace: Trace::new(scenario.keep_trace),
            journal: Journal::new(
                if scenario.one_replica { Replicas::One } else { Replicas::Three },
                &founding.frame,
            ),
            chain: Chain::new(founding),
            nodes: nodes.collect(),
            hosts: founding.hosts.iter().map(|host| Host::new(host, seed)).collect(),
            clients: Clients::new(scenario.wishes.clone(), founding.project, seed),
            last_link: 0,
            writers: BTreeMap::new(),
            leads: BTreeMap::new(),
            seen: Seen::default(),
            readers: 0,
            visits: BTreeMap::new(),
            gives_up: scenario.gives_up,
            settling: false,
            stopped_at: Instant::default(),
            quiet_since: Instant::default(),
            quiet_at: Position(0),
            violation: None,
            over: false,
            dice,
        };
        sim.begin(scenario);
        sim
    }

    fn begin(&mut self, scenario: &Scenario) {
        for node in 0..self.nodes.len() {
            let ms = self.dice.below(40);
            self.later_ms(ms, Event::NodeStarts { node, life: 0 });
        }
        for host in 0..self.hosts.len() {
            let ms = self.dice.below(80);
            self.later_ms(ms, Event::HostStarts { host, life: 0 });
        }
        for (place, wish) in scenario.wishes.iter().enumerate() {
            self.agenda.put(Instant::default().plus_ms(wish.at_ms), Event::ClientAsks { place });
        }
        self.later_ms(scenario.faults_ms, Event::FaultsStop);
        self.later_ms(OPERATOR_PAUSE_MS, Event::OperatorLooks);
    }

    /// Runs until everything has ended, or something is wrong.
    pub(crate) fn run(&mut self) {
        while self.violation.is_none() && !self.over {
            let Some(event) = self.agenda.pop() else { break };
            self.happen(event);
            if self.trace.events > EVENTS_MAX {
                self.give_up("too many events");
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.agenda.now();
        self.journal.advance(now);
        let (what, numbers) = event.mark();
        self.trace.note(now, what, &numbers, || format!("{event:?}"));
        match event {
            Event::HostStarts { host, life } => self.host_starts(host, life),
            Event::Dial { host, life, node } => self.dial(host, life, node),
            Event::StreamOpen { host, node, link, hello } => self.stream_open(host, node, link, hello),
            Event::StreamBroken { host, node, link } => self.tell_node(node, Work::Broken(host, link)),
            Event::HostLosesLink { host, node, link } => self.host_loses_link(host, node, link),
            Event::Heartbeat { host, life } => self.heartbeat(host, life),
            Event::Down { host, node, link, late, down } => self.host_hears(host, node, link, late, *down),
            Event::Up { host, node, link, late, up } => self.node_hears_up(host, node, link, late, *up),
            Event::Work { host, life, role, work } => self.work(host, life, role, work),
            Event::Sync { host, life, role, batch } => self.sync(host, life, role, batch),
            Event::NodeStarts { node, life } => self.node_starts(node, life),
            Event::NodeResumes { node, life } => self.node_resumes(node, life),
            Event::Node { node, life, work } => self.node_hears(node, life, work),
            Event::Submit { waiting, frame, fate } => self.submit(waiting, &frame, fate),
            Event::Settle { fate } => self.settle(fate),
            Event::Subscribe { from, cursor, read } => self.subscribe(from, cursor, read),
            Event::Deliver { to } => self.deliver(to),
            Event::LeaseAsked { from, asked, sent } => self.lease_asked(from, asked, sent),
            Event::ClientAsks { place } => self.client_asks(place),
            Event::ClientWaits { token } => self.client_waits(token),
            Event::ClientHears { token, reply } => self.client_hears(token, reply),
            Event::OperatorLooks if self.settling || self.gives_up => self.operator_looks(),
            Event::OperatorLooks => self.later_ms(OPERATOR_PAUSE_MS, Event::OperatorLooks),
            Event::FaultsStop => self.faults_stop(),
            Event::Look => self.look(),
        }
    }

    pub(crate) fn later_us(&mut self, us: u64, event: Event) {
        self.agenda.put(self.agenda.now().plus_us(us), event);
    }

    pub(crate) fn later_ms(&mut self, ms: u64, event: Event) {
        self.agenda.put(self.agenda.now().plus_ms(ms), event);
    }

    /// A decision about a fault.
    pub(crate) fn ask(&mut self, lane: Lane, place: Place, kinds: &'static [FaultKind]) -> Option<Fault> {
        let now = self.agenda.now();
        let fault = self.faults.ask(lane, place, kinds, now)?;
        self.trace.note(now, "fault", &[fault.kind as u64], || format!("{} {place} ({lane:?})", fault.kind));
        Some(fault)
    }

    /// A law; the first one that does not hold ends the run.
    pub(crate) fn require(&mut self, holds: bool, law: &'static str, what: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            self.violation = Some(Violation { law, what: what(), position: self.chain.tip.position });
        }
    }

    fn tell_node(&mut self, node: usize, work: Work) {
        let life = self.nodes.get(node).map_or(0, |it| it.life);
        self.node_hears(node, life, work);
    }

    fn stream_open(&mut self, host: usize, node: usize, link: u64, hello: Box<Hello>) {
        if self.nodes.get(node).is_some_and(Node::is_up) {
            self.tell_node(node, Work::Open(host, link, hello));
        } else {
            self.later_us(LATENCY_US.1, Event::HostLosesLink { host, node, link });
        }
    }

    /// A message to an agent leaves.
    pub(crate) fn send_down(&mut self, node: usize, host: usize, link: u64, down: Down) {
        let now = self.agenda.now();
        let fault = match &down {
            Down::Call(call) => {
                let place = Place::step(of_verb(call.verb), call.body.input.name(), call.direction);
                self.seen.calls += 1;
                self.ask(Lane::Stream(node, host), place, CALL)
            }
            Down::LowWater { .. } => {
                self.ask(Lane::Stream(node, host), Place::plain("a low water"), LOW_WATER)
            }
            Down::Lead { .. } | Down::TakeInventory { .. } | Down::View { .. } | Down::Seen { .. } => None,
        };
        let Some(mut at) = self.net.arrival(End::Node(node), End::Host(host), now) else { return };
        let (mut down, mut late) = (Box::new(down), false);
        if let Some(Fault { kind, mut dice }) = fault {
            let later = at.plus_ms(dice.ms(DELAY_MS));
            match kind {
                FaultKind::Drop => return,
                FaultKind::Partition => return self.part(End::Node(node), End::Host(host), &mut dice),
                FaultKind::WrongTerm => past_term(&mut down),
                FaultKind::Duplicate => {
                    let copy = down.clone();
                    self.agenda.put(later, Event::Down { host, node, link, late: true, down: copy });
                }
                _ => (at, late) = (later, true),
            }
        }
        self.agenda.put(at, Event::Down { host, node, link, late, down });
    }

    /// A message from an agent leaves.
    pub(crate) fn send_up(&mut self, host: usize, link: LinkId, up: Up) {
        let now = self.agenda.now();
        let node = self.hosts.get(host).and_then(|it| {
            it.links.iter().find(|(_, standing)| standing.id == link.0).map(|(node, _)| *node)
        });
        let Some(node) = node else { return };
        let link = link.0;
        self.check_answer(&up);
        let fault = match &up {
            Up::Reply(_) => self.ask(Lane::Stream(node, host), Place::plain("an answer"), ANSWER),
            Up::Hello(_)
            | Up::FencedLead { .. }
            | Up::Inventory(_)
            | Up::ViewApplied(_)
            | Up::Heartbeat { .. } => None,
        };
        let Some(mut at) = self.net.arrival(End::Host(host), End::Node(node), now) else { return };
        let (up, mut late) = (Box::new(up), false);
        if let Some(Fault { kind, mut dice }) = fault {
            let later = at.plus_ms(dice.ms(DELAY_MS));
            match kind {
                FaultKind::Drop => return,
                FaultKind::Partition => return self.part(End::Host(host), End::Node(node), &mut dice),
                FaultKind::Duplicate => {
                    let copy = up.clone();
                    self.agenda.put(later, Event::Up { host, node, link, late: true, up: copy });
                }
                _ => (at, late) = (later, true),
            }
        }
        self.agenda.put(at, Event::Up { host, node, link, late, up });
    }

    /// Nothing passes between two ends, in one direction or both, for a while; then streams over it break.
    pub(crate) fn part(&mut self, from: End, to: End, dice: &mut Dice) {
        let until = self.agenda.now().plus_ms(dice.ms(PARTITION_MS));
        self.net.cut(from, to, until);
        if dice.chance(600) {
            self.net.cut(to, from, until);
        }
        let ((End::Node(node), End::Host(host)) | (End::Host(host), End::Node(node))) = (from, to) else {
            return;
        };
        let link = self.hosts.get(host).and_then(|it| it.links.get(&node)).map(|link| link.id);
        if let Some(link) = link {
            self.agenda.put(until, Event::HostLosesLink { host, node, link });
            self.agenda.put(until, Event::StreamBroken { host, node, link });
        }
    }

    /// The journal takes nothing for a while.
    pub(crate) fn journal_fails(&mut self, dice: &mut Dice) {
        let until = self.agenda.now().plus_ms(dice.ms(OUTAGE_MS));
        let health = if dice.chance(500) { Health::Full } else { Health::Leaderless };
        self.journal.outage(health, until);
    }

    fn submit(&mut self, waiting: Waiting, frame: &[u8], fate: Fate) {
        let lost = fate == Fate::AnswerLost;
        match self.journal.submit(waiting, frame) {
            Some(answered) => {
                self.journal_moved();
                if !lost {
                    self.answer(answered);
                }
            }
            None => {
                let us = self.dice.between(LATENCY_US.0, LATENCY_US.1);
                self.later_us(us, Event::Settle { fate });
            }
        }
    }

    fn settle(&mut self, fate: Fate) {
        if fate == Fate::LeaderLost {
            return self.journal.lose_in_process();
        }
        let answers = self.journal.settle();
        if self.journal.is_busy() {
            return self.later_ms(READ_PAUSE_MS, Event::Settle { fate });
        }
        self.journal_moved();
        if fate == Fate::Taken {
            for answered in answers {
                self.answer(answered);
            }
        }
    }

    fn answer(&mut self, (waiting, result): Answered) {
        let Process { node, life } = waiting.from;
        let append = waiting.append;
        if let Some(at) = self.net.arrival(End::Journal, End::Node(node), self.agenda.now()) {
            let input = windlass_sagas::protocol::orchestrator::Input::Appended { append, result };
            self.to_node(node, life, at, Work::Machine(Box::new(input)));
        }
    }

    /// The checkers read what landed, and whoever follows the journal is sent it.
    fn journal_moved(&mut self) {
        while self.chain.cursor < self.journal.broker.last() {
            for (cursor, frame) in self.journal.peek(self.chain.cursor) {
                let violation = self.chain.read(cursor, frame.bytes());
                let hash = word(self.chain.tip.hash.0.first_chunk().unwrap_or(&[0; 16]));
                let position = self.chain.tip.position;
                let names = || {
                    let fresh = self.chain.fresh.iter();
                    let names =
                        fresh.map(|commit| format!("{} {}", commit.header.position, commit.fact.name()));
                    names.collect::<Vec<_>>().join(", ")
                };
                self.trace.note(self.agenda.now(), "commit", &[position.0, hash], names);
                if self.violation.is_none() {
                    self.violation = violation;
                }
            }
        }
        for node in 0..self.nodes.len() {
            let life = self.nodes.get(node).map_or(0, |it| it.life);
            self.deliver(Process { node, life });
        }
    }

    fn lease_asked(&mut self, from: Process, asked: Option<u64>, sent: Instant) {
        let now = self.agenda.now();
        let Some(held) = self.journal.lease(from, now) else { return };
        if let Some(at) = self.net.arrival(End::Journal, End::Node(from.node), now) {
            self.to_node(from.node, from.life, at, Work::Leased(held, asked, sent));
        }
    }

    /// P5: a call that leaves was dispatched by a valid commit, with this position.
    pub(crate) fn check_call(&mut self, node: usize, call: &Call) {
        self.trace.note(
            self.agenda.now(),
            "call",
            &[node as u64, call.dispatched.0, u64::from(call.attempt.0), word(&call.key.saga.0)],
            || {
                format!(
                    "{:?} {:?} {} attempt {}",
                    call.verb,
                    call.direction,
                    call.body.input.name(),
                    call.attempt
                )
            },
        );
        let books = &self.chain.books;
        let leaves = books.may_leave(call.key, call.direction, call.attempt, call.dispatched);
        self.require(leaves, "property P5", || {
            format!(
                "orchestrator {node} sends {:?} of {:?}, which no valid commit dispatched",
                call.verb, call.key
            )
        });
    }

    /// P10: no call that the journal still waits for is sent away as settled.
    fn check_answer(&mut self, up: &Up) {
        let Up::Reply(Reply { key, answer: Answer::Error(CallError::BelowLowWater(low_water)), .. }) = up
        else {
            return;
        };
        self.seen.below_low_water += 1;
        let step = self.chain.cell.sagas.get(&key.saga).map(|saga| saga.at(key.step));
        let open = matches!(step, Some(StepState::Forward { .. } | StepState::Undoing { .. }));
        self.require(!open, "property P10", || {
            format!("an open call of {key:?} lies below the low water {low_water}")
        });
    }

    fn faults_stop(&mut self) {
        self.faults.stop();
        self.net.heal();
        self.disks_have_space();
        self.nodes.iter_mut().for_each(Node::no_longer_lags);
        self.settling = true;
        self.stopped_at = self.agenda.now();
        self.quiet_since = self.stopped_at;
        self.later_ms(1_000, Event::Look);
    }

    /// Whether all has come to its end; if not in time, that is a violation of its own.
    fn look(&mut self) {
        let now = self.agenda.now();
        let position = self.chain.tip.position;
        let ended = self.chain.cell.sagas.is_empty()
            && self.clients.are_content()
            && self.hosts.iter().all(|host| host.up)
            && self.is_led();
        if !ended || position != self.quiet_at {
            (self.quiet_at, self.quiet_since) = (position, now);
        }
        if ended && now >= self.quiet_since.plus_ms(QUIET_MS) {
            return self.end();
        }
        let patience_ms = SETTLE_DEADLINES * SAGA_DEADLINE_MS;
        if now >= self.stopped_at.plus_ms(patience_ms) {
            return self.give_up("time is up");
        }
        self.later_ms(1_000, Event::Look);
    }

    fn give_up(&mut self, why: &str) {
        let mut open = waiting(&self.chain.cell);
        open.extend(self.clients.waiting().map(|wish| format!("a client waits for {:?}", wish.want)));
        if !self.is_led() {
            open.push("nobody leads, or a leader has open calls".to_string());
        }
        let text = format!("{why}: {}", open.join("; "));
        self.require(false, "liveness (invariant 1)", || text);
    }

    /// Everything has ended: what is left over is counted by the worlds.
    fn end(&mut self) {
        self.over = true;
        self.check_folds();
        let found = left_over(&self.chain.cell, self.hosts.iter().map(|host| (host.id, &host.world)));
        self.require(found.is_empty(), "left over (invariants 2, 3, 5, 6)", || found.join("; "));
        let repeated: Vec<String> = self
            .hosts
            .iter()
            .filter(|host| host.world.repeated() != 0)
            .map(|host| format!("host {} repeated {}", host.name, host.world.repeated()))
            .collect();
        self.require(repeated.is_empty(), "property P3", || repeated.join("; "));
    }
}

/// The term is one that is over.
fn past_term(down: &mut Down) {
    if let Down::Call(call) = down {
        call.term.elected = Position(call.term.elected.0.saturating_sub(1));
    }
}

const fn of_verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Execute => "a call",
        Verb::Undo => "an undo",
        Verb::Lookup => "a look-up",
    }
}
