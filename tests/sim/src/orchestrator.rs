//! One orchestrator: its two machines, what they ask for, and what happens to its process between any two of them.
//!
//! It moves values and never looks inside a frame. Everything that leaves is checked against the valid chain first.

use std::collections::{BTreeMap, VecDeque};

use windlass_sagas::cell::views::host_view;
use windlass_sagas::cell::{Cell, reconcile};
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::dispatcher::{self, Dispatcher};
use windlass_sagas::protocol::orchestrator::{Alarm, Config, Input, Lease, Orchestrator, Output, Standing};
use windlass_sagas::protocol::{AppendError, Cursor, Down, Fold, Hello, PlacedView, Up};
use windlass_sagas::record::{Cause, Fact, Report, Tip};

use crate::agenda::Instant;
use crate::fault::{Dice, Fault, Lane, Place};
use crate::founding::CELL;
use crate::journal::Waiting;
use crate::limits::*;
use crate::net::{End, Process};
use crate::rng::Rng;
use crate::sim::{Event, Sim};

const STAND: &[FaultKind] = &[FaultKind::OrchestratorCrash, FaultKind::OrchestratorPause];
const APPEND: &[FaultKind] =
    &[FaultKind::JournalUnavailable, FaultKind::JournalUnknown, FaultKind::Delay, FaultKind::Partition];

