//! Whose a commit is: which projects it speaks of, or none.

use std::collections::BTreeSet;

use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Commit, Event, Fact, ResourceRef as R, Scope, Visibility};

/// The project of what belongs to none.
const NO_PROJECT: ProjectId = ProjectId([0; 16]);

/// What a commit speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whose {
    /// These projects.
    pub(super) projects: BTreeSet<ProjectId>,
    /// Who may do what, or how hosts may join: of no project, and not for a project's readers.
    access: bool,
    /// What every project stands on: the cell's beginning, a host, a flavor, an image that is public.
    everybody: bool,
}

impl Whose {
    /// Adds what `cell`, the fold before or after the commit, knows of it.
    pub(super) fn look(&mut self, commit: &Commit, cell: &Cell) {
        if let Fact::Request(request) = &commit.fact {
            self.of(request.project);
        }
        for event in &commit.events {
            match event {
                Event::Genesis(_) => self.everybody = true,
                Event::SagaStarted(e) => self.of(e.project),
                Event::ImageRegistered(e) if e.visibility == Visibility::Public => self.everybody = true,
                Event::RoleGranted(e) => self.role(e.scope),
                Event::RoleRevoked(e) => self.role(e.scope),
                _ => {}
            }
            for resource in windlass_store::named(event) {
                self.resource(resource, cell);
            }
        }
    }

    fn of(&mut self, project: ProjectId) {
        if project != NO_PROJECT {
            self.projects.insert(project);
        }
    }

    fn role(&mut self, scope: Scope) {
        match scope {
            Scope::Cell => {}
            Scope::Project(project) => self.of(project),
        }
    }

    fn resource(&mut self, resource: R, cell: &Cell) {
        let project = match resource {
            R::Server(id) => cell.servers.get(&id).map(|it| it.spec.project),
            R::Volume(id) => cell.volumes.get(&id).map(|it| it.spec.project),
            R::Port(id) => cell.ports.get(&id).map(|it| it.spec.project),
            R::Network(id) => cell.networks.get(&id).map(|it| it.project),
            R::Subnet(id) => cell.subnets.get(&id).map(|it| it.project),
            R::SecurityGroup(id) => cell.security_groups.get(&id).map(|it| it.project),
            R::KeyPair(id) => cell.key_pairs.get(&id).map(|it| it.project),
            R::Saga(id) => cell.sagas.get(&id).map(|it| it.project),
            R::Project(id) => Some(id),
            R::Image(id) => cell.images.get(&id).map(|image| {
                self.everybody |= image.visibility == Visibility::Public;
                image.project
            }),
            R::Principal(_) | R::Credential(_) | R::JoinToken(_) => {
                self.access = true;
                None
            }
            R::Flavor(_) | R::Host(_) | R::Fault(_) => {
                self.everybody = true;
                None
            }
        };
        self.of(project.unwrap_or(NO_PROJECT));
    }

    /// Whether the commit belongs into the file of this project.
    pub(super) fn is_for(&self, project: ProjectId) -> bool {
        let of_none = self.projects.is_empty() && !self.access;
        self.everybody || of_none || self.projects.contains(&project)
    }

    /// Whether it speaks of other projects than this one.
    pub(super) fn speaks_of_others(&self, project: ProjectId) -> bool {
        self.projects.iter().any(|it| *it != project)
    }
}
