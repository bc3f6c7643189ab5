//! The axis of time: linear, but for long gaps in which nothing happens, which are broken so that the rest is seen.

/// The width of a broken gap.
const BREAK_WIDTH: f64 = 76.0;
/// The least distance of two labels.
const TICK_WIDTH_MIN: f64 = 80.0;
/// A gap in which nothing runs is broken where it is longer than everything else by this factor; one in which a step runs,
/// by the other.
const IDLE_FACTOR: f64 = 1.0;
const BUSY_FACTOR: f64 = 10.0;

/// A span of time and its place on paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) broken: bool,
}

/// Where each time stands.
pub(super) struct Axis {
    pub(super) segments: Vec<Segment>,
    right: f64,
}

impl Axis {
    /// An axis over these moments, between two places; `busy` says whether anything runs throughout a span.
    pub(super) fn new(mut moments: Vec<i64>, busy: &dyn Fn(i64, i64) -> bool, left: f64, right: f64) -> Self {
        moments.sort_unstable();
        moments.dedup();
        let gaps: Vec<(i64, i64)> = moments.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let broken = broken(&gaps, busy);
        let linear: f64 =
            gaps.iter().zip(&broken).filter(|(_, broken)| !**broken).map(|(gap, _)| length(*gap)).sum();
        let breaks = broken.iter().filter(|broken| **broken).count();
        let room = right - left - BREAK_WIDTH * f64::from(u32::try_from(breaks).unwrap_or(u32::MAX));
        let scale = if linear > 0.0 { room / linear } else { 0.0 };
        let mut segments: Vec<Segment> = Vec::new();
        let mut at = left;
        for ((from, to), broken) in gaps.into_iter().zip(broken) {
            let width = if broken { BREAK_WIDTH } else { length((from, to)) * scale };
            match segments.last_mut().filter(|last| !last.broken && !broken) {
                Some(last) => (last.to, last.right) = (to, at + width),
                None => segments.push(Segment { from, to, left: at, right: at + width, broken }),
            }
            at += width;
        }
        if segments.is_empty() {
            let at = moments.first().copied().unwrap_or_default();
            segments.push(Segment { from: at, to: at, left, right: left, broken: false });
        }
        Self { segments, right }
    }

    /// Where a time stands.
    pub(super) fn at(&self, time: i64) -> f64 {
        let behind = self.segments.iter().find(|segment| time <= segment.to);
        let Some(it) = behind else { return self.segments.last().map_or(self.right, |last| last.right) };
        let whole = length((it.from, it.to));
        if whole <= 0.0 {
            return it.left;
        }
        it.left + (it.right - it.left) * (length((it.from, time.max(it.from))) / whole)
    }

    /// The times of the labels and their step, microseconds since `origin`.
    pub(super) fn ticks(&self, origin: i64) -> (Vec<i64>, i64) {
        let mut steps = [1, 2, 5].into_iter().cycle();
        let linear = self.segments.iter().filter(|segment| !segment.broken && segment.to > segment.from);
        let Some(scale) =
            linear.clone().map(|it| (it.right - it.left) / length((it.from, it.to))).reduce(f64::max)
        else {
            return (Vec::new(), 1);
        };
        let (mut step, mut tens) = (1_i64, 1_i64);
        while length((0, step)) * scale < TICK_WIDTH_MIN && tens < i64::MAX / 100 {
            let digit = steps.next().unwrap_or(1);
            step = digit * tens;
            if digit == 5 {
                tens *= 10;
            }
        }
        let mut ticks = Vec::new();
        for segment in linear {
            let first = (segment.from - origin).div_euclid(step) * step + origin;
            let times = (0..).map(|number| first + number * step).skip_while(|time| *time < segment.from);
            ticks.extend(times.take_while(|time| *time <= segment.to).take(100));
        }
        ticks.dedup();
        (ticks, step)
    }
}

/// Which gaps are broken: the longest ones, as long as each outweighs all others that are not.
fn broken(gaps: &[(i64, i64)], busy: &dyn Fn(i64, i64) -> bool) -> Vec<bool> {
    let mut broken = vec![false; gaps.len()];
    if gaps.len() < 2 {
        return broken;
    }
    let mut longest: Vec<usize> = (0..gaps.len()).collect();
    longest.sort_by_key(|at| std::cmp::Reverse(gaps[*at].1 - gaps[*at].0));
    let mut rest: f64 = gaps.iter().map(|gap| length(*gap)).sum();
    for at in longest {
        let gap = length(gaps[at]);
        let factor = if busy(gaps[at].0, gaps[at].1) { BUSY_FACTOR } else { IDLE_FACTOR };
        // A break must save something.
        if rest - gap <= 0.0 || gap < factor * (rest - gap) {
            continue;
        }
        broken[at] = true;
        rest -= gap;
    }
    broken
}

fn length((from, to): (i64, i64)) -> f64 {
    let us = to.saturating_sub(from).clamp(0, 1 << 52);
    let (high, low) = (us >> 32, us & 0xffff_ffff);
    f64::from(u32::try_from(high).unwrap_or_default()) * 4_294_967_296.0
        + f64::from(u32::try_from(low).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(moments: &[i64], busy: bool) -> Axis {
        Axis::new(moments.to_vec(), &|_, _| busy, 0.0, 1000.0)
    }

    #[test]
    fn it_is_linear_where_no_gap_outweighs_the_rest() {
        let axis = axis(&[0, 100, 400, 1000], true);
        assert_eq!(axis.segments.len(), 1);
        assert_eq!([0, 250, 1000].map(|time| axis.at(time)), [0.0, 250.0, 1000.0]);
        assert_eq!(axis.ticks(0), ((0..=10).map(|tick| tick * 100).collect(), 100));
    }

    #[test]
    fn a_long_idle_gap_is_broken_and_what_stands_around_it_keeps_one_scale() {
        let axis = axis(&[0, 1_000, 2_000, 9_002_000, 9_003_000], false);
        let broken: Vec<bool> = axis.segments.iter().map(|segment| segment.broken).collect();
        assert_eq!(broken, [false, true, false]);
        let (before, after) = (axis.at(1_000) - axis.at(0), axis.at(9_003_000) - axis.at(9_002_000));
        assert!((before - after).abs() < 1e-6 && before > 300.0, "{before} {after}");
        assert!(axis.at(9_002_000) - axis.at(2_000) < 80.0);
    }

    #[test]
    fn everything_at_one_time_has_a_place() {
        let axis = axis(&[7], false);
        assert_eq!((axis.at(7), axis.at(9)), (0.0, 0.0));
        assert!(axis.ticks(7).0.is_empty());
    }
}
