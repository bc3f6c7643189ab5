//! Projects, principals, credentials and roles: state like any other, so that who might do what is in the history.

use alloc::format;
use alloc::string::ToString;

use super::{Asked, Preview};
use crate::cell::lookup::{self, NO_PROJECT};
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::ids::*;
use crate::limits::NAME_BYTES_MAX;
use crate::record::*;

pub(super) fn create_project(asked: Asked<'_>, body: &CreateProject) -> Result<Preview, Decline> {
    lookup::new_name(asked.cell, NO_PROJECT, "project", &body.name)?;
    let id = ProjectId::derived(asked.id(), 0);
    let default_group = SecurityGroupId::derived(asked.id(), 0);
    let quota = body.quota.unwrap_or(asked.cell.settings.default_quota);
    let rule = |direction, remote| SecurityRule { direction, protocol: Protocol::Any, ports: None, remote };
    let project = ProjectCreated { id, name: body.name.clone(), quota, default_group };
    let group = SecurityGroupCreated {
        id: default_group,
        project: id,
        name: "default".to_string(),
        rules: alloc::vec![
            rule(RuleDirection::Egress, Remote::Any),
            rule(RuleDirection::Ingress, Remote::Group(default_group)),
        ],
    };
    let events = alloc::vec![project.into(), group.into()];
    asked.at_once(SagaKind::ProjectCreate, ResourceRef::Project(id), events)
}

pub(super) fn delete_project(asked: Asked<'_>, body: &DeleteProject) -> Result<Preview, Decline> {
    let cell = asked.cell;
    let project = lookup::project(cell, "project", &body.project)?;
    let resource = ResourceRef::Project(project.id);
    let left = cell
        .names
        .keys()
        .find(|(owner, noun, name)| *owner == project.id && !(noun == "security group" && name == "default"));
    if let Some((_, noun, name)) = left {
        let message = format!("project {} still has {noun} {name}", project.name);
        return Err(Rejection::new(Reason::ResourceInUse, message, "delete what is in it first")
            .of(resource)
            .into());
    }
    let group = SecurityGroupDeleted { group: project.default_group };
    let events = alloc::vec![group.into(), ProjectDeleted { project: project.id }.into()];
    asked.at_once(SagaKind::ProjectDelete, resource, events)
}

pub(super) fn set_quota(asked: Asked<'_>, body: &SetQuota) -> Result<Preview, Decline> {
    let project = lookup::project(asked.cell, "project", &body.project)?.id;
    let event = QuotaSet { project, quota: body.quota };
    asked.at_once(SagaKind::QuotaSet, ResourceRef::Project(project), alloc::vec![event.into()])
}

pub(super) fn create_principal(asked: Asked<'_>, body: &CreatePrincipal) -> Result<Preview, Decline> {
    lookup::new_name(asked.cell, NO_PROJECT, "principal", &body.name)?;
    let id = PrincipalId::derived(asked.id(), 0);
    let event = PrincipalCreated { id, name: body.name.clone() };
    asked.at_once(SagaKind::PrincipalCreate, ResourceRef::Principal(id), alloc::vec![event.into()])
}

pub(super) fn delete_principal(asked: Asked<'_>, body: &DeletePrincipal) -> Result<Preview, Decline> {
    let principal = lookup::principal(asked.cell, "principal", &body.principal)?.id;
    if asked.principal == Principal::User(principal) {
        return Err(Rejection::field("principal", "nobody deletes himself").into());
    }
    let event = PrincipalDeleted { principal };
    asked.at_once(SagaKind::PrincipalDelete, ResourceRef::Principal(principal), alloc::vec![event.into()])
}

pub(super) fn create_credential(asked: Asked<'_>, body: &CreateCredential) -> Result<Preview, Decline> {
    let principal = lookup::principal(asked.cell, "principal", &body.principal)?.id;
    if body.name.len() > NAME_BYTES_MAX {
        return Err(Rejection::field("name", format!("at most {NAME_BYTES_MAX} bytes")).into());
    }
    if body.expires.is_some_and(|expires| expires <= asked.now) {
        return Err(Rejection::field("expires", "a credential ends in the future").into());
    }
    let taken = |field, message| Rejection::new(Reason::NameTaken, message, "choose another").of_field(field);
    if asked.cell.credentials.values().any(|it| it.principal == principal && it.name == body.name) {
        let message = format!("the principal has a token named {}", body.name);
        return Err(taken("name", message).into());
    }
    // A secret says whose it is, so it is one credential's.
    if asked.cell.credential_of(&body.secret_sha256).is_some() {
        return Err(taken("secret_sha256", "a token with this secret exists".to_string()).into());
    }
    let id = CredentialId::derived(asked.id(), 0);
    let CreateCredential { name, secret_sha256, expires, .. } = body.clone();
    let event = CredentialCreated { id, principal, name, secret_sha256, expires };
    asked.at_once(SagaKind::CredentialCreate, ResourceRef::Credential(id), alloc::vec![event.into()])
}

pub(super) fn revoke_credential(asked: Asked<'_>, body: &RevokeCredential) -> Result<Preview, Decline> {
    let id = body.credential;
    if !asked.cell.credentials.contains_key(&id) {
        return Err(lookup::not_found("credential", "credential", &id.to_string()).into());
    }
    let event = CredentialRevoked { credential: id };
    asked.at_once(SagaKind::CredentialRevoke, ResourceRef::Credential(id), alloc::vec![event.into()])
}

pub(super) fn grant_role(asked: Asked<'_>, body: &GrantRole) -> Result<Preview, Decline> {
    let principal = lookup::principal(asked.cell, "principal", &body.principal)?.id;
    scope_exists(asked, body.scope)?;
    let event = RoleGranted { principal, role: body.role, scope: body.scope };
    asked.at_once(SagaKind::RoleGrant, ResourceRef::Principal(principal), alloc::vec![event.into()])
}

pub(super) fn revoke_role(asked: Asked<'_>, body: &RevokeRole) -> Result<Preview, Decline> {
    let cell = asked.cell;
    let principal = lookup::principal(cell, "principal", &body.principal)?;
    if !principal.roles.contains(&(body.scope, body.role)) {
        let message = format!("principal {} does not have this role here", principal.name);
        return Err(Rejection::new(Reason::NotFound, message, "list its roles").of_field("role").into());
    }
    let last_admin = (body.scope, body.role) == (Scope::Cell, AccessRole::Admin)
        && cell.principals.values().filter(|p| p.roles.contains(&(Scope::Cell, AccessRole::Admin))).count()
            == 1;
    if last_admin {
        let message = "the cell would be left without an administrator";
        return Err(Rejection::new(Reason::ResourceInUse, message, "grant the role to another first").into());
    }
    let event = RoleRevoked { principal: principal.id, role: body.role, scope: body.scope };
    asked.at_once(SagaKind::RoleRevoke, ResourceRef::Principal(principal.id), alloc::vec![event.into()])
}

fn scope_exists(asked: Asked<'_>, scope: Scope) -> Result<(), Rejection> {
    match scope {
        Scope::Cell => Ok(()),
        Scope::Project(id) => lookup::project(asked.cell, "scope", &id.to_string()).map(|_| ()),
    }
}
