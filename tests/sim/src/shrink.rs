//! Shrinking by delta debugging: leave out as many of a failing run's faults as it can spare, and run it again.
//!
//! Invariant: what comes out failed when it was run; it is never a guess.

/// The smallest subset of `all` that still fails, as far as leaving out halves, quarters … single ones finds it, within
/// `runs_max` runs. `fails` runs the world with a subset.
pub(crate) fn shrink<T: Clone>(all: &[T], runs_max: usize, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = all.to_vec();
    let mut runs = 0;
    let mut size = kept.len().div_ceil(2).max(1);
    while !kept.is_empty() && runs < runs_max {
        let mut start = 0;
        let mut smaller = false;
        while start < kept.len() && runs < runs_max {
            let end = (start + size).min(kept.len());
            let without: Vec<T> = kept.iter().take(start).chain(kept.iter().skip(end)).cloned().collect();
            runs += 1;
            if fails(&without) {
                kept = without;
                smaller = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !smaller {
            break;
        }
        size = if smaller { size.min(kept.len()).max(1) } else { size.div_ceil(2) };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_left() {
        let all: Vec<u32> = (0..100).collect();
        let mut runs = 0;
        let kept = shrink(&all, 500, |subset| {
            runs += 1;
            [17, 62, 63].iter().all(|needed| subset.contains(needed))
        });
        assert_eq!(kept, [17, 62, 63]);
        assert!(runs < 100, "{runs}");
    }

    #[test]
    fn a_failure_without_faults_shrinks_to_none() {
        assert_eq!(shrink(&[1, 2, 3], 50, |_| true), Vec::<i32>::new());
    }

    #[test]
    fn the_bound_on_runs_is_kept() {
        let mut runs = 0;
        let kept = shrink(&(0..64).collect::<Vec<u8>>(), 5, |_| {
            runs += 1;
            false
        });
        assert_eq!((runs, kept.len()), (5, 64));
    }
}
