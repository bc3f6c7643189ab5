//! Deadlines over a change of leaders: time without a leader counts against none.

use crate::ids::*;
use crate::limits::DEADLINE_RESTART_MS;

/// When a lead began, and what came before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// When it began.
    pub(super) at: Time,
    /// The position of its `LeaderElected`: what was dispatched before it may have waited without a leader.
    pub(super) position: Position,
    /// At most so long nobody led, milliseconds.
    pub(super) leaderless_ms: u64,
}

impl Start {
    /// The deadline of what began at `since`: moved by the time without a leader if it is older than the lead; where it
    /// had run out even so, a new start, spread by a jitter that only `seed` decides.
    pub(super) fn deadline(&self, deadline: Time, since: Position, seed: [u8; 2]) -> Time {
        if since >= self.position {
            return deadline;
        }
        let moved = deadline.plus_ms(self.leaderless_ms);
        if moved > self.at { moved } else { self.at.plus_ms(DEADLINE_RESTART_MS + jitter_ms(seed)) }
    }
}

fn jitter_ms(seed: [u8; 2]) -> u64 {
    u64::from(u16::from_be_bytes(seed)) * DEADLINE_RESTART_MS / u64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Start = Start { at: Time(100_000_000), position: Position(10), leaderless_ms: 20_000 };

    #[test]
    fn what_began_in_this_lead_keeps_its_deadline() {
        assert_eq!(START.deadline(Time(5), Position(11), [9, 9]), Time(5));
    }

    #[test]
    fn time_without_a_leader_is_given_back() {
        assert_eq!(START.deadline(Time(90_000_000), Position(3), [0, 0]), Time(110_000_000));
    }

    #[test]
    fn what_ran_out_starts_anew_spread_over_the_seeds() {
        let again = |seed| START.deadline(Time(1_000_000), Position(3), seed);
        assert_eq!(again([0, 0]), START.at.plus_ms(DEADLINE_RESTART_MS));
        assert_eq!(again([255, 255]), START.at.plus_ms(2 * DEADLINE_RESTART_MS));
        assert!(again([0, 0]) < again([128, 0]) && again([128, 0]) < again([255, 0]));
    }
}
