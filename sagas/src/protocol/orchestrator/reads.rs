//! Reads of the fold: an answer is computed once the fold has the position that the caller has seen, and leaves once
//! the position that it speaks for is durable.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::message::{Output, Refused};
use crate::ids::Position;
use crate::limits::LEADER_QUEUE_MAX;

/// The reads that have no answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    /// Waiting for the fold to get there.
    waiting: BTreeSet<(Position, u64)>,
    /// Computed, waiting for their position to be durable; positions never fall.
    computed: VecDeque<(Position, u64)>,
}

impl Reads {
    pub(super) fn ask(&mut self, token: u64, min_position: Position, out: &mut Vec<Output>) {
        if self.waiting.len() + self.computed.len() >= LEADER_QUEUE_MAX {
            out.push(Output::Reply { token, reply: Err(Refused::Overloaded) });
        } else {
            self.waiting.insert((min_position, token));
        }
    }

    /// Lets be computed what the fold, at `position`, can answer, and lets out what is `durable`.
    pub(super) fn release(&mut self, position: Position, durable: Position, out: &mut Vec<Output>) {
        while let Some((min, token)) = self.waiting.pop_first() {
            if min > position {
                self.waiting.insert((min, token));
                break;
            }
            out.push(Output::ReadNow { token, position });
            self.computed.push_back((position, token));
        }
        while let Some((position, token)) = self.computed.pop_front_if(|(position, _)| *position <= durable) {
            out.push(Output::ReadReady { token, position });
        }
    }

    /// The fold is dropped: what was computed from it must not leave.
    pub(super) fn abandon(&mut self, out: &mut Vec<Output>) {
        let reply = |(_, token)| Output::Reply { token, reply: Err(Refused::SteppedDown) };
        out.extend(self.computed.drain(..).map(reply));
    }
}
