//! One simulated world: a cell's journal, orchestrators, hosts and clients on one agenda, and the checkers beside them.
//!
//! Invariant: one thread, no I/O, no clock; what happens is a function of (founding, scenario, seed, faults) alone. The
//! first violation ends the run.

mod broker;
mod event;
mod verdict;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use windlass_journal::memory::Replicas;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::record::ResourceRef;

pub(crate) use self::event::Event;
use crate::about::About;
use crate::agenda::{Agenda, Instant};
use crate::agent::Host;
use crate::check::{Chain, Item, Tale, Violation};
use crate::client::Clients;
use crate::draw::Drawing;
use crate::fault::{Fault, Faults, Lane, Place, Plan};
use crate::founding::Founding;
use crate::journal::Journal;
use crate::limits::*;
use crate::net::{Net, Process};
use crate::orchestrator::{Node, Work};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trace::Trace;

macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What was seen on the way, for reports.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Seen { $($(#[$doc])* pub $name: u64),* }

        impl Seen {
            /// Adds what another world saw.
            pub(crate) const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Each count with its name, in the order of the source.
            #[must_use]
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

seen! {
    /// Leads begun.
    leads,
    /// Leads ended by the leader itself.
    stepped_down,
    /// Requests acknowledged, repeats too.
    acknowledged,
    /// Reads answered.
    reads,
    /// Alarms for people.
    alarms,
    /// Of those, that an acknowledged tail is gone or rewritten.
    tail_alarms,
    /// Views pushed.
    views,
    /// Calls sent to ledgers.
    calls,
    /// Steps that a new leader asked about before anything else.
    looked_up,
    /// Calls and leads sent away because their term is over.
    fenced,
    /// Calls sent away because their key is closed.
    tombstoned,
    /// Calls sent away because they name another incarnation.
    wrong_incarnation,
    /// Calls sent away because they lie below a low water.
    below_low_water,
    /// Orchestrators that stood still while they led and went on when another one led.
    zombies,
    /// Times that acknowledged frames were lost.
    tails_lost,
    /// Leads begun by an operator's order to go on without a lost tail.
    recovered,
    /// Wall clocks that jumped.
    clock_jumps,
    /// Requests refused because another saga holds or has what they want.
    fought,
    /// Requests sent again for want of an answer.
    retries,
    /// Sagas turned back by a cancel.
    cancels,
    /// Stuck sagas that an operator let be tried again.
    retried,
    /// Steps that an operator skipped.
    skipped,
    /// Sagas that an operator gave up.
    abandoned,
    /// Resources that an operator took out of quarantine.
    adopted,
    /// Resources that an operator affirmed to be gone.
    discarded,
    /// Hosts that started anew, as the journal knows.
    reboots,
    /// Hosts declared gone.
    gone,
    /// Hosts that joined again.
    rejoined,
    /// Format levels raised.
    formats_raised,
    /// Guests that ended by themselves.
    guests_ended,
    /// Servers that the cell stopped, since their guests had ended.
    servers_stopped,
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
    pub(crate) skips: bool,
    pub(crate) clears_quarantine: bool,
    /// What stands in quarantine: since when the operator knows, and how often he looked.
    pub(crate) quarantine: BTreeMap<ResourceRef, (Instant, u32)>,
    /// Hosts that were wiped to join again, and what was on them.
    pub(crate) wiped: BTreeMap<HostId, BTreeSet<Item>>,
    /// The orders to let a host join again for which its machine was wiped.
    pub(crate) wiped_for: BTreeSet<RequestId>,
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
    pub(crate) tail_was_lost: bool,
    /// When an operator first ordered to go on without them.
    pub(crate) recovered_at: Option<Instant>,
    pub(crate) violation: Option<Violation>,
    /// Laws that this world does not judge.
    unjudged: &'static [&'static str],
    /// The drawing, where one is asked for.
    pub(crate) drawing: Option<Drawing>,
    /// Whether the format level is to be raised.
    pub(crate) raise_format: bool,
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
            skips: scenario.skips,
            clears_quarantine: scenario.clears_quarantine,
            quarantine: BTreeMap::new(),
            wiped: BTreeMap::new(),
            wiped_for: BTreeSet::new(),
            settling: false,
            stopped_at: Instant::default(),
            quiet_since: Instant::default(),
            quiet_at: Position(0),
            whole: None,
            tail_is_lost: false,
            tail_was_lost: false,
            recovered_at: None,
            violation: None,
            unjudged: scenario.unjudged,
            drawing: scenario.draw.then(|| {
                let hosts = founding.hosts.iter().map(|host| host.name.clone()).collect();
                Drawing::new(founding.topology.orchestrators, hosts)
            }),
            raise_format: scenario.raise_format_ms.is_some(),
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
        for jump in &scenario.clock_jumps {
            self.later_ms(jump.at_ms, Event::ClockJumps { node: jump.node, by_ms: jump.by_ms });
        }
        for end in &scenario.guest_ends {
            self.later_ms(end.at_ms, Event::GuestEnds { host: end.host, pick: end.pick });
        }
        if let Some(ms) = scenario.raise_format_ms {
            self.later_ms(ms, Event::RaiseFormat);
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
        if let Some(drawing) = &mut self.drawing {
            event.draw(now, drawing);
        }
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
            Event::ClockJumps { node, by_ms } => self.clock_jumps(node, by_ms),
            Event::RaiseFormat => self.raise_format(),
            Event::HostWiped { host } => self.host_wiped(host),
            Event::GuestEnds { host, pick } => self.guest_ends(host, pick),
            Event::EndedTold { host, life } => self.tell_ended(host, life),
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
        if let Some(drawing) = &mut self.drawing {
            drawing.event(now, lane.end(), format!("{} {place}", fault.kind), true);
        }
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
        if !holds && self.violation.is_none() && !self.unjudged.contains(&law) {
            self.violation = Some(Violation { law, what: what(), position: self.chain.tip.position });
        }
    }

    fn tell_node(&mut self, node: usize, work: Work) {
        let life = self.nodes.get(node).map_or(0, |it| it.life);
        self.node_hears(node, life, work);
    }
}
