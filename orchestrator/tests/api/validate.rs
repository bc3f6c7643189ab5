//! R5: `validate_only` makes the same decision and records nothing.

use windlass_client::Client;
use windlass_proto::v1::planned_change::Action;
use windlass_proto::v1::*;

use crate::support::furniture::*;
use crate::support::stage::completed;
use crate::support::{World, ask};

fn preview(operation: Operation) -> Preview {
    assert!(operation.name.is_empty() && operation.metadata.is_none() && operation.done, "{operation:?}");
    match operation.result {
        Some(operation::Result::Preview(preview)) => preview,
        other => panic!("no preview but {other:?}"),
    }
}

async fn only(client: &Client, mut request: CreateServerRequest) -> Preview {
    request.validate_only = true;
    preview(ask(client, request).await)
}

#[tokio::test]
async fn r5_a_preview_shows_hosts_steps_with_their_undo_and_the_quota_and_appends_nothing() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    let last = world.last();
    let shown = only(&admin, server("web")).await;
    assert_eq!(world.last(), last, "nothing is appended");
    assert_eq!(shown.kind, "server.create");
    let (hypervisor, storage) =
        (format!("hosts/{}", hosts.hypervisor.host), format!("hosts/{}", hosts.storage.host));
    let steps: Vec<(&str, &str)> =
        shown.steps.iter().map(|step| (step.kind.as_str(), step.host.as_str())).collect();
    let expected = [
        ("reserve_volume", storage.as_str()),
        ("prepare_port", hypervisor.as_str()),
        ("boot_vm", hypervisor.as_str()),
        ("confirm", hypervisor.as_str()),
    ];
    assert_eq!(steps, expected);
    assert!(shown.steps.iter().all(|step| !step.forward.is_empty() && !step.undo.is_empty()));
    let pivots: Vec<u32> = shown.steps.iter().filter(|step| step.pivot).map(|step| step.index).collect();
    assert_eq!(pivots, [3]);
    assert_eq!(shown.steps[2].depends_on, [0, 1]);
    let placed: Vec<_> = shown.placements.iter().map(|it| (it.what.as_str(), it.host.as_str())).collect();
    assert_eq!(placed, [("server", hypervisor.as_str()), ("volume root", storage.as_str())]);
    assert_eq!((shown.placements[0].hosts, shown.placements[0].candidates.len()), (2, 1));
    assert!(shown.placements[0].filters.iter().any(|it| it.name == "role" && it.removed == 1));
    let quota = shown.quota.expect("a project's quota is touched");
    let (before, after) = (quota.before.expect("set"), quota.after.expect("set"));
    assert_eq!((before.servers, after.servers), (Some(0), Some(1)));
    assert_eq!((after.vcpus, after.ram_mib, after.gib), (Some(2), Some(1024), Some(4)));
    let made: Vec<&str> = shown
        .changes
        .iter()
        .filter(|change| change.action() == Action::Create)
        .map(|change| change.kind.as_str())
        .collect();
    assert_eq!(made, ["port", "volume", "server"]);
}

#[tokio::test]
async fn r5_what_was_previewed_is_what_is_done() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let shown = only(&admin, server("web")).await;
    let made = ask(&admin, server("web")).await;
    let saga = made.metadata.as_ref().expect("a saga");
    let shown_steps: Vec<_> = shown.steps.iter().map(|it| (&it.kind, &it.host, &it.undo)).collect();
    let done_steps: Vec<_> = saga.steps.iter().map(|it| (&it.kind, &it.host, &it.undo)).collect();
    assert_eq!(shown_steps, done_steps);
    completed(&admin, &made).await;
    let quota = GetQuotaRequest { name: "projects/blue/quota".into(), ..Default::default() };
    let used = admin.call(quota).await.expect("there").used;
    assert_eq!(used, shown.quota.expect("touched").after);
}

#[tokio::test]
async fn r5_a_preview_of_a_deletion_gives_back() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, volume("v")).await;
    completed(&admin, &made).await;
    let last = world.last();
    let name = "projects/blue/volumes/v".into();
    let shown =
        preview(ask(&admin, DeleteVolumeRequest { name, validate_only: true, ..Default::default() }).await);
    assert_eq!(shown.kind, "volume.delete");
    let deleted = shown.changes.iter().find(|change| change.action() == Action::Delete).expect("one");
    assert_eq!(deleted.resource, made.metadata.expect("a saga").subject);
    let name = "projects/blue/networks/net".to_owned();
    let error = admin.call(DeleteNetworkRequest { name, validate_only: true, ..Default::default() }).await;
    assert_eq!(error.expect_err("in use").reason, Some(ErrorReason::ResourceInUse));
    assert_eq!(world.last(), last);
}
