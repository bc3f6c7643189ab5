//! The dice of one planned fault: the same seed, fault and count of strikes give the same throws (SplitMix64).

#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for a fault of a plan that has struck so often: after a restart they don't repeat the throw that struck.
    pub(super) const fn new(seed: u64, fault: u64, struck: u64) -> Self {
        Self(mix(mix(mix(seed) ^ fault) ^ struck))
    }

    /// True with this chance, 0 to 1.
    pub(super) fn chance(&mut self, chance: f64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // 32 bits fit a float without loss.
        let throw = u32::try_from(mix(self.0) >> 32).unwrap_or(u32::MAX);
        f64::from(throw) < chance * (f64::from(u32::MAX) + 1.0)
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

    #[test]
    fn chances_are_kept_and_throws_repeat() {
        let throws = |chance: f64| {
            let mut dice = Dice::new(7, 0, 0);
            (0..10_000).filter(|_| dice.chance(chance)).count()
        };
        assert_eq!((throws(0.0), throws(1.0)), (0, 10_000));
        assert!((2_300..2_700).contains(&throws(0.25)), "{}", throws(0.25));
        assert_eq!(throws(0.25), throws(0.25));
        let first = |struck| {
            (0..64)
                .map({
                    let mut dice = Dice::new(7, 0, struck);
                    move |_| dice.chance(0.5)
                })
                .collect::<Vec<_>>()
        };
        assert_ne!(first(0), first(1));
    }
}
