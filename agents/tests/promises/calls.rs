//! A1 to A3: what a call carries, what the ledger answers, and what closes a key.

use windlass_agent_wire::encode_down;
use windlass_proto::agent::v1::orchestrator_message::Kind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Answer, Call, CallError, Down, Verb};
use windlass_sagas::record::*;

use crate::host::{Host, Setup};
use crate::orchestrator::Cell;
use crate::session::term;
use crate::steps::*;

/// A step of a newer leader, and one of a role that this agent is not to serve: both stand still, and nothing else does.
#[tokio::test]
async fn a_call_that_the_agent_cannot_do_is_answered_and_the_stream_goes_on() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let call = session.call(&volume(1), Verb::Execute, 1);
    let mut message = encode_down(&Down::Call(Box::new(call.clone())));
    let Some(Kind::Execute(execute)) = &mut message.kind else { unreachable!("an Execute") };
    execute.call.as_mut().expect("a call").input = None;
    session.send_raw(message);
    let unsupported = call.answered(Answer::Error(CallError::Unsupported));
    assert_eq!(session.reply().await, unsupported);
    assert!(is_done(&session.execute(&volume(1), 1).await), "the same stream");

    host.stop().await;
    host.config.roles = [Role::Hypervisor, Role::Network].into();
    host.run();
    let mut session = orchestrator.led(6).await;
    session.send(&Down::Call(Box::new(Call { term: term(6), ..call })));
    assert_eq!(session.reply().await, unsupported);
    assert_eq!(session.inventory(Role::Network).await.items, []);
}

#[tokio::test]
async fn a1_every_field_of_a_call_counts() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let step = volume(1);
    assert!(is_done(&session.execute(&step, 1).await));
    let good = session.call(&step, Verb::Execute, 1);

    let mut wrong = good.clone();
    wrong.term = term(4);
    assert_eq!(session.ask(wrong).await, Answer::Error(CallError::Fenced(term(5))));
    let mut wrong = good.clone();
    wrong.incarnation = Incarnation([99; 16]);
    let own = session.incarnation(Role::Storage);
    assert_eq!(session.ask(wrong).await, Answer::Error(CallError::WrongIncarnation(own)));
    let mut wrong = good.clone();
    wrong.ledger.host = HostId([99; 16]);
    assert_eq!(session.ask(wrong).await, Answer::Error(CallError::WrongIncarnation(own)));
    let mut wrong = good.clone();
    wrong.dispatched = Position(good.dispatched.0 + 1);
    assert_eq!(session.ask(wrong).await, Answer::Error(CallError::KeyConflict));
    let mut wrong = good.clone();
    wrong.body = session.call(&volume(2), Verb::Execute, 1).body;
    assert_eq!(session.ask(wrong).await, Answer::Error(CallError::KeyConflict));
    // No time is left: nothing begins, and the key stays as it was.
    let mut late = session.call(&volume(2), Verb::Execute, 1);
    late.remaining_ms = 0;
    assert_eq!(session.ask(late).await, Answer::Error(CallError::Busy));
    assert_eq!(session.lookup(&volume(2), 1).await, Answer::Absent);
    // Attempts may grow, and the answer speaks of the attempt that it is to.
    session.send(&Down::Call(Box::new(session.call(&step, Verb::Execute, 7))));
    let reply = session.reply().await;
    assert_eq!((reply.attempt, reply.incarnation, reply.ledger.role), (Attempt(7), own, Role::Storage));
    assert!(is_done(&reply.answer));
    assert_eq!((host.world().repeated(), host.world().volume(volume_id(2))), (0, None));
}

/// The world is taken away under a killed agent: what it answers then can only be its own record, and it was synced.
#[tokio::test]
async fn a1_an_answer_comes_from_the_ledger_which_was_synced_before_the_reply() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let done = session.execute(&volume(1), 1).await;
    assert!(is_done(&done));
    assert_eq!(session.undo(&volume(2), 1).await, Answer::Undone);
    host.kill().await;
    std::fs::remove_file(host.state.join("world").join("world.bin")).unwrap();
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.execute(&volume(1), 2).await, done);
    assert_eq!(session.lookup(&volume(1), 2).await, done);
    assert_eq!(session.execute(&volume(2), 1).await, Answer::Error(CallError::Tombstoned));
    assert!(host.world().is_empty(), "nothing was made again");
}

#[tokio::test]
async fn a2_execute_of_a_done_key_answers_done_without_a_change() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let done = session.execute(&volume(1), 1).await;
    let changes = host.world().changes();
    for attempt in [1, 2, 9] {
        assert_eq!(session.execute(&volume(1), attempt).await, done);
        assert_eq!(session.lookup(&volume(1), attempt).await, done);
    }
    assert_eq!(host.world().changes(), changes);
}

#[tokio::test]
async fn a2_after_refused_only_a_higher_attempt_executes() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let faults = Some("[[fault]]\nkind = \"disk_full\"\n");
    let host = Host::start_with(&cell, &[&orchestrator], Setup { faults, ..Setup::default() }).await;
    let mut session = orchestrator.led(5).await;
    for _ in 0..2 {
        assert_eq!(refused(&session.execute(&volume(1), 1).await), RefusalCode::DiskFull);
    }
    assert_eq!(refused(&session.lookup(&volume(1), 1).await), RefusalCode::DiskFull);
    assert_eq!(session.lookup(&volume(1), 2).await, Answer::Absent, "an older refusal is none");
    assert_eq!(host.world().changes(), 0);
    assert!(is_done(&session.execute(&volume(1), 2).await));
    assert_eq!(host.strikes().len(), 1);
}

