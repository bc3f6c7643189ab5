//! The script of odd appends: the real broker answers as the memory broker does, on one node and on three.

use super::{Connection, JetStream, cell, shared};
use crate::contract::odd::{ROWS, Stream, answers_odd_appends};
use crate::memory::{Replicas, Submission};
use crate::{Answer, Cursor};

struct Real {
    append: JetStream,
    connection: Connection,
}

impl Stream for Real {
    async fn send(&mut self, submission: Submission) -> Answer {
        let Submission { after, frame } = submission;
        self.append.send(after, frame).await.expect("a healthy broker answers")
    }

    async fn send_twice(&mut self, submission: Submission) -> [Answer; 2] {
        let other = self.connection.appender();
        let Submission { after, frame } = submission;
        let (first, second) = tokio::join!(self.append.send(after, frame.clone()), other.send(after, frame));
        [first.expect("a healthy broker answers"), second.expect("a healthy broker answers")]
    }
}

async fn runs(replicas: Replicas, nodes: usize) {
    let broker = shared(nodes);
    let mut streams = Vec::new();
    for _ in ROWS {
        let connection = broker.connect(&cell()).await;
        streams.push(Real { append: connection.appender(), connection });
    }
    answers_odd_appends(replicas, || streams.pop().expect("one a row")).await;
}

#[tokio::test]
async fn one_node_answers_odd_appends_as_the_memory_broker_does() {
    runs(Replicas::One, 1).await;
}

#[tokio::test]
async fn three_nodes_answer_odd_appends_as_the_memory_broker_does() {
    runs(Replicas::Three, 3).await;
}

/// A position that the server can't read as a number would be no expectation at all.
#[tokio::test]
async fn an_expectation_beyond_the_servers_numbers_is_never_sent() {
    let connection = shared(1).connect(&cell()).await;
    let append = connection.appender();
    for after in [u64::MAX, u64::MAX - 1, 1 << 63] {
        let answer = append.send(Cursor(after), crate::contract::frame(1)).await;
        assert!(matches!(answer, Some(Answer::WrongExpected { .. })), "{after}: {answer:?}");
    }
}
