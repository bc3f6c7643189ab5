//! One commit: a fact and the events decided from it, atomic, chained to the commit before it.
//!
//! Layout, big-endian: kind u16, version u16 (the fact's), position u64, time i64, generation u32, elected u64,
//! writer 16, previous hash 32; then, each behind its u16 length, cause and fact; then u16 events, each kind u16,
//! version u16 and, behind its u16 length, its postcard body. The layout is frame format 1's.

use alloc::boxed::Box;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::cause::Cause;
use super::codec::{DecodeError, EncodeError, Reader, leading, put, put_sized, whole};
use super::event::Event;
use super::fact::{FIRST_REQUEST_KIND, Fact, Report, RequestHead};
use super::request::Body;
use crate::ids::{Hash, Position, Term, Time, WriterId};
use crate::limits::{COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX};

/// What stands before a commit's body; enough to judge its validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its number in the cell.
    pub position: Position,
    /// Never before the commit before it.
    pub time: Time,
    /// The writer's term.
    pub term: Term,
    /// The process that wrote it.
    pub writer: WriterId,
    /// The hash of the commit before it; zero for genesis.
    pub previous: Hash,
}

/// One fact and the events decided from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Place, time, term, writer, chain.
    pub header: Header,
    /// Where the fact came from.
    pub cause: Cause,
    /// What was told.
    pub fact: Fact,
    /// What was decided.
    pub events: Vec<Event>,
}

impl Commit {
    /// The stored bytes.
    ///
    /// # Errors
    /// Where a bound of the format would be passed.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        if self.events.len() > COMMIT_EVENTS_MAX {
            return Err(EncodeError { what: "the number of events" });
        }
        let mut out = Vec::with_capacity(256);
        self.encode_header(&mut out);
        let out = put_sized(out, |out| put(&self.cause, out))?;
        let mut out = put_sized(out, |out| encode_fact(&self.fact, out))?;
        let count =
            u16::try_from(self.events.len()).map_err(|_| EncodeError { what: "the number of events" })?;
        out.extend_from_slice(&count.to_be_bytes());
        for event in &self.events {
            out.extend_from_slice(&event.kind().to_be_bytes());
            out.extend_from_slice(&event.version().to_be_bytes());
            out = put_sized(out, |out| event.encode_body(out).map_err(|_| EncodeError { what: "an event" }))?;
        }
        if out.len() > COMMIT_BYTES_MAX { Err(EncodeError { what: "a commit" }) } else { Ok(out) }
    }

    fn encode_header(&self, out: &mut Vec<u8>) {
        let header = &self.header;
        out.extend_from_slice(&self.fact.kind().to_be_bytes());
        out.extend_from_slice(&self.fact.version().to_be_bytes());
        out.extend_from_slice(&header.position.0.to_be_bytes());
        out.extend_from_slice(&header.time.0.to_be_bytes());
        out.extend_from_slice(&header.term.generation.to_be_bytes());
        out.extend_from_slice(&header.term.elected.0.to_be_bytes());
        out.extend_from_slice(&header.writer.0);
        out.extend_from_slice(&header.previous.0);
    }

    /// Reads stored bytes; the bodies too.
    ///
    /// # Errors
    /// Where the bytes are not a commit that this build can read; `At` names the position once it is known.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (kind, version, header, rest) = decode_header(bytes)?;
        let at = |error| DecodeError::At { position: header.position, error: Box::new(error) };
        decode_body(kind, version, rest)
            .map(|(cause, fact, events)| Self { header, cause, fact, events })
            .map_err(at)
    }
}

/// The commit's hash: SHA-256, domain-separated, over its stored bytes, the previous hash among them.
pub(super) fn hash_of(bytes: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix(b"windlass commit 1\0").chain_update(bytes).finalize().into())
}

/// Kind, version, header and the bytes behind them.
pub(super) fn decode_header(bytes: &[u8]) -> Result<(u16, u16, Header, &[u8]), DecodeError> {
    if bytes.len() > COMMIT_BYTES_MAX {
        return Err(DecodeError::Bound { what: "a commit" });
    }
    let mut reader = Reader(bytes);
    let kind = reader.u16()?;
    let version = reader.u16()?;
    let header = Header {
        position: Position(reader.u64()?),
        time: Time(reader.u64()?.cast_signed()),
        term: Term { generation: reader.u32()?, elected: Position(reader.u64()?) },
        writer: WriterId(reader.array()?),
        previous: Hash(reader.array()?),
    };
    Ok((kind, version, header, reader.0))
}

fn decode_body(kind: u16, version: u16, bytes: &[u8]) -> Result<(Cause, Fact, Vec<Event>), DecodeError> {
    let mut reader = Reader(bytes);
    let cause = whole(reader.sized()?)?;
    let fact = decode_fact(kind, version, reader.sized()?)?;
    let count = usize::from(reader.u16()?);
    if count > COMMIT_EVENTS_MAX {
        return Err(DecodeError::Bound { what: "the number of events" });
    }
    let mut events = Vec::with_capacity(count.min(reader.0.len() / 6));
    for _ in 0..count {
        let kind = reader.u16()?;
        let version = reader.u16()?;
        events.push(Event::decode_body(kind, version, reader.sized()?)?);
    }
    reader.done()?;
    Ok((cause, fact, events))
}

fn encode_fact(fact: &Fact, out: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
    let too_big = |_| EncodeError { what: "a fact" };
    match fact {
        Fact::Request(request) => {
            let head: RequestHead = (request.id, request.project, request.principal);
            request.body.encode_body(put(&head, out)?).map_err(too_big)
        }
        Fact::Report(report) => report.encode_body(out).map_err(too_big),
    }
}

fn decode_fact(kind: u16, version: u16, bytes: &[u8]) -> Result<Fact, DecodeError> {
    if kind < FIRST_REQUEST_KIND {
        return Report::decode_body(kind, version, bytes).map(Fact::Report);
    }
    let (head, body): (RequestHead, _) = leading(bytes)?;
    Ok(Fact::from((head, Body::decode_body(kind, version, body)?)))
}
