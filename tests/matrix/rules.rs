//! What the design says of a saga whose step is struck, computed from its plan alone: for the matrix on the machines and
//! for the one on processes.

use windlass_sagas::ids::StepIndex;
use windlass_sagas::record::{Pivot, Plan};

/// Whether a step comes behind the point from which the saga only goes forward (S7). A pivot that can't be undone is itself
/// behind it.
pub(crate) fn behind_pivot(plan: &Plan, step: StepIndex) -> bool {
    match plan.pivot {
        Some(Pivot::Done(pivot)) => depends(plan, step, pivot),
        Some(Pivot::Dispatched(_)) | None => true,
    }
}

/// Whether a step comes after another one.
fn depends(plan: &Plan, step: StepIndex, on: StepIndex) -> bool {
    let after = plan.steps.get(usize::from(step.0)).map(|step| step.after.as_slice()).unwrap_or_default();
    after.iter().any(|index| *index == on || depends(plan, *index, on))
}

/// Whether something of the saga is lost, and with it the saga turned back, where the host of this step starts anew while
/// the step goes forward (A6): the step, or one before it on that host, makes what does not outlast that.
pub(crate) fn loses_something(plan: &Plan, struck: StepIndex) -> bool {
    let host = plan.steps.get(usize::from(struck.0)).map(|step| step.ledger.host);
    let volatile = |index: StepIndex| {
        let before = index == struck || depends(plan, struck, index);
        let step = plan.steps.get(usize::from(index.0));
        before && step.is_some_and(|step| Some(step.ledger.host) == host && step.input.makes_volatile())
    };
    let mut steps = (0..).map(StepIndex).take(plan.steps.len());
    !behind_pivot(plan, struck) && steps.any(volatile)
}
