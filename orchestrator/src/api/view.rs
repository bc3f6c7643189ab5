//! The fold as one call may see it: who calls, in which project, at what time. It lives on the leader's thread for the
//! length of one read; it copies what the answer needs and changes nothing.

use std::net::IpAddr;

use windlass_proto::v1;
use windlass_sagas::cell::Permission;
use windlass_sagas::cell::state::*;
use windlass_sagas::ids::*;
use windlass_sagas::record::{ResourceRef, Visibility};

use super::convert::Audience;
use super::errors::{Problem, rejected};
use super::fields;
use super::inventories::Inventories;
use super::methods::{Needs, needs};
use super::names::{self, NO_PROJECT};
use super::who::Who;
use crate::clock;

/// What a call is about, as its parent or name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing that belongs to a project: what any caller may ask (`Needs::Credential`).
    Anywhere,
    /// The cell as a whole.
    Cell,
    /// One project, by id or display name.
    Project(String),
    /// One project that is known already.
    Known(ProjectId),
    /// All projects that the caller may read.
    Every,
    /// One image, which everybody may read where it is public: project and image, each by id or display name.
    Image(String, String),
}

impl Place {
    /// `projects/{project}`.
    pub(super) fn parent(name: &str) -> Result<Self, Problem> {
        names::one(name, "projects", "parent").map(Self::Project)
    }

    /// `projects/{project}` or `projects/-`.
    pub(super) fn parent_or_every(name: &str) -> Result<Self, Problem> {
        let project = names::one(name, "projects", "parent")?;
        Ok(if project == names::EVERY { Self::Every } else { Self::Project(project) })
    }
}

/// A name in a project: where it is, and its last segment.
pub(super) struct Named {
    pub(super) place: Result<Place, Problem>,
    /// An id or a display name; empty where the name is malformed, which `place` then says.
    pub(super) last: String,
}

impl Named {
    /// `projects/{project}/{collection}/{last}`.
    pub(super) fn of(name: &str, collection: &str) -> Self {
        match names::two(name, "projects", collection, "name") {
            Ok((project, last)) => Self { place: Ok(Place::Project(project)), last },
            Err(problem) => Self { place: Err(problem), last: String::new() },
        }
    }

    /// `{collection}/{last}`, of the cell as a whole.
    pub(super) fn in_cell(name: &str, collection: &str) -> Self {
        match names::one(name, collection, "name") {
            Ok(last) => Self { place: Ok(Place::Cell), last },
            Err(problem) => Self { place: Err(problem), last: String::new() },
        }
    }
}

/// The fold, for one call.
pub(super) struct View<'a> {
    pub(super) cell: &'a Cell,
    pub(super) inventories: &'a dyn Inventories,
    /// Who calls.
    pub(super) who: Who<'a>,
    /// The moment of the past that the fold is of; `None`: it is the fold of now.
    pub(super) past: Option<Time>,
    /// The project of the call; all zero for none and for all.
    pub(super) project: ProjectId,
    /// Whether the call is about every project that the caller may read.
    pub(super) every: bool,
    /// Whether the caller may operate the whole cell.
    pub(super) operator: bool,
    /// Now, but not before the fold's last commit; in the past, the moment that is read.
    pub(super) now: Time,
}

impl<'a> View<'a> {
    /// The view of an authenticated caller, authorised for a method's permission in a place.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or `NOT_FOUND` for a project that isn't, said only to who may read any.
    pub(super) fn enter(
        cell: &'a Cell,
        inventories: &'a dyn Inventories,
        who: Who<'a>,
        past: Option<Time>,
        method: &'static str,
        place: &Place,
    ) -> Result<Self, Problem> {
        let mut view = Self::of(cell, inventories, who, past, NO_PROJECT);
        let missing = match place {
            Place::Anywhere | Place::Cell => None,
            Place::Every => {
                view.every = true;
                return Ok(view);
            }
            Place::Known(project) => {
                view.project = *project;
                None
            }
            Place::Project(text) | Place::Image(text, _) => {
                match view.id("project", NO_PROJECT, text).map(ProjectId) {
                    Some(id) if cell.projects.contains_key(&id) => {
                        view.project = id;
                        None
                    }
                    Some(_) | None => Some(text),
                }
            }
        };
        if let Place::Image(_, image) = place
            && view.public_image(view.project, image).is_some()
        {
            return Ok(view);
        }
        if let Needs::Permission(permission) = needs(method) {
            view.authorized(permission, method)?;
        }
        match missing {
            None => Ok(view),
            Some(text) => Err(Problem::not_found("project", text)),
        }
    }

    /// The view of a caller whose rights were looked at before.
    pub(super) fn of(
        cell: &'a Cell,
        inventories: &'a dyn Inventories,
        who: Who<'a>,
        past: Option<Time>,
        project: ProjectId,
    ) -> Self {
        let operator = who.may(Permission::Operate, NO_PROJECT).is_ok();
        let now = past.unwrap_or_else(clock::now).max(cell.time);
        Self { cell, inventories, who, past, project, every: false, operator, now }
    }

