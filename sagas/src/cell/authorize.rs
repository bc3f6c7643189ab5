//! Who may do what: a pure function of the fold. Roles are state; a permission is `<noun>.<verb>` as the proto says.
//!
//! admin may everything in its scope; member what changes or reads a project's resources; reader and auditor read;
//! operators' permissions (hosts, quota, access, repair) need admin of the cell.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use super::rejection::{Reason, Rejection};
use super::state::Cell;
use crate::ids::ProjectId;
use crate::record::{AccessRole, Body, Principal, Scope};

/// What a call needs: by whom it is given out decides who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read a project's resources.
    Read,
    /// Make, change or delete a project's resources.
    Write,
    /// Read the whole history and every project.
    Audit,
    /// Arm faults, run drills.
    Drill,
    /// Order what concerns the whole cell, or repair a saga.
    Operate,
}

/// Decides whether `principal` may do this in `project`.
///
/// # Errors
/// `PERMISSION_DENIED`, naming what is missing.
pub fn authorize(
    cell: &Cell,
    principal: Principal,
    permission: Permission,
    project: ProjectId,
) -> Result<(), Rejection> {
    match principal {
        Principal::Cell => Ok(()),
        Principal::Host(_) => Err(denied(permission)),
        Principal::User(id) => match cell.principals.get(&id) {
            Some(user) => authorize_by(&user.roles, permission, project),
            None => Err(denied(permission)),
        },
    }
}

/// Decides whether who has these roles may do this in `project`: the roles of today, where another day's fold is read.
///
/// # Errors
/// `PERMISSION_DENIED`, naming what is missing.
pub fn authorize_by(
    roles: &BTreeSet<(Scope, AccessRole)>,
    permission: Permission,
    project: ProjectId,
) -> Result<(), Rejection> {
    let allowed = roles.iter().any(|(scope, role)| {
        let here = *scope == Scope::Cell || *scope == Scope::Project(project);
        here && grants(*role, permission, *scope)
    });
    if allowed { Ok(()) } else { Err(denied(permission)) }
}

fn denied(permission: Permission) -> Rejection {
    Rejection::new(
        Reason::PermissionDenied,
        format!("this needs {} here", needed(permission)),
        "ask an operator for the role",
    )
}

const fn grants(role: AccessRole, permission: Permission, scope: Scope) -> bool {
    let whole_cell = matches!(scope, Scope::Cell);
    match permission {
        Permission::Read => match role {
            AccessRole::Admin | AccessRole::Member | AccessRole::Reader | AccessRole::Auditor => true,
            AccessRole::DrillOperator => false,
        },
        Permission::Write => matches!(role, AccessRole::Admin | AccessRole::Member),
        Permission::Audit => matches!(role, AccessRole::Admin | AccessRole::Auditor),
        Permission::Drill => whole_cell && matches!(role, AccessRole::Admin | AccessRole::DrillOperator),
        Permission::Operate => whole_cell && matches!(role, AccessRole::Admin),
    }
}

fn needed(permission: Permission) -> String {
    let text = match permission {
        Permission::Read => "the role reader, auditor, member or admin",
        Permission::Write => "the role member or admin",
        Permission::Audit => "the role auditor or admin",
        Permission::Drill => "the role drill-operator or admin in the whole cell",
        Permission::Operate => "the role admin in the whole cell",
    };
    text.into()
}

/// What a request needs.
pub(super) const fn needs(body: &Body) -> Permission {
    match body {
        Body::CreateServer(_)
        | Body::DeleteServer(_)
        | Body::StartServer(_)
        | Body::StopServer(_)
        | Body::RebootServer(_)
        | Body::CreateVolume(_)
        | Body::DeleteVolume(_)
        | Body::AttachVolume(_)
        | Body::DetachVolume(_)
        | Body::CreateNetwork(_)
        | Body::DeleteNetwork(_)
        | Body::CreateSubnet(_)
        | Body::DeleteSubnet(_)
        | Body::CreatePort(_)
        | Body::DeletePort(_)
        | Body::CreateSecurityGroup(_)
        | Body::DeleteSecurityGroup(_)
        | Body::SetSecurityRules(_)
        | Body::RegisterImage(_)
        | Body::DeleteImage(_)
        | Body::SetImageBoot(_)
        | Body::CreateKeyPair(_)
        | Body::DeleteKeyPair(_)
        | Body::CancelSaga(_) => Permission::Write,
        Body::CreateFlavor(_)
        | Body::DeleteFlavor(_)
        | Body::CreateProject(_)
        | Body::DeleteProject(_)
        | Body::SetQuota(_)
        | Body::CreatePrincipal(_)
        | Body::DeletePrincipal(_)
        | Body::CreateCredential(_)
        | Body::RevokeCredential(_)
        | Body::GrantRole(_)
        | Body::RevokeRole(_)
        | Body::CreateJoinToken(_)
        | Body::RevokeJoinToken(_)
        | Body::JoinHost(_)
        | Body::DrainHost(_)
        | Body::UndrainHost(_)
        | Body::DeclareHostGone(_)
        | Body::AffirmHostOff(_)
        | Body::RejoinHost(_)
        | Body::RetrySaga(_)
        | Body::SkipStep(_)
        | Body::AbandonSaga(_)
        | Body::AdoptResource(_)
        | Body::DiscardResource(_) => Permission::Operate,
        Body::ArmFault(_) | Body::DisarmFault(_) => Permission::Drill,
    }
}
