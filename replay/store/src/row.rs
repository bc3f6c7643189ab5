//! The rows of an image: one an entity, by kind and id, each the postcard body of the fold's own type.
//!
//! What follows exactly from other rows is left out (names in use, whose a secret is, a network's addresses, lost servers) and made again
//! by `assemble`; so a row is small, and a commit touches few. The layout belongs to `IMAGE_FORMAT` and is no promise.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{Network, Rest, Saga, Settings};
use windlass_sagas::ids::*;
use windlass_sagas::record::{Mac, ResourceRef};

/// Where a row stands: the kind's number and the id.
pub(crate) type RowKey = (u8, u128);

/// The one row of what belongs to no entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CellRow {
    pub(crate) id: CellId,
    pub(crate) name: String,
    pub(crate) level: u16,
    pub(crate) position: Position,
    pub(crate) time: Time,
    pub(crate) term: Term,
    pub(crate) leader_build: String,
    pub(crate) settings: Settings,
    pub(crate) next_vni: u32,
    /// The number of the first request that is remembered.
    pub(crate) requests_from: u64,
}

/// A network without what its ports and subnets say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkRow {
    pub(crate) id: NetworkId,
    pub(crate) project: ProjectId,
    pub(crate) name: String,
    pub(crate) vni: u32,
    pub(crate) mtu: u16,
    pub(crate) resting: BTreeMap<IpAddr, Rest>,
    pub(crate) resting_macs: BTreeMap<Mac, Rest>,
    pub(crate) created: Time,
}

/// A saga, and which of its steps hold the low water of their ledgers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SagaRow {
    pub(crate) saga: Saga,
    pub(crate) open: Vec<StepIndex>,
}

impl CellRow {
    /// Names every field of the cell, so that a new one can't be left out of images unseen.
    pub(crate) fn of(cell: &Cell) -> Self {
        let Cell {
            id,
            name,
            level,
            position,
            time,
            term,
            leader_build,
            settings,
            projects: _,
            principals: _,
            credentials: _,
            credentials_by_secret: _,
            join_tokens: _,
            hosts: _,
            flavors: _,
            images: _,
            key_pairs: _,
            networks: _,
            subnets: _,
            security_groups: _,
            ports: _,
            volumes: _,
            servers: _,
            sagas: _,
            requests,
            names: _,
            open_dispatches: _,
            building: _,
            lost_servers: _,
            ports_on: _,
            ports_in: _,
            groups_naming: _,
            faults: _,
            next_vni,
        } = cell;
        Self {
            id: *id,
            name: name.clone(),
            level: *level,
            position: *position,
            time: *time,
            term: *term,
            leader_build: leader_build.clone(),
            settings: settings.clone(),
            next_vni: *next_vni,
            requests_from: requests.numbers().start,
        }
    }
}

impl NetworkRow {
    fn of(network: &Network) -> Self {
        let Network {
            id,
            project,
            name,
            vni,
            mtu,
            subnets: _,
            addresses: _,
            macs: _,
            hosts: _,
            resting,
            resting_macs,
            created,
        } = network;
        Self {
            id: *id,
            project: *project,
            name: name.clone(),
            vni: *vni,
            mtu: *mtu,
            resting: resting.clone(),
            resting_macs: resting_macs.clone(),
            created: *created,
        }
    }
}

/// The key of a resource's row, in images and in the index.
pub(crate) const fn key(resource: ResourceRef) -> RowKey {
    let (kind, id) = match resource {
        ResourceRef::Server(id) => (1, id.0),
        ResourceRef::Volume(id) => (2, id.0),
        ResourceRef::Port(id) => (3, id.0),
        ResourceRef::Network(id) => (4, id.0),
        ResourceRef::Subnet(id) => (5, id.0),
        ResourceRef::SecurityGroup(id) => (6, id.0),
        ResourceRef::Flavor(id) => (7, id.0),
        ResourceRef::Image(id) => (8, id.0),
        ResourceRef::KeyPair(id) => (9, id.0),
        ResourceRef::Project(id) => (10, id.0),
        ResourceRef::Host(id) => (11, id.0),
        ResourceRef::Saga(id) => (12, id.0),
        ResourceRef::Credential(id) => (13, id.0),
        ResourceRef::Principal(id) => (14, id.0),
        ResourceRef::JoinToken(id) => (15, id.0),
        ResourceRef::Fault(id) => (16, id.0),
    };
    (kind, u128::from_be_bytes(id))
}

