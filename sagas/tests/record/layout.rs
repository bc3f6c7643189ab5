//! The layout of commits and frames, written a second time from the handbook's page and from nothing else, so that
//! the product's codec is compared with the promise and not with itself.

use windlass_sagas::record::Header;

/// The bytes in front of a commit's body.
pub(crate) const HEADER_BYTES: usize = 80;
/// The bytes in front of a frame's commits.
pub(crate) const FRAME_HEAD_BYTES: usize = 8;

/// One record: kind, version, postcard body.
pub(crate) type Record = (u16, u16, Vec<u8>);

/// A commit's bytes, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Kind, version, position, time, term, writer, previous hash.
    pub header: Vec<u8>,
    /// The postcard cause.
    pub cause: Vec<u8>,
    /// The postcard fact; a request's head stands before its body.
    pub fact: Vec<u8>,
    /// The events.
    pub events: Vec<Record>,
}

/// Takes a commit apart; panics where the layout is not as the page says.
pub(crate) fn parts(commit: &[u8]) -> Parts {
    let (header, rest) = commit.split_at(HEADER_BYTES);
    let (cause, rest) = sized(rest);
    let (fact, rest) = sized(rest);
    let (count, mut rest) = number(rest);
    let mut events = Vec::new();
    for _ in 0..count {
        let (kind, behind) = number(rest);
        let (version, behind) = number(behind);
        let (body, behind) = sized(behind);
        events.push((kind, version, body.to_vec()));
        rest = behind;
    }
    assert!(rest.is_empty(), "{} bytes behind the last event", rest.len());
    Parts { header: header.to_vec(), cause: cause.to_vec(), fact: fact.to_vec(), events }
}

/// Puts a commit together.
pub(crate) fn commit(
    header: &Header,
    kind: u16,
    version: u16,
    cause: &[u8],
    fact: &[u8],
    events: &[Record],
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(kind.to_be_bytes());
    out.extend(version.to_be_bytes());
    out.extend(header.position.0.to_be_bytes());
    out.extend(header.time.0.to_be_bytes());
    out.extend(header.term.generation.to_be_bytes());
    out.extend(header.term.elected.0.to_be_bytes());
    out.extend(header.writer.0);
    out.extend(header.previous.0);
    put_sized(&mut out, cause);
    put_sized(&mut out, fact);
    out.extend(u16::try_from(events.len()).expect("few events").to_be_bytes());
    for (kind, version, body) in events {
        out.extend(kind.to_be_bytes());
        out.extend(version.to_be_bytes());
        put_sized(&mut out, body);
    }
    out
}

/// Puts a frame together.
pub(crate) fn frame(commits: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"WLF\0\0\x01".to_vec();
    out.extend(u16::try_from(commits.len()).expect("few commits").to_be_bytes());
    for commit in commits {
        out.extend(u32::try_from(commit.len()).expect("a short commit").to_be_bytes());
        out.extend(commit);
    }
    out
}

fn number(bytes: &[u8]) -> (u16, &[u8]) {
    (u16::from_be_bytes([bytes[0], bytes[1]]), &bytes[2..])
}

fn sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = number(bytes);
    rest.split_at(usize::from(length))
}

fn put_sized(out: &mut Vec<u8>, body: &[u8]) {
    out.extend(u16::try_from(body.len()).expect("a short body").to_be_bytes());
    out.extend(body);
}
