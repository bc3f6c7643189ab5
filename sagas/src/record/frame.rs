//! Frames, and which commits of them count: the rule that every reader applies in the same way.
//!
//! Layout, big-endian: magic "WLF" 0, format u16, count u16, then each commit behind its u32 length. A frame is what
//! one append makes durable. A commit that is not the valid successor of the last valid one is void, with it the rest
//! of its frame: counted and reported, never applied, no position used up.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::codec::{DecodeError, EncodeError, Reader};
use super::commit::{Commit, Header, decode_header, hash_of};
use super::fact::{Fact, Report};
use crate::ids::{Hash, Position, Term, Time};
use crate::limits::{COMMIT_BYTES_MAX, FRAME_BYTES_MAX, FRAME_COMMITS_MAX};
use crate::planted::{self, Bug};

const MAGIC: [u8; 4] = *b"WLF\0";
const FORMAT: u16 = 1;
const HEAD_BYTES: usize = 8;
const KIND_GENESIS: u16 = 1;
const KIND_CAMPAIGN: u16 = 2;

/// A commit as it stands in the journal: header read, body not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommit {
    /// Its header.
    pub header: Header,
    /// Its kind, which is its fact's.
    pub kind: u16,
    /// The stored bytes.
    pub bytes: Vec<u8>,
}

impl StoredCommit {
    /// Encodes `commit` for a frame.
    ///
    /// # Errors
    /// Where it would pass a bound of the format.
    pub fn of(commit: &Commit) -> Result<Self, EncodeError> {
        Ok(Self { header: commit.header, kind: commit.fact.kind(), bytes: commit.encode()? })
    }

    /// Reads the body.
    ///
    /// # Errors
    /// Where this build can't read it; names the position.
    pub fn decode(&self) -> Result<Commit, DecodeError> {
        Commit::decode(&self.bytes)
    }

    /// The hash that the next commit chains to.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash_of(&self.bytes)
    }
}

/// Commits made durable together, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// At least one, at most `FRAME_COMMITS_MAX`.
    pub commits: Vec<StoredCommit>,
}

impl Frame {
    /// Whether one more commit of so many bytes fits.
    #[must_use]
    pub fn fits(&self, commit_bytes: usize) -> bool {
        self.commits.len() < FRAME_COMMITS_MAX && self.bytes_count() + 4 + commit_bytes <= FRAME_BYTES_MAX
    }

    fn bytes_count(&self) -> usize {
        HEAD_BYTES + self.commits.iter().map(|commit| 4 + commit.bytes.len()).sum::<usize>()
    }

    /// The bytes of one append.
    ///
    /// # Errors
    /// Where a bound of the format would be passed.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let size = self.bytes_count();
        if self.commits.is_empty() || self.commits.len() > FRAME_COMMITS_MAX || size > FRAME_BYTES_MAX {
            return Err(EncodeError { what: "a frame" });
        }
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        let count = u16::try_from(self.commits.len()).map_err(|_| EncodeError { what: "a frame" })?;
        out.extend_from_slice(&count.to_be_bytes());
        for commit in &self.commits {
            if commit.bytes.len() > COMMIT_BYTES_MAX {
                return Err(EncodeError { what: "a commit" });
            }
            let length = u32::try_from(commit.bytes.len()).map_err(|_| EncodeError { what: "a commit" })?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&commit.bytes);
        }
        Ok(out)
    }

    /// Reads a frame's headers; bodies are read once a commit is known to be valid, so that a void commit of another
    /// build does not stop anybody.
    ///
    /// # Errors
    /// Where the bytes are not a frame that this build can read.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(DecodeError::Bound { what: "a frame" });
        }
        let mut reader = Reader(bytes);
        if reader.array::<4>()? != MAGIC {
            return Err(DecodeError::Magic);
        }
        let format = reader.u16()?;
        if format != FORMAT {
            return Err(DecodeError::FrameFormat(format));
        }
        let count = usize::from(reader.u16()?);
        if count == 0 {
            return Err(DecodeError::Empty);
        }
        if count > FRAME_COMMITS_MAX {
            return Err(DecodeError::Bound { what: "the number of commits" });
        }
        let mut commits = Vec::with_capacity(count);
        for _ in 0..count {
            commits.push(decode_commit(&mut reader)?);
        }
        reader.done()?;
        Ok(Self { commits })
    }
}

