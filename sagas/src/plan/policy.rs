//! How steps are tried again and how long they may take: named once, so that every plan says the same thing alike.

use alloc::vec::Vec;

use crate::ids::StepIndex;
use crate::record::{LedgerId, Maker, Pivot, Plan, Retry, Step, StepInput, Undo};

/// Forward before the pivot: a few attempts, then the saga unwinds.
const FORWARD: Retry = Retry { attempts_max: 3, pause_first_ms: 500, pause_max_ms: 8_000, call_ms: 30_000 };
/// Undo, and forward behind a pivot: without a limit (S5).
const UNLIMITED: Retry =
    Retry { attempts_max: 0, pause_first_ms: 500, pause_max_ms: 60_000, call_ms: 30_000 };
/// How long all attempts of a step may take.
const STEP_MS: u64 = 5 * 60 * 1000;
/// The slowest that an image is fetched and copied into a volume, bytes a millisecond: 8 MB a second.
const COPY_BYTES_A_MS: u64 = 8_000;
/// The longest that is waited for a copy, milliseconds.
const COPY_MS_MAX: u32 = 50 * 60 * 1000;
/// How much longer the evidence of a guest may take for each other guest that boots on its host meanwhile.
const BOOT_MS: u32 = 5_000;
/// So many of them count.
const BOOTS_MAX: usize = 120;
/// How long a saga may take before it is called late.
const SAGA_MS: u64 = 20 * 60 * 1000;

/// Collects the steps of a plan in order.
#[derive(Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    /// A step that can be undone; its undo comes after those of the steps that depend on it, filled in by `plan`.
    pub(super) fn add(&mut self, ledger: LedgerId, input: StepInput, after: &[StepIndex]) -> StepIndex {
        let undo = Undo::Call { retry: UNLIMITED, after: Vec::new() };
        self.put(Step {
            ledger,
            input,
            after: after.to_vec(),
            retry: FORWARD,
            undo,
            closes: Vec::new(),
            deadline_ms: STEP_MS,
        })
    }

    /// A step that changes nothing, so that nothing of it need be undone.
    pub(super) fn look(&mut self, ledger: LedgerId, input: StepInput, after: &[StepIndex]) -> StepIndex {
        let index = self.add(ledger, input, after);
        if let Some(step) = self.0.get_mut(usize::from(index.0)) {
            step.undo = Undo::None;
        }
        index
    }

    /// A step behind the pivot, or itself a pivot when dispatched: never undone, tried without limit.
    pub(super) fn onward(
        &mut self,
        ledger: LedgerId,
        input: StepInput,
        after: &[StepIndex],
        closes: Vec<Maker>,
    ) -> StepIndex {
        let (retry, undo) = (UNLIMITED, Undo::None);
        self.put(Step { ledger, input, after: after.to_vec(), retry, undo, closes, deadline_ms: STEP_MS })
    }

    /// The keys that this step's success closes.
    pub(super) fn closes(&mut self, index: StepIndex, keys: Vec<Maker>) {
        if let Some(step) = self.0.get_mut(usize::from(index.0)) {
            step.closes = keys;
        }
    }

    /// A call of this step may stay unanswered for this long beside what any call may, milliseconds.
    pub(super) fn answers_within(&mut self, index: StepIndex, more_ms: u32) {
        if let Some(step) = self.0.get_mut(usize::from(index.0)) {
            step.retry.call_ms = step.retry.call_ms.saturating_add(more_ms);
        }
    }

    /// This step waits for a guest that boots beside so many others on its host.
    pub(super) fn boots_beside(&mut self, index: StepIndex, boots: usize) {
        let more_ms = BOOT_MS.saturating_mul(u32::try_from(boots.min(BOOTS_MAX)).unwrap_or(u32::MAX));
        self.takes_longer(index, more_ms);
    }

    /// This step fetches an image of so many bytes and copies it.
    pub(super) fn copies(&mut self, index: StepIndex, bytes: u64) {
        // Whole seconds: what is copied in less asks for no other plan.
        let more_ms = u32::try_from(bytes / COPY_BYTES_A_MS / 1000 * 1000).unwrap_or(u32::MAX);
        self.takes_longer(index, more_ms.min(COPY_MS_MAX));
    }

    /// Each attempt of this step may take so much longer.
    fn takes_longer(&mut self, index: StepIndex, more_ms: u32) {
        self.answers_within(index, more_ms);
        if let Some(step) = self.0.get_mut(usize::from(index.0)) {
            let attempts = u64::from(FORWARD.attempts_max.max(1));
            step.deadline_ms = step.deadline_ms.saturating_add(u64::from(more_ms).saturating_mul(attempts));
        }
    }

    fn put(&mut self, step: Step) -> StepIndex {
        let index = StepIndex(u16::try_from(self.0.len()).unwrap_or(u16::MAX));
        self.0.push(step);
        index
    }

    /// The plan. Undos come in reverse dependency order; `instead` names the steps whose undos come after these others
    /// instead (an unplug in a saga that destroys the guest: its destruction is the evidence).
    pub(super) fn plan(mut self, pivot: Pivot, instead: &[(StepIndex, StepIndex)]) -> Plan {
        let edges: Vec<(StepIndex, StepIndex)> = self.dependents();
        for (position, step) in self.0.iter_mut().enumerate() {
            let index = StepIndex(u16::try_from(position).unwrap_or(u16::MAX));
            if let Undo::Call { after, .. } = &mut step.undo {
                let turned = |dependent: &StepIndex| !instead.contains(&(*dependent, index));
                after.extend(
                    edges
                        .iter()
                        .filter(|(on, _)| *on == index)
                        .map(|(_, dependent)| *dependent)
                        .filter(turned),
                );
                after.extend(instead.iter().filter(|(late, _)| *late == index).map(|(_, first)| *first));
            }
        }
        let longest = self.0.iter().map(|step| step.deadline_ms).max().unwrap_or(STEP_MS);
        let deadline_ms = SAGA_MS.saturating_add(longest.saturating_sub(STEP_MS));
        Plan { steps: self.0, pivot: Some(pivot), deadline_ms }
    }

    /// (step, a step that depends on it), in order.
    fn dependents(&self) -> Vec<(StepIndex, StepIndex)> {
        let all = self.0.iter().enumerate().flat_map(|(position, step)| {
            let dependent = StepIndex(u16::try_from(position).unwrap_or(u16::MAX));
            step.after.iter().map(move |on| (*on, dependent))
        });
        all.collect()
    }
}
