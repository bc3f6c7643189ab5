//! The broker's side of a world: appends land or don't, whoever follows is sent what landed, and the checkers read it
//! before anybody else does.

use windlass_journal::memory::Health;
use windlass_sagas::protocol::orchestrator::{Input, Recover, Standing};

use super::{Event, Sim};
use crate::agenda::Instant;
use crate::check::Violation;
use crate::fault::Dice;
use crate::journal::{Answered, Waiting};
use crate::limits::*;
use crate::net::{End, Process};
use crate::orchestrator::{Fate, Node, Work};
use crate::trace::word;
use crate::workload::Wish;

impl Sim {
    /// The journal takes nothing for a while.
    pub(crate) fn journal_fails(&mut self, dice: &mut Dice) {
        let until = self.agenda.now().plus_ms(dice.ms(OUTAGE_MS));
        let health = if dice.chance(500) { Health::Full } else { Health::Leaderless };
        self.journal.outage(health, until);
    }

    pub(super) fn submit(&mut self, waiting: Waiting, frame: &[u8], fate: Fate) {
        let lost = fate == Fate::AnswerLost;
        match self.journal.submit(waiting, frame, fate == Fate::Unfenced) {
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

    pub(super) fn settle(&mut self, fate: Fate) {
        if fate == Fate::LeaderLost {
            return self.journal.lose_in_process();
        }
        let answers = self.journal.settle();
        if self.journal.is_busy() {
            return self.later_ms(READ_PAUSE_MS, Event::Settle { fate });
        }
        self.journal_moved();
        if matches!(fate, Fate::Taken | Fate::Unfenced) {
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
            self.put_node(node, life, at, Work::Machine(Box::new(input)));
        }
    }

    /// The checkers read what landed, and whoever follows the journal is sent it.
    fn journal_moved(&mut self) {
        self.chain_reads();
        for node in 0..self.nodes.len() {
            let life = self.nodes.get(node).map_or(0, |it| it.life);
            self.deliver(Process { node, life });
        }
    }

    fn chain_reads(&mut self) {
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
                if let Some(drawing) = &mut self.drawing {
                    let what = format!("commit {}", names());
                    drawing.event(self.agenda.now(), End::Journal, what, false);
                }
                self.trace.note(self.agenda.now(), "commit", &[position.0, hash], names);
                if let Some(Violation { law, what, .. }) = violation {
                    self.require(false, law, || what);
                }
                self.count_commits();
            }
        }
    }

    /// The stream's servers had not synced what they acknowledged: the checkers read what is left from its beginning.
    pub(super) fn lose_tail(&mut self, frames: usize) {
        self.journal.lose_in_process();
        // The founding stays: a cell without its genesis is lost altogether, and no operator can order to go on.
        let behind_founding = usize::try_from(self.journal.broker.last().0.saturating_sub(1)).unwrap_or(0);
        let lost = self.journal.broker.lose_tail(frames.min(behind_founding));
        if let Some(whole) = self.whole.take() {
            self.chain = *whole;
        }
        (self.tail_is_lost, self.tail_was_lost) = (lost != 0, lost != 0);
        self.seen.tails_lost += u64::from(lost != 0);
        self.chain_reads();
    }

    /// An operator has seen what is lost and orders every orchestrator to go on; again, as long as nobody leads: an order
    /// counts only for the tip that he was shown.
    pub(super) fn recover(&mut self) {
        let now = self.agenda.now();
        self.tail_is_lost = false;
        self.recovered_at.get_or_insert(now);
        let leads =
            |it: &Node| it.up && !it.is_paused() && matches!(it.machine.standing(), Standing::Leading(_));
        self.later_ms(OPERATOR_PAUSE_MS, Event::Recover);
        if self.nodes.iter().any(leads) {
            return self.let_the_leader_look();
        }
        for node in 0..self.nodes.len() {
            let life = self.nodes.get(node).map_or(0, |it| it.life);
            let order = Recover { order: "the tail is gone".to_string(), above: 0 };
            self.put_node(node, life, now, Work::Machine(Box::new(Input::Recover(order))));
        }
    }

    /// A leader who has nothing to write can't know that its tail is gone: the operator lets it write something.
    fn let_the_leader_look(&mut self) {
        let behind = |it: &Node| it.up && it.machine.durable_position() > self.chain.tip.position;
        if self.nodes.iter().any(behind) {
            let probe = windlass_sagas::record::CreateKeyPair {
                name: format!("probe-{}", self.agenda.now().ms()),
                public_key: "ssh-ed25519 AAAA".to_string(),
            };
            self.wishes(Wish::ask(0, probe));
        }
    }

    pub(super) fn lease_asked(&mut self, from: Process, asked: Option<u64>, sent: Instant) {
        let now = self.agenda.now();
        let Some(held) = self.journal.lease(from, now) else { return };
        if let Some(at) = self.net.arrival(End::Journal, End::Node(from.node), now) {
            self.put_node(from.node, from.life, at, Work::Leased(held, asked, sent));
        }
    }
}
