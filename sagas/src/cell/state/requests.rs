//! What the fold remembers of requests, which is all that a finished saga leaves in memory: kept small, since a cell has
//! ten millions of them.
//!
//! Entries stand in the order of their commits, in chunks that are never moved; an index of eight bytes an entry finds
//! them by their saga. So a request costs one entry and one key, remembering and finding one is O(log n), and forgetting
//! the oldest touches nothing else.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::ids::{SagaId, Time};

/// Entries of one chunk.
const CHUNK: usize = 1024;

/// What the fold remembers of a request, so that its repeat is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMemo {
    /// The first eight bytes of the hash of the client's own fields.
    pub fingerprint: u64,
    /// When it was committed.
    pub time: Time,
}

/// Requests within the memory, by the sagas that they began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(SagaId, RequestMemo)>", into = "Vec<(SagaId, RequestMemo)>")]
pub struct Requests {
    /// Oldest first; every chunk but the last is full.
    chunks: VecDeque<Vec<(SagaId, RequestMemo)>>,
    /// How many entries of the first chunk are forgotten.
    forgotten: usize,
    /// The number of the first chunk's first entry; numbers wrap, which is fine below 2³² entries.
    first: u32,
    /// The first four bytes of a saga's id, above its entry's number.
    index: BTreeSet<u64>,
}

impl Requests {
    /// What is remembered of the request that began `saga`.
    #[must_use]
    pub fn get(&self, saga: &SagaId) -> Option<RequestMemo> {
        let prefix = key(saga, 0);
        // More than one entry only where ids begin alike.
        let near = self.index.range(prefix..=prefix | u64::from(u32::MAX));
        let places = near.map(|key| place(*key, self.first)).filter(|place| self.at(*place).0 == *saga);
        places.max().map(|place| self.at(place).1)
    }

    /// Whether the request that began `saga` is remembered.
    #[must_use]
    pub fn contains_key(&self, saga: &SagaId) -> bool {
        self.get(saga).is_some()
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Remembers one more. Time never goes backwards in a journal; where it did, the newest time would count.
    pub fn remember(&mut self, saga: SagaId, memo: RequestMemo) {
        let newest = self.chunks.back().and_then(|chunk| chunk.last()).map(|(_, memo)| memo.time);
        let time = newest.map_or(memo.time, |newest| memo.time.max(newest));
        if self.chunks.back().is_none_or(|chunk| chunk.len() >= CHUNK) {
            // The first one grows with what a small cell has.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push_back(Vec::with_capacity(room));
        }
        let before = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        if let Some(chunk) = self.chunks.back_mut() {
            let number = u32::try_from(before + chunk.len()).unwrap_or(u32::MAX);
            chunk.push((saga, RequestMemo { time, ..memo }));
            self.index.insert(key(&saga, self.first.wrapping_add(number)));
        }
    }

    /// Forgets those of before `horizon`.
    pub fn forget_before(&mut self, horizon: Time) {
        while let Some(chunk) = self.chunks.front() {
            let Some((saga, memo)) = chunk.get(self.forgotten) else {
                if chunk.len() < CHUNK {
                    break;
                }
                self.chunks.pop_front();
                (self.first, self.forgotten) = (self.first.wrapping_add(CHUNK as u32), 0);
                continue;
            };
            if memo.time >= horizon {
                break;
            }
            self.index.remove(&key(saga, self.first.wrapping_add(self.forgotten as u32)));
            self.forgotten += 1;
        }
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (SagaId, RequestMemo)> + '_ {
        self.chunks.iter().flatten().skip(self.forgotten).copied()
    }

    /// Those of `time` or later, oldest first.
    pub fn since(&self, time: Time) -> impl Iterator<Item = (SagaId, RequestMemo)> + '_ {
        let ended =
            |chunk: &Vec<(SagaId, RequestMemo)>| chunk.last().is_some_and(|(_, memo)| memo.time < time);
        let chunks = self.chunks.partition_point(ended);
        let skip = if chunks == 0 { self.forgotten } else { 0 };
        let later = self.chunks.range(chunks..).flatten().skip(skip);
        later.skip_while(move |(_, memo)| memo.time < time).copied()
    }

