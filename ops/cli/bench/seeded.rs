//! What the benchmark's cell holds before its first saga, made through the public API: a project that may hold anything,
//! and a network a hypervisor, so that a saga changes what one host should know and not what all of them should.

use std::sync::Arc;

use windlass_client::{Client, NewSecret, v1};

use super::limits::IN_FLIGHT_UNMEASURED;
use crate::seed::done;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The project.
pub(super) const PROJECT: &str = "bench";
const FLAVOR: &str = "small";
const IMAGE: &str = "debian";
/// A security group whose rules name no group: the project's default one would show every port to every host.
const GROUP: &str = "plain";
/// More than is ever used.
const PLENTY: u64 = 1 << 40;

/// Makes all of it.
pub(super) async fn seed(client: &Client, hypervisors: &[String]) -> anyhow::Result<()> {
    let plenty = Some(PLENTY);
    let quota = v1::Amounts {
        servers: plenty,
        vcpus: plenty,
        ram_mib: plenty,
        volumes: plenty,
        gib: plenty,
        networks: plenty,
        ports: plenty,
    };
    let project = v1::Project { display_name: PROJECT.into(), quota: Some(quota), ..Default::default() };
    done(client, v1::CreateProjectRequest { project: Some(project), ..Default::default() }).await?;
    let display_name = FLAVOR.into();
    let flavor = v1::Flavor { display_name, vcpus: 1, ram_mib: 64, root_gib: 1, ..Default::default() };
    done(client, v1::CreateFlavorRequest { flavor: Some(flavor), ..Default::default() }).await?;
    let image = v1::Image {
        display_name: IMAGE.into(),
        sha256: NewSecret::of(IMAGE).sha256,
        size_bytes: 1 << 20,
        format: v1::image::Format::Raw.into(),
        visibility: v1::image::Visibility::Public.into(),
        ..Default::default()
    };
    let request = v1::CreateImageRequest { parent: parent(), image: Some(image), ..Default::default() };
    done(client, request).await?;
    let security_group = Some(v1::SecurityGroup { display_name: GROUP.into(), ..Default::default() });
    let request = v1::CreateSecurityGroupRequest { parent: parent(), security_group, ..Default::default() };
    done(client, request).await?;
    let (mut making, room) = (JoinSet::new(), Arc::new(Semaphore::new(IN_FLIGHT_UNMEASURED)));
    for host in hypervisors {
        let (client, host, room) = (client.clone(), host.clone(), Arc::clone(&room));
        making.spawn(async move {
            let _room = room.acquire().await?;
            network(&client, &host).await
        });
    }
    while let Some(made) = making.join_next().await {
        made??;
    }
    Ok(())
}

/// A network of the host's name, with room for many ports.
async fn network(client: &Client, host: &str) -> anyhow::Result<()> {
    let network = Some(v1::Network { display_name: host.into(), ..Default::default() });
    let request = v1::CreateNetworkRequest { parent: parent(), network, ..Default::default() };
    done(client, request).await?;
    let subnet = v1::Subnet {
        display_name: host.into(),
        network: format!("{}/networks/{host}", parent()),
        cidr: "10.0.0.0/8".into(),
        ..Default::default()
    };
    let request = v1::CreateSubnetRequest { parent: parent(), subnet: Some(subnet), ..Default::default() };
    done(client, request).await?;
    Ok(())
}

/// `projects/{project}`.
pub(super) fn parent() -> String {
    format!("projects/{PROJECT}")
}

/// A server's resource name.
pub(super) fn server_name(name: &str) -> String {
    format!("projects/{PROJECT}/servers/{name}")
}

/// A request for a server with two interfaces on the host's network: five steps.
pub(super) fn server(name: &str, host: &str) -> v1::CreateServerRequest {
    let interface = v1::server::Interface {
        network: format!("projects/{PROJECT}/networks/{host}"),
        security_groups: vec![format!("projects/{PROJECT}/securityGroups/{GROUP}")],
        ..Default::default()
    };
    let placement = v1::server::PlacementHints { host: format!("hosts/{host}"), ..Default::default() };
    let server = v1::Server {
        display_name: name.into(),
        flavor: format!("flavors/{FLAVOR}"),
        image: format!("projects/{PROJECT}/images/{IMAGE}"),
        interfaces: vec![interface.clone(), interface],
        placement: Some(placement),
        ..Default::default()
    };
    v1::CreateServerRequest { parent: parent(), server: Some(server), ..Default::default() }
}
