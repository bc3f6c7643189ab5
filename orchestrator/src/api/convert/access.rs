//! Projects, quotas, principals, roles and API tokens as messages.

use windlass_proto::v1;
use windlass_sagas::cell::state::{Credential, PrincipalState, Project};
use windlass_sagas::record::{AccessRole, Amounts, Scope};

use crate::api::fields::stamp;
use crate::api::names;
use crate::api::view::View;

impl View<'_> {
    pub(in crate::api) fn project(&self, project: &Project) -> v1::Project {
        v1::Project {
            name: names::project(project.id),
            uid: project.id.to_string(),
            display_name: project.name.clone(),
            create_time: stamp(project.created),
            update_time: stamp(project.created),
            position: self.position(),
            operation: String::new(),
            quota: None,
        }
    }

    pub(in crate::api) fn quota(&self, project: &Project) -> v1::Quota {
        v1::Quota {
            name: format!("{}/quota", names::project(project.id)),
            position: self.position(),
            limits: Some(amounts(&project.quota)),
            used: Some(amounts(&project.usage)),
        }
    }

    /// The fold does not keep when a principal was made.
    pub(in crate::api) fn principal(&self, principal: &PrincipalState) -> v1::Principal {
        let grant = |(scope, role): &(Scope, AccessRole)| v1::RoleGrant {
            role: access_role(*role).into(),
            scope: self::scope(*scope),
        };
        v1::Principal {
            name: names::principal(principal.id),
            uid: principal.id.to_string(),
            display_name: principal.name.clone(),
            create_time: None,
            update_time: None,
            position: self.position(),
            grants: principal.roles.iter().map(grant).collect(),
        }
    }

    /// Never the secret, nor its hash.
    pub(in crate::api) fn api_token(&self, credential: &Credential) -> v1::ApiToken {
        v1::ApiToken {
            name: format!("{}/apiTokens/{}", names::principal(credential.principal), credential.id),
            uid: credential.id.to_string(),
            display_name: credential.name.clone(),
            create_time: None,
            update_time: None,
            position: self.position(),
            secret_sha256: String::new(),
            expire_time: credential.expires.and_then(stamp),
        }
    }
}

pub(in crate::api) const fn access_role(role: AccessRole) -> v1::role_grant::Role {
    match role {
        AccessRole::Admin => v1::role_grant::Role::Admin,
        AccessRole::Member => v1::role_grant::Role::Member,
        AccessRole::Reader => v1::role_grant::Role::Reader,
        AccessRole::Auditor => v1::role_grant::Role::Auditor,
        AccessRole::DrillOperator => v1::role_grant::Role::DrillOperator,
    }
}

pub(in crate::api) fn scope(scope: Scope) -> String {
    match scope {
        Scope::Cell => String::new(),
        Scope::Project(id) => names::project(id),
    }
}

pub(super) const fn amounts(amounts: &Amounts) -> v1::Amounts {
    v1::Amounts {
        servers: Some(amounts.servers),
        vcpus: Some(amounts.vcpus),
        ram_mib: Some(amounts.ram_mib),
        volumes: Some(amounts.volumes),
        gib: Some(amounts.gib),
        networks: Some(amounts.networks),
        ports: Some(amounts.ports),
    }
}
