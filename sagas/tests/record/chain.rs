//! Whole journals: random frames of good and bad commits, judged by the product and by a model of twenty lines, and
//! the chain of hashes against every edited bit.

use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::terms::{campaign, genesis, next, request, term};

/// The hash as the handbook defines it.
pub(crate) fn sha256(commit: &[u8]) -> Hash {
    Hash(Sha256::digest([&b"windlass commit 1\0"[..], commit].concat()).into())
}

/// The rules of validity, in the order of the handbook, over a commit that can be read.
fn model(tip: &Tip, commit: &Commit) -> Result<Tip, VoidReason> {
    let header = commit.header;
    let own = header.term.elected == header.position;
    let term_holds = match &commit.fact {
        Fact::Report(Report::Campaign(Campaign { term, recover: None, .. })) => {
            own && header.term.generation == tip.term.generation && *term == header.term
        }
        Fact::Report(Report::Campaign(Campaign { term, recover: Some(_), .. })) => {
            own && header.term.generation > tip.term.generation && *term == header.term
        }
        _ => header.term == tip.term,
    };
    let is_genesis = matches!(commit.fact, Fact::Report(Report::Genesis(_)));
    let rules = [
        (header.position.0 == tip.position.0 + 1, VoidReason::Position),
        (header.previous == tip.hash, VoidReason::Previous),
        (header.time >= tip.time, VoidReason::Time),
        (is_genesis == (header.position.0 == 1), VoidReason::Genesis),
        (term_holds, VoidReason::Term),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, reason)) => Err(*reason),
        None => {
            let hash = sha256(&commit.encode().expect("a small commit"));
            Ok(Tip { position: header.position, hash, time: header.time, term: header.term })
        }
    }
}

/// How one commit differs from what would count.
#[derive(Clone, Debug)]
enum Twist {
    None,
    Position(i8),
    Previous,
    Time(i16),
    Term(i8, i8),
    Fact(u8),
    /// A campaign: generation against the tip's, place against its own, whether body and header agree, an order.
    Campaign(i8, i8, bool, bool),
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        6 => Just(Twist::None),
        1 => (-2_i8..3).prop_map(Twist::Position),
        1 => Just(Twist::Previous),
        2 => (-3_i16..300).prop_map(Twist::Time),
        1 => (-1_i8..2, -1_i8..2).prop_map(|(generation, elected)| Twist::Term(generation, elected)),
        1 => (0_u8..3).prop_map(Twist::Fact),
        2 => Just(Twist::Campaign(0, 0, true, false)),
        1 => Just(Twist::Campaign(1, 0, true, true)),
        2 => (-1_i8..3, -1_i8..2, any::<bool>(), any::<bool>())
            .prop_map(|(generation, place, agree, order)| Twist::Campaign(generation, place, agree, order)),
    ]
}

fn twisted(tip: &Tip, twist: &Twist) -> Commit {
    let fact = if tip.position.0 == 0 { genesis() } else { request() };
    let mut commit = next(tip, fact);
    let header = &mut commit.header;
    match twist {
        Twist::None => {}
        Twist::Position(by) => header.position.0 = header.position.0.saturating_add_signed((*by).into()),
        Twist::Previous => header.previous.0[31] ^= 1,
        Twist::Time(by) => header.time.0 += i64::from(*by),
        Twist::Term(generation, elected) => header.term = moved(header.term, *generation, *elected),
        Twist::Fact(0) => commit.fact = genesis(),
        Twist::Fact(1) => commit.fact = request(),
        Twist::Fact(_) => commit.fact = campaign(header.term, false),
        Twist::Campaign(generation, place, agree, order) => {
            let own = moved(term(header.term.generation, header.position.0), *generation, *place);
            header.term = own;
            commit.fact = campaign(if *agree { own } else { moved(own, 0, 1) }, *order);
        }
    }
    commit
}

fn moved(from: Term, generation: i8, elected: i8) -> Term {
    Term {
        generation: from.generation.saturating_add_signed(generation.into()),
        elected: Position(from.elected.0.saturating_add_signed(elected.into())),
    }
}

