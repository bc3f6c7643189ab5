//! An image as parts, and from parts back to a cell: what rows leave out is made again from what they say.

use serde::de::DeserializeOwned;
use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{Network, ServerState, named};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Frame, LedgerId, ResourceRef, Tip, Visibility};

use crate::database::{Head, decode};
use crate::error::StoreError;
use crate::requests::{Chunks, chunk_bytes};
use crate::row::{CellRow, NetworkRow, RowKey, SagaRow, bytes, encode, key, resource, resources};

/// The part that says what the image is of; it comes first.
pub(crate) const HEAD_PART: RowKey = (0xfe, 0);
/// The part of what belongs to no entity; it comes second.
pub(crate) const CELL: RowKey = (0, 0);
/// The kind of a part that is a chunk of remembered requests, under its number.
pub(crate) const REQUESTS_PART: u8 = 0xff;

/// A fold image: acknowledged state at the end of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The fold.
    pub cell: Cell,
    /// The last valid commit: what the next one must chain to.
    pub tip: Tip,
    /// The frame that holds it.
    pub cursor: Cursor,
}

impl Image {
    /// Whether `frame`, the bytes at the image's own cursor, holds the commit that the image ends in: the proof that
    /// the image is of this journal. Where it does not, the store is to be reset.
    #[must_use]
    pub fn stands_on(&self, frame: &[u8]) -> bool {
        Frame::decode(frame).is_ok_and(|frame| frame.commits.iter().any(|it| it.hash() == self.tip.hash))
    }
}

/// An image of which some parts are there.
#[derive(Default)]
pub(crate) struct Assembly(Option<(Head, Option<(Cell, Chunks)>)>);

impl Assembly {
    /// Takes one more part.
    pub(crate) fn take(&mut self, key: RowKey, bytes: &[u8]) -> Result<(), StoreError> {
        match (&mut self.0, key) {
            (none @ None, HEAD_PART) => *none = Some((decode(bytes)?, None)),
            (Some((_, none @ None)), CELL) => *none = Some(begin(decode(bytes)?)),
            (Some((_, Some((_, requests)))), (REQUESTS_PART, number)) => requests.take(number, bytes)?,
            (Some((_, Some((cell, _)))), row) => put(cell, row, bytes).map_err(StoreError::Row)?,
            (None | Some(_), _) => return Err(StoreError::Row("its parts are out of order")),
        }
        Ok(())
    }

    /// The image, once all parts are there.
    pub(crate) fn finish(self) -> Result<Image, StoreError> {
        let Some((head, Some((mut cell, requests)))) = self.0 else {
            return Err(StoreError::Row("its cell is missing"));
        };
        let Head { position, hash, time, term, cursor, sum: _ } = head;
        if (cell.position, cell.time, cell.term) != (position, time, term) {
            return Err(StoreError::Row("its rows are not those that were written"));
        }
        cell.requests = requests.finish()?;
        finish(&mut cell);
        Ok(Image { cell, tip: Tip { position, hash, time, term }, cursor: Cursor(cursor) })
    }
}

/// Gives each part of an image to `take`, in the order in which an `Assembly` wants them.
pub(crate) fn parts_of(
    image: &Image,
    mut take: impl FnMut(RowKey, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Image { cell, tip: Tip { position, hash, time, term }, cursor } = image;
    // The sum is of a store's tables; a file has its own hash.
    let head = Head { position: *position, hash: *hash, time: *time, term: *term, cursor: cursor.0, sum: 0 };
    take(HEAD_PART, &bytes(&head))?;
    take(CELL, &bytes(&CellRow::of(cell)))?;
    for resource in resources(cell) {
        if let Some(row) = encode(cell, resource) {
            take(key(resource), &row)?;
        }
    }
    for (number, chunk) in cell.requests.chunks_from(0) {
        take((REQUESTS_PART, u128::from(number)), &chunk_bytes(chunk))?;
    }
    Ok(())
}

/// The project of what belongs to no project.
const NO_PROJECT: ProjectId = ProjectId([0; 16]);

/// The cell before any row but its own.
pub(crate) fn begin(row: CellRow) -> (Cell, Chunks) {
    let CellRow { id, name, level, position, time, term, leader_build, settings, next_vni, requests_from } =
        row;
    let cell =
        Cell { id, name, level, position, time, term, leader_build, settings, next_vni, ..Cell::new() };
    (cell, Chunks::new(requests_from))
}

/// Puts one row in its place.
pub(crate) fn put(cell: &mut Cell, key: RowKey, bytes: &[u8]) -> Result<(), &'static str> {
    match resource(key).ok_or("unknown kind")? {
        ResourceRef::Server(id) => drop(cell.servers.insert(id, read(bytes)?)),
        ResourceRef::Volume(id) => drop(cell.volumes.insert(id, read(bytes)?)),
        ResourceRef::Port(id) => drop(cell.ports.insert(id, read(bytes)?)),
        ResourceRef::Network(id) => drop(cell.networks.insert(id, network(read(bytes)?))),
        ResourceRef::Subnet(id) => drop(cell.subnets.insert(id, read(bytes)?)),
        ResourceRef::SecurityGroup(id) => drop(cell.security_groups.insert(id, read(bytes)?)),
        ResourceRef::Flavor(id) => drop(cell.flavors.insert(id, read(bytes)?)),
        ResourceRef::Image(id) => drop(cell.images.insert(id, read(bytes)?)),
        ResourceRef::KeyPair(id) => drop(cell.key_pairs.insert(id, read(bytes)?)),
        ResourceRef::Project(id) => drop(cell.projects.insert(id, read(bytes)?)),
        ResourceRef::Host(id) => drop(cell.hosts.insert(id, read(bytes)?)),
        ResourceRef::Saga(_) => saga(cell, read(bytes)?),
        ResourceRef::Credential(id) => drop(cell.credentials.insert(id, read(bytes)?)),
        ResourceRef::Principal(id) => drop(cell.principals.insert(id, read(bytes)?)),
        ResourceRef::JoinToken(id) => drop(cell.join_tokens.insert(id, read(bytes)?)),
        ResourceRef::Fault(id) => drop(cell.faults.insert(id, read(bytes)?)),
    }
    Ok(())
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, &'static str> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err("bytes are left over"),
        Err(_) => Err("not the row of its kind"),
    }
}

