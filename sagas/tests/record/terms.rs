//! The rules of validity one by one: given a tip, when this commit comes, then it counts, or is void for this reason.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::chain::sha256;
use crate::samples;

/// The tip that most cases begin at: position 9, term (2, 4).
pub(crate) fn tip() -> Tip {
    Tip { position: Position(9), hash: samples::hash(7), time: Time(1_000), term: term(2, 4) }
}

pub(crate) fn term(generation: u32, elected: u64) -> Term {
    Term { generation, elected: Position(elected) }
}

/// A commit that continues `tip` with `fact`.
pub(crate) fn next(tip: &Tip, fact: Fact) -> Commit {
    let header = Header {
        position: Position(tip.position.0 + 1),
        time: tip.time,
        term: tip.term,
        writer: WriterId([1; 16]),
        previous: tip.hash,
    };
    Commit { header, cause: Cause::default(), fact, events: vec![] }
}

pub(crate) fn request() -> Fact {
    Fact::Request(samples::request(Body::DeleteServer(DeleteServer { server: "web-1".into() })))
}

pub(crate) fn genesis() -> Fact {
    Fact::Report(samples::reports().remove(0))
}

pub(crate) fn campaign(term: Term, recover: bool) -> Fact {
    let recover = recover.then(|| "ops: the tail was lost".to_string());
    Fact::Report(Report::Campaign(Campaign { term, build: "0.1.0".into(), recover }))
}

fn judge(tip: &Tip, commit: &Commit) -> Result<Tip, VoidReason> {
    let stored = StoredCommit::of(commit).expect("a small commit");
    match tip.judge(&stored).expect("a readable commit") {
        Validity::Valid(read, after) => {
            assert_eq!(*read, *commit);
            Ok(after)
        }
        Validity::Void(reason) => Err(reason),
    }
}

/// What a campaign with `header` term, `body` term and an operator's order or none gives at `tip()`.
fn campaigns(header: Term, body: Term, recover: bool) -> Result<Term, VoidReason> {
    let mut commit = next(&tip(), campaign(body, recover));
    commit.header.term = header;
    judge(&tip(), &commit).map(|after| after.term)
}

#[test]
fn a_successor_counts_and_moves_the_tip() {
    let mut commit = next(&tip(), request());
    commit.header.time = Time(1_500);
    let hash = sha256(&commit.encode().expect("a small commit"));
    let after = Tip { position: Position(10), hash, time: Time(1_500), term: tip().term };
    assert_eq!(judge(&tip(), &commit), Ok(after));
}

#[test]
fn every_void_reason_is_reached() {
    let all =
        [VoidReason::Position, VoidReason::Previous, VoidReason::Time, VoidReason::Term, VoidReason::Genesis];
    for reason in all {
        let mut commit = next(&tip(), request());
        match reason {
            VoidReason::Position => commit.header.position = Position(11),
            VoidReason::Previous => commit.header.previous = samples::hash(8),
            VoidReason::Time => commit.header.time = Time(999),
            VoidReason::Term => commit.header.term = term(2, 5),
            VoidReason::Genesis => commit.fact = genesis(),
        }
        assert_eq!(judge(&tip(), &commit), Err(reason));
    }
}

#[test]
fn a_position_is_used_once_and_none_is_left_out() {
    for position in [0, 1, 8, 9, 11, u64::MAX] {
        let mut commit = next(&tip(), request());
        commit.header.position = Position(position);
        assert_eq!(judge(&tip(), &commit), Err(VoidReason::Position));
    }
}

#[test]
fn genesis_is_the_first_commit_and_nothing_else_is() {
    let start = Tip::default();
    let first = next(&start, genesis());
    let after = judge(&start, &first).expect("a cell begins");
    assert_eq!((after.position, after.term), (Position(1), term(0, 0)));

    assert_eq!(judge(&start, &next(&start, request())), Err(VoidReason::Genesis));
    let mut lead = next(&start, campaign(term(0, 1), false));
    lead.header.term = term(0, 1);
    assert_eq!(judge(&start, &lead), Err(VoidReason::Genesis));
    assert_eq!(judge(&after, &next(&after, genesis())), Err(VoidReason::Genesis));

    let mut chained = first.clone();
    chained.header.previous = samples::hash(1);
    assert_eq!(judge(&start, &chained), Err(VoidReason::Previous));
    for other in [term(0, 1), term(1, 0), term(1, 1)] {
        let mut led = first.clone();
        led.header.term = other;
        assert_eq!(judge(&start, &led), Err(VoidReason::Term));
    }
}

#[test]
fn a_candidate_names_its_own_position_and_the_current_generation() {
    let own = term(2, 10);
    assert_eq!(campaigns(own, own, false), Ok(own));
    for other in [term(2, 4), term(2, 9), term(2, 11), term(1, 10), term(3, 10), term(0, 0)] {
        assert_eq!(campaigns(other, other, false), Err(VoidReason::Term), "{other}");
        assert_eq!(campaigns(own, other, false), Err(VoidReason::Term), "the body says {other}");
        assert_eq!(campaigns(other, own, false), Err(VoidReason::Term), "the header says {other}");
    }
}

#[test]
fn only_an_operators_order_raises_the_generation_and_it_must() {
    for raised in [term(3, 10), term(9, 10), term(u32::MAX, 10)] {
        assert_eq!(campaigns(raised, raised, true), Ok(raised));
        assert_eq!(campaigns(raised, raised, false), Err(VoidReason::Term));
    }
    for not_raised in [term(2, 10), term(1, 10), term(0, 10), term(3, 9), term(3, 11), term(3, 4)] {
        assert_eq!(campaigns(not_raised, not_raised, true), Err(VoidReason::Term), "{not_raised}");
    }
}

#[test]
fn only_a_campaign_begins_a_term() {
    for fact in [request(), Fact::Report(Report::RaiseFormat(RaiseFormat { level: 1 }))] {
        for new in [term(2, 10), term(3, 10), term(1, 4), term(2, 3)] {
            let mut commit = next(&tip(), fact.clone());
            commit.header.term = new;
            assert_eq!(judge(&tip(), &commit), Err(VoidReason::Term));
        }
    }
}

#[test]
fn a_void_commit_of_another_build_stops_nobody() {
    let newer = |change: fn(&mut Header), fact: Fact| {
        let mut commit = next(&tip(), fact);
        change(&mut commit.header);
        let mut stored = StoredCommit::of(&commit).expect("a small commit");
        stored.bytes[3] = 9;
        tip().judge(&stored)
    };
    assert_eq!(newer(|header| header.term = term(2, 5), request()), Ok(Validity::Void(VoidReason::Term)));
    assert_eq!(
        newer(|header| header.position = Position(9), request()),
        Ok(Validity::Void(VoidReason::Position))
    );
    let stale = campaign(term(2, 8), false);
    assert_eq!(newer(|header| header.term = term(2, 8), stale), Ok(Validity::Void(VoidReason::Term)));

    let unknown = DecodeError::UnknownKind { kind: request().kind(), version: 9 };
    let stops = DecodeError::At { position: Position(10), error: unknown.into() };
    assert_eq!(newer(|_| {}, request()), Err(stops), "what would count must be read");
}
