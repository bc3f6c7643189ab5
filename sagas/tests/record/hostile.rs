//! Bytes that nobody wrote: whatever is in them, a decoder answers in bounded time and memory and never panics, and
//! what it accepts it accepts again from its own encoding.

use proptest::collection::vec;
use proptest::prelude::*;
use windlass_sagas::record::*;

use crate::entropy::Entropy;
use crate::layout::{self, parts};
use crate::samples;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Reads as every reader does: the frame, then each commit. What reads must be what its own encoding reads as.
fn read(bytes: &[u8]) -> Result<(), DecodeError> {
    let frame = Frame::decode(bytes)?;
    assert_eq!(frame.encode().as_deref(), Ok(bytes), "a frame has one encoding");
    for stored in frame.commits {
        let commit = stored.decode()?;
        assert_eq!((commit.header, commit.fact.kind()), (stored.header, stored.kind));
        let again = commit.encode().expect("what was read is within the bounds");
        assert_eq!(Commit::decode(&again), Ok(commit));
    }
    Ok(())
}

/// One change of a byte string, as bit rot, cut-off writes and hostile writers make them.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), 0_u8..8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        (place(), prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()])
            .prop_map(|(place, byte)| Change::Set(place, byte)),
        (place(), vec(any::<u8>(), 1..12)).prop_map(|(place, bytes)| Change::Insert(place, bytes)),
        (place(), 1_usize..40).prop_map(|(place, count)| Change::Cut(place, count)),
        (place(), 1_usize..40).prop_map(|(place, count)| Change::Double(place, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let span = |place: usize, count: usize| place..length.min(place + count);
    match change {
        Change::Flip(place, bit) => bytes[place.index(length)] ^= 1 << bit,
        Change::Set(place, byte) => bytes[place.index(length)] = byte,
        Change::Insert(place, more) => {
            let place = place.index(length);
            bytes.splice(place..place, more);
        }
        Change::Cut(place, count) => {
            bytes.drain(span(place.index(length), count));
        }
        Change::Double(place, count) => {
            let place = place.index(length);
            let twice = bytes[span(place, count)].to_vec();
            bytes.splice(place..place, twice);
        }
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        // Bare, and behind enough of a valid beginning that the codec gets deep.
        drop(read(&bytes));
        drop(read(&[b"WLF\0\0\x01\0\x01", &bytes[..]].concat()));
        drop(Commit::decode(&bytes));
        drop(read(&layout::frame(&[bytes])));
    }

    #[test]
    fn any_bodies(kind in any::<prop::sample::Index>(), body in vec(any::<u8>(), 0..200)) {
        let cause = postcard::to_allocvec(&Cause::default()).expect("a cause is small");
        let facts: Vec<u16> = Report::KINDS.iter().chain(Body::KINDS).map(|kind| kind.0).collect();
        let event = (kind.get(Event::KINDS).0, 1, body.clone());
        let bytes = layout::commit(&samples::header(), *kind.get(&facts), 1, &cause, &body, &[event]);
        drop(read(&layout::frame(&[bytes])));
    }

    #[test]
    fn mutated_frames(
        bytes in vec(any::<u8>(), 0..300),
        count in 1_usize..3,
        changes in vec(change(), 1..4),
    ) {
        let mut entropy = Entropy::new(&bytes);
        let commits: Vec<Vec<u8>> = (0..count).map(|_| entropy.commit().encode().expect("small")).collect();
        let mut whole = layout::frame(&commits);
        for change in changes.clone() {
            apply(&mut whole, change);
        }
        drop(read(&whole));
        // The same with the frame's lengths right, so that what changed is inside the commit.
        let mut inner = commits[0].clone();
        for change in changes {
            apply(&mut inner, change);
        }
        drop(read(&layout::frame(&[inner])));
    }
}

#[test]
fn a_length_that_promises_more_than_there_is_takes_no_memory() {
    let sample = samples::commit();
    let whole = parts(&sample.encode().expect("a small commit"));
    let (kind, version) = (sample.fact.kind(), sample.fact.version());
    // postcard's largest length: 2^64 - 1 as a varint. Where a length stands it must fail at once.
    let endless = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let mut refused = 0;
    for event in samples::events() {
        let all = Commit { events: vec![event], ..sample.clone() };
        let (event_kind, event_version, body) =
            parts(&all.encode().expect("a small commit")).events.remove(0);
        for place in 0..body.len() {
            let events = [(event_kind, event_version, [&body[..place], &endless].concat())];
            let bytes = layout::commit(&sample.header, kind, version, &whole.cause, &whole.fact, &events);
            refused += usize::from(Commit::decode(&bytes).is_err());
        }
    }
    assert!(refused > 1_000, "only {refused} were refused");
}

#[test]
fn another_magic_format_kind_or_version_is_named() {
    let good = layout::frame(&[samples::commit().encode().expect("a small commit")]);
    let with = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        Frame::decode(&bytes)
    };
    assert_eq!(with(0, b'X'), Err(DecodeError::Magic));
    assert_eq!(with(5, 2), Err(DecodeError::FrameFormat(2)));
    let newer = with(layout::FRAME_HEAD_BYTES + 4 + 3, 9).expect("headers read without the body");
    let unknown = DecodeError::UnknownKind { kind: samples::commit().fact.kind(), version: 9 };
    let error = DecodeError::At { position: samples::header().position, error: unknown.into() };
    assert_eq!(newer.commits[0].decode(), Err(error));
}
