//! S0, S5, S7, L1: every change is an operation; one can be turned back before its pivot; a stuck one waits for an
//! operator's order; what an operation holds nobody else changes.

use windlass_client::Code;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::saga::State;
use windlass_proto::v1::*;
use windlass_sagas::record::RefusalCode;

use crate::support::agent::Rule;
use crate::support::furniture::{network, server, volume};
use crate::support::stage::{completed, state, stuck_in_undo};
use crate::support::{World, ask, refused, why};

fn cancel(operation: &Operation) -> CancelOperationRequest {
    CancelOperationRequest { name: operation.name.clone(), ..Default::default() }
}

fn saga(operation: &Operation) -> &Saga {
    operation.metadata.as_ref().expect("a saga")
}

async fn get(world: &World, name: &str) -> Operation {
    world.admin().call(GetOperationRequest { name: name.into(), ..Default::default() }).await.expect("there")
}

#[tokio::test]
async fn s0_a_change_that_needs_no_host_is_done_in_its_first_answer() {
    let world = World::furnished().await;
    let operation = ask(&world.admin(), network("n1")).await;
    assert!(operation.done && state(&operation) == State::Completed);
    let saga = saga(&operation);
    assert_eq!((saga.kind.as_str(), saga.steps.len(), saga.waits.len()), ("network.create", 0, 0));
    assert_eq!(saga.start_position, saga.last_position);
    let Some(operation::Result::Response(response)) = &operation.result else { panic!("{operation:?}") };
    let Some(operation_response::Resource::Network(made)) = &response.resource else {
        panic!("{response:?}")
    };
    assert_eq!((made.display_name.as_str(), &made.name), ("n1", &saga.subject));
}

#[tokio::test]
async fn s0_a_server_comes_to_be_with_everything_that_belongs_to_it() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, server("web")).await;
    let ended = completed(&admin, &made).await;
    let Some(operation::Result::Response(response)) = &ended.result else { panic!("{ended:?}") };
    let Some(operation_response::Resource::Server(web)) = &response.resource else { panic!("{response:?}") };
    assert_eq!(web.state(), server::State::Active);
    let interface = &web.interfaces[0];
    assert!(interface.fixed_ips[0].ip_address.starts_with("10.0.0."), "{interface:?}");
    let port = admin.call(GetPortRequest { name: interface.port.clone(), ..Default::default() }).await;
    assert_eq!(port.expect("there").state(), port::State::Active);
    let root = web.root.as_ref().expect("a root").volume.clone();
    let root = admin.call(GetVolumeRequest { name: root, ..Default::default() }).await.expect("there");
    assert_eq!((root.state(), root.size_gib), (volume::State::InUse, 4));
}

#[tokio::test]
async fn s7_a_cancel_before_the_pivot_turns_the_operation_back() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    hosts.hypervisor.script.set("boot_vm", Rule::Hold);
    let made = ask(&admin, server("web")).await;
    world
        .until("it boots", |cell| {
            cell.sagas.values().any(|saga| saga.steps.iter().any(|step| format!("{step:?}").contains("Done")))
        })
        .await;
    assert!(saga(&get(&world, &made.name).await).cancellable);
    let order = ask(&admin, cancel(&made)).await;
    assert!(order.done && saga(&order).subject == made.name, "{order:?}");
    hosts.hypervisor.script.lift("boot_vm");
    let ended = admin.wait(&made).await.expect("it ends");
    assert_eq!(state(&ended), State::RolledBack);
    let Some(operation::Result::Error(error)) = &ended.result else { panic!("{ended:?}") };
    assert_eq!((error.code, error.reason.as_str()), (Code::Aborted as i32, "CANCELLED"));
    assert!(saga(&ended).steps.iter().all(|step| step.undo_state() != step::UndoState::Unspecified));
    let name = "projects/blue/servers/web".into();
    let web = admin.call(GetServerRequest { name, ..Default::default() }).await.expect("kept for reading");
    assert_eq!(web.state(), server::State::Error);
    assert!(!web.fault.expect("why").message.is_empty());
    let quota = GetQuotaRequest { name: "projects/blue/quota".into(), ..Default::default() };
    let used = admin.call(quota).await.expect("there").used.expect("set");
    assert_eq!((used.vcpus, used.gib, used.ports), (Some(0), Some(0), Some(0)), "it holds nothing");
}

