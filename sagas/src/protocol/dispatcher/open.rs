//! One open call: where it stands between its commit and the commit that settles it.

use super::super::{Call, Verb};
use super::LinkId;
use crate::cell::OpenCall;
use crate::ids::*;
use crate::limits::{LOOKUP_PAUSE_MS, REPORT_AGAIN_MS};
use crate::record::StepReport;

/// An open call.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) call: OpenCall,
    pub(super) phase: Phase,
    /// When its deadline passes, time without a leader not counted; later: when that is said again.
    pub(super) overdue: Option<Time>,
    pub(super) overdue_pause: Pause,
    /// The pause before the next look-up or the next try of a busy ledger.
    pub(super) pause: Pause,
}

/// Where an open call stands.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// To be sent, not before `at`, once there is a stream to the admitted ledger, and room.
    Waiting { verb: Verb, at: Time },
    /// Sent; unanswered at `until`, it is looked up.
    Out { verb: Verb, link: LinkId, until: Time },
    /// Reported; said again at `again` if nothing has settled it.
    Told { report: StepReport, again: Time, pause: Pause },
}

impl Open {
    pub(super) const fn new(call: OpenCall, phase: Phase, overdue: Option<Time>) -> Self {
        let (pause, overdue_pause) = (Pause::of(LOOKUP_PAUSE_MS), Pause::of(REPORT_AGAIN_MS));
        Self { call, phase, overdue, overdue_pause, pause }
    }

    /// The message of a call of this step.
    pub(super) fn message(&self, verb: Verb, term: Term, incarnation: Incarnation) -> Call {
        let OpenCall { key, direction, attempt, dispatched, ledger, call_ms, owner, .. } = self.call;
        Call {
            term,
            key,
            verb,
            direction,
            attempt,
            dispatched,
            ledger,
            incarnation,
            remaining_ms: call_ms,
            owner,
            body: self.call.body.clone(),
        }
    }

    /// The verb whose answer is awaited on `link`.
    pub(super) fn awaited(&self, link: LinkId) -> Option<Verb> {
        match &self.phase {
            Phase::Out { verb, link: on, .. } if *on == link => Some(*verb),
            Phase::Out { .. } | Phase::Waiting { .. } | Phase::Told { .. } => None,
        }
    }
}

/// A pause that doubles from its shortest to its longest, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    next_ms: u64,
    max_ms: u64,
}

impl Pause {
    pub(super) const fn of(bounds_ms: (u64, u64)) -> Self {
        Self { next_ms: bounds_ms.0, max_ms: bounds_ms.1 }
    }

    /// The time after this pause; the next one is twice as long.
    pub(super) fn after(&mut self, now: Time) -> Time {
        let ms = self.next_ms;
        self.next_ms = (ms * 2).min(self.max_ms);
        now.plus_ms(ms)
    }
}
