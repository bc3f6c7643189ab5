//! One orchestrator: its two machines, what they ask for, and what happens to its process between any two of them.
//!
//! It moves values and never looks inside a frame. Everything that leaves is checked against the valid chain first.

mod journal;
mod judge;
mod outputs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::dispatcher::{self, Dispatcher};
use windlass_sagas::protocol::orchestrator::{Config, Input, Orchestrator, Output, Standing};
use windlass_sagas::protocol::{AppendError, Cursor, Fold, Hello, Up};
use windlass_sagas::record::{StepKey, Tip};

use crate::agenda::Instant;
use crate::fault::Dice;
use crate::founding::CELL;
use crate::limits::*;
use crate::net::{End, Process};
use crate::rng::Rng;
use crate::sim::{Event, Sim};

/// An orchestrator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) machine: Orchestrator,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) life: u32,
    pub(crate) up: bool,
    paused: bool,
    /// What its machines are to do next: each step whole, then what it led to, as in the shell.
    work: VecDeque<Work>,
    /// Whether a step is under way.
    working: bool,
    /// What has come from outside while the process stood still.
    inbox: VecDeque<Work>,
    /// The streams that stand, and whose they are.
    pub(crate) links: BTreeMap<u64, usize>,
    /// Until when it may believe that it holds the lease.
    lease_until: Option<Instant>,
    /// Until when its words about the lease are lost.
    no_lease_until: Instant,
    /// Until when the journal's delivery to it lags.
    lags_until: Instant,
    image: Option<(Cell, Tip, Cursor)>,
    clock_us: i64,
    skew_us: i64,
    started: Instant,
    wakes: [u64; 2],
    /// When each machine wants to be woken, by the node's own clock.
    wake_at: [Time; 2],
    subscribed: Option<Subscription>,
    /// How often each append was sent.
    sendings: BTreeMap<u64, u32>,
    /// The last position that the process handed out as durable; `None` before the first.
    handed: Option<Position>,
    reads: BTreeMap<u64, (Position, Hash)>,
    /// What was dispatched and unsettled when it took over, and that it has not asked about yet.
    pub(crate) unasked: BTreeSet<(StepKey, u8, Attempt)>,
    dice: Rng,
}

/// From where on an orchestrator reads the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    next: Cursor,
    read: u64,
    ended: bool,
}

/// What waits for an orchestrator's process.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// For the orchestrator's machine.
    Machine(Box<Input>),
    /// For the dispatcher's.
    Dispatcher(Box<dispatcher::Input>),
    /// What a machine had asked for when the process was stopped.
    Rest(Vec<Output>),
    /// An agent's stream opens.
    Open(usize, u64, Box<Hello>),
    /// A stream is gone.
    Broken(u64),
    /// The lease is looked after.
    LeaseDue,
    /// The lease's answer: whether it is held, for which renewal, asked when.
    Leased(bool, Option<u64>, Instant),
    /// An append stays unanswered.
    Unanswered(u64, u32),
    /// A clock rings: which machine's, which ring.
    Ring(usize, u64),
}

impl Work {
    /// What it is, for people.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Machine(input) => match &**input {
                Input::Loaded(fold) => format!("loaded at {}", fold.tip().position),
                Input::Tail { cursor, .. } => format!("frame {}", cursor.0),
                Input::TailEnd { cursor, .. } => format!("the journal ends at {}", cursor.0),
                Input::Appended { append, result } => format!("append {append}: {result:?}"),
                Input::Fact { fact, .. } => format!("asked {}", fact.name()),
                Input::Lease(_)
                | Input::Read { .. }
                | Input::Seen { .. }
                | Input::StopLeading(_)
                | Input::Recover(_)
                | Input::Tick { .. } => format!("{input:?}"),
            },
            Self::Dispatcher(_) => "an agent's word".to_string(),
            Self::Rest(outputs) => format!("{} things left to do", outputs.len()),
            Self::Open(host, ..) => format!("the stream of host {host} opens"),
            Self::Broken(link) => format!("stream {link} is gone"),
            Self::LeaseDue => "looks after the lease".to_string(),
            Self::Leased(held, ..) => format!("holds the lease: {held}"),
            Self::Unanswered(append, _) => format!("append {append} had time"),
            Self::Ring(..) => "its clock rings".to_string(),
        }
    }
}