fn network(row: NetworkRow) -> Network {
    let NetworkRow { id, project, name, vni, mtu, resting, resting_macs, created } = row;
    let (subnets, addresses, macs, hosts) = Default::default();
    Network { id, project, name, vni, mtu, subnets, addresses, macs, hosts, resting, resting_macs, created }
}

fn saga(cell: &mut Cell, row: SagaRow) {
    let SagaRow { saga, open } = row;
    for index in open {
        if let Some((step, dispatched)) = saga.step(index).zip(saga.at(index).dispatched()) {
            let ledger: LedgerId = step.ledger;
            cell.open_dispatches.entry(ledger).or_default().insert((dispatched, saga.id, index));
        }
    }
    cell.sagas.insert(saga.id, saga);
}

/// Makes again what follows from the rows: names in use, whose a secret is, what a network's ports and subnets hold, where
/// ports are, which groups rules name, lost servers.
pub(crate) fn finish(cell: &mut Cell) {
    for subnet in cell.subnets.values() {
        if let Some(network) = cell.networks.get_mut(&subnet.network) {
            network.subnets.insert(subnet.id);
        }
    }
    for port in cell.ports.values() {
        if let Some(network) = cell.networks.get_mut(&port.spec.network) {
            network.macs.insert(port.spec.mac, port.spec.id);
            network.addresses.extend(port.spec.addresses.iter().map(|address| (address.ip, port.spec.id)));
            if let Some((_, host)) = port.user() {
                cell.ports_on.insert((host, port.spec.id));
                *network.hosts.entry(host).or_default() += 1;
            }
        }
        cell.ports_in.extend(port.spec.groups.iter().map(|group| (*group, port.spec.id)));
    }
    for group in cell.security_groups.values() {
        cell.groups_naming.extend(named(&group.rules).map(|named| (named, group.id)));
    }
    for server in cell.servers.values() {
        let place = (server.spec.host, server.spec.id);
        match server.state {
            ServerState::Building => drop(cell.building.insert(place)),
            ServerState::Lost(_) => drop(cell.lost_servers.insert(place)),
            ServerState::Active(_) | ServerState::Stopped(_) | ServerState::Failed(_) => {}
        }
    }
    for credential in cell.credentials.values() {
        cell.credentials_by_secret.insert((credential.secret_sha256, credential.id));
    }
    names(cell);
}

fn names(cell: &mut Cell) {
    let names = &mut cell.names;
    let mut take = |project: ProjectId, noun: &str, name: &str, id: [u8; 16]| {
        if !name.is_empty() {
            names.insert((project, noun.to_owned(), name.to_owned()), id);
        }
    };
    cell.projects.values().for_each(|it| take(NO_PROJECT, "project", &it.name, it.id.0));
    cell.principals.values().for_each(|it| take(NO_PROJECT, "principal", &it.name, it.id.0));
    cell.hosts.values().for_each(|it| take(NO_PROJECT, "host", &it.name, it.id.0));
    cell.flavors.values().for_each(|it| take(NO_PROJECT, "flavor", &it.name, it.id.0));
    for image in cell.images.values() {
        let scope = match image.visibility {
            Visibility::Private => image.project,
            Visibility::Public => NO_PROJECT,
        };
        take(scope, "image", &image.name, image.id.0);
    }
    cell.key_pairs.values().for_each(|it| take(it.project, "key pair", &it.name, it.id.0));
    cell.networks.values().for_each(|it| take(it.project, "network", &it.name, it.id.0));
    cell.subnets.values().for_each(|it| take(it.project, "subnet", &it.name, it.id.0));
    cell.security_groups.values().for_each(|it| take(it.project, "security group", &it.name, it.id.0));
    cell.ports.values().for_each(|it| take(it.spec.project, "port", &it.spec.name, it.spec.id.0));
    cell.volumes.values().for_each(|it| take(it.spec.project, "volume", &it.spec.name, it.spec.id.0));
    cell.servers.values().for_each(|it| take(it.spec.project, "server", &it.spec.name, it.spec.id.0));
}
