//! Messages between orchestrators and agents on their way: lost, late, doubled, with a term that is over, or cut off.

use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::Position;
use windlass_sagas::protocol::ledger::LinkId;
use windlass_sagas::protocol::{Answer, Down, Hello, Inventory, InventoryItem, Reply, Up, Verb};
use windlass_sagas::record::Direction;

use super::{Event, Sim};
use crate::about::About;
use crate::fault::{Dice, Fault, Lane, Place};
use crate::limits::*;
use crate::net::End;
use crate::orchestrator::{Node, Work};

const CALL: &[FaultKind] =
    &[FaultKind::Delay, FaultKind::Duplicate, FaultKind::Drop, FaultKind::Partition, FaultKind::WrongTerm];
const LOW_WATER: &[FaultKind] = &[FaultKind::Delay, FaultKind::Duplicate, FaultKind::Drop];
/// What may become of a message on a stream that keeps its order.
const LOSS: &[FaultKind] = &[FaultKind::Drop, FaultKind::Partition];
const ANSWER: &[FaultKind] = &[FaultKind::Delay, FaultKind::Duplicate, FaultKind::Drop, FaultKind::Partition];

impl Sim {
    pub(super) fn stream_open(&mut self, host: usize, node: usize, link: u64, hello: Box<Hello>) {
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
                let about = || vec![About::step(call.key, call.direction)];
                self.ask_about(Lane::Stream(node, host), place, CALL, about)
            }
            Down::LowWater { .. } => {
                self.ask(Lane::Stream(node, host), Place::plain("a low water"), LOW_WATER)
            }
            Down::Lead { .. }
            | Down::TakeInventory { .. }
            | Down::View { .. }
            | Down::Seen { .. }
            | Down::Faults { .. } => None,
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
            Up::Reply(reply) => {
                let about = || vec![About::step(reply.key, direction_of(reply))];
                self.ask_about(Lane::Stream(node, host), Place::plain("an answer"), ANSWER, about)
            }
            Up::Inventory(inventory) if shows_an_end(inventory) => {
                // A stream keeps its order, and an agent tells no end behind the answer of a boot that it has not seen: only
                // a script bends that, to show what the leader's own fence is for.
                let kinds = if self.faults.are_scripted() { ANSWER } else { LOSS };
                self.ask(Lane::Stream(node, host), Place::plain("an inventory with an end"), kinds)
            }
            Up::Hello(_)
            | Up::FencedLead { .. }
            | Up::Inventory(_)
            | Up::ViewApplied(_)
            | Up::FaultsHeld(_)
            | Up::Heartbeat { .. } => None,
        };
        let Some(mut at) = self.net.arrival(End::Host(host), End::Node(node), now) else { return };
        // A late answer may come on a later stream, which is worse than a stream can be; of an inventory that would say
        // that a ledger which is gone is there.
        let may_outlive = !matches!(up, Up::Inventory(_));
        let (up, mut late) = (Box::new(up), false);
        if let Some(Fault { kind, mut dice }) = fault {
            let later = at.plus_ms(dice.ms(DELAY_MS));
            match kind {
                FaultKind::Drop => return,
                FaultKind::Partition => return self.part(End::Host(host), End::Node(node), &mut dice),
                FaultKind::Duplicate => {
                    let copy = up.clone();
                    self.agenda.put(later, Event::Up { host, node, link, late: may_outlive, up: copy });
                }
                _ => (at, late) = (later, may_outlive),
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
}

/// Whether it says of a guest that it has ended.
fn shows_an_end(inventory: &Inventory) -> bool {
    inventory.items.iter().any(|item| matches!(item, InventoryItem::Ended { .. }))
}

/// The term is one that is over.
fn past_term(down: &mut Down) {
    if let Down::Call(call) = down {
        call.term.elected = Position(call.term.elected.0.saturating_sub(1));
    }
}

/// Which way the answered call went; of a look-up only a tombstone tells.
fn direction_of(reply: &Reply) -> Direction {
    match (reply.verb, &reply.answer) {
        (Verb::Undo, _) | (Verb::Lookup, Answer::Undone) => Direction::Undo,
        (Verb::Execute | Verb::Lookup, _) => Direction::Forward,
    }
}

const fn of_verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Execute => "a call",
        Verb::Undo => "an undo",
        Verb::Lookup => "a look-up",
    }
}
