//! What the fold remembers of requests, which is all that a finished saga leaves in memory: kept small, since a cell has
//! ten millions of them.
//!
//! Entries stand in the order of their commits, each with a number, in chunks that are never moved and that an image
//! takes over as they are. An index of five bytes a slot finds an entry by its saga: hash tables of entries' numbers, many
//! small ones, so that none takes long to grow. Forgetting the oldest touches nothing else.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::ids::{SagaId, Time};

/// Entries of one chunk, numbered on from a multiple of it.
pub const REQUESTS_CHUNK: usize = 1000;
/// Tables of the index: with ten million requests one of them holds forty thousand.
const TABLES: usize = 256;

/// What the fold remembers of a request, so that its repeat is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestMemo {
    /// The first eight bytes of the hash of the client's own fields.
    pub fingerprint: u64,
    /// When it was committed.
    pub time: Time,
}

/// A request, by the saga that it began.
pub type Remembered = (SagaId, RequestMemo);

/// Requests within the memory, by the sagas that they began.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Oldest first; every chunk but the last is full.
    chunks: VecDeque<Vec<Remembered>>,
    /// How many entries of the first chunk are forgotten.
    forgotten: usize,
    /// How many chunks there were before the first one.
    before: u64,
    /// The lower halves of entries' numbers, which are unique below 2³² entries. Empty until there is one.
    index: Vec<HashTable<u32>>,
}

impl Requests {
    /// Those of an image: its chunks as `chunks_from` gave them, the number of the first that is remembered. `None`: they
    /// are no such chunks.
    #[must_use]
    pub fn of_chunks(first: u64, chunks: VecDeque<Vec<Remembered>>) -> Option<Self> {
        let (before, forgotten) = (first / CHUNK, usize::try_from(first % CHUNK).ok()?);
        let full = |chunk: &Vec<Remembered>| chunk.len() == REQUESTS_CHUNK;
        let (last, others) = (chunks.back().map_or(0, Vec::len), chunks.len().saturating_sub(1));
        let begins = chunks.front().map_or(0, Vec::len) >= forgotten;
        if !begins || last > REQUESTS_CHUNK || !chunks.iter().take(others).all(full) {
            return None;
        }
        let mut requests = Self { chunks, forgotten, before, index: Vec::new() };
        let (numbers, rows) = (requests.numbers(), requests.chunks.iter().flatten().skip(forgotten));
        let each = requests.len() / TABLES;
        // Chance fills some more than others: a tenth more room, and hardly one has to grow.
        let mut index = tables(each + each / 10);
        for (number, (saga, _)) in numbers.zip(rows) {
            let (number, at) = (number as u32, |number: &u32| hash(&requests.at(*number).0));
            index[table(saga)].insert_unique(hash(saga), number, at);
        }
        requests.index = index;
        Some(requests)
    }

    /// The chunks that hold entries of this number or later, whole, each by its own number: what an image lacks that was
    /// made when `numbers` ended there.
    pub fn chunks_from(&self, number: u64) -> impl Iterator<Item = (u64, &[Remembered])> + '_ {
        let skip = usize::try_from((number / CHUNK).saturating_sub(self.before)).unwrap_or(usize::MAX);
        let chunks = self.chunks.range(skip.min(self.chunks.len())..).map(Vec::as_slice);
        (self.before + skip as u64..).zip(chunks)
    }

    /// The numbers of those that are remembered; the next one will have the number that they end at.
    #[must_use]
    pub fn numbers(&self) -> Range<u64> {
        let first = self.before * CHUNK;
        first + self.forgotten as u64..first + self.entries() as u64
    }

    /// What is remembered of the request that began `saga`.
    #[must_use]
    pub fn get(&self, saga: &SagaId) -> Option<RequestMemo> {
        let table = self.index.get(table(saga))?;
        let number = table.find(hash(saga), |number| self.at(*number).0 == *saga)?;
        Some(self.at(*number).1)
    }

    /// Whether the request that began `saga` is remembered.
    #[must_use]
    pub fn contains_key(&self, saga: &SagaId) -> bool {
        self.get(saga).is_some()
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries() - self.forgotten
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers one more. Time never goes backwards in a journal; where it did, the newest time would count.
    pub fn remember(&mut self, saga: SagaId, memo: RequestMemo) {
        let newest = self.chunks.back().and_then(|chunk| chunk.last()).map(|(_, memo)| memo.time);
        let time = newest.map_or(memo.time, |newest| memo.time.max(newest));
        if self.chunks.back().is_none_or(|chunk| chunk.len() >= REQUESTS_CHUNK) {
            // The first one grows with what a small cell has.
            let room = if self.chunks.is_empty() { 0 } else { REQUESTS_CHUNK };
            self.chunks.push_back(Vec::with_capacity(room));
        }
        let number = self.numbers().end as u32;
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push((saga, RequestMemo { time, ..memo }));
        }
        if self.index.is_empty() {
            self.index = tables(0);
        }
        let Self { chunks, before, index, .. } = self;
        let of = |number: &u32| &entry(chunks, *before, *number).0;
        match index[table(&saga)].entry(hash(&saga), |it| *of(it) == saga, |it| hash(of(it))) {
            Entry::Vacant(vacant) => drop(vacant.insert(number)),
            // A journal holds a request once; in one that did not, the later would count.
            Entry::Occupied(mut older) => *older.get_mut() = number,
        }
    }

    /// Forgets those of before `horizon`.
    pub fn forget_before(&mut self, horizon: Time) {
        while let Some(chunk) = self.chunks.front() {
            let Some((saga, memo)) = chunk.get(self.forgotten) else {
                if chunk.len() < REQUESTS_CHUNK {
                    break;
                }
                self.chunks.pop_front();
                (self.before, self.forgotten) = (self.before + 1, 0);
                continue;
            };
            if memo.time >= horizon {
                break;
            }
            let number = self.numbers().start as u32;
            if let Ok(found) = self.index[table(saga)].find_entry(hash(saga), |it| *it == number) {
                found.remove();
            }
            self.forgotten += 1;
        }
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Remembered> + '_ {
        self.chunks.iter().flatten().skip(self.forgotten).copied()
    }

    /// Entries of all chunks, those that are forgotten too.
    fn entries(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1).saturating_mul(REQUESTS_CHUNK);
        full + self.chunks.back().map_or(0, Vec::len)
    }

    fn at(&self, number: u32) -> &Remembered {
        entry(&self.chunks, self.before, number)
    }
}

