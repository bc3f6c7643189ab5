//! Who asks, and what he may: by the fold of now, also where the fold of another day is read. Who reads a journal that
//! nobody leads is let in by having it: what he may is said when it is opened.

use std::borrow::Cow;
use std::collections::BTreeSet;

use windlass_sagas::cell::{Cell, Permission, Rejection, authorize_by};
use windlass_sagas::ids::{CredentialId, PrincipalId, ProjectId};
use windlass_sagas::record::{AccessRole, Scope};

use super::call::Call;
use super::errors::{Problem, refused};
use super::methods::{Needs, needs};
use super::names::NO_PROJECT;
use crate::lead::handle::Refused;

/// Roles, each with where it holds.
pub type Roles = BTreeSet<(Scope, AccessRole)>;

/// Who is let in.
#[derive(Clone, Debug)]
pub enum Access {
    /// Who shows a token of the cell; his roles are the cell's to say.
    Tokens,
    /// Everybody who can call, with these roles: an API inside a process that holds the journal itself.
    Holder(Roles),
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(super) struct Who<'a> {
    pub(super) caller: PrincipalId,
    /// The credential that was shown; `None` where there is none, or it was looked at before.
    pub(super) credential: Option<CredentialId>,
    roles: Cow<'a, Roles>,
}

impl Access {
    /// Who makes this call, by the fold of now.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`; `READ_ONLY` for a change where nobody leads.
    pub(super) fn of<'a>(&'a self, cell: &'a Cell, call: &Call) -> Result<Who<'a>, Problem> {
        match self {
            Self::Tokens => {
                let credential = call.shown.credential(cell, crate::clock::now())?;
                Ok(Who { credential: Some(credential.id), ..self.known(cell, credential.principal) })
            }
            Self::Holder(_) => match needs(call.method) {
                // Said before any right is looked at: no role would help.
                Needs::Permission(Permission::Write | Permission::Operate) => {
                    Err(refused(Refused::ReadOnly, NO_PROJECT, &[]))
                }
                Needs::Credential | Needs::Permission(_) => Ok(self.known(cell, HOLDER)),
            },
        }
    }

    /// A caller who was let in before.
    pub(super) fn known<'a>(&'a self, cell: &'a Cell, caller: PrincipalId) -> Who<'a> {
        let roles = match self {
            Self::Tokens => match cell.principals.get(&caller) {
                Some(principal) => Cow::Borrowed(&principal.roles),
                None => Cow::Owned(Roles::new()),
            },
            Self::Holder(roles) => Cow::Borrowed(roles),
        };
        Who { caller, credential: None, roles }
    }
}

/// The caller of an API that asks for no token.
const HOLDER: PrincipalId = PrincipalId([0; 16]);

impl Who<'_> {
    /// The same, for longer than the fold that says it.
    pub(super) fn kept(self) -> Who<'static> {
        let Self { caller, credential, roles } = self;
        Who { caller, credential, roles: Cow::Owned(roles.into_owned()) }
    }

    /// Whether he may do this in a project.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, in the core's words.
    pub(super) fn may(&self, permission: Permission, project: ProjectId) -> Result<(), Rejection> {
        authorize_by(&self.roles, permission, project)
    }
}
