//! The contract suite: what every journal must do, as checks that are generic over how one is opened.
//!
//! Each check takes a bench with an empty journal. [`contract_suite!`] makes a test of each. What only one
//! implementation can suffer (a torn file, a full disk) is tested beside that implementation, with [`all_frames`].

mod append;
pub mod odd;
mod reading;

pub use append::*;
pub use reading::*;

use crate::{Append, Cursor, Frame, Read, ReadError};

/// Where one journal can be opened, several times one after the other.
pub trait Bench: Sync {
    /// Appends to the journal.
    type Append: Append;
    /// Reads it while the appender is in use.
    type Read: Read + Clone + 'static;

    /// Opens the journal.
    fn open(&self) -> impl Future<Output = (Self::Append, Self::Read)> + Send;

    /// Closes the appender, so that the journal can be opened again; its readers may stop working.
    fn close(&self, append: Self::Append) -> impl Future<Output = ()> + Send;
}

/// A frame whose bytes nothing else in a test has, a few of them long enough to span blocks and buffers.
#[must_use]
pub fn frame(number: u64) -> Frame {
    let length = match number % 7 {
        3 => 5_000,
        5 => 40_000,
        _ => 100 + usize::try_from(number % 50).expect("below 50"),
    };
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..length).map(|at| u8::try_from((at * 31 + length) % 251).expect("below 251")));
    Frame::new(bytes).expect("well below the bound")
}

/// Appends frames `from + 1` to `to` at exactly these cursors.
pub async fn fill(append: &mut impl Append, from: u64, to: u64) {
    for number in from + 1..=to {
        assert_eq!(append.append(Cursor(number - 1), frame(number)).await, Ok(Cursor(number)));
    }
}

/// Every frame of a journal, read in small pieces from the start, with the error that ended the reading, if one did.
/// The cursors have been checked to be dense from 1.
pub async fn all_frames(read: &impl Read) -> (Vec<Frame>, Option<ReadError>) {
    let mut frames = Vec::new();
    let mut after = Cursor::START;
    loop {
        let piece = match read.read(after, 5).await {
            Ok(piece) => piece,
            Err(error) => return (frames, Some(error)),
        };
        if piece.is_empty() {
            return (frames, None);
        }
        for (cursor, frame) in piece {
            assert_eq!(cursor, after.next(), "cursors are dense");
            after = cursor;
            frames.push(frame);
        }
    }
}

/// Asserts that the journal holds frames 1 to `to` of [`frame`], whole and in order, and no other.
pub async fn assert_filled(read: &impl Read, to: u64) {
    let (frames, error) = all_frames(read).await;
    assert_eq!(error, None);
    assert_eq!(read.last().await, Ok(Cursor(to)));
    assert_eq!(frames, (1..=to).map(frame).collect::<Vec<_>>());
}

/// Makes one test of each check, on a fresh bench from the expression.
#[macro_export]
macro_rules! contract_suite {
    ($bench:expr) => {
        $crate::contract_suite!($bench;
            acknowledges_dense_cursors, refuses_a_stale_or_too_high_cursor, calls_no_repetition_a_success,
            lets_one_of_two_win, takes_frames_at_the_bounds, survives_an_abandoned_append,
            is_empty_at_first, reads_from_any_cursor, bounds_a_read, names_a_missing_tail,
            wakes_those_who_wait, reads_while_others_append, keeps_everything_when_opened_again);
    };
    ($bench:expr; $($check:ident),+) => {
        $(#[tokio::test]
        async fn $check() {
            $crate::contract::$check(&$bench).await;
        })+
    };
}
