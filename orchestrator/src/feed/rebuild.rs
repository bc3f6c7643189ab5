//! The feed's messages of a span, made again from a journal: the same bytes as they were published with.

use std::ops::RangeInclusive;

use windlass_journal::{Read, ReadError};
use windlass_sagas::ids::Position;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Commit, DecodeError, Event, Frame, Genesis, Tip, Validity};

use super::event::{Message, Teller};

/// Frames asked for at a time.
const READ_FRAMES: usize = 256;

/// Why a span can't be made again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError<E> {
    /// The journal can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A frame or commit can't be.
    #[error("the frame at cursor {} can't be read", .cursor.0)]
    Decode {
        /// Which.
        cursor: Cursor,
        /// Why.
        #[source]
        error: DecodeError,
    },
    /// It does not begin with the cell's first commit, so that nobody knows whose it is.
    #[error("the journal does not begin with its cell's first commit")]
    NoGenesis,
    /// Who takes the messages failed.
    #[error(transparent)]
    Taker(E),
}

/// Gives the messages of the commits in `span` to `each`, in order, with the cell's first event. Returns the last position
/// that was read: one before the span's end where the journal ends there.
///
/// # Errors
/// As `RebuildError` says. What was given before is right all the same.
pub async fn rebuild<R: Read, E>(
    journal: &R,
    span: RangeInclusive<Position>,
    mut each: impl AsyncFnMut(&Genesis, Message) -> Result<(), E>,
) -> Result<Position, RebuildError<E>> {
    let (mut tip, mut cursor, last) = (Tip::default(), Cursor::START, journal.last().await?);
    let mut begun: Option<(Genesis, Teller)> = None;
    while cursor < last && tip.position < *span.end() {
        for (at, bytes) in journal.read(cursor, READ_FRAMES).await? {
            cursor = at;
            let unread = |error| RebuildError::Decode { cursor: at, error };
            let frame = Frame::decode(bytes.bytes()).map_err(unread)?;
            for stored in &frame.commits {
                // From the first void commit on, the rest of a frame is void.
                let Validity::Valid(commit, next) = tip.judge(stored).map_err(unread)? else { break };
                if next.position > *span.end() {
                    break;
                }
                tip = next;
                let (genesis, teller) = match &mut begun {
                    Some(begun) => begun,
                    none => none.insert(begin(&commit).ok_or(RebuildError::NoGenesis)?),
                };
                if tip.position < *span.start() {
                    teller.pass(&commit);
                    continue;
                }
                for message in teller.tell(&commit) {
                    each(genesis, message).await.map_err(RebuildError::Taker)?;
                }
            }
        }
    }
    Ok(tip.position)
}

fn begin(commit: &Commit) -> Option<(Genesis, Teller)> {
    let found = commit.events.iter().find_map(|event| match event {
        Event::Genesis(genesis) => Some(genesis.clone()),
        _ => None,
    });
    found.map(|genesis| (genesis.clone(), Teller::new(genesis.cell)))
}
