//! The ways between processes: latency, order, partitions. Messages of one way come in the order of sending unless a
//! fault says otherwise.

use std::collections::BTreeMap;

use crate::agenda::Instant;
use crate::limits::LATENCY_US;
use crate::rng::Rng;

/// One life of one orchestrator's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    /// Which orchestrator.
    pub(crate) node: usize,
    /// Which start of its process, from 1.
    pub(crate) life: u32,
}

/// A place that messages go to or come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// An orchestrator.
    Node(usize),
    /// A host's agent.
    Host(usize),
    /// The journal and the lease.
    Journal,
    /// Where the journal is delivered to those who follow it.
    Feed,
    /// The clients.
    Clients,
}

/// All ways.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    seed: u64,
    ways: BTreeMap<(End, End), Way>,
}

#[derive(Clone, Debug)]
struct Way {
    rng: Rng,
    last: Instant,
    cut_until: Instant,
}

impl Net {
    /// Ways whose latencies come from the seed, each from a stream of its own.
    #[must_use]
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, ways: BTreeMap::new() }
    }

    fn way(&mut self, from: End, to: End) -> &mut Way {
        let seed = self.seed;
        self.ways.entry((from, to)).or_insert_with(|| {
            let rng = Rng::of(seed, 0x3a7 + label(from) * 64 + label(to));
            Way { rng, last: Instant::default(), cut_until: Instant::default() }
        })
    }

    /// When a message that is sent now arrives; `None` where the way is cut.
    pub(crate) fn arrival(&mut self, from: End, to: End, now: Instant) -> Option<Instant> {
        let way = self.way(from, to);
        if now < way.cut_until {
            return None;
        }
        let at = now.plus_us(way.rng.between(LATENCY_US.0, LATENCY_US.1)).max(way.last);
        way.last = at;
        Some(at)
    }

    /// Nothing passes from here to there until then.
    pub(crate) fn cut(&mut self, from: End, to: End, until: Instant) {
        let way = self.way(from, to);
        way.cut_until = way.cut_until.max(until);
    }

    /// Every way is open from now on.
    pub(crate) fn heal(&mut self) {
        for way in self.ways.values_mut() {
            way.cut_until = Instant::default();
        }
    }
}

const fn label(end: End) -> u64 {
    match end {
        End::Journal => 0,
        End::Clients => 1,
        End::Feed => 2,
        End::Node(node) => 3 + node as u64,
        End::Host(host) => 10 + host as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_keeps_its_order_and_a_cut_one_lets_nothing_pass() {
        let mut net = Net::new(3);
        let (a, b) = (End::Node(0), End::Host(1));
        let mut last = Instant::default();
        for us in 0..200 {
            let at = net.arrival(a, b, Instant(us)).expect("an open way");
            assert!(at >= last);
            last = at;
        }
        net.cut(a, b, Instant(1_000));
        assert_eq!(net.arrival(a, b, Instant(999)), None);
        assert!(net.arrival(b, a, Instant(999)).is_some(), "one direction alone");
        assert!(net.arrival(a, b, Instant(1_000)).is_some());
        net.cut(a, b, Instant(u64::MAX));
        net.heal();
        assert!(net.arrival(a, b, Instant(2_000)).is_some());
    }
}
