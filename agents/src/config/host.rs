//! `identity/host.toml`: who this machine is in its cell, as it is stored. Written last when a machine joins, so that
//! its presence says that the certificate is there too.

use std::path::Path;

use serde::{Deserialize, Serialize};
use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::record::Role;

use super::{role_name, role_of};
use crate::AgentError;
use crate::files::{PRIVATE, read_text, replace};

/// Who this machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFile {
    /// The cell.
    pub(crate) cell: CellId,
    /// Its name.
    pub(crate) cell_name: String,
    /// The host.
    pub(crate) host: HostId,
    /// The name that it joined with; may be empty.
    pub(crate) name: String,
    /// What its agent may do.
    pub(crate) roles: Vec<Role>,
    /// The orchestrators to dial, as `host:port`.
    pub(crate) orchestrators: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    cell: String,
    cell_name: String,
    host: String,
    name: String,
    roles: Vec<String>,
    orchestrators: Vec<String>,
}

/// Reads it.
pub(crate) fn read_host(path: &Path) -> Result<HostFile, AgentError> {
    let malformed = |message: String| AgentError::Malformed { path: path.to_path_buf(), message };
    let stored: Stored = toml::from_str(&read_text(path)?).map_err(|error| malformed(error.to_string()))?;
    let bad_id = |_| malformed("an id is not a UUID".into());
    let roles = stored.roles.iter().map(|role| role_of(role)).collect::<Result<_, _>>();
    Ok(HostFile {
        cell: stored.cell.parse().map_err(bad_id)?,
        cell_name: stored.cell_name,
        host: stored.host.parse().map_err(bad_id)?,
        name: stored.name,
        roles: roles.map_err(malformed)?,
        orchestrators: stored.orchestrators,
    })
}

impl HostFile {
    /// Writes it, durably.
    pub(crate) fn write(&self, path: &Path) -> Result<(), AgentError> {
        let stored = Stored {
            cell: self.cell.to_string(),
            cell_name: self.cell_name.clone(),
            host: self.host.to_string(),
            name: self.name.clone(),
            roles: self.roles.iter().map(|role| role_name(*role).into()).collect(),
            orchestrators: self.orchestrators.clone(),
        };
        let text = toml::to_string(&stored)
            .map_err(|error| AgentError::Malformed { path: path.into(), message: error.to_string() })?;
        replace(path, PRIVATE, text.as_bytes())
            .map_err(|error| AgentError::File { path: path.to_path_buf(), error })
    }
}
