//! What a world is judged by beside its journal: every call that leaves, every answer of a ledger, and, once the faults
//! have stopped, that all comes to its end with nothing left over.

use windlass_sagas::cell::state::{ServerState, StepState};
use windlass_sagas::ids::ServerId;
use windlass_sagas::protocol::{Answer, Call, CallError, Reply, Up, Verb};
use windlass_world::World;

use super::{Event, Sim};
use crate::agent::Host;
use crate::check::{left_over, waiting};
use crate::limits::*;
use crate::orchestrator::Node;
use crate::trace::word;

impl Sim {
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
        self.check_look_up(node, call);
        if self.tail_is_lost {
            return;
        }
        let books = &self.chain.books;
        let leaves = books.may_leave(call.key, call.direction, call.attempt, call.dispatched);
        self.require(leaves, "property P5", || {
            format!(
                "orchestrator {node} sends {:?} of {:?}, which no valid commit dispatched",
                call.verb, call.key
            )
        });
    }

    /// O3: what a new leader finds dispatched and unsettled it asks about first, whatever else it then does.
    fn check_look_up(&mut self, node: usize, call: &Call) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        let open = (call.key, call.direction as u8, call.attempt);
        let waited = it.unasked.remove(&open);
        self.seen.looked_up += u64::from(waited && call.verb == Verb::Lookup);
        self.require(!waited || call.verb == Verb::Lookup, "promise O3", || {
            format!("orchestrator {node} took over and sends {:?} of {:?} unasked", call.verb, call.key)
        });
    }

    /// What ledgers send away is counted; P10: never a call that the journal still waits for, as settled.
    pub(super) fn check_answer(&mut self, up: &Up) {
        let Up::Reply(Reply { key, answer, .. }) = up else {
            self.seen.fenced += u64::from(matches!(up, Up::FencedLead { .. }));
            return;
        };
        let Answer::Error(error) = answer else { return };
        match error {
            CallError::Fenced(_) => self.seen.fenced += 1,
            CallError::Tombstoned => self.seen.tombstoned += 1,
            CallError::WrongIncarnation(_) => self.seen.wrong_incarnation += 1,
            CallError::KeyConflict | CallError::Busy | CallError::Draining => {}
            // No machine says that: both ends of a world are of one build, and each host serves its roles.
            CallError::Unsupported => {}
            CallError::BelowLowWater(low_water) => {
                self.seen.below_low_water += 1;
                let step = self.chain.cell.sagas.get(&key.saga).map(|saga| saga.at(key.step));
                let open = matches!(step, Some(StepState::Forward { .. } | StepState::Undoing { .. }));
                self.require(!open, "property P10", || {
                    format!("an open call of {key:?} lies below the low water {low_water}")
                });
            }
        }
    }

    pub(super) fn faults_stop(&mut self) {
        self.faults.stop();
        self.net.heal();
        self.disks_have_space();
        self.clocks_are_set();
        self.nodes.iter_mut().for_each(Node::no_longer_lags);
        self.settling = true;
        self.stopped_at = self.agenda.now();
        self.quiet_since = self.stopped_at;
        self.later_ms(1_000, Event::Look);
    }

    /// Whether all has come to its end; if not in time, that is a violation of its own.
    pub(super) fn look(&mut self) {
        let now = self.agenda.now();
        let position = self.chain.tip.position;
        let ended = self.chain.cell.sagas.is_empty()
            && self.clients.are_content()
            && self.operator_is_content()
            && self.hosts.iter().all(|host| host.up)
            && self.is_led()
            && !self.owes_an_end();
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

    /// Whether a guest has ended and the cell does not know it yet: it is told again within a minute.
    fn owes_an_end(&self) -> bool {
        let active = |server: ServerId| {
            let server = self.chain.cell.servers.get(&server);
            server.is_some_and(|it| matches!(it.state, ServerState::Active(_)) && it.lock.is_free())
        };
        // What a host that was declared gone says is nobody's.
        let member = |host: &&Host| self.chain.cell.hosts.get(&host.id).is_some_and(|it| it.life.is_member());
        self.hosts.iter().filter(member).any(|host| host.world.ended().any(active))
    }

    pub(super) fn give_up(&mut self, why: &str) {
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
        let hosts = self.hosts.iter().map(|host| (host.id, &host.world));
        let found = left_over(&self.chain.cell, hosts, self.tail_was_lost, &self.wiped);
        self.require(found.is_empty(), "left over (invariants 2, 3, 5, 6)", || found.join("; "));
        // A removal that the journal lost with its tail is followed by what it still has: the thing is made.
        let count = |world: &World| {
            if self.tail_was_lost { world.repeated_but_for_removed() } else { world.repeated() }
        };
        let counted = self.hosts.iter().map(|host| (&host.name, count(&host.world)));
        let repeated: Vec<String> = counted
            .filter(|(_, count)| *count != 0)
            .map(|(name, count)| format!("host {name} repeated {count}"))
            .collect();
        self.require(repeated.is_empty(), "property P3", || repeated.join("; "));
    }
}
