//! What an orchestrator's two machines ask for, done in order; the process may die or be stopped before any of it.

use windlass_sagas::cell::reconcile;
use windlass_sagas::cell::views::host_view;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::dispatcher;
use windlass_sagas::protocol::orchestrator::{Alarm, Input, Output};
use windlass_sagas::protocol::{Down, PlacedView};
use windlass_sagas::record::{Cause, Fact, Report};

use super::Work;
use crate::about::{About, steps_of, steps_of_frame};
use crate::fault::{Fault, Lane, Place};
use crate::limits::*;
use crate::net::End;
use crate::sim::{Event, Sim};

const STAND: &[FaultKind] = &[FaultKind::OrchestratorCrash, FaultKind::OrchestratorPause];

impl Sim {
    /// Does what a machine asks for, in order; the process may die or be stopped before any of it.
    pub(super) fn carry_out(&mut self, node: usize, outputs: Vec<Output>) {
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
                && let Some(fault) = self.ask_about(Lane::Orchestrator(node), place, STAND, || about(&output))
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
            it.work.push_front(Work::Rest(std::iter::once(first).chain(rest).collect()));
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
                if let Some(it) = self.nodes.get_mut(node) {
                    it.unasked.clear();
                }
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
                self.put_node(node, life, at, Work::Machine(Box::new(Input::Loaded(Box::new(fold)))));
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
        let tail = matches!(alarm, Alarm::TailLost { .. } | Alarm::TailRewritten { .. });
        self.seen.tail_alarms += u64::from(tail);
        let text = format!("orchestrator {node}: {alarm:?}");
        self.trace.note(self.agenda.now(), "alarm", &[node as u64], || text.clone());
        if let Some(drawing) = &mut self.drawing {
            drawing.event(self.agenda.now(), End::Node(node), format!("alarm {alarm:?}"), false);
        }
        self.require(!poisoned, "invariant 9", || text);
    }

    fn wake_at(&mut self, node: usize, which: usize, time: Time) {
        let now = self.node_now(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let (Some(ring), Some(wanted)) = (it.wakes.get_mut(which), it.wake_at.get_mut(which)) else { return };
        *ring += 1;
        *wanted = time;
        let (ring, life) = (*ring, it.life);
        let us = u64::try_from(time.0.saturating_sub(now.0)).unwrap_or(0);
        let at = self.agenda.now().plus_us(us.max(1));
        self.put_node(node, life, at, Work::Ring(which, ring));
    }

    /// A clock that jumped back rang too early: the machine, which asked for nothing new, is woken again.
    pub(super) fn wake_again(&mut self, node: usize, which: usize, rang: u64) {
        let now = self.node_now(node);
        let wanted = self.nodes.get(node).filter(|it| it.wakes.get(which) == Some(&rang));
        let wanted = wanted.and_then(|it| it.wake_at.get(which)).copied();
        if let Some(time) = wanted.filter(|time| *time > now) {
            self.wake_at(node, which, time);
        }
    }

    /// A durable fold is now and then kept as the image that the next start begins with: judged before it is (9).
    fn store_image(&mut self, node: usize) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if !it.dice.chance(120) {
            return;
        }
        if let Some(fold) = it.machine.durable_fold() {
            it.image = Some((fold.cell().clone(), *fold.tip(), fold.cursor()));
        }
        self.check_fold(node);
    }

    pub(super) fn dispatched(&mut self, node: usize, output: dispatcher::Output) {
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
            dispatcher::Output::Seen { seen, highest, .. } => {
                self.machine(node, Input::Seen { seen, highest });
            }
            dispatcher::Output::PushView { host } => self.push_view(node, host),
            dispatcher::Output::WakeAt(time) => self.wake_at(node, 1, time),
            dispatcher::Output::Alarm(alarm) => {
                self.seen.alarms += 1;
                let text = format!("dispatcher {node}: {alarm:?}");
                self.trace.note(self.agenda.now(), "alarm", &[node as u64, 1], || text);
            }
        }
    }

    /// A fold that is not settled at this moment is asked again: the dispatcher pushes until the view is applied.
    fn push_view(&mut self, node: usize, host: HostId) {
        self.seen.views += 1;
        let fold = self.nodes.get(node).and_then(|it| it.machine.durable_fold());
        let view = fold.map(|fold| PlacedView::new(fold.tip().position, host_view(fold.cell(), host)));
        if let Some(view) = view {
            self.dispatcher(node, dispatcher::Input::View { host, view: Box::new(view) });
        }
    }

    fn fact(&mut self, node: usize, fact: Fact) {
        let (cause, fact) = (Cause::default(), Box::new(fact));
        self.machine(node, Input::Fact { token: 0, cause, fact });
    }
}

/// The steps that an output is about.
fn about(output: &Output) -> Vec<About> {
    match output {
        Output::Append { frame, .. } => steps_of_frame(frame),
        Output::Durable { commits, .. } => steps_of(commits),
        _ => Vec::new(),
    }
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
