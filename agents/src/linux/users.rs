//! Users by name, as the machine knows them.

use crate::AgentError;

/// The user's id and its group's.
///
/// # Errors
/// `Setting`, where the machine has no such user: guests and volumes are never served as another one.
pub(crate) fn ids_of(name: &str) -> Result<(u32, u32), AgentError> {
    const PATH: &str = "/etc/passwd";
    let text =
        std::fs::read_to_string(PATH).map_err(|error| AgentError::File { path: PATH.into(), error })?;
    let ids = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (found, _, user, group) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        if found == name { Some((user.parse().ok()?, group.parse().ok()?)) } else { None }
    });
    ids.ok_or_else(|| {
        AgentError::Setting(format!("this machine has no user {name:?}: make it, or name another"))
    })
}