impl Node {
    pub(crate) fn new(node: usize, seed: u64, clock_us: i64, founding: (Cell, Tip)) -> Self {
        let dice = Rng::of(seed, 0x0dd + node as u64);
        let config =
            Config { writer: WriterId::default(), build: String::new(), genesis: None, recover: None };
        Self {
            machine: Orchestrator::new(config),
            dispatcher: Dispatcher::new(CELL),
            life: 0,
            up: false,
            paused: false,
            work: VecDeque::new(),
            working: false,
            inbox: VecDeque::new(),
            links: BTreeMap::new(),
            lease_until: None,
            no_lease_until: Instant::default(),
            lags_until: Instant::default(),
            image: Some((founding.0, founding.1, Cursor(1))),
            clock_us,
            skew_us: clock_us,
            started: Instant::default(),
            wakes: [0; 2],
            wake_at: [Time::default(); 2],
            subscribed: None,
            sendings: BTreeMap::new(),
            handed: None,
            reads: BTreeMap::new(),
            unasked: BTreeSet::new(),
            dice,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Its wall clock jumps.
    pub(crate) const fn jump(&mut self, by_ms: i64) {
        self.clock_us += by_ms * 1000;
    }

    /// Its wall clock is right again, but for its skew.
    pub(crate) const fn set_clock(&mut self) {
        self.clock_us = self.skew_us;
    }

    /// Whether it believes to lead in a term that is over.
    fn is_zombie(&self, current: Term) -> bool {
        matches!(self.machine.standing(), Standing::Leading(term) if term < current)
    }

    /// Its ways to the journal are as they should be, for the time without faults.
    pub(crate) fn no_longer_lags(&mut self) {
        (self.no_lease_until, self.lags_until) = (Instant::default(), Instant::default());
    }

    fn fold(&self, from_start: bool) -> Fold {
        let image = self.image.clone().filter(|_| !from_start);
        let restored =
            image.and_then(|(cell, tip, cursor)| Fold::restored(cell, tip, cursor, Some(CELL)).ok());
        restored.unwrap_or_else(|| Fold::new(Some(CELL)))
    }
}

impl Sim {
    /// The wall clock of an orchestrator, or (with offset 0) the true one.
    pub(crate) fn wall(&self, offset_us: i64) -> Time {
        Time(EPOCH_US + offset_us + self.agenda.now().0.cast_signed())
    }

    fn node_now(&self, node: usize) -> Time {
        self.wall(self.nodes.get(node).map_or(0, |it| it.clock_us))
    }

    fn process(&self, node: usize) -> Process {
        Process { node, life: self.nodes.get(node).map_or(0, |it| it.life) }
    }

    /// The process starts: a new writer, its fold from a stored image or from nothing.
    pub(crate) fn node_starts(&mut self, node: usize, life: u32) {
        let now = self.agenda.now();
        let Some(it) = self.nodes.get_mut(node).filter(|it| it.life == life && !it.up) else { return };
        let writer = WriterId(it.dice.bytes());
        let config = Config { writer, build: "sim".to_string(), genesis: None, recover: None };
        it.machine = Orchestrator::new(config);
        it.dispatcher = Dispatcher::new(CELL);
        (it.up, it.started, it.handed, it.lease_until) = (true, now, None, None);
        it.sendings.clear();
        it.reads.clear();
        it.unasked.clear();
        self.writers.insert(writer, node);
        let from_start = it.dice.chance(250);
        let fold = it.fold(from_start);
        self.machine(node, Input::Tick { up_ms: 0 });
        self.machine(node, Input::Loaded(Box::new(fold)));
        let pause = self.nodes.get_mut(node).map_or(0, |it| it.dice.between(1, LEASE_PAUSE_MS));
        self.put_node(node, life, self.agenda.now().plus_ms(pause), Work::LeaseDue);
    }

    /// The process dies; another one starts later.
    pub(crate) fn node_falls(&mut self, node: usize, dice: &mut Dice) {
        let now = self.agenda.now();
        let Some(it) = self.nodes.get_mut(node) else { return };
        (it.up, it.paused, it.life) = (false, false, it.life + 1);
        it.work.clear();
        it.inbox.clear();
        it.subscribed = None;
        let life = it.life;
        it.links.clear();
        // Every agent's end breaks, also of a stream that the process had not noticed yet.
        let ends = self.hosts.iter().enumerate();
        let ends = ends.filter_map(|(host, it)| it.links.get(&node).map(|link| (host, link.id)));
        for (host, link) in ends.collect::<Vec<_>>() {
            let at = self.net.arrival(End::Node(node), End::Host(host), now);
            let at = at.unwrap_or_else(|| now.plus_ms(DIAL_MS));
            self.agenda.put(at, Event::HostLosesLink { host, node, link });
        }
        self.later_ms(dice.ms(RESTART_MS), Event::NodeStarts { node, life });
    }

    /// The process stands still for a while.
    fn node_pauses(&mut self, node: usize, dice: &mut Dice) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.paused = true;
        let life = it.life;
        self.later_ms(dice.ms(PAUSE_MS), Event::NodeResumes { node, life });
    }

    pub(crate) fn node_resumes(&mut self, node: usize, life: u32) {
        let alive = |it: &&mut Node| it.life == life && it.up;
        let Some(it) = self.nodes.get_mut(node).filter(alive) else { return };
        it.paused = false;
        self.seen.zombies += u64::from(it.is_zombie(self.chain.tip.term));
        self.drain(node);
        loop {
            let awake = self.nodes.get_mut(node).filter(|it| it.life == life && it.up && !it.paused);
            let Some(work) = awake.and_then(|it| it.inbox.pop_front()) else { return };
            self.node_works(node, work);
        }
    }

    /// Puts work for an orchestrator's process.
    pub(crate) fn put_node(&mut self, node: usize, life: u32, at: Instant, work: Work) {
        self.agenda.put(at, Event::Node { node, life, work });
    }

    /// Work arrives at an orchestrator's process; a paused one finds it later.
    pub(crate) fn node_hears(&mut self, node: usize, life: u32, work: Work) {
        let Some(it) = self.nodes.get_mut(node).filter(|it| it.life == life && it.up) else { return };
        if it.paused {
            it.inbox.push_back(work);
        } else {
            self.node_works(node, work);
        }
    }

    /// Puts work behind what its process has to do, and does all of it, unless that is under way.
    fn node_works(&mut self, node: usize, work: Work) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.work.push_back(work);
        self.drain(node);
    }