    fn authorized(&self, permission: Permission, method: &'static str) -> Result<(), Problem> {
        self.who
            .may(permission, self.project)
            .map_err(|rejection| rejected(rejection, self.project, &[]).with("permission", method))
    }

    /// Whether the caller may do this in a project.
    pub(super) fn may(&self, permission: Permission, project: ProjectId) -> bool {
        self.who.may(permission, project).is_ok()
    }

    /// How much the caller is told of causes in the call's project.
    pub(super) fn audience(&self) -> Audience {
        if self.may(Permission::Audit, self.project) { Audience::Auditors } else { Audience::Readers }
    }

    /// Whether what belongs to a project belongs into this call's list.
    pub(super) fn lists(&self, project: ProjectId) -> bool {
        if self.every { self.may(Permission::Read, project) } else { project == self.project }
    }

    /// The id of a display name or of an id's text; whether it exists is for the caller to see.
    pub(super) fn id(&self, noun: &str, project: ProjectId, text: &str) -> Option<[u8; 16]> {
        let named = self.cell.names.get(&(project, noun.to_owned(), text.to_owned())).copied();
        named.or_else(|| text.parse::<ServerId>().ok().map(|id| id.0))
    }

    /// Whether a name's project is the call's own.
    pub(super) fn is_own(&self, project: &str) -> bool {
        self.id("project", NO_PROJECT, project) == Some(self.project.0)
    }

    /// The last segment of the name of something in the call's own project.
    pub(super) fn own(&self, name: &str, collection: &str, field: &str) -> Result<String, Problem> {
        let (project, last) = names::two(name, "projects", collection, field)?;
        if !self.is_own(&project) {
            let message = format!("{field} is of another project than the request");
            return Err(Problem::field(field, message));
        }
        Ok(last)
    }

    /// The same, where the name may be left out (empty).
    pub(super) fn own_or_none(
        &self,
        name: &str,
        collection: &str,
        field: &str,
    ) -> Result<Option<String>, Problem> {
        if name.is_empty() { Ok(None) } else { self.own(name, collection, field).map(Some) }
    }

    /// A wanted address; a subnet that is named with it must hold it.
    pub(super) fn fixed_ip(&self, wanted: &v1::FixedIp, field: &str) -> Result<IpAddr, Problem> {
        let at = |name: &str| format!("{field}.{name}");
        if wanted.ip_address.is_empty() {
            let message = "name the address: it can't be chosen by its subnet alone yet";
            return Err(Problem::field(at("ip_address"), message));
        }
        let ip = fields::ip(&wanted.ip_address, &at("ip_address"))?;
        if let Some(subnet) = self.own_or_none(&wanted.subnet, "subnets", &at("subnet"))? {
            let found = self.id("subnet", self.project, &subnet).map(SubnetId);
            let subnet = found.and_then(|id| self.cell.subnets.get(&id));
            let subnet = subnet.filter(|subnet| subnet.project == self.project);
            let subnet =
                subnet.ok_or_else(|| Problem::not_found("subnet", &wanted.subnet).of_field(at("subnet")))?;
            if !fields::contains(subnet.cidr, ip) {
                let message = format!("{ip} is not of subnet {} ({})", subnet.name, subnet.cidr);
                return Err(Problem::field(at("ip_address"), message));
            }
        }
        Ok(ip)
    }

    /// What a filter's value may say of a resource: its name, its id, its display name.
    pub(super) fn values(&self, resource: ResourceRef, display_name: Option<&str>) -> Vec<String> {
        let name = self.name(resource, self.project);
        let id = name.rsplit('/').next().unwrap_or_default().to_owned();
        [name, id].into_iter().chain(display_name.map(str::to_owned)).collect()
    }

    /// What a filter's value may say of a host.
    pub(super) fn host_values(&self, host: HostId) -> Vec<String> {
        let known = self.cell.hosts.get(&host);
        self.values(ResourceRef::Host(host), known.map(|host| host.name.as_str()))
    }

    /// A list of names in the call's own project.
    pub(super) fn all_own(
        &self,
        list: &[String],
        max: usize,
        collection: &str,
        field: &str,
    ) -> Result<Vec<String>, Problem> {
        fields::at_most(list.len(), max, field)?;
        list.iter().map(|name| self.own(name, collection, field)).collect()
    }

    /// An image of the call's project as it is written, or another project's public one by its id.
    pub(super) fn image_named(&self, name: &str, field: &str) -> Result<String, Problem> {
        let (project, last) = names::two(name, "projects", "images", field)?;
        if self.is_own(&project) {
            return Ok(last);
        }
        let owner = self.id("project", NO_PROJECT, &project).map(ProjectId);
        owner
            .and_then(|owner| self.public_image(owner, &last))
            .map(|image| image.id.to_string())
            .ok_or_else(|| Problem::not_found("image", name).of_field(field))
    }

