//! The requests that tests make, in one project on one network.

use std::time::Duration;

use windlass_client::{NewSecret, v1};

pub(crate) const PROJECT: &str = "projects/blue";

pub(crate) fn join_token(host: &str, storage: bool, secret_sha256: &str) -> v1::CreateJoinTokenRequest {
    use v1::host::Role;
    let roles = if storage { vec![Role::Storage] } else { vec![Role::Hypervisor, Role::Network] };
    let ends = windlass_orchestrator::clock::system_time() + Duration::from_secs(600);
    let join_token = v1::JoinToken {
        display_name: host.into(),
        roles: roles.into_iter().map(Into::into).collect(),
        zone: "default".into(),
        secret_sha256: secret_sha256.into(),
        expire_time: Some(ends.into()),
        ..Default::default()
    };
    v1::CreateJoinTokenRequest { join_token: Some(join_token), ..Default::default() }
}

pub(crate) fn projects() -> Vec<v1::CreateProjectRequest> {
    let project = v1::Project { display_name: "blue".into(), ..Default::default() };
    vec![v1::CreateProjectRequest { project: Some(project), ..Default::default() }]
}

pub(crate) fn flavor() -> v1::CreateFlavorRequest {
    let flavor = v1::Flavor {
        display_name: "small".into(),
        vcpus: 1,
        ram_mib: 512,
        root_gib: 4,
        ..Default::default()
    };
    v1::CreateFlavorRequest { flavor: Some(flavor), ..Default::default() }
}

/// A flavor of this name: the smallest thing that is committed.
pub(crate) fn flavor_named(name: &str) -> v1::CreateFlavorRequest {
    let mut request = flavor();
    if let Some(flavor) = &mut request.flavor {
        flavor.display_name = name.into();
    }
    request
}

pub(crate) fn image() -> v1::CreateImageRequest {
    let image = v1::Image {
        display_name: "debian".into(),
        sha256: NewSecret::of("debian").sha256,
        size_bytes: 4 << 20,
        format: v1::image::Format::Raw.into(),
        ..Default::default()
    };
    v1::CreateImageRequest { parent: PROJECT.into(), image: Some(image), ..Default::default() }
}

pub(crate) fn network() -> v1::CreateNetworkRequest {
    let network = v1::Network { display_name: "net".into(), ..Default::default() };
    v1::CreateNetworkRequest { parent: PROJECT.into(), network: Some(network), ..Default::default() }
}

pub(crate) fn subnet() -> v1::CreateSubnetRequest {
    let subnet = v1::Subnet {
        display_name: "sub".into(),
        network: format!("{PROJECT}/networks/net"),
        cidr: "10.10.0.0/16".into(),
        ..Default::default()
    };
    v1::CreateSubnetRequest { parent: PROJECT.into(), subnet: Some(subnet), ..Default::default() }
}

pub(crate) fn volume(name: &str) -> v1::CreateVolumeRequest {
    let volume = v1::Volume { display_name: name.into(), size_gib: 2, ..Default::default() };
    v1::CreateVolumeRequest { parent: PROJECT.into(), volume: Some(volume), ..Default::default() }
}

pub(crate) fn delete_volume(name: &str) -> v1::DeleteVolumeRequest {
    v1::DeleteVolumeRequest { name: format!("{PROJECT}/volumes/{name}"), ..Default::default() }
}

pub(crate) fn server(name: &str, host: &str, volumes: &[&str]) -> v1::CreateServerRequest {
    let interface =
        v1::server::Interface { network: format!("{PROJECT}/networks/net"), ..Default::default() };
    let attachment =
        |name: &&str| v1::Attachment { volume: format!("{PROJECT}/volumes/{name}"), ..Default::default() };
    let host = if host.is_empty() { String::new() } else { format!("hosts/{host}") };
    let server = v1::Server {
        display_name: name.into(),
        flavor: "flavors/small".into(),
        image: format!("{PROJECT}/images/debian"),
        interfaces: vec![interface],
        volumes: volumes.iter().map(attachment).collect(),
        placement: Some(v1::server::PlacementHints { host, ..Default::default() }),
        ..Default::default()
    };
    v1::CreateServerRequest { parent: PROJECT.into(), server: Some(server), ..Default::default() }
}

pub(crate) fn get_server(name: &str) -> v1::GetServerRequest {
    v1::GetServerRequest { name: format!("{PROJECT}/servers/{name}"), ..Default::default() }
}

pub(crate) fn delete_server(name: &str) -> v1::DeleteServerRequest {
    v1::DeleteServerRequest { name: format!("{PROJECT}/servers/{name}"), ..Default::default() }
}
