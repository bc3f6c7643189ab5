//! Names to ids, once, in `decide` (R3): by name in the caller's project, or by id; what the caller may not see is not
//! found.

use alloc::format;
use alloc::string::{String, ToString};

use super::rejection::{Reason, Rejection};
use super::state::*;
use crate::ids::*;
use crate::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use crate::record::{ResourceRef, Visibility};

/// The project of what belongs to no project.
pub(super) const NO_PROJECT: ProjectId = ProjectId([0; 16]);

/// Checks a new resource's name: 1 to `NAME_BYTES_MAX` bytes, no slash or control characters, not a UUID,
/// free.
pub(super) fn new_name(cell: &Cell, project: ProjectId, noun: &str, name: &str) -> Result<(), Rejection> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Rejection::field(
            "name",
            format!("a name has 1 to {NAME_BYTES_MAX} bytes, this one {}", name.len()),
        ));
    }
    if name.chars().any(|c| c.is_control() || c == '/') || name.trim() != name {
        let message = "a name has no slash, no control characters and no space at its ends";
        return Err(Rejection::field("name", message));
    }
    if name.parse::<ServerId>().is_ok() {
        return Err(Rejection::field("name", "a name is not a UUID, so that it can't be taken for an id"));
    }
    if cell.names.contains_key(&(project, noun.to_string(), name.to_string())) {
        return Err(Rejection::new(
            Reason::NameTaken,
            format!("{noun} {name} exists"),
            "choose another name",
        )
        .of_field("name"));
    }
    Ok(())
}

/// Checks an operator's reason: required, bounded.
pub(super) fn reason_given(reason: &str) -> Result<(), Rejection> {
    if reason.trim().is_empty() || reason.len() > TEXT_BYTES_MAX {
        return Err(Rejection::field(
            "reason",
            format!("a reason of 1 to {TEXT_BYTES_MAX} bytes is required"),
        ));
    }
    Ok(())
}

/// The refusal of a name that nobody has, or that the caller may not see.
pub(super) fn not_found(noun: &str, field: &str, name: &str) -> Rejection {
    let shown: String = name.chars().take(80).collect();
    Rejection::new(
        Reason::NotFound,
        format!("no {noun} {shown}"),
        "list what there is and check name, id and project",
    )
    .of_field(field)
}

fn named(cell: &Cell, project: ProjectId, noun: &str, name: &str) -> Option<[u8; 16]> {
    let by_name = cell.names.get(&(project, noun.to_string(), name.to_string())).copied();
    by_name.or_else(|| name.parse::<ServerId>().ok().map(|id| id.0))
}

macro_rules! finders {
    ($($(#[$doc:meta])* $function:ident($map:ident: $id:ident => $type:ty, $noun:literal, $visible:expr))*) => {$(
        $(#[$doc])*
        pub(super) fn $function<'a>(
            cell: &'a Cell, project: ProjectId, field: &str, name: &str,
        ) -> Result<&'a $type, Rejection> {
            let visible: fn(&$type, ProjectId) -> bool = $visible;
            named(cell, project, $noun, name)
                .and_then(|id| cell.$map.get(&$id(id)))
                .filter(|found| visible(found, project))
                .ok_or_else(|| not_found($noun, field, name))
        }
    )*};
}

finders! {
    /// A server of the project.
    server(servers: ServerId => Server, "server", |s, p| s.spec.project == p)
    /// A volume of the project.
    volume(volumes: VolumeId => Volume, "volume", |v, p| v.spec.project == p)
    /// A port of the project.
    port(ports: PortId => Port, "port", |port, p| port.spec.project == p)
    /// A network of the project.
    network(networks: NetworkId => Network, "network", |n, p| n.project == p)
    /// A subnet of the project.
    subnet(subnets: SubnetId => Subnet, "subnet", |s, p| s.project == p)
    /// A security group of the project.
    security_group(security_groups: SecurityGroupId => SecurityGroup, "security group", |g, p| g.project == p)
    /// A key pair of the project.
    key_pair(key_pairs: KeyPairId => KeyPair, "key pair", |k, p| k.project == p)
}

/// A flavor: the whole cell's.
pub(super) fn flavor<'a>(cell: &'a Cell, field: &str, name: &str) -> Result<&'a Flavor, Rejection> {
    named(cell, NO_PROJECT, "flavor", name)
        .and_then(|id| cell.flavors.get(&FlavorId(id)))
        .ok_or_else(|| not_found("flavor", field, name))
}

/// An image of the project, or a public one.
pub(super) fn image<'a>(
    cell: &'a Cell,
    project: ProjectId,
    field: &str,
    name: &str,
) -> Result<&'a Image, Rejection> {
    let own = named(cell, project, "image", name).and_then(|id| cell.images.get(&ImageId(id)));
    let public = || named(cell, NO_PROJECT, "image", name).and_then(|id| cell.images.get(&ImageId(id)));
    own.or_else(public)
        .filter(|image| image.project == project || image.visibility == Visibility::Public)
        .ok_or_else(|| not_found("image", field, name))
}

/// A project, by name or id.
pub(super) fn project<'a>(cell: &'a Cell, field: &str, name: &str) -> Result<&'a Project, Rejection> {
    named(cell, NO_PROJECT, "project", name)
        .and_then(|id| cell.projects.get(&ProjectId(id)))
        .ok_or_else(|| not_found("project", field, name))
}

/// The caller's own project.
pub(super) fn own_project(cell: &Cell, id: ProjectId) -> Result<&Project, Rejection> {
    cell.projects.get(&id).ok_or_else(|| not_found("project", "parent", &id.to_string()))
}

/// A principal, by name or id.
pub(super) fn principal<'a>(
    cell: &'a Cell,
    field: &str,
    name: &str,
) -> Result<&'a PrincipalState, Rejection> {
    named(cell, NO_PROJECT, "principal", name)
        .and_then(|id| cell.principals.get(&PrincipalId(id)))
        .ok_or_else(|| not_found("principal", field, name))
}

/// A host, by name or id.
pub(super) fn host<'a>(cell: &'a Cell, field: &str, name: &str) -> Result<&'a Host, Rejection> {
    named(cell, NO_PROJECT, "host", name)
        .and_then(|id| cell.hosts.get(&HostId(id)))
        .ok_or_else(|| not_found("host", field, name))
}

/// Refuses a resource that somebody holds, naming the holder (L1).
pub(super) fn free(lock: Lock, resource: ResourceRef) -> Result<(), Rejection> {
    match lock {
        Lock::Free => Ok(()),
        Lock::Held(saga) => Err(Rejection::new(
            Reason::ResourceBusy,
            format!("{resource} is held by operation {saga}"),
            "wait for that operation to end, or cancel it",
        )
        .of(resource)
        .held_by(saga)),
        Lock::Quarantined(saga) => Err(Rejection::new(
            Reason::ResourceQuarantined,
            format!("{resource} is in quarantine since operation {saga} was abandoned"),
            "an operator must adopt or discard it",
        )
        .of(resource)
        .held_by(saga)),
    }
}