    fn at(&self, place: usize) -> &(SagaId, RequestMemo) {
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    /// Their order among those of one time says nothing: an image has them by their sagas.
    fn sorted(&self) -> Vec<(Time, SagaId, u64)> {
        let mut all: Vec<_> = self.iter().map(|(saga, memo)| (memo.time, saga, memo.fingerprint)).collect();
        all.sort_unstable();
        all
    }
}

/// The index's key of an entry.
const fn key(saga: &SagaId, number: u32) -> u64 {
    let [a, b, c, d, ..] = saga.0;
    (u32::from_be_bytes([a, b, c, d]) as u64) << 32 | number as u64
}

/// Where the entry of a key stands, counted from the first chunk's first.
const fn place(key: u64, first: u32) -> usize {
    (key as u32).wrapping_sub(first) as usize
}

impl PartialEq for Requests {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sorted() == other.sorted()
    }
}

impl Eq for Requests {}

impl FromIterator<(SagaId, RequestMemo)> for Requests {
    fn from_iter<I: IntoIterator<Item = (SagaId, RequestMemo)>>(all: I) -> Self {
        let mut requests = Self::default();
        all.into_iter().for_each(|(saga, memo)| requests.remember(saga, memo));
        requests
    }
}

impl From<Vec<(SagaId, RequestMemo)>> for Requests {
    fn from(all: Vec<(SagaId, RequestMemo)>) -> Self {
        all.into_iter().collect()
    }
}

impl From<Requests> for Vec<(SagaId, RequestMemo)> {
    fn from(requests: Requests) -> Self {
        requests.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    /// An id whose first bytes are one of few, so that many begin alike.
    fn saga(number: u16) -> SagaId {
        let mut id = [0; 16];
        id[3] = (number % 5) as u8;
        id[14..].copy_from_slice(&number.to_be_bytes());
        SagaId(id)
    }

    fn memo(fingerprint: u64, time: i64) -> RequestMemo {
        RequestMemo { fingerprint, time: Time(time) }
    }

    proptest! {
        #[test]
        fn it_remembers_and_forgets_what_a_map_would(
            moves in prop::collection::vec((any::<u16>(), 0..3_i64, prop::option::weighted(0.02, 0..2_000_i64)), 1..4_000),
            first in prop_oneof![Just(0), Just(u32::MAX - 700)],
        ) {
            let mut requests = Requests { first, ..Requests::default() };
            let (mut model, mut now) = (BTreeMap::new(), 0);
            for (count, (id, later, forget)) in moves.into_iter().enumerate() {
                now += later;
                let id = saga(id);
                if let Some(age) = forget {
                    requests.forget_before(Time(now - age));
                    model.retain(|_, memo: &mut RequestMemo| memo.time >= Time(now - age));
                }
                prop_assert_eq!(requests.get(&id), model.get(&id).copied());
                // A journal holds a request once.
                if let alloc::collections::btree_map::Entry::Vacant(vacant) = model.entry(id) {
                    let memo = memo(count as u64, now);
                    vacant.insert(memo);
                    requests.remember(id, memo);
                }
                prop_assert_eq!(requests.len(), model.len());
            }
            let since = Time(now - 500);
            let later = requests.since(since).collect::<BTreeMap<_, _>>();
            prop_assert!(requests.since(since).is_sorted_by_key(|(_, memo)| memo.time));
            prop_assert!(later.iter().eq(model.iter().filter(|(_, memo)| memo.time >= since)));
            prop_assert!(requests.iter().collect::<BTreeMap<_, _>>() == model);
            let mut by_saga: Vec<_> = requests.iter().collect();
            by_saga.sort_by_key(|(saga, memo)| (memo.time, *saga));
            let again: Requests = by_saga.into_iter().collect();
            prop_assert_eq!(&again, &requests);
            prop_assert!(model.iter().all(|(saga, memo)| again.get(saga) == Some(*memo)));
        }
    }

    #[test]
    fn chunks_are_given_back_and_a_time_that_goes_backwards_stops_nothing() {
        let mut requests = Requests::default();
        for number in 0..10_000_u16 {
            requests.remember(saga(number), memo(0, 50 - i64::from(number % 2)));
            requests.forget_before(Time(0));
        }
        assert_eq!((requests.chunks.len(), requests.len()), (10, 10_000));
        requests.forget_before(Time(50));
        assert_eq!(requests.len(), 10_000, "none is older than the one before it");
        requests.forget_before(Time(51));
        assert_eq!((requests.chunks.len(), requests.len()), (1, 0));
        assert_eq!(requests, Requests::default());
        requests.remember(saga(7), memo(1, 60));
        assert_eq!(requests.get(&saga(7)), Some(memo(1, 60)));
    }
}
