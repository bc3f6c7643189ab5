//! The gate that replies wait behind: a positive answer until its position is durable; a negative one also until an
//! acknowledgement of this term, or a renewal of the lease, that began after it was decided.
//!
//! Both queues are in the order of their decisions, and positions never fall, so the front is always the next to leave.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::message::{Output, Receipt, Refused};
use crate::ids::*;
use crate::limits::{APPEND_RESEND_MS, LEADER_QUEUE_MAX};
use crate::planted::{self, Bug};

/// The replies of one lead that have not left.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    positive: VecDeque<(u64, Receipt)>,
    negative: VecDeque<Negative>,
    /// How many negative answers were decided.
    decided: u64,
    /// Up to which of them this node is known to have led since.
    fresh: u64,
    /// The renewal that is under way: the last answer it speaks for, and when it was asked for.
    asked: Option<(u64, Time)>,
}

#[derive(Clone, Debug)]
struct Negative {
    number: u64,
    position: Position,
    token: u64,
    answer: Refused,
}

impl Gate {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.positive.len() + self.negative.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting() >= LEADER_QUEUE_MAX
    }

    pub(super) fn grant(&mut self, token: u64, receipt: Receipt) {
        if token != 0 {
            self.positive.push_back((token, receipt));
        }
    }

    pub(super) fn refuse(&mut self, token: u64, position: Position, answer: Refused) {
        if token != 0 {
            self.decided += 1;
            self.negative.push_back(Negative { number: self.decided, position, token, answer });
        }
    }

    /// The number of the last negative answer: what a frame that is sent now will cover.
    pub(super) const fn decided(&self) -> u64 {
        self.decided
    }

    /// This node led at a time after the answers up to `number` were decided.
    pub(super) fn led_since(&mut self, number: u64) {
        self.fresh = self.fresh.max(number);
        if self.asked.is_some_and(|(asked, _)| asked <= number) {
            self.asked = None;
        }
    }

    /// Asks for a renewal where an answer waits for one and no frame is about to leave that would serve.
    pub(super) fn renew(&mut self, frame_follows: bool, covered: u64, now: Time, out: &mut Vec<Output>) {
        let wanted = self.negative.back().map_or(0, |last| last.number);
        let late = self.asked.is_none_or(|(_, at)| now >= at.plus_ms(APPEND_RESEND_MS));
        if !late {
            return;
        }
        self.asked = None;
        if wanted > self.fresh.max(covered) && !frame_follows {
            self.asked = Some((self.decided, now));
            out.push(Output::RenewLease { asked: self.decided });
        }
    }

    /// When a renewal that stays unanswered is asked for again.
    pub(super) fn due_at(&self) -> Option<Time> {
        self.asked.map(|(_, at)| at.plus_ms(APPEND_RESEND_MS))
    }

    /// Lets out what may leave.
    pub(super) fn release(&mut self, durable: Position, out: &mut Vec<Output>) {
        let early = planted::on(Bug::ReplyBeforeDurable);
        while let Some((token, receipt)) =
            self.positive.pop_front_if(|(_, receipt)| early || receipt.position <= durable)
        {
            out.push(Output::Reply { token, reply: Ok(receipt) });
        }
        let fresh = self.fresh;
        while let Some(first) =
            self.negative.pop_front_if(|first| first.position <= durable && first.number <= fresh)
        {
            out.push(Output::Reply { token: first.token, reply: Err(first.answer) });
        }
    }

    /// Answers everybody who waits with `refused`.
    pub(super) fn abandon(&mut self, refused: &Refused, out: &mut Vec<Output>) {
        let positive = self.positive.drain(..).map(|(token, _)| token);
        let tokens = positive.chain(self.negative.drain(..).map(|first| first.token));
        out.extend(tokens.map(|token| Output::Reply { token, reply: Err(refused.clone()) }));
        self.asked = None;
    }
}