/// What a reader does with one frame: apply what counts, up to the first void commit.
fn read(tip: Tip, frame: &[u8]) -> (Tip, Vec<Position>, Option<VoidReason>) {
    let (mut tip, mut applied) = (tip, Vec::new());
    for stored in &Frame::decode(frame).expect("a frame").commits {
        match tip.judge(stored).expect("a readable commit") {
            Validity::Valid(commit, after) => {
                applied.push(commit.header.position);
                tip = after;
            }
            Validity::Void(reason) => return (tip, applied, Some(reason)),
        }
    }
    (tip, applied, None)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_agree_with_the_model(frames in vec(vec(twist(), 1..5), 1..12)) {
        let (mut tip, mut expected) = (Tip::default(), Tip::default());
        let mut positions = Vec::new();
        for twists in &frames {
            // A writer goes on from its own commits, whether they count or not.
            let (mut written, mut mine) = (Vec::new(), tip);
            let (mut valid, mut void) = (Vec::new(), None);
            for twist in twists {
                let commit = twisted(&mine, twist);
                let bytes = commit.encode().expect("a small commit");
                let header = commit.header;
                mine = Tip { position: header.position, hash: sha256(&bytes), time: header.time, term: header.term };
                if void.is_none() {
                    match model(&expected, &commit) {
                        Ok(after) => {
                            expected = after;
                            valid.push(header.position);
                        }
                        Err(reason) => void = Some(reason),
                    }
                }
                written.push(StoredCommit::of(&commit).expect("a small commit"));
            }
            let frame = Frame { commits: written }.encode().expect("a small frame");
            let (after, applied, reason) = read(tip, &frame);
            prop_assert_eq!((after, &applied, reason), (expected, &valid, void));
            // The same frame again never counts again: no position is used twice.
            if !applied.is_empty() {
                prop_assert_eq!(read(after, &frame), (after, vec![], Some(VoidReason::Position)));
            }
            positions.extend(applied);
            tip = after;
        }
        let dense: Vec<Position> = (1..=positions.len() as u64).map(Position).collect();
        prop_assert_eq!(positions, dense);
    }
}

#[test]
fn the_generated_journals_reach_every_verdict() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let mut raised = false;
    for _ in 0..200 {
        let twists = vec(twist(), 20..40).new_tree(&mut runner).expect("twists").current();
        let mut tip = Tip::default();
        for twist in twists {
            match model(&tip, &twisted(&tip, &twist)) {
                Ok(after) => tip = after,
                Err(reason) => drop(seen.insert(reason)),
            }
        }
        raised |= tip.term.generation > 0 && tip.position.0 > 5;
    }
    assert_eq!(seen.len(), 5, "only {seen:?}");
    assert!(raised, "no journal went on in a raised generation");
}

#[test]
fn an_edited_bit_anywhere_breaks_the_chain() {
    let mut journal = Vec::new();
    let mut tip = Tip::default();
    for place in 0..4 {
        let commit = match place {
            0 => next(&tip, genesis()),
            1 => twisted(&tip, &Twist::Campaign(0, 0, true, false)),
            _ => next(&tip, request()),
        };
        let stored = StoredCommit::of(&commit).expect("a small commit");
        let Ok(Validity::Valid(_, after)) = tip.judge(&stored) else { panic!("commit {place} counts") };
        journal.push((tip, stored));
        tip = after;
    }
    for place in 0..journal.len() - 1 {
        let (before, stored) = &journal[place];
        let successor = &journal[place + 1].1;
        for bit in 0..stored.bytes.len() * 8 {
            let mut bytes = stored.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sha256(&bytes), stored.hash());
            let Ok(frame) = Frame::decode(&crate::layout::frame(&[bytes])) else { continue };
            match before.judge(&frame.commits[0]) {
                Ok(Validity::Valid(_, after)) => {
                    assert_ne!(after.hash, stored.hash());
                    let void = Ok(Validity::Void(VoidReason::Previous));
                    assert_eq!(after.judge(successor), void, "bit {bit} of commit {place}");
                }
                Ok(Validity::Void(_)) | Err(_) => {
                    assert!(matches!(before.judge(successor), Ok(Validity::Void(_))));
                }
            }
        }
    }
}

#[test]
fn a_hash_is_over_all_stored_bytes_behind_its_domain() {
    let stored = StoredCommit::of(&crate::samples::commit()).expect("a small commit");
    assert_eq!(stored.hash(), sha256(&stored.bytes));
    assert_ne!(stored.hash(), Hash(Sha256::digest(&stored.bytes).into()));
}
