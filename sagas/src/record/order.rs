//! What operators order: projects, access, hosts, and the repair of sagas. Bodies of requests, like a client's.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::resource::{Amounts, ResourceRef, Role};
use crate::ids::*;

recorded_enum! {
    /// What a principal may do in a project, or in the whole cell.
    AccessRole {
        /// Everything.
        Admin = 1,
        /// Make, change and delete resources.
        Member = 2,
        /// Read resources.
        Reader = 3,
        /// Read the history too.
        Auditor = 4,
        /// Arm faults and run drills.
        DrillOperator = 5,
    }
}

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// In the whole cell.
    Cell,
    /// In one project.
    Project(ProjectId),
}

macro_rules! orders {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type),* }
    )*};
}

orders! {
    /// Make a project.
    CreateProject {
        /// Unique in the cell.
        name: String,
        /// Its quota; `None`: the cell's default.
        quota: Option<Amounts>,
    }
    /// Delete an empty project.
    DeleteProject {
        /// Name or id.
        project: String,
    }
    /// Set a project's quota.
    SetQuota {
        /// Name or id.
        project: String,
        /// What it may hold; less than it holds only refuses more.
        quota: Amounts,
    }
    /// Make a principal.
    CreatePrincipal {
        /// Unique in the cell.
        name: String,
    }
    /// Delete a principal with its credentials and roles.
    DeletePrincipal {
        /// Name or id.
        principal: String,
    }
    /// Record a credential: the secret itself never enters the record.
    CreateCredential {
        /// Name or id of its principal.
        principal: String,
        /// What it is for.
        name: String,
        /// SHA-256 of the secret.
        secret_sha256: Hash,
        /// When it ends; `None`: never.
        expires: Option<Time>,
    }
    /// Revoke a credential.
    RevokeCredential {
        /// Its id.
        credential: CredentialId,
    }
    /// Grant a role.
    GrantRole {
        /// Name or id.
        principal: String,
        /// The role.
        role: AccessRole,
        /// Where.
        scope: Scope,
    }
    /// Revoke a role.
    RevokeRole {
        /// Name or id.
        principal: String,
        /// The role.
        role: AccessRole,
        /// Where.
        scope: Scope,
    }
    /// Record a join token: the secret itself never enters the record.
    CreateJoinToken {
        /// The name that the host will have, unique in the cell.
        host: String,
        /// The roles that it may take.
        roles: Vec<Role>,
        /// The zone that it is in.
        zone: String,
        /// SHA-256 of the secret.
        secret_sha256: Hash,
        /// When it ends.
        expires: Time,
    }
    /// Revoke a join token.
    RevokeJoinToken {
        /// Its id.
        token: JoinTokenId,
    }
    /// Join a host: sent by the orchestrator that took the token and signed the certificate.
    JoinHost {
        /// The token shown.
        token: JoinTokenId,
        /// SHA-256 of the certificate request that was signed: it holds the host's public key.
        certificate_sha256: Hash,
        /// Where other hosts reach it.
        address: Option<core::net::IpAddr>,
    }
    /// Place nothing more on a host.
    DrainHost {
        /// Name or id.
        host: String,
    }
    /// Place on a host again.
    UndrainHost {
        /// Name or id.
        host: String,
    }
    /// Declare a host gone: final, whatever it still does.
    DeclareHostGone {
        /// Name or id.
        host: String,
        /// Why.
        reason: String,
    }
    /// Affirm that a gone host is powered off, so that its addresses may rest and return.
    AffirmHostOff {
        /// Name or id.
        host: String,
    }
    /// Let a host that was declared gone, and is wiped since, come back.
    RejoinHost {
        /// Name or id.
        host: String,
    }
    /// Turn a saga back.
    CancelSaga {
        /// The saga.
        saga: SagaId,
    }
    /// Try a stuck saga's failed steps again.
    RetrySaga {
        /// The saga.
        saga: SagaId,
    }
    /// Count a stuck step as resolved: undone where it unwinds, done where it goes forward.
    SkipStep {
        /// The saga.
        saga: SagaId,
        /// The step.
        step: StepIndex,
        /// Why; required.
        reason: String,
    }
    /// Give a stuck saga up: what it held goes into quarantine.
    AbandonSaga {
        /// The saga.
        saga: SagaId,
        /// Why; required.
        reason: String,
    }
    /// Take a quarantined resource back as it is.
    AdoptResource {
        /// Which.
        resource: ResourceRef,
        /// Why; required.
        reason: String,
    }
    /// Affirm that a quarantined resource is gone from every host.
    DiscardResource {
        /// Which.
        resource: ResourceRef,
        /// Why; required.
        reason: String,
    }
}