/// An orchestrator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) machine: Orchestrator,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) life: u32,
    pub(crate) up: bool,
    paused: bool,
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
    started: Instant,
    wakes: [u64; 2],
    subscribed: Option<Subscription>,
    /// How often each append was sent.
    sendings: BTreeMap<u64, u32>,
    /// The last position that the process handed out as durable; `None` before the first.
    handed: Option<Position>,
    reads: BTreeMap<u64, (Position, Hash)>,
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
    Broken(usize, u64),
    /// The lease is looked after.
    LeaseDue,
    /// The lease's answer: whether it is held, for which renewal, asked when.
    Leased(bool, Option<u64>, Instant),
    /// An append stays unanswered.
    Unanswered(u64, u32),
    /// A clock rings: which machine's, which ring.
    Ring(usize, u64),
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
            inbox: VecDeque::new(),
            links: BTreeMap::new(),
            lease_until: None,
            no_lease_until: Instant::default(),
            lags_until: Instant::default(),
            image: Some((founding.0, founding.1, Cursor(1))),
            clock_us,
            started: Instant::default(),
            wakes: [0; 2],
            subscribed: None,
            sendings: BTreeMap::new(),
            handed: None,
            reads: BTreeMap::new(),
            dice,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.up
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
        self.writers.insert(writer, node);
        let from_start = it.dice.chance(250);
        let fold = it.fold(from_start);
        self.machine(node, Input::Tick { up_ms: 0 });
        self.machine(node, Input::Loaded(Box::new(fold)));
        let pause = self.nodes.get_mut(node).map_or(0, |it| it.dice.between(1, LEASE_PAUSE_MS));
        self.to_node(node, life, self.agenda.now().plus_ms(pause), Work::LeaseDue);
    }

    /// The process dies; another one starts later.
    pub(crate) fn node_falls(&mut self, node: usize, dice: &mut Dice) {
        let now = self.agenda.now();
        let Some(it) = self.nodes.get_mut(node) else { return };
        (it.up, it.paused, it.life) = (false, false, it.life + 1);
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
        let alive = |sim: &Self| sim.nodes.get(node).is_some_and(|it| it.life == life && it.up && !it.paused);
        while alive(self) {
            let Some(work) = self.nodes.get_mut(node).and_then(|it| it.inbox.pop_front()) else { return };
            self.node_works(node, work);
        }
    }

    /// Puts work for an orchestrator's process.
    pub(crate) fn to_node(&mut self, node: usize, life: u32, at: Instant, work: Work) {
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

    fn node_works(&mut self, node: usize, work: Work) {
        match work {
            Work::Machine(input) => self.machine(node, *input),
            Work::Dispatcher(input) => self.dispatcher(node, *input),
            Work::Rest(outputs) => self.carry_out(node, outputs),
            Work::Open(host, link, hello) => self.stream_opens(node, host, link, *hello),
            Work::Broken(host, link) => self.stream_breaks(node, host, link),
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
                    0 => self.machine(node, Input::Tick { up_ms }),
                    _ => self.dispatcher(node, dispatcher::Input::Tick),
                }
            }
        }
    }

    fn stream_opens(&mut self, node: usize, host: usize, link: u64, hello: Hello) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        it.links.insert(link, host);
        let up = Box::new(Up::Hello(hello));
        self.dispatcher(node, dispatcher::Input::Up { link: dispatcher::LinkId(link), up });
    }

    fn stream_breaks(&mut self, node: usize, _host: usize, link: u64) {
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

    /// One step of the orchestrator's machine.
    pub(crate) fn machine(&mut self, node: usize, input: Input) {
        let now = self.node_now(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let outputs = it.machine.step(input, now);
        self.carry_out(node, outputs);
    }

    /// One step of the dispatcher's machine.
    pub(crate) fn dispatcher(&mut self, node: usize, input: dispatcher::Input) {
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

    /// Does what a machine asks for, in order; the process may die or be stopped before any of it.
    fn carry_out(&mut self, node: usize, outputs: Vec<Output>) {
        let life = self.process(node).life;
        let mut outputs = outputs.into_iter();
        while let Some(output) = outputs.next() {
            if self.nodes.get(node).is_none_or(|it| it.life != life) {
                return;
            }
            if self.nodes.get(node).is_some_and(|it| it.paused) {
                return self.hold_back(node, output, outputs);
            }
            if let Some(place) = before(&output)
                && let Some(fault) = self.ask(Lane::Orchestrator(node), place, STAND)
            {
                let Fault { kind, mut dice } = fault;
                if kind == FaultKind::OrchestratorCrash {
                    return self.node_falls(node, &mut dice);
                }
                self.node_pauses(node, &mut dice);
                return self.hold_back(node, output, outputs);
            }
            self.do_one(node, output);
        }
    }

    fn hold_back(&mut self, node: usize, first: Output, rest: impl Iterator<Item = Output>) {
        if let Some(it) = self.nodes.get_mut(node) {
            it.inbox.push_front(Work::Rest(std::iter::once(first).chain(rest).collect()));
        }
    }

    fn do_one(&mut self, node: usize, output: Output) {
        match output {
            Output::Append { append, after, frame } => self.append(node, append, after, frame),
            Output::ReadAfter { cursor, read } => self.read_after(node, cursor, read),
            Output::Reply { token, reply } => self.reply(node, token, reply),
            Output::Durable { commits, hash, effects, .. } => {
                let Some(last) = commits.last().map(|commit| commit.header.position) else { return };
                let first = commits.first().map_or(last, |commit| commit.header.position);
                self.check_durable(node, first, last, hash);
                self.store_image(node);
                self.dispatcher(node, dispatcher::Input::Durable { effects, position: last, hash });
            }
            Output::Lead(led) => {
                self.check_lead(node, led.term, led.position, led.hash);
                self.dispatcher(node, dispatcher::Input::TakeOver(led));
            }
            Output::SteppedDown(_) => {
                self.seen.stepped_down += 1;
                self.dispatcher(node, dispatcher::Input::SteppedDown);
            }
            Output::ReadNow { token, position } => {
                let Some(it) = self.nodes.get_mut(node) else { return };
                let hash = it.machine.fold().map(|fold| fold.tip().hash).unwrap_or_default();
                it.reads.insert(token, (position, hash));
            }
            Output::ReadReady { token, position } => self.check_read(node, token, position),
            Output::Reload { from_start } => {
                let Some(it) = self.nodes.get_mut(node) else { return };
                let (fold, life, ms) = (it.fold(from_start), it.life, it.dice.between(5, 60));
                it.handed = None;
                let at = self.agenda.now().plus_ms(ms);
                self.to_node(node, life, at, Work::Machine(Box::new(Input::Loaded(Box::new(fold)))));
            }
            Output::RenewLease { asked } => self.ask_lease(node, Some(asked)),
            Output::LowWater { ledger, incarnation, position } => {
                self.dispatcher(node, dispatcher::Input::LowWater { ledger, incarnation, position });
            }
            Output::WakeAt(time) => self.wake_at(node, 0, time),
            Output::Alarm(alarm) => self.alarm(node, &alarm),
        }
    }

    fn alarm(&mut self, node: usize, alarm: &Alarm) {
        self.seen.alarms += 1;
        let poisoned = matches!(alarm, Alarm::Poisoned(_));
        let text = format!("orchestrator {node}: {alarm:?}");
        self.trace.note(self.agenda.now(), "alarm", &[node as u64], || text.clone());
        self.require(!poisoned, "invariant 9", || text);
    }

    fn wake_at(&mut self, node: usize, which: usize, time: Time) {
        let now = self.node_now(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let Some(ring) = it.wakes.get_mut(which) else { return };
        *ring += 1;
        let (ring, life) = (*ring, it.life);
        let us = u64::try_from(time.0.saturating_sub(now.0)).unwrap_or(0);
        let at = self.agenda.now().plus_us(us.max(1));
        self.to_node(node, life, at, Work::Ring(which, ring));
    }

    /// A durable fold is now and then kept as the image that the next start begins with.
    fn store_image(&mut self, node: usize) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if it.dice.chance(120)
            && let Some(fold) = it.machine.durable_fold()
        {
            it.image = Some((fold.cell().clone(), *fold.tip(), fold.cursor()));
        }
    }

    fn dispatched(&mut self, node: usize, output: dispatcher::Output) {
        match output {
            dispatcher::Output::Send { link, down } => {
                let Some(host) = self.nodes.get(node).and_then(|it| it.links.get(&link.0)).copied() else {
                    return;
                };
                if let Down::Call(call) = &down {
                    self.check_call(node, call);
                }
                self.send_down(node, host, link.0, down);
            }
            dispatcher::Output::Close { link } => {
                let Some(host) = self.nodes.get_mut(node).and_then(|it| it.links.remove(&link.0)) else {
                    return;
                };
                self.later_us(LATENCY_US.1, Event::HostLosesLink { host, node, link: link.0 });
            }
            dispatcher::Output::Fact(fact) => self.fact(node, *fact),
            dispatcher::Output::StopLeading(stop) => self.machine(node, Input::StopLeading(stop)),
            dispatcher::Output::Reconcile(inventory) => {
                let fold = self.nodes.get(node).and_then(|it| it.machine.fold());
                if let Some(report) = fold.and_then(|fold| reconcile(fold.cell(), &inventory)) {
                    self.fact(node, Fact::Report(Report::Ledger(report)));
                }
            }
            dispatcher::Output::Seen { seen, highest } => self.machine(node, Input::Seen { seen, highest }),
            dispatcher::Output::PushView { host } => {
                self.seen.views += 1;
                // A fold that is not settled at this moment is asked again: the dispatcher pushes until it is applied.
                let fold = self.nodes.get(node).and_then(|it| it.machine.durable_fold());
                let view =
                    fold.map(|fold| PlacedView::new(fold.tip().position, host_view(fold.cell(), host)));
                if let Some(view) = view {
                    self.dispatcher(node, dispatcher::Input::View { host, view: Box::new(view) });
                }
            }
            dispatcher::Output::WakeAt(time) => self.wake_at(node, 1, time),
            dispatcher::Output::Alarm(alarm) => {
                self.seen.alarms += 1;
                let text = format!("dispatcher {node}: {alarm:?}");
                self.trace.note(self.agenda.now(), "alarm", &[node as u64, 1], || text);
            }
        }
    }

    fn fact(&mut self, node: usize, fact: Fact) {
        let (cause, fact) = (Cause::default(), Box::new(fact));
        self.machine(node, Input::Fact { token: 0, cause, fact });
    }

    fn append(&mut self, node: usize, append: u64, after: Cursor, frame: Vec<u8>) {
        let now = self.agenda.now();
        self.trace.note(now, "append", &[node as u64, append, after.0], String::new);
        self.trace.bytes(&frame);
        let from = self.process(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let sending = it.sendings.entry(append).or_default();
        *sending += 1;
        let sending = *sending;
        self.to_node(node, from.life, now.plus_ms(APPEND_ANSWER_MS), Work::Unanswered(append, sending));
        let waiting = Waiting { from, append, after };
        let fault = self.ask(Lane::Journal(node), Place::plain("an append"), APPEND);
        let Some(mut at) = self.net.arrival(End::Node(node), End::Journal, now) else { return };
        let mut fate = Fate::Taken;
        if let Some(Fault { kind, mut dice }) = fault {
            match kind {
                FaultKind::JournalUnavailable => self.journal_fails(&mut dice),
                FaultKind::JournalUnknown => match dice.branch(4) {
                    0 => return,
                    1 => fate = Fate::AnswerLost,
                    2 => fate = Fate::LeaderLost,
                    _ => at = at.plus_ms(dice.ms(DELAY_MS)),
                },
                FaultKind::Delay => at = at.plus_ms(dice.ms(DELAY_MS)),
                _ => return self.part(End::Node(node), End::Journal, &mut dice),
            }
        }
        self.agenda.put(at, Event::Submit { waiting, frame, fate });
    }

    fn read_after(&mut self, node: usize, cursor: Cursor, read: u64) {
        let from = self.process(node);
        let now = self.agenda.now();
        self.trace.note(now, "read", &[node as u64, cursor.0, read], String::new);
        let at = self.net.arrival(End::Node(node), End::Journal, now);
        let at = at.unwrap_or_else(|| now.plus_ms(READ_PAUSE_MS));
        self.agenda.put(at, Event::Subscribe { from, cursor, read });
    }

    /// The journal begins to deliver to an orchestrator.
    pub(crate) fn subscribe(&mut self, from: Process, cursor: Cursor, read: u64) {
        let Some(it) = self.nodes.get_mut(from.node).filter(|it| it.life == from.life) else { return };
        it.subscribed = Some(Subscription { next: cursor, read, ended: false });
        self.deliver(from);
    }

    /// Delivers what an orchestrator has not been sent yet.
    pub(crate) fn deliver(&mut self, to: Process) {
        let now = self.agenda.now();
        let Some(it) = self.nodes.get(to.node).filter(|it| it.life == to.life) else { return };
        let Some(mut place) = it.subscribed else { return };
        loop {
            let frames = self.journal.read(place.next);
            if frames.as_ref().is_some_and(|frames| !frames.is_empty()) && self.held_back(to) {
                break;
            }
            let at = self.net.arrival(End::Feed, End::Node(to.node), now);
            let (Some(frames), Some(at)) = (frames, at) else {
                self.later_ms(READ_PAUSE_MS, Event::Deliver { to });
                break;
            };
            let Some((last, _)) = frames.last() else {
                if !place.ended {
                    place.ended = true;
                    let cursor = self.journal.broker.last();
                    let input = Input::TailEnd { cursor, read: place.read };
                    self.to_node(to.node, to.life, at, Work::Machine(Box::new(input)));
                }
                break;
            };
            place.next = *last;
            for (cursor, frame) in frames {
                let input = Input::Tail { cursor, bytes: frame.bytes().to_vec() };
                self.to_node(to.node, to.life, at, Work::Machine(Box::new(input)));
            }
        }
        if let Some(it) = self.nodes.get_mut(to.node) {
            it.subscribed = Some(place);
        }
    }

    /// Whether the delivery to an orchestrator lags; it goes on later.
    fn held_back(&mut self, to: Process) -> bool {
        let now = self.agenda.now();
        let place = Place::plain("a delivery of the journal");
        let fault = self.ask(Lane::Journal(to.node), place, &[FaultKind::Delay]);
        let Some(it) = self.nodes.get_mut(to.node) else { return false };
        if let Some(Fault { mut dice, .. }) = fault {
            it.lags_until = now.plus_ms(dice.ms(DELAY_MS));
            let at = it.lags_until;
            self.agenda.put(at, Event::Deliver { to });
            return true;
        }
        now < it.lags_until
    }

    fn lease_due(&mut self, node: usize) {
        let now = self.agenda.now();
        let place = Place::plain("a renewal of the lease");
        if let Some(Fault { mut dice, .. }) = self.ask(Lane::Journal(node), place, &[FaultKind::Partition])
            && let Some(it) = self.nodes.get_mut(node)
        {
            it.no_lease_until = now.plus_ms(dice.ms(PARTITION_MS));
        }
        let Some(it) = self.nodes.get_mut(node) else { return };
        let life = it.life;
        if it.lease_until.is_some_and(|until| until <= now) {
            it.lease_until = None;
            self.machine(node, Input::Lease(Lease::Lost));
        }
        self.ask_lease(node, None);
        self.to_node(node, life, now.plus_ms(LEASE_PAUSE_MS), Work::LeaseDue);
    }

    fn ask_lease(&mut self, node: usize, asked: Option<u64>) {
        let now = self.agenda.now();
        let from = self.process(node);
        if self.nodes.get(node).is_some_and(|it| now < it.no_lease_until) {
            return;
        }
        if let Some(at) = self.net.arrival(End::Node(node), End::Journal, now) {
            self.agenda.put(at, Event::LeaseAsked { from, asked, sent: now });
        }
    }

    fn leased(&mut self, node: usize, held: bool, asked: Option<u64>, sent: Instant) {
        let now = self.agenda.now();
        let until = sent.plus_ms(LEASE_MS);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let had = it.lease_until.is_some();
        if held && until > now {
            it.lease_until = Some(it.lease_until.unwrap_or_default().max(until));
            if !had {
                self.machine(node, Input::Lease(Lease::Granted));
            }
            if let Some(asked) = asked {
                self.machine(node, Input::Lease(Lease::Renewed { asked }));
            }
        } else if !held && had {
            it.lease_until = None;
            self.machine(node, Input::Lease(Lease::Lost));
        }
    }

    /// A reader's answer leaves: it must rest on the valid chain.
    fn check_read(&mut self, node: usize, token: u64, position: Position) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let Some((at, hash)) = it.reads.remove(&token) else { return };
        self.seen.reads += 1;
        let valid = at == position && (position == Position(0) || self.chain.hash_at(position) == Some(hash));
        self.require(valid, "read R6", || {
            format!("a read answers for position {position}, which is not durable")
        });
    }

    /// Each start of a process hands out the valid chain, dense and in order.
    fn check_durable(&mut self, node: usize, first: Position, last: Position, hash: Hash) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let dense = it.handed.is_none_or(|before| before.next() == first);
        let before = it.handed.replace(last);
        self.require(dense, "watch R2", || format!("orchestrator {node} hands out {first} after {before:?}"));
        let ours = self.chain.hash_at(last) == Some(hash);
        self.require(ours, "property P5", || {
            format!(
                "orchestrator {node} lets out the effects of position {last}, which is not in the valid log"
            )
        });
    }

    fn check_lead(&mut self, node: usize, term: Term, position: Position, hash: Hash) {
        let now = self.agenda.now();
        self.trace
            .note(now, "lead", &[node as u64, position.0], || format!("orchestrator {node} leads {term}"));
        self.seen.leads += 1;
        let process = self.process(node);
        let other = self.leads.insert(term, process).filter(|other| *other != process);
        self.require(other.is_none(), "property P8", || {
            format!("two leaders of term {term}: {other:?} and {process:?}")
        });
        let writer = self.chain.leader_of(term).and_then(|writer| self.writers.get(&writer).copied());
        let elected = writer == Some(node) && self.chain.hash_at(position) == Some(hash);
        self.require(elected, "property P8", || {
            format!("orchestrator {node} leads {term} without being elected")
        });
    }

    /// The node's fold, where all of it is durable, is the checker's.
    pub(crate) fn check_folds(&mut self) {
        for node in 0..self.nodes.len() {
            let fold = self.nodes.get(node).and_then(|it| it.machine.durable_fold());
            let Some(fold) = fold.filter(|fold| fold.tip().position == self.chain.tip.position) else {
                continue;
            };
            let same = fold.tip() == &self.chain.tip && fold.cell() == &self.chain.cell;
            self.require(same, "invariant 9", || format!("orchestrator {node} folded another state"));
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
}

/// The place where a process may die or be stopped, for what is worth it.
const fn before(output: &Output) -> Option<Place> {
    Some(Place::plain(match output {
        Output::Append { .. } => "before an append is sent",
        Output::Reply { .. } => "before a reply leaves",
        Output::Durable { .. } => "before effects leave",
        Output::Lead(_) => "before taking the lead",
        Output::ReadAfter { .. }
        | Output::SteppedDown(_)
        | Output::ReadNow { .. }
        | Output::ReadReady { .. }
        | Output::Reload { .. }
        | Output::RenewLease { .. }
        | Output::LowWater { .. }
        | Output::WakeAt(_)
        | Output::Alarm(_) => return None,
    }))
}
