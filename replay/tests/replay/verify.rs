//! Damage of each kind is found, with its position; what deposed leaders left behind is only counted.

use proptest::prelude::*;
use windlass_journal::Damage;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;

use windlass_replay::{Finding, Seen, Verified, What, verify};

use crate::support::{World, flavor, ops, play};
use crate::{journal, wait};

/// A world whose last twelve commits stand in frames of two, one void frame among them.
fn world() -> World {
    let mut world = World::ready(1);
    for n in 0..12 {
        world.ask(flavor(&format!("f{n}"))).expect("a flavor");
        if n % 2 == 1 {
            world.seal();
        }
        if n == 5 {
            world.void_frame(3);
        }
    }
    world
}

fn looked(frames: &[Vec<u8>]) -> Verified {
    wait(verify(&journal(frames), &[])).expect("readable")
}

/// The position of the first commit in a frame.
fn first(frame: &[u8]) -> Position {
    Frame::decode(frame).expect("a frame").commits[0].header.position
}

/// The frame with one byte of one commit changed, behind the header.
fn edited(frame: &[u8], index: usize, from_end: usize) -> Vec<u8> {
    let mut frame = Frame::decode(frame).expect("a frame");
    let bytes = &mut frame.commits[index].bytes;
    let place = bytes.len() - 1 - from_end;
    bytes[place] ^= 1;
    frame.encode().expect("a frame")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_whole_whatever_deposed_leaders_left_in_it(list in ops(100)) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let seen = Seen { position: world.tip.position, hash: world.tip.hash };
        let verified = wait(verify(&journal(&world.frames), &[seen])).expect("readable");
        prop_assert!(verified.is_whole(), "{:?}", verified.findings);
        prop_assert_eq!(verified.commits, world.commits.len() as u64);
        prop_assert_eq!(verified.voids.values().sum::<u64>(), world.void);
        prop_assert_eq!((verified.tip, verified.cut_off), (world.tip, 0));
    }

    /// Whatever byte of whatever commit but the last changes, somebody finds it, at its position or the next.
    #[test]
    fn any_changed_byte_is_found_where_it_is(
        frame in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut world = world();
        let at = frame.index(world.frames.len());
        let valid = |position| world.commits.iter().any(|(cursor, it)| cursor.0 == at as u64 + 1 && it.header.position == position);
        let bytes = &mut world.frames[at];
        let place = place.index(bytes.len());
        let whole = Frame::decode(bytes).expect("a frame");
        bytes[place] ^= change;
        // The commit that holds the byte; a frame's own head belongs to its first.
        let mut end = 8;
        let hit = whole.commits.iter().take_while(|commit| { end += 4 + commit.bytes.len(); end <= place }).count();
        let hit = &whole.commits[hit.min(whole.commits.len() - 1)].header;
        prop_assume!(valid(hit.position) && hit.position != world.tip.position);
        let seen = Seen { position: world.tip.position, hash: world.tip.hash };
        let verified = wait(verify(&journal(&world.frames), &[seen])).expect("readable");
        prop_assert!(!verified.is_whole());
        let found = verified.findings.first().expect("a finding");
        let near = found.position.0.abs_diff(hit.position.0);
        prop_assert!(near <= 1 || found.cursor.0 == at as u64 + 1, "{} for position {}", found, hit.position);
    }
}

#[test]
fn a_well_made_edit_is_named_by_what_stands_behind_it() {
    let mut frames = world().frames;
    let at = frames.len() - 3;
    let mut frame = Frame::decode(&frames[at]).expect("a frame");
    let mut commit = frame.commits[0].decode().expect("a commit");
    commit.cause.credential = None;
    frame.commits[0] = StoredCommit::of(&commit).expect("a commit");
    frames[at] = frame.encode().expect("a frame");
    let verified = looked(&frames);
    let (cursor, position) = (Cursor(at as u64 + 1), commit.header.position);
    assert_eq!(verified.findings, [Finding { cursor, position, what: What::Edited }]);
    assert_eq!(verified.tip.position, position, "the edited one is the last that readers apply");
    assert_eq!(verified.cut_off, 5, "nobody applies what stands behind it");
}

#[test]
fn two_edits_are_two_findings() {
    let world = world();
    let last = world.frames.len();
    let mut frames = world.frames.clone();
    for at in [last - 5, last - 2] {
        frames[at] = edited(&frames[at], 0, 20);
    }
    let found: Vec<u64> = looked(&frames).findings.iter().map(|it| it.position.0).collect();
    assert_eq!(found, [first(&world.frames[last - 5]).0, first(&world.frames[last - 2]).0]);
}

