//! A9: what a host should know beside steps is applied, recorded and told; older is ignored, and a restart loses nothing.

use windlass_sagas::cell::views::{HostView, NetworkView};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Down, PlacedView, Up, ViewApplied};

use crate::host::{Host, Setup};
use crate::orchestrator::Cell;
use crate::session::{Session, term};
use crate::steps::*;

/// A view, told apart by its one network's number.
fn view(position: u64, vni: u32) -> PlacedView {
    let network = NetworkView { vni, mtu: 1450, ..NetworkView::default() };
    let networks = [(NetworkId([7; 16]), network)].into();
    PlacedView::new(Position(position), HostView { networks, ..HostView::default() })
}

/// Pushes it; what the agent then says is in force.
async fn push(session: &mut Session, view: &PlacedView) -> ViewApplied {
    session.send(&Down::View { term: session.term, view: Box::new(view.clone()) });
    match session.next().await {
        Some(Up::ViewApplied(applied)) => applied,
        other => unreachable!("expected what is in force, not {other:?}"),
    }
}

#[tokio::test]
async fn a9_the_newest_view_is_in_force_and_told_and_an_older_one_changes_nothing() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    let (first, second) = (view(20, 1), view(30, 2));
    for (pushed, in_force) in [(&first, &first), (&second, &second), (&first, &second), (&second, &second)] {
        let applied = push(&mut session, pushed).await;
        assert_eq!((applied.position, applied.failure), (in_force.position, None));
        assert_eq!(host.world().view(), Some((in_force.position, in_force.content.clone())));
    }
    // A lower term is not heard: what follows is answered, and the world is as it was.
    session.send(&Down::View { term: term(4), view: Box::new(view(40, 3)) });
    assert!(is_done(&session.execute(&port(), 1).await));
    assert_eq!(host.world().view(), Some((second.position, second.content)));
    assert_eq!(host.world().repeated(), 0);
}

#[tokio::test]
async fn a9_a_killed_agent_remembers_the_position_and_takes_the_same_view_again() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let mut host = Host::start(&cell, &[&orchestrator]).await;
    let mut session = orchestrator.led(5).await;
    push(&mut session, &view(30, 2)).await;
    host.kill().await;
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(host.world().view().map(|(position, _)| position), Some(Position(30)), "a kill takes nothing");
    // Older than what is recorded: not applied, and nothing to tell before the right one comes.
    session.send(&Down::View { term: session.term, view: Box::new(view(20, 1)) });
    let applied = push(&mut session, &view(30, 2)).await;
    assert_eq!((applied.position, applied.failure), (Position(30), None));
    assert_eq!(host.world().view().map(|(_, content)| content), Some(view(30, 2).content));
}

/// What is volatile is gone after a power cut, and comes back from the leader alone.
#[tokio::test]
async fn a9_a_power_cut_takes_the_view_and_the_leader_brings_it_back() {
    let cell = Cell::new();
    let mut orchestrator = cell.orchestrator().await;
    let plan = "[[fault]]\nkind = \"power_cut\"\nstep = \"reserve_volume\"\n";
    let setup = Setup { faults: Some(plan), ..Setup::default() };
    let mut host = Host::start_with(&cell, &[&orchestrator], setup).await;
    let mut session = orchestrator.led(5).await;
    push(&mut session, &view(30, 2)).await;
    let call = session.call(&volume(1), windlass_sagas::protocol::Verb::Execute, 1);
    session.send(&Down::Call(Box::new(call)));
    host.ended().await.unwrap();
    host.run();
    let mut session = orchestrator.led(5).await;
    assert_eq!(host.world().view(), None);
    assert_eq!(push(&mut session, &view(30, 2)).await.position, Position(30));
    assert_eq!(host.world().view(), Some((Position(30), view(30, 2).content)));
}