/// Entries of one chunk, as numbers are counted.
const CHUNK: u64 = REQUESTS_CHUNK as u64;

/// The entry of a number whose lower half this is.
fn entry(chunks: &VecDeque<Vec<Remembered>>, before: u64, number: u32) -> &Remembered {
    let place = number.wrapping_sub(before.wrapping_mul(CHUNK) as u32) as usize;
    &chunks[place / REQUESTS_CHUNK][place % REQUESTS_CHUNK]
}

/// An index of nothing, each table with room for so many.
fn tables(each: usize) -> Vec<HashTable<u32>> {
    (0..TABLES).map(|_| HashTable::with_capacity(each)).collect()
}

/// Which table has a saga.
const fn table(saga: &SagaId) -> usize {
    saga.0[0] as usize
}

/// Where in its table it is looked for: an id is a hash already, but for the bits of its sixth and eighth byte.
const fn hash(saga: &SagaId) -> u64 {
    let [_, _, _, _, _, _, _, a, _, b, c, d, e, f, g, h] = saga.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl PartialEq for Requests {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Requests {}

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
            before in prop_oneof![Just(0), Just(u64::from(u32::MAX) / CHUNK)],
        ) {
            let mut requests = Requests { before, ..Requests::default() };
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
            prop_assert!(requests.iter().collect::<BTreeMap<_, _>>() == model);
            prop_assert!(requests.iter().is_sorted_by_key(|(_, memo)| memo.time));
            let chunks = requests.chunks_from(0).map(|(_, chunk)| chunk.to_vec()).collect();
            let again = Requests::of_chunks(requests.numbers().start, chunks).expect("its own chunks");
            prop_assert_eq!(again.numbers(), requests.numbers());
            prop_assert_eq!(&again, &requests);
            prop_assert!(model.iter().all(|(saga, memo)| again.get(saga) == Some(*memo)));
        }

        #[test]
        fn an_image_that_takes_what_it_lacks_is_whole(
            counts in prop::collection::vec((0..2_500_u16, 0..2_500_i64), 1..6),
        ) {
            let (mut requests, mut image) = (Requests::default(), BTreeMap::new());
            let (mut number, mut ended) = (0, 0);
            for (count, age) in counts {
                for _ in 0..count {
                    number += 1;
                    requests.remember(saga(number), memo(0, i64::from(number)));
                }
                requests.forget_before(Time(i64::from(number) - age));
                image.extend(requests.chunks_from(ended).map(|(number, chunk)| (number, chunk.to_vec())));
                ended = requests.numbers().end;
                image.retain(|chunk, _| *chunk >= requests.numbers().start / CHUNK);
                let chunks = image.values().cloned().collect();
                let again = Requests::of_chunks(requests.numbers().start, chunks);
                prop_assert_eq!(again.as_ref().map(Requests::numbers), Some(requests.numbers()));
                prop_assert_eq!(again, Some(requests.clone()));
            }
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
        assert_eq!((requests.chunks.len(), requests.len()), (0, 0));
        assert!(requests == Requests::default() && requests.index.iter().all(HashTable::is_empty));
        requests.remember(saga(7), memo(1, 60));
        assert_eq!(requests.get(&saga(7)), Some(memo(1, 60)));
    }

    #[test]
    fn a_request_that_is_there_twice_counts_as_the_later_one() {
        let mut requests = Requests::default();
        requests.remember(saga(7), memo(1, 10));
        requests.remember(saga(7), memo(2, 20));
        requests.forget_before(Time(15));
        assert_eq!((requests.get(&saga(7)), requests.len()), (Some(memo(2, 20)), 1));
        requests.forget_before(Time(25));
        assert_eq!((requests.get(&saga(7)), requests.len()), (None, 0));
    }

    #[test]
    fn chunks_that_do_not_follow_each_other_are_refused() {
        let chunk = |entries: usize| alloc::vec![(saga(1), memo(1, 1)); entries];
        let of = |first, chunks: &[usize]| {
            Requests::of_chunks(first, chunks.iter().map(|it| chunk(*it)).collect())
        };
        assert!(of(0, &[]).is_some() && of(3 * CHUNK, &[]).is_some());
        assert!(of(999, &[1000, 3]).is_some() && of(2, &[2]).is_some());
        assert_eq!(of(1, &[]), None, "the chunk of the first one is missing");
        assert_eq!(of(5, &[4]), None, "it is cut");
        assert_eq!(of(0, &[999, 1000]), None, "one within is not full");
        assert_eq!(of(0, &[1001]), None, "one is too long");
    }
}
