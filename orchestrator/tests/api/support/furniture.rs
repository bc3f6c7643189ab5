//! What most tests need in a cell, made through the API itself: a project with a network, a flavor, an image, tokens.

use windlass_client::{Client, NewSecret};
use windlass_proto::v1::*;
use windlass_sagas::record::Role;

use super::agent::Agent;
use super::{World, ask};

/// The hosts of a furnished cell.
pub(crate) struct Hosts {
    pub(crate) hypervisor: Agent,
    pub(crate) storage: Agent,
}

impl World {
    /// A cell with project `blue` (network `net`, subnet `sub`), flavor `small`, the public image `debian`.
    pub(crate) async fn furnished() -> Self {
        let world = Self::start().await;
        furnish(&world.admin()).await;
        world
    }

    /// The same with a hypervisor `h0` and a storage host `s0`.
    pub(crate) async fn with_hosts() -> (Self, Hosts) {
        let world = Self::furnished().await;
        let hypervisor = world.host("h0", &[Role::Hypervisor, Role::Network], 10).await;
        let storage = world.host("s0", &[Role::Storage], 20).await;
        (world, Hosts { hypervisor, storage })
    }

    /// The client of a new principal with these roles, each with its scope.
    pub(crate) async fn principal(&self, name: &str, roles: &[(role_grant::Role, &str)]) -> Client {
        let admin = self.admin();
        let principal = Principal { display_name: name.into(), ..Default::default() };
        let request = CreatePrincipalRequest { principal: Some(principal), ..Default::default() };
        ask(&admin, request).await;
        for (role, scope) in roles {
            let grant = RoleGrant { role: (*role).into(), scope: (*scope).into() };
            let name = format!("principals/{name}");
            ask(&admin, GrantRoleRequest { name, grant: Some(grant), ..Default::default() }).await;
        }
        let text = format!("wlt_{name}");
        let api_token = ApiToken {
            display_name: "test".into(),
            secret_sha256: NewSecret::of(text.as_str()).sha256,
            ..Default::default()
        };
        let parent = format!("principals/{name}");
        let request = CreateApiTokenRequest { parent, api_token: Some(api_token), ..Default::default() };
        ask(&admin, request).await;
        self.client(Some(&text))
    }
}

async fn furnish(admin: &Client) {
    ask(admin, project("blue")).await;
    ask(admin, network("net")).await;
    ask(admin, subnet("sub", "projects/blue/networks/net", "10.0.0.0/24")).await;
    ask(admin, flavor("small", 1024)).await;
    ask(admin, image("debian")).await;
}

pub(crate) fn project(name: &str) -> CreateProjectRequest {
    let project = Project { display_name: name.into(), ..Default::default() };
    CreateProjectRequest { project: Some(project), ..Default::default() }
}

pub(crate) fn network(name: &str) -> CreateNetworkRequest {
    let network = Network { display_name: name.into(), ..Default::default() };
    CreateNetworkRequest { parent: "projects/blue".into(), network: Some(network), ..Default::default() }
}

pub(crate) fn subnet(name: &str, network: &str, cidr: &str) -> CreateSubnetRequest {
    let subnet = Subnet {
        display_name: name.into(),
        network: network.into(),
        cidr: cidr.into(),
        ..Default::default()
    };
    CreateSubnetRequest { parent: "projects/blue".into(), subnet: Some(subnet), ..Default::default() }
}

pub(crate) fn flavor(name: &str, ram_mib: u64) -> CreateFlavorRequest {
    let flavor = Flavor { display_name: name.into(), vcpus: 2, ram_mib, root_gib: 4, ..Default::default() };
    CreateFlavorRequest { flavor: Some(flavor), ..Default::default() }
}

pub(crate) fn image(name: &str) -> CreateImageRequest {
    let image = Image {
        display_name: name.into(),
        sha256: "03".repeat(32),
        size_bytes: 1 << 20,
        format: image::Format::Qcow2.into(),
        min_disk_gib: 1,
        min_ram_mib: 64,
        visibility: image::Visibility::Public.into(),
        evidence: image::Evidence::Runs.into(),
        ..Default::default()
    };
    CreateImageRequest { parent: "projects/blue".into(), image: Some(image), ..Default::default() }
}

pub(crate) fn volume(name: &str) -> CreateVolumeRequest {
    let volume = Volume { display_name: name.into(), size_gib: 1, ..Default::default() };
    CreateVolumeRequest { parent: "projects/blue".into(), volume: Some(volume), ..Default::default() }
}

pub(crate) fn port(name: &str) -> CreatePortRequest {
    let network = "projects/blue/networks/net".into();
    let port = Port { display_name: name.into(), network, ..Default::default() };
    CreatePortRequest { parent: "projects/blue".into(), port: Some(port), ..Default::default() }
}

pub(crate) fn server(name: &str) -> CreateServerRequest {
    let interface = server::Interface { network: "projects/blue/networks/net".into(), ..Default::default() };
    let server = Server {
        display_name: name.into(),
        flavor: "flavors/small".into(),
        image: "projects/blue/images/debian".into(),
        interfaces: vec![interface],
        ..Default::default()
    };
    CreateServerRequest { parent: "projects/blue".into(), server: Some(server), ..Default::default() }
}
