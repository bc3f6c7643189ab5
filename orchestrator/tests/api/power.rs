//! Servers that are stopped, started, rebooted, and read from.

use tonic::Code;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;
use windlass_sagas::record::{RefusalCode, Role};

use crate::support::agent::Rule;
use crate::support::console::CONSOLE;
use crate::support::furniture::*;
use crate::support::stage::{completed, state};
use crate::support::{World, ask, refused, why};

const WEB: &str = "projects/blue/servers/web";

async fn shown(world: &World) -> server::State {
    let request = GetServerRequest { name: WEB.into(), ..Default::default() };
    world.admin().call(request).await.expect("it exists").state()
}

#[tokio::test]
async fn a_server_is_stopped_started_and_rebooted() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;

    hosts.hypervisor.script.set("stop_vm", Rule::Hold);
    let stopping = ask(&admin, StopServerRequest { name: WEB.into(), ..Default::default() }).await;
    assert_eq!(shown(&world).await, server::State::Active);
    let busy = refused(&admin, RebootServerRequest { name: WEB.into(), ..Default::default() }).await;
    assert_eq!((busy.code, why(&busy).0), (Code::Aborted, ResourceBusy));
    hosts.hypervisor.script.lift("stop_vm");
    let stopped = completed(&admin, &stopping).await;
    assert_eq!(stopped.metadata.expect("a saga").kind, "server.stop");
    assert_eq!(shown(&world).await, server::State::Shutoff);

    let wrong = refused(&admin, StopServerRequest { name: WEB.into(), ..Default::default() }).await;
    assert_eq!(why(&wrong).0, WrongState);
    assert!(wrong.message.contains("is SHUTOFF, not ACTIVE"), "{}", wrong.message);

    hosts.hypervisor.script.set("boot_vm", Rule::Refuse(RefusalCode::DriverFailed));
    let failing = ask(&admin, StartServerRequest { name: WEB.into(), ..Default::default() }).await;
    let failed = admin.wait(&failing).await.expect("it ends");
    assert_eq!((state(&failed), shown(&world).await), (saga::State::RolledBack, server::State::Shutoff));
    hosts.hypervisor.script.forget("boot_vm");
    let starting = ask(&admin, StartServerRequest { name: WEB.into(), ..Default::default() }).await;
    completed(&admin, &starting).await;
    assert_eq!(shown(&world).await, server::State::Active);

    hosts.hypervisor.script.set("boot_vm", Rule::Hold);
    let request = RebootServerRequest { name: WEB.into(), grace_s: Some(0), ..Default::default() };
    let rebooting = ask(&admin, request).await;
    assert_eq!(shown(&world).await, server::State::Reboot);
    let cancel = CancelOperationRequest { name: rebooting.name.clone(), ..Default::default() };
    assert_eq!(why(&refused(&admin, cancel).await).0, PastPivot);
    hosts.hypervisor.script.lift("boot_vm");
    completed(&admin, &rebooting).await;
    assert_eq!(shown(&world).await, server::State::Active);
}

#[tokio::test]
async fn a_console_is_its_last_bytes_and_says_whether_there_are_more() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let whole = u32::try_from(CONSOLE.len()).expect("short");
    let cases =
        [(0, CONSOLE, false), (whole, CONSOLE, false), (7, &b"login: "[..], true), (262_144, CONSOLE, false)];
    for (bytes_max, text, truncated) in cases {
        let request = GetServerConsoleRequest { name: WEB.into(), bytes_max, ..Default::default() };
        let console = admin.call(request).await.expect("a console");
        assert_eq!((&console.text[..], console.truncated), (text, truncated), "{bytes_max}");
        assert!(console.position > 2);
    }
    let request = GetServerConsoleRequest { name: WEB.into(), ..Default::default() };
    let reader = world.principal("ann", &[(role_grant::Role::Reader, "projects/blue")]).await;
    reader.call(request.clone()).await.expect("a reader may read it");
    let stranger = world.principal("eve", &[]).await;
    assert_eq!(refused(&stranger, request.clone()).await.code, Code::PermissionDenied);
    let stop = StopServerRequest { name: WEB.into(), grace_s: Some(0), ..Default::default() };
    let stopping = ask(&admin, stop).await;
    completed(&admin, &stopping).await;
    let none = refused(&admin, request).await;
    assert_eq!((none.code, why(&none).0), (Code::FailedPrecondition, WrongState));
}

#[tokio::test]
async fn a_host_without_a_stream_is_unreachable() {
    let world = World::furnished().await;
    let _hypervisor = world.host("deaf-1", &[Role::Hypervisor, Role::Network], 10).await;
    let _storage = world.host("s0", &[Role::Storage], 20).await;
    let admin = world.admin();
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let request = GetServerConsoleRequest { name: WEB.into(), ..Default::default() };
    let error = refused(&admin, request).await;
    assert_eq!((error.code, why(&error).0), (Code::Unavailable, HostUnreachable));
}