    /// Steps machines until nothing is left to do, or the process dies or stands still.
    fn drain(&mut self, node: usize) {
        while let Some(it) = self.nodes.get_mut(node).filter(|it| !it.paused && !it.working) {
            let Some(work) = it.work.pop_front() else { return };
            it.working = true;
            self.node_does(node, work);
            let Some(it) = self.nodes.get_mut(node) else { return };
            it.working = false;
        }
    }

    fn node_does(&mut self, node: usize, work: Work) {
        match work {
            Work::Machine(input) => self.step_machine(node, *input),
            Work::Dispatcher(input) => self.step_dispatcher(node, *input),
            Work::Rest(outputs) => self.carry_out(node, outputs),
            Work::Open(host, link, hello) => self.stream_opens(node, host, link, *hello),
            Work::Broken(link) => self.stream_breaks(node, link),
            Work::LeaseDue => self.lease_due(node),
            Work::Leased(held, asked, sent) => self.leased(node, held, asked, sent),
            Work::Unanswered(append, sending) => {
                let last = self.nodes.get(node).and_then(|it| it.sendings.get(&append)).copied();
                if last == Some(sending) {
                    self.machine(node, Input::Appended { append, result: Err(AppendError::Unknown) });
                }
            }
            Work::Ring(which, ring) => {
                let Some(it) = self.nodes.get(node).filter(|it| it.wakes.get(which) == Some(&ring)) else {
                    return;
                };
                let up_ms = self.agenda.now().ms() - it.started.ms();
                match which {
                    0 => self.step_machine(node, Input::Tick { up_ms }),
                    _ => self.step_dispatcher(node, dispatcher::Input::Tick),
                }
                self.wake_again(node, which, ring);
            }
        }
    }

    fn stream_opens(&mut self, node: usize, host: usize, link: u64, hello: Hello) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.links.insert(link, host);
        let up = Box::new(Up::Hello(hello));
        self.dispatcher(node, dispatcher::Input::Up { link: dispatcher::LinkId(link), up });
    }

    fn stream_breaks(&mut self, node: usize, link: u64) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if it.links.remove(&link).is_some() {
            self.dispatcher(node, dispatcher::Input::LinkDown { link: dispatcher::LinkId(link) });
        }
    }

    /// A message from an agent arrives; a late one comes on whatever stream of that agent stands now.
    pub(crate) fn node_hears_up(&mut self, host: usize, node: usize, link: u64, late: bool, up: Up) {
        let Some(it) = self.nodes.get(node).filter(|it| it.up) else { return };
        let life = it.life;
        let link = if it.links.contains_key(&link) {
            link
        } else if late {
            let Some((link, _)) = it.links.iter().find(|(_, of)| **of == host) else { return };
            *link
        } else {
            return;
        };
        let input = dispatcher::Input::Up { link: dispatcher::LinkId(link), up: Box::new(up) };
        self.node_hears(node, life, Work::Dispatcher(Box::new(input)));
    }

    /// A step of the orchestrator's machine, behind what is to be done before.
    pub(crate) fn machine(&mut self, node: usize, input: Input) {
        self.node_works(node, Work::Machine(Box::new(input)));
    }

    /// A step of the dispatcher's machine, behind what is to be done before.
    pub(crate) fn dispatcher(&mut self, node: usize, input: dispatcher::Input) {
        self.node_works(node, Work::Dispatcher(Box::new(input)));
    }

    fn step_machine(&mut self, node: usize, input: Input) {
        let now = self.node_now(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let outputs = it.machine.step(input, now);
        self.carry_out(node, outputs);
    }

    fn step_dispatcher(&mut self, node: usize, input: dispatcher::Input) {
        let now = self.node_now(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let life = it.life;
        let outputs = it.dispatcher.step(input, now);
        for output in outputs {
            if self.nodes.get(node).is_none_or(|it| it.life != life) {
                return;
            }
            self.dispatched(node, output);
        }
    }

    /// Whether somebody leads and has nothing to do.
    pub(crate) fn is_led(&self) -> bool {
        self.nodes.iter().any(|it| {
            it.up && matches!(it.machine.standing(), Standing::Leading(_)) && it.dispatcher.open_calls() == 0
        })
    }
}

/// What the broker's side does with an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is taken as any other.
    Taken,
    /// Its answer is lost.
    AnswerLost,
    /// The stream's leader goes while it is in process.
    LeaderLost,
    /// It lands wherever the stream ends: for once the broker does not look at the expected cursor.
    Unfenced,
}