#[tokio::test]
async fn a2_the_same_key_while_it_runs_is_attached_and_made_once() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let latencies = &["reserve_volume=100"][..];
    let host = Host::start_with(&cell, &[&orchestrator], Setup { latencies, ..Setup::default() }).await;
    let mut session = orchestrator.led(5).await;
    let step = volume(1);
    for attempt in 1..=3 {
        session.send(&Down::Call(Box::new(session.call(&step, Verb::Execute, attempt))));
    }
    // Told while it runs, or else it is over: both orders are right, and only these.
    session.send(&Down::Call(Box::new(session.call(&step, Verb::Lookup, 3))));
    let mut done = Vec::new();
    for _ in 0..4 {
        let reply = session.reply().await;
        match (reply.verb, reply.answer) {
            (Verb::Execute, Answer::Done(_)) => done.push(reply.attempt.0),
            (Verb::Lookup, Answer::Running | Answer::Done(_)) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3]);
    assert_eq!(host.world().repeated(), 0);
    assert!(host.world().tallies().all(|(_, tally)| tally.made == 1));
}

/// What exists under the key is found, although no ledger knows it.
#[tokio::test]
async fn a2_the_driver_looks_before_it_makes() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let done = orchestrator.led(5).await.execute(&volume(1), 1).await;
    host.stop().await;
    std::fs::remove_dir_all(host.ledger("storage")).unwrap();
    host.run();
    let changes = host.world().changes();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.lookup(&volume(1), 1).await, done);
    assert_eq!(session.execute(&volume(1), 1).await, done);
    assert_eq!(host.world().changes(), changes);
}

#[tokio::test]
async fn a3_undo_of_a_key_that_was_never_executed_leaves_a_tombstone_over_kill_and_restart() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.undo(&volume(1), 1).await, Answer::Undone);
    assert_eq!(session.execute(&volume(1), 1).await, Answer::Error(CallError::Tombstoned));
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.execute(&volume(1), 2).await, Answer::Error(CallError::Tombstoned));
    host.stop().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.execute(&volume(1), 3).await, Answer::Error(CallError::Tombstoned));
    assert_eq!(session.undo(&volume(1), 2).await, Answer::Undone);
    assert_eq!(host.world().changes(), 0);
}

#[tokio::test]
async fn a3_execute_after_undo_is_tombstoned_over_kill_and_restart() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    assert!(is_done(&session.execute(&volume(1), 1).await));
    assert_eq!(session.undo(&volume(1), 1).await, Answer::Undone);
    assert_eq!(session.execute(&volume(1), 2).await, Answer::Error(CallError::Tombstoned));
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.execute(&volume(1), 3).await, Answer::Error(CallError::Tombstoned));
    assert_eq!(session.lookup(&volume(1), 3).await, Answer::Undone);
    assert_eq!((host.world().is_empty(), host.world().repeated()), (true, 0));
}

#[tokio::test]
async fn a3_a_key_with_another_body_is_a_conflict_over_kill_and_restart() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let other = crate::session::Step { input: volume(2).input, ..volume(1) };
    let mut session = orchestrator.led(5).await;
    assert!(is_done(&session.execute(&volume(1), 1).await));
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    for verb in [Verb::Execute, Verb::Undo, Verb::Lookup] {
        let call = session.call(&other, verb, 2);
        assert_eq!(session.ask(call).await, Answer::Error(CallError::KeyConflict), "{verb:?}");
    }
    assert!(host.world().volume(volume_id(1)).is_some() && host.world().volume(volume_id(2)).is_none());
}

#[tokio::test]
async fn a3_undo_of_a_running_key_waits_for_it() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let latencies = &["reserve_volume=50"][..];
    let host = Host::start_with(&cell, &[&orchestrator], Setup { latencies, ..Setup::default() }).await;
    let mut session = orchestrator.led(5).await;
    let step = volume(1);
    session.send(&Down::Call(Box::new(session.call(&step, Verb::Execute, 1))));
    session.send(&Down::Call(Box::new(session.call(&step, Verb::Undo, 1))));
    let (first, second) = (session.reply().await, session.reply().await);
    assert!(first.verb == Verb::Execute && is_done(&first.answer), "{first:?}");
    assert_eq!((second.verb, second.answer), (Verb::Undo, Answer::Undone));
    assert!(host.world().is_empty());
}

#[tokio::test]
async fn a3_a_delete_closes_the_key_that_made_the_thing() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    assert!(is_done(&session.execute(&volume(1), 1).await));
    assert!(is_done(&session.execute(&volume_deleted(1), 1).await));
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.execute(&volume(1), 2).await, Answer::Error(CallError::Tombstoned));
    assert!(host.world().is_empty());
}

#[tokio::test]
async fn a3_calls_below_the_low_water_are_refused_by_that_name_over_a_restart() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let (old, new) = (volume(1), volume(2));
    assert!(is_done(&session.execute(&old, 1).await));
    assert!(is_done(&session.execute(&new, 1).await));
    let ledger = LedgerId { host: crate::authority::HOST, role: Role::Storage };
    let (incarnation, term) = (session.incarnation(Role::Storage), session.term);
    session.send(&Down::LowWater { ledger, incarnation, term, position: new.dispatched });
    let below = Answer::Error(CallError::BelowLowWater(new.dispatched));
    assert_eq!(session.execute(&old, 2).await, below);
    host.stop().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(session.undo(&old, 1).await, below);
    assert!(is_done(&session.lookup(&new, 1).await));
}
