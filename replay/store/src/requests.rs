//! Remembered requests as parts of an image: the fold's own chunks, so that ten millions are soon taken over.
//!
//! A chunk's bytes are those of its entries, oldest first: saga 16, fingerprint u64, time i64, big-endian. One of a thousand
//! fills a page of the store's file (32 KiB), which gives out pages of powers of two only.

use std::collections::VecDeque;

use windlass_sagas::cell::state::{REQUESTS_CHUNK, Remembered, RequestMemo, Requests};
use windlass_sagas::ids::{SagaId, Time};

use crate::error::StoreError;

/// Bytes of one entry.
const ENTRY: usize = 16 + 8 + 8;

/// The bytes of a chunk.
pub(crate) fn chunk_bytes(chunk: &[Remembered]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(chunk.len() * ENTRY);
    for (saga, memo) in chunk {
        bytes.extend(saga.0);
        bytes.extend(memo.fingerprint.to_be_bytes());
        bytes.extend(memo.time.0.to_be_bytes());
    }
    bytes
}

fn entry(bytes: &[u8; ENTRY]) -> Remembered {
    let (saga, rest) = bytes.split_first_chunk().expect("an entry begins with a saga");
    let (fingerprint, time) = rest.split_first_chunk().expect("a fingerprint follows");
    let time = time.first_chunk().expect("a time is the rest");
    let memo =
        RequestMemo { fingerprint: u64::from_be_bytes(*fingerprint), time: Time(i64::from_be_bytes(*time)) };
    (SagaId(*saga), memo)
}

/// The chunks of an image that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// The number of the first entry that is remembered.
    first: u64,
    chunks: VecDeque<Vec<Remembered>>,
}

impl Chunks {
    /// None yet; `first` is the number of the first entry that is remembered.
    pub(crate) const fn new(first: u64) -> Self {
        Self { first, chunks: VecDeque::new() }
    }

    /// Takes the next chunk.
    pub(crate) fn take(&mut self, number: u128, bytes: &[u8]) -> Result<(), StoreError> {
        let (entries, rest) = bytes.as_chunks();
        let next = u128::from(chunk_of(self.first)) + self.chunks.len() as u128;
        if !rest.is_empty() || number != next {
            return Err(StoreError::Row("not the next chunk of remembered requests"));
        }
        self.chunks.push_back(entries.iter().map(entry).collect());
        Ok(())
    }

    /// What they are, once all are there.
    pub(crate) fn finish(self) -> Result<Requests, StoreError> {
        let wrong = StoreError::Row("its remembered requests are not those that were written");
        Requests::of_chunks(self.first, self.chunks).ok_or(wrong)
    }
}

/// The chunk that has the entry of this number.
pub(crate) const fn chunk_of(number: u64) -> u64 {
    number / REQUESTS_CHUNK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(entries: u64) -> Requests {
        let mut requests = Requests::default();
        for number in 0..entries {
            let mut saga = [0; 16];
            saga[8..].copy_from_slice(&number.to_be_bytes());
            saga[0] = number as u8;
            let memo = RequestMemo { fingerprint: !number, time: Time(number as i64 - 5) };
            requests.remember(SagaId(saga), memo);
        }
        requests
    }

    #[test]
    fn chunks_come_back_and_only_in_their_order() {
        let mut written = requests(2_500);
        written.forget_before(Time(1_200));
        let parts: Vec<_> =
            written.chunks_from(0).map(|(number, chunk)| (u128::from(number), chunk_bytes(chunk))).collect();
        let first = written.numbers().start;
        let mut read = Chunks::new(first);
        parts.iter().for_each(|(number, bytes)| read.take(*number, bytes).expect("the next one"));
        assert_eq!(read.finish().expect("its own"), written);

        assert!(Chunks::new(first).take(parts[1].0, &parts[1].1).is_err(), "one is missing");
        assert!(Chunks::new(first).take(parts[0].0, &parts[0].1[1..]).is_err(), "an entry is cut");
        assert!(Chunks::new(first + 900).take(parts[0].0, &parts[0].1).is_err(), "it is of another time");
        let mut read = Chunks::new(first);
        read.take(parts[0].0, &parts[0].1[ENTRY..]).expect("whole entries");
        read.take(parts[1].0, &parts[1].1).expect("the next one");
        assert!(read.finish().is_err(), "an entry is missing");
    }

    #[test]
    fn a_full_chunk_fits_a_page_of_the_stores_file() {
        // The library's head of a page and of a row stay below 128 bytes.
        assert!((31 * 1024..=32 * 1024 - 128).contains(&(REQUESTS_CHUNK * ENTRY)));
    }
}
