//! Which positions of a journal have a kept image: evenly spaced ones, the wider the longer the journal is and the larger
//! its images are, so that files and bytes stay bounded.
//!
//! Positions are cut into slots of one width; a slot has at most one image, its first. As the width only doubles, a slot
//! is two of the slots before, and every second image goes.

use std::collections::BTreeMap;

use windlass_sagas::ids::Position;

use crate::limits::{KEPT_BYTES_MAX, KEPT_EVERY, KEPT_MAX};

/// How many images of the past are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Commits from one to the next, while the journal is short.
    pub every: u64,
    /// The most files.
    pub files_max: u64,
    /// The most bytes of all files together.
    pub bytes_max: u64,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { every: KEPT_EVERY, files_max: KEPT_MAX, bytes_max: KEPT_BYTES_MAX }
    }
}

impl Keeping {
    /// The width of a slot of a journal that is `position` commits long and whose images have this many bytes.
    fn spacing(&self, position: Position, bytes: u64) -> u64 {
        let mut spacing = self.every.max(1);
        loop {
            let files = position.0 / spacing + 1;
            let fits = files <= self.files_max.max(2) && files.saturating_mul(bytes) <= self.bytes_max;
            match spacing.checked_mul(2) {
                Some(wider) if !fits => spacing = wider,
                Some(_) | None => return spacing,
            }
        }
    }

    /// Whether an image at `position` is worth a file beside those that are `kept`, with their bytes.
    pub(super) fn wants(&self, kept: &BTreeMap<Position, u64>, position: Position) -> bool {
        let last = kept.last_key_value();
        let longest = last.map_or(position, |(last, _)| position.max(*last));
        let spacing = self.spacing(longest, last.map_or(0, |(_, bytes)| *bytes));
        let slot = position.0 / spacing;
        let (from, next) = (slot.saturating_mul(spacing), slot.saturating_add(1).saturating_mul(spacing));
        slot > 0 && kept.range(Position(from)..Position(next)).next().is_none()
    }

    /// Those that are to go, of those that are `kept`: the newest stays, and the first of each slot, as far as bytes allow.
    pub(super) fn surplus(&self, kept: &BTreeMap<Position, u64>) -> Vec<Position> {
        let Some((newest, bytes)) = kept.last_key_value() else { return Vec::new() };
        let mut spacing = self.spacing(*newest, *bytes);
        loop {
            let mut before = 0;
            let (stay, go): (Vec<Position>, Vec<Position>) = kept.keys().partition(|position| {
                let slot = position.0 / spacing;
                slot > std::mem::replace(&mut before, slot) || *position == newest
            });
            let total: u64 = stay.iter().filter_map(|position| kept.get(position)).sum();
            match spacing.checked_mul(2) {
                Some(wider) if total > self.bytes_max && stay.len() > 1 => spacing = wider,
                Some(_) | None => return go,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Keeping = Keeping { every: 100, files_max: 8, bytes_max: 10_000 };

    /// A journal that grows by these steps, and what is kept of it, each image of the bytes that `size` says.
    fn grown(
        keeping: Keeping,
        steps: &[u64],
        size: impl Fn(Position) -> u64,
    ) -> (Position, BTreeMap<Position, u64>) {
        let (mut position, mut kept) = (Position(0), BTreeMap::new());
        for step in steps {
            position.0 += step;
            if keeping.wants(&kept, position) {
                kept.insert(position, size(position));
                let surplus = keeping.surplus(&kept);
                kept.retain(|position, _| !surplus.contains(position));
            }
        }
        (position, kept)
    }

    #[test]
    fn the_first_slot_needs_none_and_each_other_has_its_first() {
        let (_, kept) = grown(SMALL, &[99, 1, 30, 69, 1, 150], |_| 1);
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), [Position(100), Position(200), Position(350)]);
    }

    #[test]
    fn every_second_one_goes_where_there_are_too_many() {
        let (_, kept) = grown(SMALL, &[100; 8], |_| 1);
        let expected = [200, 400, 600, 800].map(Position);
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn large_images_are_fewer_and_one_that_is_too_large_is_the_only_one() {
        let (_, kept) = grown(SMALL, &[100; 7], |_| 3_000);
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), [Position(200), Position(400)]);
        let (_, kept) = grown(SMALL, &[100; 7], |_| 20_000);
        assert_eq!(kept.len(), 1);
    }

    proptest! {
        #[test]
        fn files_and_bytes_are_bounded_and_gaps_are_even(
            steps in prop::collection::vec(1..60_u64, 1..400),
            slope in 0..4_u64,
        ) {
            let (position, kept) = grown(SMALL, &steps, |at| 10 + at.0 * slope / 10);
            prop_assert!(kept.len() as u64 <= SMALL.files_max, "{kept:?}");
            prop_assert!(kept.values().sum::<u64>() <= SMALL.bytes_max, "{kept:?}");
            // From any position the one before is never further than two slots and a step.
            let bytes = kept.last_key_value().map_or(0, |(_, bytes)| *bytes);
            let widest = 2 * SMALL.spacing(position, bytes) + 60;
            let all: Vec<u64> = [0].into_iter().chain(kept.keys().map(|it| it.0)).chain([position.0]).collect();
            prop_assert!(all.windows(2).all(|pair| pair[1] - pair[0] <= widest), "{all:?} of {widest}");
        }
    }
}
