//! The script of odd appends: what a JetStream of one and of three replicas answers to each, as measured on a real one.
//!
//! The memory broker and a real JetStream run this same table, so that the simulated broker can't drift from the real
//! one. Rows about headers that the journal never sends (expected last message id, atomic batches) are not in it.

use super::frame;
use crate::memory::{Broker, Replicas, Submission};
use crate::{Answer, Cursor};

/// What can be asked the odd questions: a stream of a known number of replicas, empty at the start of each row.
pub trait Stream: Send {
    /// Sends one append and gives the answer.
    fn send(&mut self, submission: Submission) -> impl Future<Output = Answer> + Send;

    /// Sends the same append twice, the second time while the first is in flight, and gives both answers.
    fn send_twice(&mut self, submission: Submission) -> impl Future<Output = [Answer; 2]> + Send;
}

/// One row: a story of appends on an empty stream.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is odd about it.
    pub name: &'static str,
    /// The appends, each with its answers.
    pub steps: &'static [Step],
}

/// One append of a row. The number stands for both message id and bytes: they belong together.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    id: u64,
    after: u64,
    twice: bool,
    one: Answer,
    three: Answer,
}

const fn both(id: u64, after: u64, answer: Answer) -> Step {
    differs(id, after, answer, answer)
}

const fn differs(id: u64, after: u64, one: Answer, three: Answer) -> Step {
    Step { id, after, twice: false, one, three }
}

const fn landed(cursor: u64) -> Answer {
    Answer::Landed(Cursor(cursor))
}

const fn duplicate(cursor: u64) -> Answer {
    Answer::Duplicate(Cursor(cursor))
}

const fn wrong(last: u64) -> Answer {
    Answer::WrongExpected { last: Cursor(last) }
}

/// The rows, of which the last but one is derived from the order of checks that the others show; the rest is measured.
pub const ROWS: &[Row] = &[
    Row {
        name: "same id, same expectation, it had landed",
        steps: &[both(1, 0, landed(1)), differs(1, 0, wrong(1), duplicate(1))],
    },
    Row {
        name: "same id, any wrong expectation",
        steps: &[
            both(1, 0, landed(1)),
            both(2, 1, landed(2)),
            differs(1, 1, wrong(2), duplicate(1)),
            differs(1, 9, wrong(2), duplicate(1)),
        ],
    },
    Row {
        name: "same id while the first is in flight",
        steps: &[Step { id: 1, after: 0, twice: true, one: wrong(1), three: Answer::InProcess }],
    },
    Row {
        name: "new id, stale or too high expectation",
        steps: &[both(1, 0, landed(1)), both(2, 0, wrong(1)), both(3, 5, wrong(1)), both(4, 2, wrong(1))],
    },
    Row {
        name: "id that was refused before, right expectation now",
        steps: &[both(1, 0, landed(1)), both(2, 0, wrong(1)), both(2, 1, landed(2))],
    },
    Row {
        name: "a hole in a window of appends",
        steps: &[
            both(1, 0, landed(1)),
            both(3, 2, wrong(1)),
            both(4, 3, wrong(1)),
            both(5, 4, wrong(1)),
            both(2, 1, landed(2)),
        ],
    },
    Row {
        name: "id that had landed, with the expectation that is right now",
        steps: &[both(1, 0, landed(1)), both(2, 1, landed(2)), both(1, 2, duplicate(1))],
    },
    Row {
        name: "two writers for one place, one append in flight each",
        steps: &[both(1, 0, landed(1)), both(2, 0, wrong(1)), both(3, 1, landed(2)), both(4, 1, wrong(2))],
    },
];

/// Asks every row of a fresh stream from `stream` and asserts the answers of that number of replicas.
pub async fn answers_odd_appends<S: Stream>(replicas: Replicas, mut stream: impl FnMut() -> S) {
    for row in ROWS {
        let mut stream = stream();
        for step in row.steps {
            let submission = Submission { after: Cursor(step.after), frame: frame(step.id) };
            let expected = match replicas {
                Replicas::One => step.one,
                Replicas::Three => step.three,
            };
            let answer = if step.twice {
                let [first, second] = stream.send_twice(submission).await;
                assert_eq!(first, landed(step.after + 1), "{}: {step:?}", row.name);
                second
            } else {
                stream.send(submission).await
            };
            assert_eq!(answer, expected, "{}, {replicas:?}: {step:?}", row.name);
        }
    }
}

impl Stream for Broker {
    async fn send(&mut self, submission: Submission) -> Answer {
        self.submit(submission)
    }

    async fn send_twice(&mut self, submission: Submission) -> [Answer; 2] {
        let first = self.begin(submission.clone());
        let second = self.begin(submission).expect("a repetition is always answered at once");
        let settled = self.settle().last().copied().map(Answer::Landed);
        [first.or(settled).expect("the first is answered at once or when it settles"), second]
    }
}
