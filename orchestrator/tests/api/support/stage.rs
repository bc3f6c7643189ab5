//! A cell in which every method has something to work on: things in use and free, an operation that runs, one that is
//! stuck, two in quarantine, a gone host.

use std::sync::Arc;

use windlass_client::Client;
use windlass_proto::v1::*;
use windlass_sagas::record::{RefusalCode, Role};

use super::agent::{Agent, Rule, Script};
use super::furniture::*;
use super::{World, ask};

/// The cell and the names that are made by it.
pub(crate) struct Stage {
    pub(crate) world: World,
    /// An operation that runs and can be turned back.
    pub(crate) running: String,
    /// One that is stuck in its undo.
    pub(crate) stuck: String,
    /// A fault that is armed.
    pub(crate) fault: String,
    /// What the storage host was told.
    pub(crate) storage: Arc<Script>,
    _hosts: Vec<Agent>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let (world, hosts) = World::with_hosts().await;
        let admin = world.admin();
        spares(&world, &admin).await;
        let gone = world.host("g0", &[Role::Storage], 30).await;
        let (name, reason) = ("hosts/g0".into(), "a test".into());
        ask(&admin, DeclareHostGoneRequest { name, reason, ..Default::default() }).await;
        used(&admin).await;
        let storage = Arc::clone(&hosts.storage.script);
        left_in_quarantine(&admin, &storage).await;
        let stuck = stuck_in_undo(&admin, &storage, "wedged").await;
        // From here on no new volume comes to be.
        storage.set("reserve_volume", Rule::Hold);
        let running = ask(&admin, volume("slow")).await.name;
        let fault = armed(&admin).await;
        Self { world, running, stuck, fault, storage, _hosts: vec![hosts.hypervisor, hosts.storage, gone] }
    }
}

/// Things that nothing uses.
async fn spares(world: &World, admin: &Client) {
    ask(admin, project("spare")).await;
    ask(admin, network("spare")).await;
    ask(admin, network("other")).await;
    ask(admin, subnet("spare", "projects/blue/networks/other", "10.9.0.0/24")).await;
    ask(admin, flavor("spare", 512)).await;
    ask(admin, image("spare")).await;
    bytes(admin, "bytes").await;
    let mut kernel = image("kernel");
    kernel.image.as_mut().expect("set").format = image::Format::Raw.into();
    ask(admin, kernel).await;
    ask(admin, port("spare")).await;
    ask(admin, key_pair("spare")).await;
    ask(admin, security_group("spare")).await;
    ask(admin, join_token("h9")).await;
    drop(world.principal("ben", &[(role_grant::Role::Reader, "projects/blue")]).await);
}

/// A private image whose bytes are uploaded.
pub(crate) async fn bytes(admin: &Client, name: &str) -> Image {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), [7; 4096]).expect("written");
    let raw = image::Format::Raw;
    let uploaded = admin.upload_image("projects/blue", raw, file.path(), |_, _| ()).await.expect("taken");
    let mut request = image(name);
    let image = request.image.as_mut().expect("set");
    (image.sha256, image.size_bytes) = (uploaded.sha256, uploaded.size_bytes);
    (image.format, image.visibility) = (raw.into(), image::Visibility::Private.into());
    let made = ask(admin, request).await;
    match made.result {
        Some(operation::Result::Response(OperationResponse {
            resource: Some(operation_response::Resource::Image(image)),
        })) => image,
        other => panic!("{other:?}"),
    }
}

/// A fault that never strikes here: the agents are the test's own.
async fn armed(admin: &Client) -> String {
    match ask(admin, fault(planned_fault::Kind::Delay)).await.result {
        Some(operation::Result::Response(OperationResponse {
            resource: Some(operation_response::Resource::Fault(fault)),
        })) => fault.name,
        other => panic!("{other:?}"),
    }
}

