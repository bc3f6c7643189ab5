//! What only a newer peer knows: it is passed over where that is safe, and a call is answered; no stream ends of it.

use prost::Message as _;
use windlass_agent_wire::{Collector, ConsoleTold, decode_down, decode_up, encode_down, encode_up, refused};
use windlass_proto::agent::v1;
use windlass_proto::agent::v1::{agent_message, orchestrator_message};
use windlass_sagas::protocol::*;
use windlass_sagas::record::*;

use crate::samples::*;

/// What an orchestrator hears.
fn heard(message: &v1::AgentMessage) -> Option<Up> {
    decode_up(HOST, &mut Collector::default(), message).expect("it is understood")
}

/// The message of an agent that answers this.
fn told(answer: Answer) -> v1::AgentMessage {
    let mut replies = ups().into_iter();
    let reply = replies.find_map(|up| if let Up::Reply(reply) = up { Some(reply) } else { None });
    encode_up(CELL, "", &Up::Reply(Reply { answer, ..reply.expect("a sample") })).remove(0)
}

#[test]
fn a_message_of_an_unknown_kind_says_nothing() {
    // Field 100, of a message's bytes: a kind that this build does not have.
    let unknown: &[u8] = &[0xa2, 0x06, 0x02, 0x08, 0x01];
    let down = v1::OrchestratorMessage::decode(unknown).expect("protobuf passes over it");
    assert_eq!(decode_down(HOST, &down), Ok(None));
    let up = v1::AgentMessage::decode(unknown).expect("protobuf passes over it");
    assert_eq!(heard(&up), None);
}

#[test]
fn an_unknown_refusal_is_told_by_its_message() {
    let refusal = Refusal { code: RefusalCode::NoRoom, retryable: true, message: "why".into() };
    let mut told = told(Answer::Refused(refusal.clone()));
    let code = |message: &mut v1::AgentMessage, code| match &mut message.kind {
        Some(agent_message::Kind::Outcome(outcome)) => match &mut outcome.kind {
            Some(v1::outcome::Kind::Refused(refused)) => refused.code = code,
            other => unreachable!("a refusal: {other:?}"),
        },
        other => unreachable!("an outcome: {other:?}"),
    };
    code(&mut told, 1_000);
    let heard = heard(&told);
    let Some(Up::Reply(Reply { answer: Answer::Refused(heard), .. })) = heard else {
        unreachable!("{heard:?}")
    };
    assert_eq!(heard, Refusal { code: RefusalCode::DriverFailed, ..refusal });
    code(&mut told, 0);
    let error = decode_up(HOST, &mut Collector::default(), &told).expect_err("no code at all");
    assert_eq!(error.field, "refused.code");
}

#[test]
fn an_unknown_outcome_or_call_error_is_as_good_as_lost() {
    let mut outcome = told(Answer::Running);
    let Some(agent_message::Kind::Outcome(m)) = &mut outcome.kind else { unreachable!("{outcome:?}") };
    m.kind = None;
    assert_eq!(heard(&outcome), None);
    let mut error = told(Answer::Error(CallError::Busy));
    let Some(agent_message::Kind::CallError(m)) = &mut error.kind else { unreachable!("{error:?}") };
    m.kind = 1_000;
    assert_eq!(heard(&error), None);
}

/// Whatever an inventory does not show is taken for lost: one that is not understood whole must say nothing.
#[test]
fn an_inventory_with_an_unknown_thing_says_nothing() {
    let mut pages = encode_up(CELL, "", &Up::Inventory(inventory(501)));
    let good = pages.clone();
    let Some(agent_message::Kind::Inventory(page)) = &mut pages[0].kind else { unreachable!("{pages:?}") };
    page.items[1].detail = None;
    let mut collector = Collector::default();
    let mut heard = |page| decode_up(HOST, &mut collector, page).expect("it is understood");
    assert_eq!((heard(&pages[0]), heard(&pages[1])), (None, None));
    assert_eq!((heard(&good[0]), heard(&good[1])), (None, Some(Up::Inventory(inventory(501)))));
}

#[test]
fn an_unknown_role_is_nobodys_affair() {
    const NEW: i32 = 1_000;
    let mut message = encode_up(CELL, "", &ups().remove(0)).remove(0);
    let Some(agent_message::Kind::Hello(m)) = &mut message.kind else { unreachable!("{message:?}") };
    m.ledgers.push(v1::LedgerHello { role: NEW, incarnation: vec![1; 16].into() });
    assert_eq!(heard(&message), Some(ups().remove(0)));
    let mut message = told(Answer::Running);
    let Some(agent_message::Kind::Outcome(m)) = &mut message.kind else { unreachable!("{message:?}") };
    m.call.as_mut().expect("a call").role = NEW;
    assert_eq!(heard(&message), None);
    let mut message = encode_up(CELL, "", &Up::Inventory(inventory(1))).remove(0);
    let Some(agent_message::Kind::Inventory(m)) = &mut message.kind else { unreachable!("{message:?}") };
    m.role = NEW;
    assert_eq!(heard(&message), None);
    for down in downs() {
        let mut message = encode_down(&down);
        match &mut message.kind {
            Some(orchestrator_message::Kind::LowWater(m)) => m.role = NEW,
            Some(orchestrator_message::Kind::TakeInventory(m)) => m.role = NEW,
            Some(_) | None => continue,
        }
        assert_eq!(decode_down(HOST, &message), Ok(None));
    }
}

