//! Whose a work's change is, as records on the host say it.

use windlass_sagas::protocol::ledger::Work;

/// Cell, project, saga and step, for people: what is found rests on names alone.
pub(crate) fn owner(work: &Work) -> [String; 4] {
    let (cell, project) = (work.owner.cell.to_string(), work.owner.project.to_string());
    [cell, project, work.key.saga.to_string(), work.key.step.0.to_string()]
}