#[tokio::test]
async fn s7_a_cancel_after_the_pivot_a_second_one_and_one_of_what_has_ended_are_refused() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, volume("v")).await;
    completed(&admin, &made).await;
    hosts.storage.script.set("release_volume", Rule::Hold);
    let name = "projects/blue/volumes/v".into();
    let deleting = ask(&admin, DeleteVolumeRequest { name, ..Default::default() }).await;
    assert!(!saga(&deleting).cancellable);
    let last = world.last();
    let error = refused(&admin, cancel(&deleting)).await;
    assert_eq!((why(&error).0, error.code), (PastPivot, Code::FailedPrecondition));
    assert_eq!(error.metadata.get("resource"), Some(&deleting.name));
    let error = refused(&admin, cancel(&made)).await;
    assert_eq!(why(&error).0, AlreadyEnded, "{error:?}");
    let retry = RetryOperationRequest { name: deleting.name.clone(), ..Default::default() };
    assert_eq!(why(&refused(&admin, retry).await).0, NotStuck);
    assert_eq!(world.last(), last);
    hosts.storage.script.set("reserve_volume", Rule::Hold);
    hosts.storage.script.set("-reserve_volume", Rule::Hold);
    let slow = ask(&admin, volume("slow")).await;
    ask(&admin, cancel(&slow)).await;
    assert_eq!(why(&refused(&admin, cancel(&slow)).await).0, WrongState);
    hosts.storage.script.lift("release_volume");
    completed(&admin, &deleting).await;
}

#[tokio::test]
async fn s5_an_undo_that_fails_for_good_waits_for_an_operator_who_may_retry_or_skip() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    let stuck = stuck_in_undo(&admin, &hosts.storage.script, "one").await;
    let shown = get(&world, &stuck).await;
    assert!(!shown.done && saga(&shown).stuck_steps == [0], "{shown:?}");
    assert_eq!(saga(&shown).waits[0].what(), saga::wait::For::Operator);
    ask(&admin, RetryOperationRequest { name: stuck.clone(), ..Default::default() }).await;
    let ended = admin.wait(&get(&world, &stuck).await).await.expect("it ends");
    assert_eq!(state(&ended), State::RolledBack);

    let stuck = stuck_in_undo(&admin, &hosts.storage.script, "two").await;
    let (name, reason) = (stuck.clone(), "removed by hand".into());
    ask(&admin, SkipStepRequest { name, step: 0, reason, ..Default::default() }).await;
    let ended = get(&world, &stuck).await;
    assert_eq!(state(&ended), State::RolledBack);
    assert_eq!(saga(&ended).steps[0].skip_reason, "removed by hand");
}

#[tokio::test]
async fn s1_abandoning_frees_nothing_until_an_operator_discards() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    let stuck = stuck_in_undo(&admin, &hosts.storage.script, "v").await;
    let (name, reason) = (stuck.clone(), "its host burnt".to_owned());
    ask(&admin, AbandonOperationRequest { name, reason: reason.clone(), ..Default::default() }).await;
    let ended = get(&world, &stuck).await;
    assert_eq!(state(&ended), State::Abandoned);
    let parent = "projects/blue".to_owned();
    let list = ListQuarantineRequest { parent, ..Default::default() };
    let left = admin.call(list.clone()).await.expect("listed").resources;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].operation.as_str(), left[0].reason.as_str()), (stuck.as_str(), reason.as_str()));
    assert!(left[0].since.is_some() && left[0].hosts.len() == 1);
    let delete = DeleteVolumeRequest { name: left[0].resource.clone(), ..Default::default() };
    assert_eq!(why(&refused(&admin, delete).await).0, ResourceQuarantined);
    let used = |world: &World| {
        let admin = world.admin();
        async move {
            let quota = GetQuotaRequest { name: "projects/blue/quota".into(), ..Default::default() };
            admin.call(quota).await.expect("there").used.expect("set").gib
        }
    };
    assert_eq!(used(&world).await, Some(1));
    let (name, reason) = (left[0].resource.clone(), "it is gone".into());
    ask(&admin, DiscardResourceRequest { name, reason, ..Default::default() }).await;
    assert!(admin.call(list).await.expect("listed").resources.is_empty());
    assert_eq!(used(&world).await, Some(0));
}

#[tokio::test]
async fn l1_a_busy_resource_is_refused_at_once_and_names_its_holder() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    hosts.storage.script.set("reserve_volume", Rule::Hold);
    let holder = ask(&admin, volume("v")).await;
    let last = world.last();
    let name = "projects/blue/volumes/v".to_owned();
    let error = refused(&admin, DeleteVolumeRequest { name, ..Default::default() }).await;
    assert_eq!((why(&error).0, error.code), (ResourceBusy, Code::Aborted));
    assert_eq!(error.metadata.get("holder"), Some(&holder.name));
    assert_eq!(error.metadata.get("resource"), Some(&saga(&holder).subject));
    assert_eq!(world.last(), last);
    assert_eq!(saga(&holder).holds, [saga(&holder).subject.clone()]);
}

#[tokio::test]
async fn s2_a_refusal_of_an_agent_is_told_with_its_code() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    hosts.storage.script.set("reserve_volume", Rule::Refuse(RefusalCode::BadImage));
    let made = ask(&admin, volume("v")).await;
    let ended = admin.wait(&made).await.expect("it ends");
    assert_eq!(state(&ended), State::RolledBack);
    let Some(operation::Result::Error(error)) = &ended.result else { panic!("{ended:?}") };
    assert_eq!((error.reason.as_str(), error.step, error.code), ("BAD_IMAGE", Some(0), 9));
    assert!(error.message.contains("as the script says") && !error.hint.is_empty(), "{error:?}");
}
