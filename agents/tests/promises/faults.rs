//! F1: each kind of fault that an agent can be given fires, does what it says, and leaves its line.

use windlass_agents::{Ended, Fall};
use windlass_sagas::protocol::{Answer, CallError, Down, Verb};
use windlass_sagas::record::*;

use crate::host::{Host, Setup};
use crate::orchestrator::{Cell, Orchestrator};
use crate::session::Session;
use crate::steps::*;

async fn start(cell: &Cell, orchestrator: &Orchestrator, plan: &str) -> Host {
    Host::start_with(cell, &[orchestrator], Setup { faults: Some(plan), ..Setup::default() }).await
}

/// The one line of a strike: which fault, its kind, where, at which step and direction.
fn struck(host: &Host, kind: &str, place: &str, direction: &str) {
    let strikes = host.strikes();
    let begins = format!("0 {kind} {place} reserve_volume {direction} storage ");
    assert!(strikes.len() == 1 && strikes[0].starts_with(&begins), "{begins}: {strikes:?}");
}

#[tokio::test]
async fn f1_errors_before_and_after_the_change_are_refusals_that_say_so() {
    for (kind, place, code, there) in [
        ("error_before", "Before", RefusalCode::Injected, false),
        ("error_after", "After", RefusalCode::Injected, true),
        ("disk_full", "Before", RefusalCode::DiskFull, false),
    ] {
        for (direction, verb) in [("forward", Verb::Execute), ("undo", Verb::Undo)] {
            let cell = Cell::new();
            let mut orchestrator = cell.orchestrator().await;
            let plan = format!("[[fault]]\nkind = \"{kind}\"\ndirection = \"{direction}\"\n");
            let host = start(&cell, &orchestrator, &plan).await;
            let mut session = orchestrator.led(5).await;
            if verb == Verb::Undo {
                assert!(is_done(&session.execute(&volume(1), 1).await));
            }
            let answer = session.ask(session.call(&volume(1), verb, 1)).await;
            assert_eq!(refused(&answer), code, "{kind} {direction}");
            struck(&host, kind, place, direction);
            let volume_there = host.world().volume(volume_id(1)).is_some();
            assert_eq!(volume_there, there == (verb == Verb::Execute), "{kind} {direction}");
            // It strikes once: what follows is as ever, and the undo finds whatever is there.
            if verb == Verb::Execute {
                assert!(is_done(&session.execute(&volume(1), 2).await));
            }
            assert_eq!(session.undo(&volume(1), 2).await, Answer::Undone);
            assert!(host.world().is_empty() && host.world().repeated() == 0);
        }
    }
}

/// How an agent goes down, and what its host holds then and after the next agent has finished the step.
struct Down1 {
    kind: &'static str,
    rest: &'static str,
    place: &'static str,
    fall: Fall,
    there: bool,
}

#[tokio::test]
async fn f1_every_way_down_fires_once_and_the_next_agent_finishes_the_step() {
    let cases = [
        Down1 { kind: "crash_before", rest: "", place: "Before", fall: Fall::Crash, there: false },
        Down1 { kind: "crash_between", rest: "", place: "Between", fall: Fall::Crash, there: true },
        Down1 { kind: "crash_after", rest: "", place: "After", fall: Fall::Crash, there: true },
        Down1 { kind: "power_cut", rest: "", place: "Between", fall: Fall::PowerCut, there: false },
        Down1 {
            kind: "power_cut",
            rest: "when = \"after\"\n",
            place: "After",
            fall: Fall::PowerCut,
            there: true,
        },
        Down1 { kind: "host_reboot", rest: "", place: "Between", fall: Fall::Reboot, there: true },
        Down1 {
            kind: "ledger_lost",
            rest: "when = \"after\"\n",
            place: "After",
            fall: Fall::LedgerLost(Role::Storage),
            there: true,
        },
    ];
    for Down1 { kind, rest, place, fall, there } in cases {
        let cell = Cell::new();
        let mut orchestrator = cell.orchestrator().await;
        let plan = format!("[[fault]]\nkind = \"{kind}\"\nstep = \"reserve_volume\"\n{rest}");
        let mut host = start(&cell, &orchestrator, &plan).await;
        let session = orchestrator.led(5).await;
        let (boot, before) = (session.hello.boot, session.incarnation(Role::Storage));
        session.send(&Down::Call(Box::new(session.call(&volume(1), Verb::Execute, 1))));
        assert_eq!(host.ended().await.unwrap(), Ended::Fell(fall), "{kind}");
        struck(&host, kind, place, "forward");
        assert_eq!(host.world().volume(volume_id(1)).is_some(), there, "{kind} {place}");
        session.end().await;

        host.run();
        let mut session = orchestrator.led(5).await;
        let new_boot = matches!(fall, Fall::PowerCut | Fall::Reboot);
        assert_eq!(session.hello.boot != boot, new_boot, "{kind}");
        let lost = matches!(fall, Fall::LedgerLost(_));
        assert_eq!(session.incarnation(Role::Storage) != before, lost, "{kind}");
        // Whatever is found, the step is finished once.
        let found = session.lookup(&volume(1), 1).await;
        assert_eq!(is_done(&found), place == "After", "{kind} {place}: {found:?}");
        assert!(is_done(&session.execute(&volume(1), 2).await), "{kind}");
        assert_eq!(host.strikes().len(), 1, "{kind}: the next process does not repeat it");
        assert_eq!(host.world().repeated(), 0, "{kind}");
        host.stop().await;
    }
}

