//! Finding what is to be exported in a journal that has no index: one reading of it.

use windlass_journal::Read;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Fold;
use windlass_sagas::record::Event;

use super::ExportError;
use crate::error::ReplayError;
use crate::fold::{Until, fold_by};
use crate::timeline::saga_of;

/// The first and the last position of the commits that speak of an operation.
///
/// # Errors
/// Where the journal can't be read or folded, or no commit speaks of it.
pub async fn find_operation<R: Read>(journal: &R, saga: SagaId) -> Result<(Position, Position), FindError> {
    let mut found: Option<(Position, Position)> = None;
    fold_by(journal, Fold::new(None), Until::End, |_, absorbed| {
        for commit in &absorbed.commits {
            if commit.events.iter().any(|event| saga_of(event) == Some(saga)) {
                let at = commit.header.position;
                found = Some(found.map_or((at, at), |(first, _)| (first, at)));
            }
        }
    })
    .await?;
    found.ok_or_else(|| ExportError::NotFound(format!("operation {saga}")).into())
}

/// The project of a name or id, the newest of that name; one that is deleted too.
///
/// # Errors
/// Where the journal can't be read or folded, or never had such a project.
pub async fn find_project<R: Read>(journal: &R, text: &str) -> Result<(ProjectId, String), FindError> {
    let id: Option<ProjectId> = text.parse().ok();
    let mut found = None;
    fold_by(journal, Fold::new(None), Until::End, |_, absorbed| {
        for event in absorbed.commits.iter().flat_map(|commit| &commit.events) {
            if let Event::ProjectCreated(e) = event
                && (e.name == text || Some(e.id) == id)
            {
                found = Some((e.id, e.name.clone()));
            }
        }
    })
    .await?;
    found.ok_or_else(|| ExportError::NotFound(format!("project {text}")).into())
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The journal could not be looked at.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// It is not there.
    #[error(transparent)]
    Export(#[from] ExportError),
}
