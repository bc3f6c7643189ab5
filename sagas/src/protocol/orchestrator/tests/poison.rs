//! Decisions that panic (O5): nothing comes of them, and everything else goes on.

use super::*;
use crate::cell::{Cell, Decline};
use crate::record::{Body, Event};

/// Decides as the core does, but for a project of that name.
fn decide(cell: &Cell, fact: &Fact, now: Time) -> Result<Result<Vec<Event>, Decline>, Panicked> {
    match fact {
        Fact::Request(request) if matches!(&request.body, Body::CreateProject(it) if it.name == "poison") => {
            Err(Panicked("index out of bounds".to_string()))
        }
        Fact::Request(_) | Fact::Report(_) => Ok(cell::decide(cell, fact, now)),
    }
}

#[test]
fn o5_a_request_whose_decision_panics_is_refused_and_the_others_go_on() {
    let mut node = Node::leader(1);
    node.machine = node.machine.clone().deciding_by(decide);
    node.create(5, "a");
    let first = node.sent().expect("at once");
    node.create(6, "poison");
    assert!(node.wants(|output| matches!(output,
        Output::Alarm(Alarm::Poisonous { saga: None, what, .. }) if what == "index out of bounds")));
    node.create(7, "b");
    node.acknowledge(&first);
    let second = node.sent().expect("what was decided behind it");
    node.acknowledge(&second);
    let replies = node.replies();
    assert!(replies.contains(&(6, Err(Refused::Poisonous))), "{replies:?}");
    assert!(replies.iter().any(|(token, reply)| *token == 7 && accepted(4)(reply)), "{replies:?}");
    assert_eq!(node.machine.durable_position(), Position(4), "nothing came of it");
}
