//! What each role of a real host does: looks at the host, and makes the next missing sub-change of a step. The loop
//! around it is written once, so that planned faults strike between the sub-changes of every role alike.
//!
//! Invariant: a hand rests on what the host shows, never on what it did before; so the same step goes on from whatever a
//! crash left, and one that is reached makes no change.

use windlass_sagas::protocol::InventoryItem;
use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkResult};
use windlass_sagas::record::{Direction, Refusal, Role, StepOutput};

use crate::driver::{driver_failed, refused};
use crate::faults::{Place, Point};
use crate::limits::SUB_CHANGES_MAX;
use crate::strike::{Striker, Struck};

/// One role of a real host.
pub(crate) trait Hand: Send + Sync {
    /// Looks how much of the step's change is there, by names alone.
    fn observe(&self, work: &Work) -> impl Future<Output = Result<Observed, Refusal>> + Send;

    /// Looks, and makes the next missing sub-change of the step in this direction, naming it for logs; `None`: nothing is
    /// missing, and all of it is durable where it can be. Dropped, it leaves nothing running.
    fn advance(
        &self,
        work: &Work,
        direction: Direction,
    ) -> impl Future<Output = Result<Option<&'static str>, Refusal>> + Send;

    /// What a step that is reached gives to later ones.
    fn output(&self, work: &Work) -> impl Future<Output = Result<StepOutput, Refusal>> + Send;

    /// Everything that the role holds, partial things too.
    fn inventory(&self) -> impl Future<Output = Result<Vec<InventoryItem>, Refusal>> + Send;
}

/// Lets a hand do one piece of work.
pub(super) async fn drive(hand: &impl Hand, striker: &Striker, role: Role, work: &Work) -> WorkResult {
    let op = work.op;
    if op == Op::Observe {
        return WorkResult::Observed(hand.observe(work).await);
    }
    let direction = if op == Op::Undo { Direction::Undo } else { Direction::Forward };
    let step = work.input.name();
    let place = |point, changes| Place { point, changes, step, key: work.key, direction, role };
    if let Some(ended) = struck(striker, op, &place(Point::Before, 0)).await {
        return ended;
    }
    for changes in 1..=SUB_CHANGES_MAX {
        match hand.advance(work, direction).await {
            Ok(Some(change)) => {
                tracing::debug!(role = role.name(), step, saga = %work.key.saga, change, "a sub-change is made");
                if let Some(ended) = struck(striker, op, &place(Point::Between, changes)).await {
                    return ended;
                }
            }
            Ok(None) => {
                if let Some(ended) = struck(striker, op, &place(Point::After, changes - 1)).await {
                    return ended;
                }
                return match op {
                    Op::Undo => WorkResult::Undone(Ok(())),
                    Op::Observe | Op::Execute => WorkResult::Executed(hand.output(work).await),
                };
            }
            Err(refusal) => return refused(op, refusal),
        }
    }
    refused(op, driver_failed("the host does not come to what the step wants"))
}

async fn struck(striker: &Striker, op: Op, place: &Place) -> Option<WorkResult> {
    match striker.at(op, place).await {
        Struck::Nothing => None,
        Struck::Ended(result) => Some(result),
        Struck::Power(power) => {
            tracing::error!(
                ?power,
                "a planned fault of the host's power strikes a simulated host only; it is passed over"
            );
            None
        }
    }
}
