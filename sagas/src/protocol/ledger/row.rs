//! The durable rows of a ledger and their bytes: a kind in front of each key, a version in front of each value, a
//! postcard body that must be used up. The shell stores the bytes and never looks into them.
//!
//! Invariant: what any released version wrote, every later one reads, or refuses by name; it never guesses.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::{Backward, Entry, Forward};
use super::limits::{LEDGER_KEY_BYTES_MAX, LEDGER_ROW_BYTES_MAX, LEDGER_VIEW_BYTES_MAX};
use crate::cell::views::HostView;
use crate::ids::*;
use crate::limits::TEXT_BYTES_MAX;
use crate::protocol::PlacedView;
use crate::record::{LedgerId, Refusal, StepKey, StepOutput, whole};

/// One change of what a ledger has stored: each row replaces what its key held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Whose ledger it is; the first row of every ledger.
    Identity(LedgerId, Incarnation),
    /// The highest term seen.
    Highest(Term),
    /// The last durable commit shown, and the term that showed it.
    Seen(Seen),
    /// Entries strictly below are settled.
    LowWater(Position),
    /// The last view that was applied.
    View(Box<PlacedView>),
    /// The record of a key.
    Entry(StepKey, Box<Entry>),
    /// The record of a key is gone.
    Dropped(StepKey),
}

/// The last durable commit that a ledger was shown (O6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The term that showed it.
    pub term: Term,
    /// Its position; 0: none yet.
    pub position: Position,
    /// Its hash.
    pub hash: Hash,
}

/// Why stored bytes are not a ledger that this build can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// No row says whose ledger it is: it is new, or lost.
    #[error("no row says whose ledger this is")]
    NoIdentity,
    /// A kind or version of a newer build.
    #[error("row kind {kind} version {version} is unknown to this build")]
    Unknown {
        /// The kind.
        kind: u8,
        /// The version; 0 where the kind itself is unknown.
        version: u8,
    },
    /// The key is not of its kind.
    #[error("a key of row kind {kind} is broken")]
    Key {
        /// The kind; 0 for an empty key.
        kind: u8,
    },
    /// The value is not of its kind and version, or over its bound.
    #[error("the value of a row of kind {kind} is broken")]
    Value {
        /// The kind.
        kind: u8,
    },
}

const IDENTITY: u8 = 1;
const HIGHEST: u8 = 2;
const SEEN: u8 = 3;
const LOW_WATER: u8 = 4;
const VIEW: u8 = 5;
const ENTRY: u8 = 16;
/// The version that this build writes and reads, of every kind.
const VERSION: u8 = 1;

/// A refusal with its attempt, as stored.
type StoredRefusal = (Attempt, Refusal);
/// A record, as stored: position, body, Done, forward refusal, closed, undo refusal.
type StoredEntry =
    (Position, Option<Hash>, Option<StepOutput>, Option<StoredRefusal>, bool, Option<StoredRefusal>);