/// Things that are used: a server with a volume, a volume that waits for one, and a server that is SHUTOFF.
async fn used(admin: &Client) {
    let mut web = server("web");
    let root = server::Root { size_gib: 5, keep: false, volume: String::new() };
    web.server.as_mut().expect("set").root = Some(root);
    let made = ask(admin, web).await;
    completed(admin, &made).await;
    let off = ask(admin, server("off")).await;
    completed(admin, &off).await;
    let (name, grace_s) = ("projects/blue/servers/off".into(), Some(0));
    let off = ask(admin, StopServerRequest { name, grace_s, ..Default::default() }).await;
    completed(admin, &off).await;
    for name in ["free", "used", "left", "lost"] {
        let made = ask(admin, volume(name)).await;
        completed(admin, &made).await;
    }
    let attach = AttachVolumeRequest {
        name: "projects/blue/volumes/used".into(),
        server: "projects/blue/servers/web".into(),
        ..Default::default()
    };
    let attached = ask(admin, attach).await;
    completed(admin, &attached).await;
}

/// The operation, once it is completed.
pub(crate) async fn completed(client: &Client, operation: &Operation) -> Operation {
    let ended = client.wait(operation).await.expect("it ends");
    assert_eq!(state(&ended), saga::State::Completed, "{ended:?}");
    ended
}

pub(crate) fn state(operation: &Operation) -> saga::State {
    operation.metadata.as_ref().map_or(saga::State::Unspecified, Saga::state)
}

/// An operation that can't undo what it may have made.
pub(crate) async fn stuck_in_undo(admin: &Client, storage: &Script, name: &str) -> String {
    storage.set("reserve_volume", Rule::Hold);
    storage.set("-reserve_volume", Rule::Refuse(RefusalCode::DriverFailed));
    let made = ask(admin, volume(name)).await;
    let cancel = CancelOperationRequest { name: made.name.clone(), ..Default::default() };
    ask(admin, cancel).await;
    let stuck = admin.wait(&made).await.expect("it stops");
    assert_eq!(state(&stuck), saga::State::Stuck, "{stuck:?}");
    storage.lift("-reserve_volume");
    storage.lift("reserve_volume");
    made.name
}

/// Volumes `left` and `lost`, that their deletions could not delete and were abandoned.
async fn left_in_quarantine(admin: &Client, storage: &Script) {
    storage.set("release_volume", Rule::Refuse(RefusalCode::DriverFailed));
    for name in ["left", "lost"] {
        let name = format!("projects/blue/volumes/{name}");
        let deleting = ask(admin, DeleteVolumeRequest { name, ..Default::default() }).await;
        let stuck = admin.wait(&deleting).await.expect("it stops");
        assert_eq!(state(&stuck), saga::State::Stuck, "{stuck:?}");
        let (name, reason) = (deleting.name, "a test".into());
        ask(admin, AbandonOperationRequest { name, reason, ..Default::default() }).await;
    }
    storage.lift("release_volume");
}

pub(crate) fn key_pair(name: &str) -> CreateKeyPairRequest {
    let public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJnPgY6qV8aZ ann".into();
    let key_pair = KeyPair { display_name: name.into(), public_key, ..Default::default() };
    CreateKeyPairRequest { parent: "projects/blue".into(), key_pair: Some(key_pair), ..Default::default() }
}

pub(crate) fn security_group(name: &str) -> CreateSecurityGroupRequest {
    let rule = SecurityRule {
        direction: security_rule::Direction::Ingress.into(),
        protocol: security_rule::Protocol::Tcp.into(),
        port_min: 22,
        port_max: 22,
        remote: Some(security_rule::Remote::RemoteCidr("10.0.0.0/8".into())),
    };
    let group = SecurityGroup { display_name: name.into(), rules: vec![rule], ..Default::default() };
    let parent = "projects/blue".into();
    CreateSecurityGroupRequest { parent, security_group: Some(group), ..Default::default() }
}

pub(crate) fn fault(kind: planned_fault::Kind) -> ArmFaultRequest {
    let (host, reason) = ("hosts/s0".into(), "a drill".into());
    let fault = PlannedFault { kind: kind.into(), host, reason, lease_ms: 3_600_000, ..Default::default() };
    ArmFaultRequest { fault: Some(fault), ..Default::default() }
}

pub(crate) fn join_token(host: &str) -> CreateJoinTokenRequest {
    let seconds = windlass_orchestrator::clock::now().0 / 1_000_000 + 600;
    let join_token = JoinToken {
        display_name: host.into(),
        roles: vec![host::Role::Storage.into()],
        zone: "a".into(),
        secret_sha256: "07".repeat(32),
        expire_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    };
    CreateJoinTokenRequest { join_token: Some(join_token), ..Default::default() }
}