    /// A public image of a project, by id or display name.
    pub(super) fn public_image(&self, owner: ProjectId, text: &str) -> Option<&'a Image> {
        let image = self.cell.images.get(&ImageId(self.id("image", NO_PROJECT, text)?))?;
        (image.project == owner && image.visibility == Visibility::Public).then_some(image)
    }

    /// Something of the call's project, by id or display name.
    pub(super) fn found<T>(
        &self,
        noun: &'static str,
        text: &str,
        get: impl FnOnce(&'a Cell, [u8; 16]) -> Option<(&'a T, ProjectId)>,
    ) -> Result<&'a T, Problem> {
        self.id(noun, self.project, text)
            .and_then(|id| get(self.cell, id))
            .filter(|(_, project)| *project == self.project)
            .map(|(found, _)| found)
            .ok_or_else(|| Problem::not_found(noun, text).of_field("name"))
    }

    /// Something of the cell as a whole, by id or display name.
    pub(super) fn found_in_cell<T>(
        &self,
        noun: &'static str,
        text: &str,
        get: impl FnOnce(&'a Cell, [u8; 16]) -> Option<&'a T>,
    ) -> Result<&'a T, Problem> {
        self.id(noun, NO_PROJECT, text)
            .and_then(|id| get(self.cell, id))
            .ok_or_else(|| Problem::not_found(noun, text).of_field("name"))
    }

    /// The display name or id text of a resource that an order names, as an id.
    pub(super) fn resource(&self, name: &str) -> Result<ResourceRef, Problem> {
        let collection = name.split('/').nth(2).unwrap_or_default();
        let last = match collection {
            "servers" | "volumes" | "ports" => self.own(name, collection, "name")?,
            _ => {
                let message = "only servers, volumes and ports stand in quarantine";
                return Err(Problem::field("name", message));
            }
        };
        let found = match collection {
            "servers" => self.id("server", self.project, &last).map(|id| ResourceRef::Server(ServerId(id))),
            "volumes" => self.id("volume", self.project, &last).map(|id| ResourceRef::Volume(VolumeId(id))),
            _ => self.id("port", self.project, &last).map(|id| ResourceRef::Port(PortId(id))),
        };
        found
            .filter(|resource| self.project_of(*resource) == Some(self.project))
            .ok_or_else(|| Problem::not_found("resource", name).of_field("name"))
    }

    /// The project that a resource belongs to; `None` for one that isn't, or belongs to none.
    pub(super) fn project_of(&self, resource: ResourceRef) -> Option<ProjectId> {
        project_of(self.cell, resource)
    }

    /// A resource's name; one that is gone is taken to be of `project`.
    pub(super) fn name(&self, resource: ResourceRef, project: ProjectId) -> String {
        if let ResourceRef::Credential(id) = resource
            && let Some(credential) = self.cell.credentials.get(&id)
        {
            return format!("{}/apiTokens/{id}", names::principal(credential.principal));
        }
        names::of(resource, self.project_of(resource).unwrap_or(project))
    }

    /// The operation that holds a resource; empty for none.
    pub(super) fn holder(lock: Lock) -> String {
        match lock {
            Lock::Held(saga) => names::operation(saga),
            Lock::Free | Lock::Quarantined(_) => String::new(),
        }
    }

    /// The position that answers from this view speak for.
    pub(super) const fn position(&self) -> u64 {
        self.cell.position.0
    }
}

/// Whether a lock is the quarantine of an abandoned operation.
pub(super) const fn quarantined(lock: Lock) -> bool {
    matches!(lock, Lock::Quarantined(_))
}

/// The project that a resource belongs to; `None` for one that isn't, or belongs to none.
pub(super) fn project_of(cell: &Cell, resource: ResourceRef) -> Option<ProjectId> {
    match resource {
        ResourceRef::Server(id) => cell.servers.get(&id).map(|it| it.spec.project),
        ResourceRef::Volume(id) => cell.volumes.get(&id).map(|it| it.spec.project),
        ResourceRef::Port(id) => cell.ports.get(&id).map(|it| it.spec.project),
        ResourceRef::Network(id) => cell.networks.get(&id).map(|it| it.project),
        ResourceRef::Subnet(id) => cell.subnets.get(&id).map(|it| it.project),
        ResourceRef::SecurityGroup(id) => cell.security_groups.get(&id).map(|it| it.project),
        ResourceRef::Image(id) => cell.images.get(&id).map(|it| it.project),
        ResourceRef::KeyPair(id) => cell.key_pairs.get(&id).map(|it| it.project),
        ResourceRef::Saga(id) => cell.sagas.get(&id).map(|it| it.project),
        ResourceRef::Flavor(_)
        | ResourceRef::Project(_)
        | ResourceRef::Host(_)
        | ResourceRef::Credential(_)
        | ResourceRef::Principal(_)
        | ResourceRef::JoinToken(_)
        | ResourceRef::Fault(_) => None,
    }
}