#[test]
fn dropped_commits_are_named_from_first_to_last() {
    let world = world();
    let at = world.frames.len() - 3;
    let mut frames = world.frames.clone();
    frames.remove(at);
    let (from, behind) = (first(&world.frames[at]), first(&world.frames[at + 1]));
    let what = What::Missing { to: Position(behind.0 - 1), later: None };
    let verified = looked(&frames);
    assert_eq!(verified.findings, [Finding { cursor: Cursor(at as u64 + 1), position: from, what }]);
    assert_eq!(verified.tip.position.next(), from);
    assert_eq!(verified.cut_off, 4);
    assert!(verified.findings[0].to_string().contains("dropped"));
}

#[test]
fn moved_frames_are_named_with_where_they_stand() {
    let world = world();
    let at = world.frames.len() - 3;
    let mut frames = world.frames.clone();
    frames.swap(at, at + 1);
    let (from, behind) = (first(&world.frames[at]), first(&world.frames[at + 1]));
    let what = What::Missing { to: Position(behind.0 - 1), later: Some(Cursor(at as u64 + 2)) };
    let verified = looked(&frames);
    assert_eq!(verified.findings, [Finding { cursor: Cursor(at as u64 + 1), position: from, what }]);
    assert!(verified.findings[0].to_string().contains("moved"));
}

#[test]
fn a_truncated_journal_shows_to_those_who_have_seen_its_end() {
    let world = world();
    let frames = &world.frames[..world.frames.len() - 1];
    assert!(looked(frames).is_whole(), "a shorter journal is one, to somebody who has seen nothing");
    let seen = Seen { position: world.tip.position, hash: world.tip.hash };
    let verified = wait(verify(&journal(frames), &[seen])).expect("readable");
    let position = Position(world.tip.position.0 - 1);
    let what = What::Truncated { seen: world.tip.position };
    assert_eq!(verified.findings, [Finding { cursor: Cursor(frames.len() as u64 + 1), position, what }]);
}

#[test]
fn a_rewritten_last_commit_shows_to_those_who_have_seen_it() {
    let world = world();
    let mut frames = world.frames.clone();
    let last = frames.len() - 1;
    let mut frame = Frame::decode(&frames[last]).expect("a frame");
    let index = frame.commits.len() - 1;
    let mut commit = frame.commits[index].decode().expect("a commit");
    commit.cause.credential = None;
    frame.commits[index] = StoredCommit::of(&commit).expect("a commit");
    frames[last] = frame.encode().expect("a frame");
    let seen = Seen { position: world.tip.position, hash: world.tip.hash };
    let verified = wait(verify(&journal(&frames), &[seen])).expect("readable");
    let [Finding { position, what: What::Rewritten { seen, found }, .. }] = verified.findings.as_slice()
    else {
        panic!("{:?}", verified.findings)
    };
    assert_eq!((*position, *seen), (world.tip.position, world.tip.hash));
    assert_ne!(seen, found);
}

#[test]
fn a_forged_commit_that_chains_but_breaks_a_rule_is_named() {
    let mut world = world();
    let (_, last) = world.commits.last().cloned().expect("a commit");
    let mut forged = last;
    forged.header.position = world.tip.position.next();
    forged.header.previous = world.tip.hash;
    forged.header.time = Time(world.tip.time.0 - 1);
    let commits = vec![StoredCommit::of(&forged).expect("a commit")];
    world.frames.push(Frame { commits }.encode().expect("a frame"));
    let verified = looked(&world.frames);
    let cursor = Cursor(world.frames.len() as u64);
    let what = What::Unlawful(VoidReason::Time);
    assert_eq!(verified.findings, [Finding { cursor, position: forged.header.position, what }]);
}

#[test]
fn damage_that_the_storage_knows_of_is_a_finding_and_the_rest_is_looked_at() {
    let world = world();
    let journal = journal(&world.frames);
    let at = world.frames.len() - 3;
    let cursor = Cursor(at as u64 + 1);
    journal.with(|broker| broker.damage(cursor));
    let verified = wait(verify(&journal, &[])).expect("readable");
    let position = first(&world.frames[at]);
    let what = What::Damaged(Damage::Altered);
    assert_eq!(verified.findings, [Finding { cursor, position, what }]);
    assert_eq!(verified.cut_off, 4, "the frames behind it were read");
}

#[test]
fn a_journal_that_can_not_be_asked_is_an_error_and_an_empty_one_is_not_whole() {
    let unavailable = journal(&world().frames);
    unavailable.with(|broker| broker.set_health(windlass_journal::memory::Health::Leaderless));
    assert!(wait(verify(&unavailable, &[])).is_err());
    assert!(!looked(&[]).is_whole());
}
