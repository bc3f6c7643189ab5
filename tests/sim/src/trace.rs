//! The trace of a run: one running hash over everything that happened, and the last lines of it for people.
//!
//! Invariant: two runs with one hash did the same things in the same order at the same times.

use crate::agenda::Instant;
use crate::rng::mix;

/// The running hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    /// How many things happened.
    pub(crate) events: u64,
    /// The lines, where they are kept.
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace; `keep` keeps a line for each thing that happens.
    #[must_use]
    pub(crate) fn new(keep: bool) -> Self {
        Self { hash: 0, events: 0, lines: keep.then(Vec::new) }
    }

    /// The hash of all that happened so far.
    #[must_use]
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Something happened: where, what, and the numbers that tell it from anything else.
    pub(crate) fn note(
        &mut self,
        at: Instant,
        what: &'static str,
        numbers: &[u64],
        line: impl FnOnce() -> String,
    ) {
        self.events += 1;
        self.add(at.0);
        self.bytes(what.as_bytes());
        for number in numbers {
            self.add(*number);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>11}ms {what} {}", Millis(at), line()));
        }
    }

    /// One more number.
    pub(crate) const fn add(&mut self, number: u64) {
        self.hash = mix(self.hash, number);
    }

    /// More bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.add(chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        let rest = chunks.remainder().iter().fold(1, |word, byte| word << 8 | u64::from(*byte));
        self.add(rest);
    }
}

/// Milliseconds with three digits behind the point.
struct Millis(Instant);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}.{:03}", self.0.0 / 1000, self.0.0 % 1000))
    }
}

/// The first eight bytes of an id, as a number for a trace.
#[must_use]
pub(crate) fn word(id: &[u8; 16]) -> u64 {
    id.iter().take(8).fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_time_and_content_all_count() {
        let hash = |notes: &[(u64, &'static str, u64)]| {
            let mut trace = Trace::new(false);
            for (at, what, number) in notes {
                trace.note(Instant(*at), what, &[*number], String::new);
            }
            trace.hash()
        };
        let one = hash(&[(1, "a", 1), (2, "b", 2)]);
        assert_eq!(one, hash(&[(1, "a", 1), (2, "b", 2)]));
        assert_ne!(one, hash(&[(2, "b", 2), (1, "a", 1)]));
        assert_ne!(one, hash(&[(1, "a", 1), (3, "b", 2)]));
        assert_ne!(one, hash(&[(1, "a", 1), (2, "b", 3)]));
    }
}
