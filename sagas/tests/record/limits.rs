//! The bounds of the format hold on both sides: what a writer refuses to write, a reader refuses to read, and the
//! last thing inside a bound passes both.

use windlass_sagas::ids::HostId;
use windlass_sagas::limits::{COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, FRAME_BYTES_MAX, FRAME_COMMITS_MAX};
use windlass_sagas::record::*;

use crate::layout;
use crate::samples;

/// A commit of exactly so many bytes.
fn commit_of(bytes: usize) -> Commit {
    let sized = |reason: usize| {
        let mut commit = samples::commit();
        commit.events = vec![Event::HostGone(HostGone { host: HostId([0; 16]), reason: "x".repeat(reason) })];
        commit
    };
    let empty = sized(0).encode().expect("a small commit").len();
    // The reason's length takes one byte more for each seven bits.
    let more = bytes - empty;
    let reason = (0..=3).map(|varint| more - varint).find(|reason| {
        let varint = if *reason < 1 << 7 {
            0
        } else if *reason < 1 << 14 {
            1
        } else {
            2
        };
        reason + varint == more
    });
    sized(reason.expect("every length but two has its reason"))
}

fn stored(bytes: Vec<u8>) -> StoredCommit {
    StoredCommit { header: samples::header(), kind: samples::commit().fact.kind(), bytes }
}

#[test]
fn a_commit_of_64_kib_passes_and_one_byte_more_does_not() {
    let largest = commit_of(COMMIT_BYTES_MAX);
    let bytes = largest.encode().expect("within the bound");
    assert_eq!(bytes.len(), COMMIT_BYTES_MAX);
    assert_eq!(Commit::decode(&bytes).as_ref(), Ok(&largest));
    let frame = Frame { commits: vec![StoredCommit::of(&largest).expect("within the bound")] };
    assert_eq!(Frame::decode(&frame.encode().expect("one commit")), Ok(frame));

    assert_eq!(commit_of(COMMIT_BYTES_MAX + 1).encode(), Err(EncodeError { what: "a commit" }));
    assert!(StoredCommit::of(&commit_of(COMMIT_BYTES_MAX + 1)).is_err());
    let over = [&bytes[..], &[0]].concat();
    let bound = DecodeError::Bound { what: "a commit" };
    assert_eq!(Commit::decode(&over).as_ref(), Err(&bound));
    assert_eq!(Frame::decode(&layout::frame(std::slice::from_ref(&over))).as_ref(), Err(&bound));
    // By hand, past `StoredCommit::of`: still no frame that nobody could read.
    assert_eq!(Frame { commits: vec![stored(over)] }.encode(), Err(EncodeError { what: "a commit" }));
}

#[test]
fn a_body_over_its_length_field_is_refused() {
    let mut commit = samples::commit();
    let reason = "x".repeat(usize::from(u16::MAX));
    commit.events = vec![Event::HostGone(HostGone { host: HostId([0; 16]), reason })];
    assert_eq!(commit.encode(), Err(EncodeError { what: "a body" }));
}

#[test]
fn a_commit_of_512_events_passes_and_one_more_does_not() {
    let event = samples::events().remove(6);
    let mut commit = samples::commit();
    commit.events = vec![event.clone(); COMMIT_EVENTS_MAX];
    let bytes = commit.encode().expect("within the bound");
    assert_eq!(Commit::decode(&bytes).as_ref(), Ok(&commit));

    let parts = layout::parts(&bytes);
    commit.events.push(event);
    assert_eq!(commit.encode(), Err(EncodeError { what: "the number of events" }));
    let events = [&parts.events[..], &parts.events[..1]].concat();
    let (kind, version) = (commit.fact.kind(), commit.fact.version());
    let over = layout::commit(&commit.header, kind, version, &parts.cause, &parts.fact, &events);
    let error = DecodeError::Bound { what: "the number of events" };
    let position = commit.header.position;
    assert_eq!(Commit::decode(&over), Err(DecodeError::At { position, error: error.into() }));
}

#[test]
fn a_frame_of_256_commits_passes_and_one_more_does_not() {
    let one = StoredCommit::of(&samples::commit()).expect("a small commit");
    let mut frame = Frame { commits: vec![one.clone(); FRAME_COMMITS_MAX - 1] };
    assert!(frame.fits(one.bytes.len()));
    frame.commits.push(one.clone());
    assert_eq!(Frame::decode(&frame.encode().expect("within the bound")).as_ref(), Ok(&frame));

    assert!(!frame.fits(one.bytes.len()));
    frame.commits.push(one.clone());
    assert_eq!(frame.encode(), Err(EncodeError { what: "a frame" }));
    let over = layout::frame(&vec![one.bytes; FRAME_COMMITS_MAX + 1]);
    assert_eq!(Frame::decode(&over), Err(DecodeError::Bound { what: "the number of commits" }));
}

#[test]
fn a_frame_of_512_kib_passes_and_one_byte_more_does_not() {
    let large = StoredCommit::of(&commit_of(60_000)).expect("within the bound");
    let mut frame = Frame { commits: vec![large; 8] };
    let room = FRAME_BYTES_MAX - frame.encode().expect("within the bound").len() - 4;
    assert!(frame.fits(room) && !frame.fits(room + 1));
    let mut over = frame.clone();
    frame.commits.push(StoredCommit::of(&commit_of(room)).expect("within the bound"));
    let bytes = frame.encode().expect("within the bound");
    assert_eq!(bytes.len(), FRAME_BYTES_MAX);
    assert_eq!(Frame::decode(&bytes).as_ref(), Ok(&frame));

    over.commits.push(StoredCommit::of(&commit_of(room + 1)).expect("within the bound"));
    assert_eq!(over.encode(), Err(EncodeError { what: "a frame" }));
    let raw: Vec<Vec<u8>> = over.commits.into_iter().map(|commit| commit.bytes).collect();
    assert_eq!(Frame::decode(&layout::frame(&raw)), Err(DecodeError::Bound { what: "a frame" }));
}

#[test]
fn a_frame_without_commits_is_refused() {
    assert_eq!(Frame::default().encode(), Err(EncodeError { what: "a frame" }));
    assert_eq!(Frame::decode(&layout::frame(&[])), Err(DecodeError::Empty));
}

#[test]
fn the_bounds_are_those_of_the_handbook() {
    assert_eq!((COMMIT_BYTES_MAX, FRAME_BYTES_MAX), (65_536, 524_288));
    assert_eq!((FRAME_COMMITS_MAX, COMMIT_EVENTS_MAX), (256, 512));
}
