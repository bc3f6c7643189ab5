//! F1 through the API: a fault is armed, repeated, shown with what is left of its lease, found in the history, disarmed.

use windlass_proto::v1::ErrorReason::NotFound;
use windlass_proto::v1::planned_fault::{Kind, State};
use windlass_proto::v1::*;

use crate::support::stage::fault;
use crate::support::{World, ask, refused, request_id, why};

async fn listed(client: &windlass_client::Client, filter: &str) -> Vec<PlannedFault> {
    let request = ListFaultsRequest { filter: filter.into(), ..Default::default() };
    client.call(request).await.expect("a page").faults
}

#[tokio::test]
async fn f1_an_armed_fault_is_shown_as_it_was_asked_for_with_who_and_how_long() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let mut asked = fault(Kind::CrashBetween);
    let wanted = asked.fault.as_mut().expect("set");
    (wanted.step, wanted.nth_call, wanted.times, wanted.after_changes) = ("attach".into(), 3, 2, 4);
    (wanted.direction, wanted.role) = (event::Direction::Undo.into(), host::Role::Storage.into());
    let operation = ask(&admin, asked.clone()).await;
    assert!(operation.done);
    let shown = match operation.result {
        Some(operation::Result::Response(OperationResponse {
            resource: Some(operation_response::Resource::Fault(fault)),
        })) => fault,
        other => panic!("{other:?}"),
    };
    let wanted = asked.fault.expect("set");
    assert_eq!((shown.kind(), shown.state(), shown.strikes), (Kind::CrashBetween, State::Armed, 0));
    assert_eq!((&shown.step, shown.nth_call, shown.times), (&wanted.step, 3, 2));
    assert_eq!(
        (shown.direction(), shown.role(), shown.after_changes),
        (wanted.direction(), wanted.role(), 4)
    );
    assert!(shown.host.starts_with("hosts/") && shown.armed_by.starts_with("principals/"));
    assert!(shown.remaining_ms > 0 && shown.remaining_ms <= shown.lease_ms, "{shown:?}");
    assert_eq!((shown.lease_ms, shown.reason.as_str()), (3_600_000, "a drill"));
    let again = admin.call(GetFaultRequest { name: shown.name.clone(), ..Default::default() }).await;
    assert_eq!(again.expect("it is there").name, shown.name);
    assert_eq!(listed(&admin, "kind=CRASH_BETWEEN AND state=ARMED").await.len(), 1);
    assert!(listed(&admin, "kind=HANG").await.is_empty());
    let events = admin.call(ListEventsRequest { parent: operation.name.clone(), ..Default::default() }).await;
    let armed = events.expect("events").events.into_iter().find(|it| it.kind == "fault.armed");
    let armed = armed.expect("the history has it");
    assert_eq!((armed.resource, armed.details["reason"].as_str()), (shown.name, "a drill"));
    assert!(armed.cause.is_some_and(|cause| cause.principal.starts_with("principals/")));
}

#[tokio::test]
async fn f1_a_repeat_arms_nothing_twice_and_all_are_disarmed_at_once() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let once = ArmFaultRequest { request_id: request_id(0, 1), ..fault(Kind::Hang) };
    let (first, second) = (ask(&admin, once.clone()).await, ask(&admin, once).await);
    assert_eq!(first.name, second.name);
    ask(&admin, fault(Kind::Duplicate)).await;
    assert_eq!(listed(&admin, "").await.len(), 2);
    let previewed = ask(&admin, ArmFaultRequest { validate_only: true, ..fault(Kind::Delay) }).await;
    assert!(
        matches!(previewed.result, Some(operation::Result::Preview(preview)) if preview.kind == "fault.arm")
    );
    let all = || DisarmFaultRequest { name: "faults/-".into(), ..Default::default() };
    ask(&admin, all()).await;
    assert!(listed(&admin, "").await.is_empty());
    assert_eq!(why(&refused(&admin, all()).await), (NotFound, "name"));
}
