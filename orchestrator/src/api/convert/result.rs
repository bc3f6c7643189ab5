//! What a completed operation made or changed, as the fold has it now; nothing for what was deleted since.

use windlass_proto::v1::operation_response::Resource;
use windlass_sagas::record::{ResourceRef, SagaKind};

use crate::api::view::View;

pub(in crate::api) fn result(view: &View<'_>, kind: SagaKind, subject: ResourceRef) -> Option<Resource> {
    let cell = view.cell;
    match subject {
        ResourceRef::Server(id) => cell.servers.get(&id).map(|it| Resource::Server(view.server(it))),
        ResourceRef::Volume(id) => cell.volumes.get(&id).map(|it| Resource::Volume(view.volume(it))),
        ResourceRef::Port(id) => cell.ports.get(&id).map(|it| Resource::Port(view.port(it))),
        ResourceRef::Network(id) => cell.networks.get(&id).map(|it| Resource::Network(view.network(it))),
        ResourceRef::Subnet(id) => cell.subnets.get(&id).map(|it| Resource::Subnet(view.subnet(it))),
        ResourceRef::SecurityGroup(id) => {
            let group = cell.security_groups.get(&id);
            group.map(|it| Resource::SecurityGroup(view.security_group(it)))
        }
        ResourceRef::Flavor(id) => cell.flavors.get(&id).map(|it| Resource::Flavor(view.flavor(it))),
        ResourceRef::Image(id) => cell.images.get(&id).map(|it| Resource::Image(view.image(it))),
        ResourceRef::KeyPair(id) => cell.key_pairs.get(&id).map(|it| Resource::KeyPair(view.key_pair(it))),
        ResourceRef::Project(id) => {
            let project = cell.projects.get(&id)?;
            Some(if kind == SagaKind::QuotaSet {
                Resource::Quota(view.quota(project))
            } else {
                Resource::Project(view.project(project))
            })
        }
        ResourceRef::Host(id) => cell.hosts.get(&id).map(|it| Resource::Host(view.host(it))),
        ResourceRef::Credential(id) => {
            cell.credentials.get(&id).map(|it| Resource::ApiToken(view.api_token(it)))
        }
        ResourceRef::Principal(id) => {
            cell.principals.get(&id).map(|it| Resource::Principal(view.principal(it)))
        }
        ResourceRef::JoinToken(id) => {
            cell.join_tokens.get(&id).map(|it| Resource::JoinToken(view.join_token(it)))
        }
        ResourceRef::Fault(id) => cell.faults.get(&id).map(|it| Resource::Fault(view.planned_fault(it))),
        ResourceRef::Saga(_) => None,
    }
}
