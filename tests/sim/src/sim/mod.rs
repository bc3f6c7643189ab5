//! One simulated world: a cell's journal, orchestrators, hosts and clients on one agenda, and the checkers beside them.
//!
//! Invariant: one thread, no I/O, no clock; what happens is a function of (founding, scenario, seed, faults) alone. The
//! first violation ends the run.

mod broker;
mod event;
mod verdict;
mod wire;

use std::collections::BTreeMap;

use windlass_journal::memory::Replicas;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;

pub(crate) use self::event::Event;
use crate::about::About;
use crate::agenda::{Agenda, Instant};
use crate::agent::Host;
use crate::check::{Chain, Tale, Violation};
use crate::client::Clients;
use crate::fault::{Fault, Faults, Lane, Place, Plan};
use crate::founding::Founding;
use crate::journal::Journal;
use crate::limits::*;
use crate::net::{Net, Process};
use crate::orchestrator::{Node, Work};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trace::Trace;

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
    /// Of those, that an acknowledged tail is gone or rewritten.
    pub tail_alarms: u64,
    /// Views pushed.
    pub views: u64,
    /// Calls sent to ledgers.
    pub calls: u64,
    /// Steps that a new leader asked about before anything else.
    pub looked_up: u64,
    /// Calls and leads sent away because their term is over.
    pub fenced: u64,
    /// Calls sent away because their key is closed.
    pub tombstoned: u64,
    /// Calls sent away because they name another incarnation.
    pub wrong_incarnation: u64,
    /// Calls sent away because they lie below a low water.
    pub below_low_water: u64,
}

impl Seen {
    /// Adds what another world saw.
    pub(crate) const fn add(&mut self, other: &Self) {
        self.leads += other.leads;
        self.stepped_down += other.stepped_down;
        self.acknowledged += other.acknowledged;
        self.reads += other.reads;
        self.alarms += other.alarms;
        self.tail_alarms += other.tail_alarms;
        self.views += other.views;
        self.calls += other.calls;
        self.looked_up += other.looked_up;
        self.fenced += other.fenced;
        self.tombstoned += other.tombstoned;
        self.wrong_incarnation += other.wrong_incarnation;
        self.below_low_water += other.below_low_water;
    }
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
    /// The chain at its beginning, where a tail will be lost.
    whole: Option<Box<Chain>>,
    /// Acknowledged frames are gone, and nobody has ordered to go on without them.
    pub(crate) tail_is_lost: bool,
    /// Acknowledged frames were lost at some time.
    tail_was_lost: bool,
    /// When an operator first ordered to go on without them.
    pub(crate) recovered_at: Option<Instant>,
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
            whole: None,
            tail_is_lost: false,
            tail_was_lost: false,
            recovered_at: None,
            violation: None,
            over: false,
            dice,
        };
        sim.chain.tale = list.then(Tale::default);
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
        if let Some(loss) = scenario.tail_loss {
            self.whole = Some(Box::new(self.chain.clone()));
            self.later_ms(loss.at_ms, Event::TailLost { frames: loss.frames });
            self.later_ms(loss.recover_ms, Event::Recover);
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
        self.trace.note(now, what, &numbers, || event.line());
        match event {
            Event::HostStarts { host, life } => self.host_starts(host, life),
            Event::Dial { host, life, node } => self.dial(host, life, node),
            Event::StreamOpen { host, node, link, hello } => self.stream_open(host, node, link, hello),
            Event::StreamBroken { node, link, .. } => self.tell_node(node, Work::Broken(link)),
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
            Event::TailLost { frames } => self.lose_tail(frames),
            Event::Recover => self.recover(),
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

    /// A decision about a fault that strikes these steps.
    pub(crate) fn ask_about(
        &mut self,
        lane: Lane,
        place: Place,
        kinds: &'static [FaultKind],
        steps: impl FnOnce() -> Vec<About>,
    ) -> Option<Fault> {
        let fault = self.ask(lane, place, kinds);
        self.faults.about(self.chain.tip.position, steps);
        fault
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
}