impl Row {
    /// The key's bytes; at most `LEDGER_KEY_BYTES_MAX`. Rows of one key replace each other.
    #[must_use]
    pub fn key_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEDGER_KEY_BYTES_MAX);
        bytes.push(self.kind());
        if let Self::Entry(key, _) | Self::Dropped(key) = self {
            bytes.extend_from_slice(&key.saga.0);
            bytes.extend_from_slice(&key.step.0.to_be_bytes());
        }
        bytes
    }

    /// The value's bytes; at most `LEDGER_ROW_BYTES_MAX`, of a view `LEDGER_VIEW_BYTES_MAX`. `None`: the key is to be deleted.
    #[must_use]
    pub fn value_bytes(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Identity(ledger, incarnation) => value(&(*ledger, *incarnation)),
            Self::Highest(term) => value(term),
            Self::Seen(seen) => value(&(seen.term, seen.position, seen.hash)),
            Self::LowWater(position) => value(position),
            Self::View(view) => value(&(view.position, view.hash, view.content.encode())),
            Self::Entry(_, entry) => value(&stored(entry)),
            Self::Dropped(_) => return None,
        })
    }

    /// Reads a stored row; total.
    ///
    /// # Errors
    /// `Unknown` for a kind or version of a newer build; `Key` and `Value` for broken bytes.
    pub fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, RowError> {
        let Some((&kind, rest)) = key.split_first() else { return Err(RowError::Key { kind: 0 }) };
        let single = || if rest.is_empty() { Ok(()) } else { Err(RowError::Key { kind }) };
        match kind {
            IDENTITY => {
                single()?;
                read(kind, bytes).map(|(ledger, incarnation)| Self::Identity(ledger, incarnation))
            }
            HIGHEST => {
                single()?;
                read(kind, bytes).map(Self::Highest)
            }
            SEEN => {
                single()?;
                read(kind, bytes).map(|(term, position, hash)| Self::Seen(Seen { term, position, hash }))
            }
            LOW_WATER => {
                single()?;
                read(kind, bytes).map(Self::LowWater)
            }
            VIEW => {
                single()?;
                let (position, hash, content): (_, _, Vec<u8>) = read(kind, bytes)?;
                let content = HostView::decode(&content).ok_or(RowError::Value { kind })?;
                Ok(Self::View(Box::new(PlacedView { position, hash, content })))
            }
            ENTRY => {
                let key = step_key(rest).ok_or(RowError::Key { kind })?;
                let entry = entry(read(kind, bytes)?).ok_or(RowError::Value { kind })?;
                Ok(Self::Entry(key, Box::new(entry)))
            }
            _ => Err(RowError::Unknown { kind, version: 0 }),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Identity(..) => IDENTITY,
            Self::Highest(_) => HIGHEST,
            Self::Seen(_) => SEEN,
            Self::LowWater(_) => LOW_WATER,
            Self::View(_) => VIEW,
            Self::Entry(..) | Self::Dropped(_) => ENTRY,
        }
    }
}

fn value<T: Serialize>(body: &T) -> Vec<u8> {
    postcard::to_extend(body, alloc::vec![VERSION])
        .expect("a vector grows, and no body of a row has a serializer that fails")
}

fn read<T: DeserializeOwned>(kind: u8, bytes: &[u8]) -> Result<T, RowError> {
    let Some((&version, body)) = bytes.split_first() else { return Err(RowError::Value { kind }) };
    if version != VERSION {
        return Err(RowError::Unknown { kind, version });
    }
    let most = if kind == VIEW { LEDGER_VIEW_BYTES_MAX } else { LEDGER_ROW_BYTES_MAX };
    if bytes.len() > most {
        return Err(RowError::Value { kind });
    }
    whole(body).map_err(|_| RowError::Value { kind })
}

fn step_key(bytes: &[u8]) -> Option<StepKey> {
    let (saga, step) = bytes.split_at_checked(16)?;
    let saga = SagaId::try_from(saga).ok()?;
    Some(StepKey { saga, step: StepIndex(u16::from_be_bytes(step.try_into().ok()?)) })
}

fn stored(entry: &Entry) -> StoredEntry {
    let (done, refused) = match &entry.forward {
        Forward::Open => (None, None),
        Forward::Refused(attempt, refusal) => (None, Some((*attempt, refusal.clone()))),
        Forward::Done(output) => (Some(output.clone()), None),
    };
    let (closed, undo_refused) = match &entry.undo {
        Backward::Open => (false, None),
        Backward::Refused(attempt, refusal) => (false, Some((*attempt, refusal.clone()))),
        Backward::Closed => (true, None),
    };
    (entry.dispatched, entry.body, done, refused, closed, undo_refused)
}

fn entry(stored: StoredEntry) -> Option<Entry> {
    let (dispatched, body, done, refused, closed, undo_refused) = stored;
    let within = |refusal: &Option<StoredRefusal>| {
        refusal.as_ref().is_none_or(|(_, refusal)| refusal.message.len() <= TEXT_BYTES_MAX)
    };
    if !within(&refused) || !within(&undo_refused) {
        return None;
    }
    let forward = match (done, refused) {
        (None, None) => Forward::Open,
        (None, Some((attempt, refusal))) => Forward::Refused(attempt, refusal),
        (Some(output), None) => Forward::Done(output),
        (Some(_), Some(_)) => return None,
    };
    let undo = match (closed, undo_refused) {
        (false, None) => Backward::Open,
        (false, Some((attempt, refusal))) => Backward::Refused(attempt, refusal),
        (true, None) => Backward::Closed,
        (true, Some(_)) => return None,
    };
    Some(Entry { dispatched, body, forward, undo })
}
