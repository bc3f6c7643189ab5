//! The contract over the memory journal, the table of odd appends over its broker, and the law of acknowledgement.

use proptest::prelude::*;

use super::{Broker, Fault, Health, Memory, Replicas, Settings, Sync};
use crate::contract::{Bench, all_frames, fill, frame, odd};
use crate::{Append, AppendError, Cursor, Frame, Read, ReadError};
use std::collections::BTreeMap;

struct Connections(Memory);

impl Bench for Connections {
    type Append = Memory;
    type Read = SharedRead;

    async fn open(&self) -> (Memory, SharedRead) {
        (self.0.connect(), SharedRead(std::sync::Arc::new(self.0.connect())))
    }

    async fn close(&self, append: Memory) {
        drop(append);
    }
}

/// `Memory` is one connection and not `Clone`; readers share one.
#[derive(Clone)]
struct SharedRead(std::sync::Arc<Memory>);

impl Read for SharedRead {
    async fn read(&self, after: Cursor, frames_max: usize) -> Result<Vec<(Cursor, Frame)>, ReadError> {
        self.0.read(after, frames_max).await
    }

    async fn last(&self) -> Result<Cursor, ReadError> {
        self.0.last().await
    }

    async fn wait(&self, after: Cursor) -> Result<(), ReadError> {
        self.0.wait(after).await
    }
}

const fn settings(replicas: Replicas) -> Settings {
    Settings { replicas, sync: Sync::Always, duplicate_window_ms: 120_000 }
}

mod one_replica {
    use super::*;
    crate::contract_suite!(Connections(Memory::new(settings(Replicas::One))));
}

mod three_replicas {
    use super::*;
    crate::contract_suite!(Connections(Memory::new(settings(Replicas::Three))));
}

#[tokio::test]
async fn the_broker_answers_odd_appends_as_the_real_one() {
    for replicas in [Replicas::One, Replicas::Three] {
        odd::answers_odd_appends(replicas, || Broker::new(settings(replicas))).await;
    }
}

#[tokio::test]
async fn each_fault_is_answered_as_documented() {
    let mut memory = Memory::new(settings(Replicas::Three));
    memory.script([Fault::LostRequest, Fault::LostAnswer, Fault::Leaderless, Fault::DiskFull, Fault::Late]);

    assert_eq!(memory.append(Cursor(0), frame(1)).await, Err(AppendError::Unknown));
    assert_eq!(memory.last().await, Ok(Cursor(0)), "the request was lost");
    assert_eq!(memory.append(Cursor(0), frame(1)).await, Err(AppendError::Unknown));
    assert_eq!(memory.last().await, Ok(Cursor(1)), "only the answer was lost");
    assert_eq!(memory.append(Cursor(1), frame(2)).await, Err(AppendError::Unavailable));
    assert_eq!(memory.append(Cursor(1), frame(2)).await, Err(AppendError::Unavailable));
    assert_eq!(memory.append(Cursor(1), frame(2)).await, Err(AppendError::Unknown));
    assert_eq!(memory.last().await, Ok(Cursor(1)), "it is late");
    // Sent again it lands, and what was late then finds its place taken: by its own bytes, on three replicas a duplicate.
    assert_eq!(memory.append(Cursor(1), frame(2)).await, Ok(Cursor(2)));
    assert_eq!(memory.deliver_late(), [crate::Answer::Duplicate(Cursor(2))]);
    assert_eq!(all_frames(&memory).await, (vec![frame(1), frame(2)], None));
}

#[tokio::test]
async fn a_leaderless_stream_ends_reads_and_waits() {
    let mut memory = Memory::new(settings(Replicas::One));
    fill(&mut memory, 0, 1).await;
    let reader = memory.connect();
    let waiting = tokio::spawn(async move { reader.wait(Cursor(1)).await });
    tokio::task::yield_now().await;
    memory.with(|broker| broker.set_health(Health::Leaderless));
    assert!(matches!(waiting.await.unwrap(), Err(ReadError::Unavailable { .. })));
    assert!(matches!(memory.last().await, Err(ReadError::Unavailable { .. })));
    assert_eq!(memory.append(Cursor(1), frame(2)).await, Err(AppendError::Unavailable));
}

/// One move of a random story with two writers, of whom either may be the deposed one.
#[derive(Clone, Copy, Debug)]
enum Move {
    Append { writer: usize, offset: i64, number: u64, fault: Fault },
    DeliverLate { writer: usize },
    PowerCut,
    Pass { ms: u64 },
}

fn a_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Pass),
        1 => Just(Fault::LostRequest),
        2 => Just(Fault::LostAnswer),
        2 => Just(Fault::Late),
        1 => Just(Fault::Leaderless),
        1 => Just(Fault::DiskFull),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    // Few numbers, so that the same bytes are often sent again.
    let append = (0..2_usize, prop_oneof![4 => Just(0), 1 => -3..=3_i64], 0..12_u64, a_fault())
        .prop_map(|(writer, offset, number, fault)| Move::Append { writer, offset, number, fault });
    prop_oneof![
        8 => append,
        1 => (0..2_usize).prop_map(|writer| Move::DeliverLate { writer }),
        1 => Just(Move::PowerCut),
        1 => (1..200_000_u64).prop_map(|ms| Move::Pass { ms }),
    ]
}

/// Plays a story; after each move every acknowledged frame must be there, at its cursor, with its bytes, and nothing that
/// anyone ever read may have changed.
async fn play(replicas: Replicas, moves: &[Move]) -> (Vec<Frame>, Vec<String>) {
    let first = Memory::new(settings(replicas));
    let mut writers = [first.connect(), first.connect()];
    let mut acknowledged = BTreeMap::new();
    let mut before = Vec::new();
    let mut answers = Vec::new();
    let mut now_ms = 0;
    for step in moves {
        match *step {
            Move::Append { writer, offset, number, fault } => {
                let last = first.last().await.unwrap();
                let after = Cursor(last.0.saturating_add_signed(offset));
                writers[writer].script([fault]);
                let answer = writers[writer].append(after, frame(number)).await;
                if let Ok(cursor) = answer {
                    assert_eq!(cursor, after.next());
                    assert_eq!(acknowledged.insert(cursor, frame(number)), None, "one frame a cursor");
                }
                answers.push(format!("{answer:?}"));
            }
            Move::DeliverLate { writer } => answers.push(format!("{:?}", writers[writer].deliver_late())),
            Move::PowerCut => assert_eq!(first.with(Broker::power_cut), 0),
            Move::Pass { ms } => {
                now_ms += ms;
                first.with(|broker| broker.advance_to(now_ms));
            }
        }
        let (frames, error) = all_frames(&first).await;
        assert_eq!(error, None);
        assert!(frames.starts_with(&before), "what stood in the journal stands there still");
        for (cursor, frame) in &acknowledged {
            assert_eq!(frames.get(cursor.0 as usize - 1), Some(frame), "at {cursor:?}");
        }
        before = frames;
    }
    (before, answers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Acknowledged means: there, at that cursor, with those bytes. And the same story has the same end, twice.
    #[test]
    fn an_acknowledged_frame_is_there(moves in prop::collection::vec(a_move(), 1..60), three in any::<bool>()) {
        let replicas = if three { Replicas::Three } else { Replicas::One };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let end = runtime.block_on(play(replicas, &moves));
        prop_assert_eq!(end, runtime.block_on(play(replicas, &moves)));
    }
}
