//! Whether this node's wall clock may become the journal's: campaigning with a wrong one would freeze the cell's time
//! or fire every deadline at once.
//!
//! Checked: the wall clock is not behind the last commit's time plus the own waiting, and has not moved against the clock
//! that never jumps. A constant error can't be seen here, nor whether this clock is slow or the last leader's was fast: one
//! past the last commit's time is held back only for a while, or nobody would lead once a fast clock was set right.

use super::message::Skew;
use crate::ids::Time;
use crate::limits::{CLOCK_SETTLE_MS, CLOCK_SKEW_MS_MAX};

/// The two clocks, as ticks have shown them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    up_ms: u64,
    /// Wall minus up, milliseconds, that is trusted; `None` before the first tick.
    trusted_ms: Option<i64>,
    /// The same after a jump, and since when (up) it is steady.
    jumped: Option<(i64, u64)>,
    /// The last commit's time, and the first tick (up) after it was folded: what was folded before a tick, after a time
    /// in which the process stood still, must not count that time as waiting.
    last: Option<(Time, Option<u64>)>,
    /// Since when (up) it is found to be behind.
    behind: Option<u64>,
}

impl Clock {
    pub(super) fn tick(&mut self, now: Time, up_ms: u64) {
        self.up_ms = up_ms.max(self.up_ms);
        if let Some((_, since @ None)) = &mut self.last {
            *since = Some(self.up_ms);
        }
        let offset = (now.0 / 1000).saturating_sub(self.up_ms.cast_signed());
        let near = |other: i64| offset.abs_diff(other) <= CLOCK_SKEW_MS_MAX;
        match (self.trusted_ms, self.jumped) {
            (None, _) => self.trusted_ms = Some(offset),
            (Some(trusted), _) if near(trusted) => {
                self.trusted_ms = Some(offset);
                self.jumped = None;
            }
            (Some(_), Some((steady, since))) if near(steady) => {
                if self.up_ms.saturating_sub(since) >= CLOCK_SETTLE_MS {
                    self.trusted_ms = Some(offset);
                    self.jumped = None;
                }
            }
            (Some(_), _) => self.jumped = Some((offset, self.up_ms)),
        }
    }

    /// A commit was folded.
    pub(super) const fn folded(&mut self, time: Time) {
        self.last = Some((time, None));
        self.behind = None;
    }

    /// Whether the clock may be campaigned with; asked by who would campaign.
    pub(super) fn check(&mut self, now: Time) -> Result<(), Skew> {
        if let (Some(trusted), Some((offset, _))) = (self.trusted_ms, self.jumped) {
            return Err(Skew::Jumped { ms: offset.abs_diff(trusted) });
        }
        let waited_ms = |since: Option<u64>| since.map_or(0, |since| self.up_ms.saturating_sub(since));
        let Some((last, since)) = self.last else { return Ok(()) };
        let ms = last.plus_ms(waited_ms(since)).ms_since(now);
        let held_back_ms = self.up_ms.saturating_sub(self.behind.unwrap_or(self.up_ms));
        if ms <= CLOCK_SKEW_MS_MAX || (now >= last && held_back_ms >= CLOCK_SETTLE_MS) {
            return Ok(());
        }
        self.behind.get_or_insert(self.up_ms);
        Err(Skew::Behind { ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at_ms(ms: i64) -> Time {
        Time(ms * 1000)
    }

    #[test]
    fn a_clock_behind_the_last_commit_and_the_own_waiting_is_not_trusted() {
        let mut clock = Clock::default();
        clock.tick(at_ms(100_000), 0);
        clock.folded(at_ms(104_000));
        assert_eq!(clock.check(at_ms(100_000)), Ok(()));
        clock.folded(at_ms(107_000));
        assert_eq!(clock.check(at_ms(100_000)), Err(Skew::Behind { ms: 7_000 }));
        clock.tick(at_ms(101_000), 1_000);
        clock.tick(at_ms(103_000), 3_000);
        assert_eq!(clock.check(at_ms(103_000)), Err(Skew::Behind { ms: 6_000 }), "waiting does not mend it");
    }

    #[test]
    fn a_clock_past_the_last_commit_is_held_back_for_a_while_only() {
        let mut clock = Clock::default();
        clock.tick(at_ms(100_000), 0);
        clock.folded(at_ms(117_000));
        clock.tick(at_ms(100_000), 0);
        assert_eq!(clock.check(at_ms(100_000)), Err(Skew::Behind { ms: 17_000 }));
        clock.tick(at_ms(159_000), 59_000);
        assert!(clock.check(at_ms(159_000)).is_err());
        clock.tick(at_ms(160_000), 60_000);
        assert_eq!(clock.check(at_ms(160_000)), Ok(()));
        clock.folded(at_ms(190_000));
        assert!(clock.check(at_ms(160_000)).is_err(), "a later commit begins it anew");
    }

    #[test]
    fn a_process_that_stood_still_does_not_blame_its_clock() {
        let mut clock = Clock::default();
        clock.tick(at_ms(100_000), 0);
        // It stands still for ten seconds; a commit made meanwhile is folded before the first tick after that.
        clock.folded(at_ms(109_900));
        clock.tick(at_ms(110_000), 10_000);
        assert_eq!(clock.check(at_ms(110_000)), Ok(()));
        clock.tick(at_ms(115_000), 15_000);
        assert_eq!(clock.check(at_ms(115_000)), Ok(()));
    }

    #[test]
    fn a_jump_is_seen_and_trusted_only_once_it_is_steady() {
        let mut clock = Clock::default();
        clock.tick(at_ms(100_000), 0);
        clock.tick(at_ms(101_000), 1_000);
        assert_eq!(clock.check(at_ms(101_000)), Ok(()));
        clock.tick(at_ms(3_700_000), 2_000);
        assert!(matches!(clock.check(at_ms(3_700_000)), Err(Skew::Jumped { .. })));
        clock.tick(at_ms(3_700_000 + 59_000), 61_000);
        assert!(clock.check(at_ms(3_759_000)).is_err());
        clock.tick(at_ms(3_700_000 + 60_000), 62_000);
        assert_eq!(clock.check(at_ms(3_760_000)), Ok(()));
    }

    #[test]
    fn a_jump_that_is_taken_back_is_forgotten_and_slewing_is_no_jump() {
        let mut clock = Clock::default();
        clock.tick(at_ms(100_000), 0);
        clock.tick(at_ms(200_000), 1_000);
        clock.tick(at_ms(102_000), 2_000);
        assert_eq!(clock.check(at_ms(102_000)), Ok(()));
        for step in 1..100 {
            clock.tick(at_ms(102_000 + step * 2_000), 2_000 + step.cast_unsigned() * 1_000);
            assert_eq!(clock.check(at_ms(102_000 + step * 2_000)), Ok(()));
        }
    }

    #[test]
    fn an_old_journal_says_nothing_against_a_clock() {
        let mut clock = Clock::default();
        clock.tick(at_ms(900_000_000), 0);
        clock.folded(at_ms(1_000));
        assert_eq!(clock.check(at_ms(900_000_000)), Ok(()));
    }
}