#[test]
fn unknown_faults_do_not_strike() {
    let with_faults = |down: &Down| matches!(down, Down::Faults { faults, .. } if faults.len() == 2);
    let known = downs().into_iter().find(with_faults).expect("a sample");
    let Down::Faults { term, mut faults } = known.clone() else { unreachable!("{known:?}") };
    let changes: [fn(&mut v1::LeasedFault); 6] = [
        |m| m.kind = 1_000,
        |m| m.point = 1_000,
        |m| m.when = None,
        |m| m.role = 1_000,
        |m| m.direction = 1_000,
        |m| m.version_min = 2,
    ];
    faults.remove(0);
    for change in changes {
        let mut message = encode_down(&known);
        let Some(orchestrator_message::Kind::Faults(m)) = &mut message.kind else {
            unreachable!("{message:?}")
        };
        change(&mut m.faults[0]);
        assert_eq!(decode_down(HOST, &message), Ok(Some(Down::Faults { term, faults: faults.clone() })));
    }
}

#[test]
fn an_unknown_rule_allows_nothing() {
    let view = |down: &Down| matches!(down, Down::View { .. });
    let known = encode_down(&downs().into_iter().find(view).expect("a sample"));
    let rules = |message: &v1::OrchestratorMessage| match decode_down(HOST, message) {
        Ok(Some(Down::View { view, .. })) => {
            view.content.ports.into_values().flat_map(|port| port.rules).collect()
        }
        other => unreachable!("{other:?}"),
    };
    let all: Vec<SecurityRule> = rules(&known);
    // Who is at the other end is said by a field of tomorrow: nobody must take that for everybody.
    let changes: [fn(&mut v1::SecurityRule); 4] =
        [|m| m.remote = None, |m| m.protocol = 132, |m| m.direction = 1_000, |m| m.version_min = 2];
    for change in changes {
        for at in 0..all.len() {
            let mut message = known.clone();
            let Some(orchestrator_message::Kind::View(m)) = &mut message.kind else {
                unreachable!("{message:?}")
            };
            change(&mut m.content.as_mut().expect("a view").ports[0].rules[at]);
            let mut rest = all.clone();
            rest.remove(at);
            assert_eq!(rules(&message), rest);
        }
    }
}

/// The call of a message.
fn call_of(message: &mut v1::OrchestratorMessage) -> &mut v1::Call {
    let call = match message.kind.as_mut().expect("a call") {
        orchestrator_message::Kind::Execute(m) => m.call.as_mut(),
        orchestrator_message::Kind::Undo(m) => m.call.as_mut(),
        orchestrator_message::Kind::Lookup(m) => m.call.as_mut(),
        other => unreachable!("{other:?}"),
    };
    call.expect("a call")
}

#[test]
fn a_call_that_cannot_be_read_is_answered() {
    type Change = (fn(&mut v1::Call), &'static str);
    let changes: [Change; 3] = [
        (|call| call.input = Some(v1::StepInput { kind: None }), "input"),
        (|call| call.version_min = 2, "version_min"),
        (|call| call.project = vec![1; 3].into(), "project"),
    ];
    for (verb, direction) in [
        (Verb::Execute, Direction::Forward),
        (Verb::Undo, Direction::Undo),
        (Verb::Lookup, Direction::Forward),
    ] {
        for (change, field) in changes {
            let known = call(inputs().remove(0), verb, direction);
            let mut message = encode_down(&known);
            change(call_of(&mut message));
            let error = decode_down(HOST, &message).expect_err("nothing that this build knows");
            let answer = refused(&message, error).expect("it says which call it is");
            let Down::Call(known) = known else { unreachable!("{known:?}") };
            let expected = known.answered(Answer::Error(CallError::Unsupported));
            assert_eq!(heard(&answer), Some(Up::Reply(expected)));
            let Some(agent_message::Kind::CallError(m)) = &answer.kind else { unreachable!("{answer:?}") };
            assert!(m.message.contains(field), "{}", m.message);
        }
    }
    let mut message = encode_down(&call(inputs().remove(0), Verb::Execute, Direction::Forward));
    call_of(&mut message).role = 1_000;
    let error = decode_down(HOST, &message).expect_err("a role of tomorrow");
    let answer = refused(&message, error).expect("it says which call it is");
    let Some(agent_message::Kind::CallError(m)) = answer.kind else { unreachable!("{answer:?}") };
    assert_eq!(m.call.expect("the call").role, 1_000, "as it was asked");
    call_of(&mut message).key = None;
    let error = decode_down(HOST, &message).expect_err("no key");
    assert_eq!(refused(&message, error), None, "there is nobody to answer");
}

#[test]
fn a_view_that_cannot_be_read_is_answered_by_its_failure() {
    let view = |down: &Down| matches!(down, Down::View { .. });
    let mut message = encode_down(&downs().into_iter().find(view).expect("a sample"));
    let Some(orchestrator_message::Kind::View(m)) = &mut message.kind else { unreachable!("{message:?}") };
    m.content.as_mut().expect("a view").ports[0].mac = vec![1; 8].into();
    let error = decode_down(HOST, &message).expect_err("an address of tomorrow");
    let answer = refused(&message, error).expect("an answer");
    let Some(Up::ViewApplied(applied)) = heard(&answer) else { unreachable!("{answer:?}") };
    assert!(applied.failure.expect("it failed").contains("ports.mac"));
}

#[test]
fn an_unknown_answer_about_a_console_is_a_refusal() {
    let message = v1::Console { id: 7, result: None };
    let told = ConsoleTold::decode(&v1::AgentMessage { kind: Some(agent_message::Kind::Console(message)) });
    let told = told.expect("it is understood").expect("of a console");
    assert_eq!((told.id, told.result.expect_err("unreadable").code), (7, RefusalCode::DriverFailed));
}
