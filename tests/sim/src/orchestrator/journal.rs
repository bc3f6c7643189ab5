//! An orchestrator's way to the journal and to the lease, and back: appends, the delivery of frames, renewals; and what
//! happens to them on the way. It never looks inside a frame.

use windlass_sagas::fault::FaultKind;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::protocol::orchestrator::{Input, Lease};

use super::{Fate, Subscription, Work};
use crate::about::steps_of_frame;
use crate::agenda::Instant;
use crate::fault::{Fault, Lane, Place};
use crate::journal::Waiting;
use crate::limits::*;
use crate::net::{End, Process};
use crate::sim::{Event, Sim};

const APPEND: &[FaultKind] =
    &[FaultKind::JournalUnavailable, FaultKind::JournalUnknown, FaultKind::Delay, FaultKind::Partition];

impl Sim {
    pub(super) fn append(&mut self, node: usize, append: u64, after: Cursor, frame: Vec<u8>) {
        let now = self.agenda.now();
        self.trace.note(now, "append", &[node as u64, append, after.0], String::new);
        self.trace.bytes(&frame);
        let from = self.process(node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let sending = it.sendings.entry(append).or_default();
        *sending += 1;
        let sending = *sending;
        self.put_node(node, from.life, now.plus_ms(APPEND_ANSWER_MS), Work::Unanswered(append, sending));
        let waiting = Waiting { from, append, after };
        let (lane, place) = (Lane::Journal(node), Place::plain("an append"));
        let fault = self.ask_about(lane, place, APPEND, || steps_of_frame(&frame));
        let Some(mut at) = self.net.arrival(End::Node(node), End::Journal, now) else { return };
        let mut fate = Fate::Taken;
        if let Some(Fault { kind, mut dice }) = fault {
            match kind {
                FaultKind::JournalUnavailable => self.journal_fails(&mut dice),
                FaultKind::JournalUnknown => match dice.branch(5) {
                    0 => return,
                    1 => fate = Fate::AnswerLost,
                    2 => fate = Fate::LeaderLost,
                    3 => at = at.plus_ms(dice.ms(DELAY_MS)),
                    _ => (at, fate) = (at.plus_ms(dice.ms(DELAY_MS)), Fate::Unfenced),
                },
                FaultKind::Delay => at = at.plus_ms(dice.ms(DELAY_MS)),
                _ => return self.part(End::Node(node), End::Journal, &mut dice),
            }
        }
        self.agenda.put(at, Event::Submit { waiting, frame, fate });
    }

    pub(super) fn read_after(&mut self, node: usize, cursor: Cursor, read: u64) {
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
                    self.put_node(to.node, to.life, at, Work::Machine(Box::new(input)));
                }
                break;
            };
            place.next = *last;
            for (cursor, frame) in frames {
                let input = Input::Tail { cursor, bytes: frame.bytes().to_vec() };
                self.put_node(to.node, to.life, at, Work::Machine(Box::new(input)));
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

    pub(super) fn lease_due(&mut self, node: usize) {
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
        self.put_node(node, life, now.plus_ms(LEASE_PAUSE_MS), Work::LeaseDue);
    }

    pub(super) fn ask_lease(&mut self, node: usize, asked: Option<u64>) {
        let now = self.agenda.now();
        let from = self.process(node);
        if self.nodes.get(node).is_some_and(|it| now < it.no_lease_until) {
            return;
        }
        if let Some(at) = self.net.arrival(End::Node(node), End::Journal, now) {
            self.agenda.put(at, Event::LeaseAsked { from, asked, sent: now });
        }
    }

    pub(super) fn leased(&mut self, node: usize, held: bool, asked: Option<u64>, sent: Instant) {
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
}
