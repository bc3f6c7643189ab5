//! Every id in Windlass, each its own type; a raw uuid, string or number never crosses a function border as an id.
//!
//! Ids are 16 bytes. `decide` has no randomness: it derives the ids of what it makes from its saga and an ordinal
//! (RFC 9562 version 5), and takes request ids (version 7) as the client sent them.

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        // The order of the bytes, as derived, but by one comparison of numbers: every map of the fold is searched by ids.
        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
            }
        }
        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl $name {
            /// The id that `owner` derives for its `ordinal`-th thing of this kind; the same inputs give the same id.
            #[must_use]
            pub fn derived(owner: &[u8; 16], ordinal: u32) -> Self {
                Self(derive(owner, stringify!($name), &ordinal.to_be_bytes()))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), Uuid::from_bytes(self.0).hyphenated())
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = NotAnId;
            fn try_from(bytes: &[u8]) -> Result<Self, NotAnId> {
                bytes.try_into().map(Self).map_err(|_| NotAnId)
            }
        }
    )*};
}

ids! {
    /// A cell: random, made once at `init`, in the genesis commit.
    CellId
    /// One process that writes commits, random at each of its starts.
    WriterId
    /// A project (tenant).
    ProjectId
    /// A saga; the API calls it an operation. Derived from cell, project and request id.
    SagaId
    /// A client's request id: a UUIDv7.
    RequestId
    /// A credential of a principal (an API token).
    CredentialId
    /// Somebody who may ask: a person or a program.
    PrincipalId
    /// A host of the cell.
    HostId
    /// One start of a host's kernel, as the host reports it.
    BootId
    /// One ledger's random id; a lost ledger comes back as another incarnation.
    Incarnation
    /// A token that lets one host join.
    JoinTokenId
    /// A server (guest).
    ServerId
    /// A volume.
    VolumeId
    /// One attachment of one volume to one server.
    AttachmentId
    /// A network.
    NetworkId
    /// A subnet of a network.
    SubnetId
    /// A port of a network.
    PortId
    /// A security group.
    SecurityGroupId
    /// A flavor.
    FlavorId
    /// An image.
    ImageId
    /// A key pair's public half.
    KeyPairId
    /// A fault that somebody armed.
    FaultId
}

/// The text or bytes are not an id (a UUID of 16 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID")]
pub struct NotAnId;

/// The version-5 UUID of `owner` as namespace over `kind` and `name`.
fn derive(owner: &[u8; 16], kind: &str, name: &[u8]) -> [u8; 16] {
    let mut text = alloc::vec::Vec::with_capacity(kind.len() + 1 + name.len());
    text.extend_from_slice(kind.as_bytes());
    text.push(0);
    text.extend_from_slice(name);
    Uuid::new_v5(&Uuid::from_bytes(*owner), &text).into_bytes()
}

fn parse(text: &str) -> Result<[u8; 16], NotAnId> {
    Uuid::try_parse(text).map(Uuid::into_bytes).map_err(|_| NotAnId)
}

impl SagaId {
    /// The saga that a request starts (R1): a repeat of the request, on any orchestrator, names the same saga.
    #[must_use]
    pub fn of_request(cell: CellId, project: ProjectId, request: RequestId) -> Self {
        let mut name = [0; 32];
        name[..16].copy_from_slice(&project.0);
        name[16..].copy_from_slice(&request.0);
        Self(derive(&cell.0, "saga", &name))
    }

    /// The saga that the cell itself starts as the `ordinal`-th consequence of a commit (host restore and the like).
    #[must_use]
    pub fn of_commit(cell: CellId, position: Position, ordinal: u32) -> Self {
        let mut name = [0; 12];
        name[..8].copy_from_slice(&position.0.to_be_bytes());
        name[8..].copy_from_slice(&ordinal.to_be_bytes());
        Self(derive(&cell.0, "system-saga", &name))
    }
}

impl RequestId {
    /// The millisecond since 1970 that a UUIDv7 (RFC 9562) carries; `None` for any other version.
    #[must_use]
    pub fn made_at_ms(self) -> Option<i64> {
        let b = self.0;
        let version = b[6] >> 4;
        let variant = b[8] >> 6;
        (version == 7 && variant == 0b10)
            .then(|| i64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]]))
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty))*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// A commit's number in its cell: dense from 1; 0 = before genesis.
    Position(u64)
    /// A step's place in its plan, from 0.
    StepIndex(u16)
    /// The count of tries of one step in one direction, from 1.
    Attempt(u32)
    /// Microseconds since 1970-01-01 UTC.
    Time(i64)
}

impl Position {
    /// The next position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(1);

    /// The next attempt.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Time {
    /// This time and `ms` milliseconds more.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        let micros = if ms > 9_000_000_000_000 { i64::MAX / 2 } else { ms.cast_signed() * 1000 };
        Self(self.0.saturating_add(micros))
    }

    /// Milliseconds from `earlier` to this time; 0 when `earlier` is not earlier.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        let micros = self.0.saturating_sub(earlier.0);
        if micros < 0 { 0 } else { micros.cast_unsigned() / 1000 }
    }
}

/// A leader's term: the generation, which only an operator's recover order raises, then the position of its
/// `LeaderElected`. Compared in that order. Genesis carries (0, 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    /// Raised by an operator's order after a lost tail or a restore.
    pub generation: u32,
    /// The position of the term's `LeaderElected`.
    pub elected: Position,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.elected)
    }
}

/// So many bytes from exactly twice as many hexadecimal digits, upper or lower case.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().take(4).map(|b| alloc::format!("{b:02x}")).collect();
        write!(f, "Hash({text}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_text_of_an_id_reads_back() {
        let id = ServerId::derived(&[7; 16], 3);
        assert_eq!(id.to_string().parse::<ServerId>(), Ok(id));
        assert_eq!("nonsense".parse::<ServerId>(), Err(NotAnId));
    }

    #[test]
    fn the_digits_of_a_hash_read_back_and_nothing_else_is_one() {
        let hash = Hash([0xab; 32]);
        assert_eq!(from_hex(&hash.to_string()).map(Hash), Some(hash));
        assert_eq!(from_hex::<2>("0Fa9"), Some([0x0f, 0xa9]));
        for bad in ["", "0", "0fa", "0fa9f", "+f0f", "0g00", "éé"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
    }

    #[test]
    fn kinds_and_ordinals_derive_different_ids() {
        assert_ne!(ServerId::derived(&[7; 16], 0).0, VolumeId::derived(&[7; 16], 0).0);
        assert_ne!(ServerId::derived(&[7; 16], 0), ServerId::derived(&[7; 16], 1));
    }

    #[test]
    fn only_version_seven_tells_a_time() {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&1_700_000_000_000_i64.to_be_bytes()[2..]);
        bytes[6] = 0x70;
        bytes[8] = 0x80;
        assert_eq!(RequestId(bytes).made_at_ms(), Some(1_700_000_000_000));
        bytes[6] = 0x40;
        assert_eq!(RequestId(bytes).made_at_ms(), None);
    }
}
