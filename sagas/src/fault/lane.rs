//! How one rule goes on: its opportunities, its strikes, its dice. Agents and orchestrators ask the same lanes, so that
//! "the third call" means the same everywhere.
//!
//! Invariant: the same rule, number and count of strikes give the same answers (SplitMix64); there is no other chance.

use crate::record::{FaultRule, FaultWhen};

/// One rule, as far as it has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    opportunities: u64,
    strikes: u64,
    dice: u64,
}

impl Lane {
    /// A rule, the `number`-th of its plan, that has struck so often. After a restart its dice don't repeat the throw that
    /// struck.
    #[must_use]
    pub const fn new(rule: &FaultRule, number: u64, strikes: u64) -> Self {
        Self { opportunities: 0, strikes, dice: mix(mix(mix(rule.seed) ^ number) ^ strikes) }
    }

    /// Counts an opportunity that fits the rule, and says whether it strikes.
    pub fn due(&mut self, rule: &FaultRule) -> bool {
        self.opportunities = self.opportunities.saturating_add(1);
        let due = match rule.when {
            FaultWhen::Nth(first) => self.opportunities >= first || self.strikes > 0,
            FaultWhen::Chance { ppm } => self.throw() < u64::from(ppm) << 32,
        };
        due && rule.times.is_none_or(|times| self.strikes < times)
    }

    /// It struck.
    pub const fn struck(&mut self) {
        self.strikes = self.strikes.saturating_add(1);
    }

    /// How often it has struck.
    #[must_use]
    pub const fn strikes(&self) -> u64 {
        self.strikes
    }

    /// The opportunities that this process has seen.
    #[must_use]
    pub const fn opportunities(&self) -> u64 {
        self.opportunities
    }

    /// Below `1_000_000 << 32`, each as likely.
    const fn throw(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.dice) >> 32) * 1_000_000
    }
}

const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;
    use crate::record::FaultAsked;
    use alloc::vec::Vec;

    fn rule(asked: FaultAsked) -> FaultRule {
        FaultRule::of(&asked).expect("a rule")
    }

    fn chance(ppm: u32) -> FaultRule {
        rule(FaultAsked { chance_ppm: Some(ppm), seed: 7, ..FaultAsked::of(FaultKind::Hang) })
    }

    #[test]
    fn chances_are_kept_and_throws_repeat() {
        let struck = |ppm| {
            let mut lane = Lane::new(&chance(ppm), 0, 0);
            (0..10_000).filter(|_| lane.due(&chance(ppm))).count()
        };
        assert_eq!((struck(0), struck(1_000_000)), (0, 10_000));
        assert!((2_300..2_700).contains(&struck(250_000)), "{}", struck(250_000));
        assert_eq!(struck(250_000), struck(250_000));
        let first = |strikes| {
            let mut lane = Lane::new(&chance(500_000), 0, strikes);
            (0..64).map(|_| lane.due(&chance(500_000))).collect::<Vec<_>>()
        };
        assert_ne!(first(0), first(1), "a restart does not repeat the throws");
    }

    #[test]
    fn the_nth_opportunity_is_struck_and_as_many_behind_it_as_the_rule_says() {
        let third = FaultAsked { nth: Some(3), times: Some(2), ..FaultAsked::of(FaultKind::Hang) };
        let rule = rule(third);
        let mut lane = Lane::new(&rule, 0, 0);
        let struck: Vec<bool> = (0..6)
            .map(|_| {
                let due = lane.due(&rule);
                if due {
                    lane.struck();
                }
                due
            })
            .collect();
        assert_eq!(struck, [false, false, true, true, false, false]);
        assert_eq!((lane.strikes(), lane.opportunities()), (2, 6));
        let mut next = Lane::new(&rule, 0, 1);
        assert!(next.due(&rule), "what has begun to strike goes on in the next process");
        let mut spent = Lane::new(&rule, 0, 2);
        assert!(!(0..9).any(|_| spent.due(&rule)), "no process strikes more often than the rule says");
    }
}
