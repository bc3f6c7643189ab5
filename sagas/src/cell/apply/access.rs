//! Folding genesis, projects, principals, credentials and roles.

use alloc::collections::BTreeSet;
use alloc::string::ToString;

use crate::cell::lookup::NO_PROJECT;
use crate::cell::state::*;
use crate::ids::*;
use crate::limits::VNI_MIN;
use crate::record::*;

impl Cell {
    pub(super) fn genesis(&mut self, e: &Genesis) {
        self.id = e.cell;
        self.name.clone_from(&e.name);
        self.level = e.level;
        self.next_vni = VNI_MIN;
        self.principal_created(&PrincipalCreated { id: e.admin, name: "admin".to_string() });
        self.role_granted(&RoleGranted { principal: e.admin, role: AccessRole::Admin, scope: Scope::Cell });
        self.credential_created(&CredentialCreated {
            id: e.credential,
            principal: e.admin,
            name: "bootstrap".to_string(),
            secret_sha256: e.secret_sha256,
            expires: None,
        });
    }

    pub(super) fn project_created(&mut self, e: &ProjectCreated) {
        self.name_taken(NO_PROJECT, "project", &e.name, e.id.0);
        let project = Project {
            id: e.id,
            name: e.name.clone(),
            quota: e.quota,
            usage: Amounts::default(),
            default_group: e.default_group,
            created: self.time,
        };
        self.projects.insert(e.id, project);
    }

    pub(super) fn project_deleted(&mut self, id: ProjectId) {
        if let Some(project) = self.projects.remove(&id) {
            self.name_freed(NO_PROJECT, "project", &project.name);
            for principal in self.principals.values_mut() {
                principal.roles.retain(|(scope, _)| *scope != Scope::Project(id));
            }
        }
    }

    pub(super) fn quota_set(&mut self, e: &QuotaSet) {
        if let Some(project) = self.projects.get_mut(&e.project) {
            project.quota = e.quota;
        }
    }

    pub(super) fn principal_created(&mut self, e: &PrincipalCreated) {
        self.name_taken(NO_PROJECT, "principal", &e.name, e.id.0);
        let principal = PrincipalState { id: e.id, name: e.name.clone(), roles: BTreeSet::new() };
        self.principals.insert(e.id, principal);
    }

    pub(super) fn principal_deleted(&mut self, id: PrincipalId) {
        if let Some(principal) = self.principals.remove(&id) {
            self.name_freed(NO_PROJECT, "principal", &principal.name);
        }
        self.credentials.retain(|_, credential| credential.principal != id);
        let credentials = &self.credentials;
        self.credentials_by_secret.retain(|(_, credential)| credentials.contains_key(credential));
    }

    pub(super) fn credential_created(&mut self, e: &CredentialCreated) {
        let CredentialCreated { id, principal, name, secret_sha256, expires } = e.clone();
        self.credentials_by_secret.insert((secret_sha256, id));
        self.credentials.insert(id, Credential { id, principal, name, secret_sha256, expires });
    }

    pub(super) fn credential_revoked(&mut self, id: CredentialId) {
        if let Some(credential) = self.credentials.remove(&id) {
            self.credentials_by_secret.remove(&(credential.secret_sha256, id));
        }
    }

    pub(super) fn role_granted(&mut self, e: &RoleGranted) {
        if let Some(principal) = self.principals.get_mut(&e.principal) {
            principal.roles.insert((e.scope, e.role));
        }
    }

    pub(super) fn role_revoked(&mut self, e: &RoleRevoked) {
        if let Some(principal) = self.principals.get_mut(&e.principal) {
            principal.roles.remove(&(e.scope, e.role));
        }
    }
}