/// The resource whose row stands at `key`; `None` for a kind that this build does not know.
pub(crate) const fn resource(key: RowKey) -> Option<ResourceRef> {
    let id = key.1.to_be_bytes();
    Some(match key.0 {
        1 => ResourceRef::Server(ServerId(id)),
        2 => ResourceRef::Volume(VolumeId(id)),
        3 => ResourceRef::Port(PortId(id)),
        4 => ResourceRef::Network(NetworkId(id)),
        5 => ResourceRef::Subnet(SubnetId(id)),
        6 => ResourceRef::SecurityGroup(SecurityGroupId(id)),
        7 => ResourceRef::Flavor(FlavorId(id)),
        8 => ResourceRef::Image(ImageId(id)),
        9 => ResourceRef::KeyPair(KeyPairId(id)),
        10 => ResourceRef::Project(ProjectId(id)),
        11 => ResourceRef::Host(HostId(id)),
        12 => ResourceRef::Saga(SagaId(id)),
        13 => ResourceRef::Credential(CredentialId(id)),
        14 => ResourceRef::Principal(PrincipalId(id)),
        15 => ResourceRef::JoinToken(JoinTokenId(id)),
        16 => ResourceRef::Fault(FaultId(id)),
        _ => return None,
    })
}

/// Everything that has a row.
pub(crate) fn resources(cell: &Cell) -> impl Iterator<Item = ResourceRef> + '_ {
    let cloud = cell.servers.keys().map(|id| ResourceRef::Server(*id));
    let cloud = cloud.chain(cell.volumes.keys().map(|id| ResourceRef::Volume(*id)));
    let cloud = cloud.chain(cell.ports.keys().map(|id| ResourceRef::Port(*id)));
    let cloud = cloud.chain(cell.networks.keys().map(|id| ResourceRef::Network(*id)));
    let cloud = cloud.chain(cell.subnets.keys().map(|id| ResourceRef::Subnet(*id)));
    let cloud = cloud.chain(cell.security_groups.keys().map(|id| ResourceRef::SecurityGroup(*id)));
    let cloud = cloud.chain(cell.flavors.keys().map(|id| ResourceRef::Flavor(*id)));
    let cloud = cloud.chain(cell.images.keys().map(|id| ResourceRef::Image(*id)));
    let cloud = cloud.chain(cell.key_pairs.keys().map(|id| ResourceRef::KeyPair(*id)));
    let rest = cell.projects.keys().map(|id| ResourceRef::Project(*id));
    let rest = rest.chain(cell.hosts.keys().map(|id| ResourceRef::Host(*id)));
    let rest = rest.chain(cell.sagas.keys().map(|id| ResourceRef::Saga(*id)));
    let rest = rest.chain(cell.credentials.keys().map(|id| ResourceRef::Credential(*id)));
    let rest = rest.chain(cell.principals.keys().map(|id| ResourceRef::Principal(*id)));
    let rest = rest.chain(cell.join_tokens.keys().map(|id| ResourceRef::JoinToken(*id)));
    cloud.chain(rest.chain(cell.faults.keys().map(|id| ResourceRef::Fault(*id))))
}

/// The row of a resource as the fold has it now; `None` where it does not exist.
pub(crate) fn encode(cell: &Cell, resource: ResourceRef) -> Option<Vec<u8>> {
    match resource {
        ResourceRef::Server(id) => cell.servers.get(&id).map(bytes),
        ResourceRef::Volume(id) => cell.volumes.get(&id).map(bytes),
        ResourceRef::Port(id) => cell.ports.get(&id).map(bytes),
        ResourceRef::Network(id) => cell.networks.get(&id).map(|network| bytes(&NetworkRow::of(network))),
        ResourceRef::Subnet(id) => cell.subnets.get(&id).map(bytes),
        ResourceRef::SecurityGroup(id) => cell.security_groups.get(&id).map(bytes),
        ResourceRef::Flavor(id) => cell.flavors.get(&id).map(bytes),
        ResourceRef::Image(id) => cell.images.get(&id).map(bytes),
        ResourceRef::KeyPair(id) => cell.key_pairs.get(&id).map(bytes),
        ResourceRef::Project(id) => cell.projects.get(&id).map(bytes),
        ResourceRef::Host(id) => cell.hosts.get(&id).map(bytes),
        ResourceRef::Saga(id) => cell.sagas.get(&id).map(|saga| bytes(&(saga, open_steps(cell, saga)))),
        ResourceRef::Credential(id) => cell.credentials.get(&id).map(bytes),
        ResourceRef::Principal(id) => cell.principals.get(&id).map(bytes),
        ResourceRef::JoinToken(id) => cell.join_tokens.get(&id).map(bytes),
        ResourceRef::Fault(id) => cell.faults.get(&id).map(bytes),
    }
}

/// The steps that the low water of their ledgers waits for.
fn open_steps(cell: &Cell, saga: &Saga) -> Vec<StepIndex> {
    let open = |index: &StepIndex| {
        let Some((step, dispatched)) = saga.step(*index).zip(saga.at(*index).dispatched()) else {
            return false;
        };
        let ledger = cell.open_dispatches.get(&step.ledger);
        ledger.is_some_and(|open| open.contains(&(dispatched, saga.id, *index)))
    };
    saga.indexes().filter(open).collect()
}

/// The postcard body of a row.
pub(crate) fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("rows are plain data of known lengths, into memory")
}