/// Nothing of what the ledger had not synced is there after a power cut, and nothing is hidden by that.
#[tokio::test]
async fn f1_a_power_cut_takes_what_is_volatile_and_the_undo_still_leaves_nothing() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let plan = "[[fault]]\nkind = \"power_cut\"\nstep = \"boot_vm\"\nwhen = \"after\"\n";
    let mut host = start(&cell, &orchestrator, plan).await;
    let mut session = orchestrator.led(5).await;
    let made = session.execute(&volume(1), 1).await;
    assert!(is_done(&session.execute(&port(), 1).await));
    let guest = guest(1, &made);
    session.send(&Down::Call(Box::new(session.call(&guest, Verb::Execute, 1))));
    assert_eq!(host.ended().await.unwrap(), Ended::Fell(Fall::PowerCut));
    host.run();
    let mut session = orchestrator.led(5).await;
    let world = host.world();
    assert!(
        world.guest(SERVER).is_none() && world.port(PORT).is_none() && world.volume(volume_id(1)).is_some()
    );
    assert_eq!(session.lookup(&guest, 1).await, Answer::Absent);
    // Done is sticky over the loss of what can't last: that is the inventory's affair, which says that it is missing.
    assert!(is_done(&session.lookup(&port(), 1).await));
    assert!(session.inventory(Role::Network).await.items.is_empty());
    for step in [&guest, &port(), &volume(1)] {
        assert_eq!(session.undo(step, 1).await, Answer::Undone);
    }
    assert!(host.world().is_empty());
}

/// The next answer to a call of this verb.
async fn answer_to(session: &mut Session, verb: Verb) -> Answer {
    let reply = session.reply().await;
    assert_eq!(reply.verb, verb);
    reply.answer
}

#[tokio::test]
async fn f1_hang_holds_the_work_until_its_deadline_kills_it() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = start(&cell, &orchestrator, "[[fault]]\nkind = \"hang\"\n").await;
    let mut session = orchestrator.led(5).await;
    let mut call = session.call(&volume(1), Verb::Execute, 1);
    call.remaining_ms = 3_000;
    session.send(&Down::Call(Box::new(call)));
    while host.strikes().is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = answer_to(&mut session, Verb::Execute).await;
    assert_eq!(refused(&answer), RefusalCode::DriverFailed);
    struck(&host, "hang", "Between", "forward");
    assert!(is_done(&session.execute(&volume(1), 2).await));
    assert_eq!(host.world().repeated(), 0);
}

/// The delayed answer is overtaken by a later one's.
#[tokio::test]
async fn f1_delay_lets_a_reply_leave_late() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let plan = "[[fault]]\nkind = \"delay\"\nstep = \"reserve_volume\"\ndelay_ms = 600000\n\
                [[fault]]\nkind = \"delay\"\nstep = \"prepare_port\"\ndelay_ms = 20\n";
    let mut host = start(&cell, &orchestrator, plan).await;
    let mut session = orchestrator.led(5).await;
    session.send(&Down::Call(Box::new(session.call(&volume(1), Verb::Execute, 1))));
    while host.strikes().is_empty() {
        tokio::task::yield_now().await;
    }
    struck(&host, "delay", "Reply", "forward");
    // Ten minutes late at the soonest; a look-up is never delayed and sees that it is done.
    assert!(is_done(&session.lookup(&volume(1), 1).await));
    assert!(is_done(&session.execute(&port(), 1).await), "this one comes late, and comes");
    assert_eq!(host.strikes().len(), 2);
    host.kill().await;
}

#[tokio::test]
async fn f1_duplicate_lets_a_reply_leave_twice() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = start(&cell, &orchestrator, "[[fault]]\nkind = \"duplicate\"\ndelay_ms = 1\n").await;
    let mut session = orchestrator.led(5).await;
    let step = volume(1);
    session.send(&Down::Call(Box::new(session.call(&step, Verb::Execute, 1))));
    let (first, second) = (session.reply().await, session.reply().await);
    assert_eq!(first, second);
    assert!(is_done(&first.answer));
    struck(&host, "duplicate", "Reply", "forward");
    assert_eq!(session.undo(&step, 1).await, Answer::Undone);
    assert_eq!(session.execute(&step, 2).await, Answer::Error(CallError::Tombstoned));
    assert_eq!(host.strikes().len(), 1, "once was planned");
}

/// With chances the same seed strikes the same calls.
#[tokio::test]
async fn f1_a_chance_strikes_the_same_calls_for_the_same_seed() {
    let mut all = Vec::new();
    for _ in 0..2 {
        let cell = Cell::new();
        let mut orchestrator = cell.orchestrator().await;
        let plan = "seed = 7\n[[fault]]\nkind = \"error_before\"\nprobability = 0.5\n";
        let host = start(&cell, &orchestrator, plan).await;
        let mut session = orchestrator.led(5).await;
        let mut struck = Vec::new();
        for n in 1..=16 {
            struck.push(!is_done(&session.execute(&volume(n), 1).await));
        }
        assert_eq!(host.strikes().len(), struck.iter().filter(|it| **it).count());
        all.push(struck);
    }
    assert_eq!(all[0], all[1]);
    assert!(all[0].contains(&true) && all[0].contains(&false));
}
