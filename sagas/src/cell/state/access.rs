//! Projects and who may do what in them.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::ids::*;
use crate::record::{AccessRole, Amounts, Role, Scope};

/// A project (tenant).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name, unique in the cell.
    pub name: String,
    /// What it may hold.
    pub quota: Amounts,
    /// What it holds: the sum of its claims.
    pub usage: Amounts,
    /// The group that its ports get when they name none.
    pub default_group: SecurityGroupId,
    /// When it was made.
    pub created: Time,
}

/// Somebody who may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalState {
    /// Its id.
    pub id: PrincipalId,
    /// Its name, unique in the cell.
    pub name: String,
    /// What it may do, and where.
    pub roles: BTreeSet<(Scope, AccessRole)>,
}

/// An API token: the fold knows its hash only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose.
    pub principal: PrincipalId,
    /// What it is for.
    pub name: String,
    /// SHA-256 of its secret.
    pub secret_sha256: Hash,
    /// When it ends.
    pub expires: Option<Time>,
}

/// A token that lets one host join, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Its id.
    pub id: JoinTokenId,
    /// The name that the host will have.
    pub host: String,
    /// The host that joins again by it, silent when it was made; `None`: it is for a machine that is no host yet.
    pub again: Option<HostId>,
    /// The roles that it may take.
    pub roles: Vec<Role>,
    /// The zone that it is in.
    pub zone: String,
    /// SHA-256 of its secret.
    pub secret_sha256: Hash,
    /// When it ends.
    pub expires: Time,
}
