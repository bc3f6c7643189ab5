//! What is written reads back, whole and only whole: every byte counts, and no byte may be missing or left over.

use proptest::collection::vec;
use proptest::prelude::*;
use windlass_sagas::record::*;

use crate::entropy::{self, Entropy};
use crate::layout::{self, Parts, parts};
use crate::samples;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn stored(commits: &[Commit]) -> Frame {
    Frame {
        commits: commits.iter().map(|commit| StoredCommit::of(commit).expect("a small commit")).collect(),
    }
}

/// The commit's bytes, put together again by the second layout.
fn again(commit: &Commit, parts: &Parts) -> Vec<u8> {
    let (kind, version) = (commit.fact.kind(), commit.fact.version());
    layout::commit(&commit.header, kind, version, &parts.cause, &parts.fact, &parts.events)
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_commit_reads_back(bytes in vec(any::<u8>(), 0..2_000)) {
        let commit = Entropy::new(&bytes).commit();
        let encoded = commit.encode().expect("a small commit");
        prop_assert_eq!(&again(&commit, &parts(&encoded)), &encoded);
        prop_assert_eq!(Commit::decode(&encoded), Ok(commit));
    }

    #[test]
    fn a_frame_reads_back(bytes in vec(any::<u8>(), 0..4_000), count in 1_usize..9) {
        let mut entropy = Entropy::new(&bytes);
        let commits: Vec<Commit> = (0..count).map(|_| entropy.commit()).collect();
        let frame = stored(&commits);
        let encoded = frame.encode().expect("a small frame");
        let raw: Vec<Vec<u8>> = frame.commits.iter().map(|commit| commit.bytes.clone()).collect();
        prop_assert_eq!(&layout::frame(&raw), &encoded);
        let read = Frame::decode(&encoded).expect("a frame");
        prop_assert_eq!(&read, &frame);
        for (stored, commit) in read.commits.iter().zip(&commits) {
            prop_assert_eq!((stored.header, stored.kind), (commit.header, commit.fact.kind()));
            prop_assert_eq!(&stored.decode(), &Ok(commit.clone()));
        }
    }

    #[test]
    fn a_frame_reads_whole_or_not_at_all(
        bytes in vec(any::<u8>(), 0..600),
        count in 1_usize..4,
        cut in any::<prop::sample::Index>(),
        more in vec(any::<u8>(), 1..40),
    ) {
        let mut entropy = Entropy::new(&bytes);
        let encoded = stored(&(0..count).map(|_| entropy.commit()).collect::<Vec<_>>()).encode().expect("small");
        prop_assert!(Frame::decode(&encoded[..cut.index(encoded.len())]).is_err());
        prop_assert_eq!(Frame::decode(&[&encoded[..], &more].concat()), Err(DecodeError::Trailing));
    }

    #[test]
    fn a_changed_byte_never_reads_as_the_same_commit(
        bytes in vec(any::<u8>(), 0..600),
        place in any::<prop::sample::Index>(),
        change in 1_u8..=255,
    ) {
        let commit = Entropy::new(&bytes).commit();
        let mut encoded = commit.encode().expect("a small commit");
        let place = place.index(encoded.len());
        encoded[place] ^= change;
        prop_assert_ne!(Commit::decode(&encoded), Ok(commit));
    }
}

#[test]
fn every_kind_reads_back_from_many_values() {
    for seed in 0_u8..64 {
        let bytes: Vec<u8> =
            (0_u32..1_500).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
        let facts =
            Report::KINDS.iter().map(|kind| Fact::Report(entropy::report(kind.2, &mut Entropy::new(&bytes))));
        let bodies = Body::KINDS.iter().map(|kind| entropy::body(kind.2, &mut Entropy::new(&bytes)));
        for fact in facts.chain(bodies.map(|body| Fact::Request(samples::request(body)))) {
            reads_back(Commit { fact, ..samples::commit() });
        }
        for (kind, _, name) in Event::KINDS {
            let event = entropy::event(name, &mut Entropy::new(&bytes));
            assert_eq!(event.kind(), *kind);
            reads_back(Commit { events: vec![event], ..samples::commit() });
        }
    }
}

fn reads_back(commit: Commit) {
    let encoded = commit.encode().expect("a small commit");
    assert_eq!(Commit::decode(&encoded), Ok(commit));
}

#[test]
fn every_body_must_be_whole() {
    let header = samples::header();
    let all = Commit { events: samples::events(), ..samples::commit() };
    let whole = parts(&all.encode().expect("a small commit"));
    for fact in samples::facts() {
        let (kind, version) = (fact.kind(), fact.version());
        let commit = Commit { fact, events: vec![], ..samples::commit() };
        let body = parts(&commit.encode().expect("a small commit")).fact;
        only_whole(&body, |body| layout::commit(&header, kind, version, &whole.cause, body, &[]));
    }
    let fact = (all.fact.kind(), all.fact.version());
    for (kind, version, body) in &whole.events {
        only_whole(body, |body| {
            let events = [(*kind, *version, body.to_vec())];
            layout::commit(&header, fact.0, fact.1, &whole.cause, &whole.fact, &events)
        });
    }
    only_whole(&whole.cause, |cause| layout::commit(&header, fact.0, fact.1, cause, &whole.fact, &[]));
}

/// Around `body` itself a commit reads; around every shorter one, and around one with a byte more, it does not.
fn only_whole(body: &[u8], around: impl Fn(&[u8]) -> Vec<u8>) {
    assert!(Commit::decode(&around(body)).is_ok());
    for cut in 0..body.len() {
        assert!(Commit::decode(&around(&body[..cut])).is_err(), "{cut} of {} bytes read", body.len());
    }
    for more in [0, 1, 0xff] {
        let error = Commit::decode(&around(&[body, &[more]].concat())).expect_err("a byte is left over");
        assert!(matches!(error, DecodeError::At { error, .. } if *error == DecodeError::Trailing));
    }
}

#[test]
fn a_commit_must_be_whole() {
    let encoded = samples::commit().encode().expect("a small commit");
    for cut in 0..encoded.len() {
        assert!(Commit::decode(&encoded[..cut]).is_err(), "{cut} of {} bytes read", encoded.len());
    }
    let error = Commit::decode(&[&encoded[..], &[0]].concat()).expect_err("a byte is left over");
    assert_eq!(
        error,
        DecodeError::At { position: samples::header().position, error: DecodeError::Trailing.into() }
    );
}