fn decode_commit(reader: &mut Reader<'_>) -> Result<StoredCommit, DecodeError> {
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if length > COMMIT_BYTES_MAX {
        return Err(DecodeError::Bound { what: "a commit" });
    }
    let bytes = reader.take(length)?;
    let (kind, _, header, _) = decode_header(bytes)?;
    Ok(StoredCommit { header, kind, bytes: bytes.to_vec() })
}

/// Where the valid chain stands: what the next valid commit must name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// The last valid commit's position; 0 before genesis.
    pub position: Position,
    /// Its hash; zero before genesis.
    pub hash: Hash,
    /// Its time.
    pub time: Time,
    /// The current term.
    pub term: Term,
}

/// Whether a commit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It does: its body, and the tip behind it.
    Valid(Box<Commit>, Tip),
    /// It does not, and with it the rest of its frame.
    Void(VoidReason),
}

/// Why a commit is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum VoidReason {
    /// Its position is not the last valid one + 1.
    #[error("position is not the next one")]
    Position,
    /// It chains to another commit.
    #[error("previous hash is not the last valid commit's")]
    Previous,
    /// Its time is before the last valid one's.
    #[error("time goes backwards")]
    Time,
    /// Its term is not the current one, nor a proper new one.
    #[error("term is not the current one")]
    Term,
    /// Genesis anywhere but at position 1, or anything else there.
    #[error("genesis out of place")]
    Genesis,
}

impl Tip {
    /// Decides whether `stored` is the valid successor of this tip.
    ///
    /// # Errors
    /// Where it would be valid but its body can't be read: nothing may be skipped in a total order.
    pub fn judge(&self, stored: &StoredCommit) -> Result<Validity, DecodeError> {
        if let Some(reason) = self.header_void(stored).filter(|_| !planted::on(Bug::NothingIsVoid)) {
            return Ok(Validity::Void(reason));
        }
        let commit = stored.decode()?;
        if self.term_holds(stored, &commit) || planted::on(Bug::NothingIsVoid) {
            let header = &stored.header;
            let tip =
                Self { position: header.position, hash: stored.hash(), time: header.time, term: header.term };
            Ok(Validity::Valid(Box::new(commit), tip))
        } else {
            Ok(Validity::Void(VoidReason::Term))
        }
    }

    fn header_void(&self, stored: &StoredCommit) -> Option<VoidReason> {
        let header = &stored.header;
        if header.position != self.position.next() {
            return Some(VoidReason::Position);
        }
        if header.previous != self.hash {
            return Some(VoidReason::Previous);
        }
        if header.time < self.time {
            return Some(VoidReason::Time);
        }
        if (stored.kind == KIND_GENESIS) != (header.position == Position(1)) {
            return Some(VoidReason::Genesis);
        }
        let term_fits = if stored.kind == KIND_CAMPAIGN {
            header.term.generation >= self.term.generation && header.term.elected == header.position
        } else {
            header.term == self.term
        };
        (!term_fits).then_some(VoidReason::Term)
    }

    /// What only the body tells: whether a campaign says the header's term, and raises it by an order alone.
    fn term_holds(&self, stored: &StoredCommit, commit: &Commit) -> bool {
        let header = &stored.header;
        match &commit.fact {
            Fact::Report(Report::Campaign(campaign)) => {
                let raised = header.term.generation > self.term.generation;
                campaign.term == header.term && raised == campaign.recover.is_some()
            }
            Fact::Report(_) | Fact::Request(_) => header.term == self.term,
        }
    }
}
