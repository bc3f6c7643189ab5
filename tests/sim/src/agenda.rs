//! What is to happen, in the order of (time, sequence): the one source of order in a simulated world.
//!
//! Invariant: time never goes backwards, and of two things at one time the one that was put first happens first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds of simulated time since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// This instant and so many microseconds more.
    #[must_use]
    pub const fn plus_us(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// This instant and so many milliseconds more.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        self.plus_us(ms.saturating_mul(1000))
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 / 1000
    }
}

/// The events to come.
#[derive(Clone, Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    sequence: u64,
    now: Instant,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    at: Instant,
    sequence: u64,
    event: E,
}

impl<E> Entry<E> {
    const fn key(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl<E> Eq for Entry<E> {}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0, now: Instant::default() }
    }
}

impl<E> Agenda<E> {
    /// The present.
    #[must_use]
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// Puts an event at a time; a time that is over means now.
    pub(crate) fn put(&mut self, at: Instant, event: E) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { at: at.max(self.now), sequence: self.sequence, event }));
    }

    /// The next event; the present moves to its time.
    pub(crate) fn pop(&mut self) -> Option<E> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_they_were_put() {
        let mut agenda = Agenda::default();
        for (at, name) in [(5, 'b'), (1, 'a'), (5, 'c')] {
            agenda.put(Instant(at), name);
        }
        assert_eq!(agenda.pop(), Some('a'));
        agenda.put(Instant(0), 'x');
        let rest: Vec<char> = std::iter::from_fn(|| agenda.pop()).collect();
        assert_eq!(rest, ['x', 'b', 'c']);
        assert_eq!(agenda.now(), Instant(5));
    }
}
