//! Planned faults: at each opportunity the plan is asked, and says what strikes. Nothing strikes without a plan, and
//! none is read unless the agent was started with one.
//!
//! Invariant: a strike is on disk before it happens, so that one that takes the process down is not repeated by the
//! next process, and every strike leaves a line that says what, where and at which opportunity.

mod dice;
mod fired;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use windlass_sagas::fault::FaultKind;
use windlass_sagas::record::{Direction, Role, StepKey};

use crate::AgentError;
use crate::config::{direction_name, read_plan, role_name};
use dice::Dice;
use fired::Fired;

/// Where in the course of a call a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before the first sub-change.
    Before,
    /// Between two sub-changes.
    Between,
    /// After the change, which is durable, and before its record.
    After,
    /// When the reply leaves.
    Reply,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// From the n-th opportunity on.
    From(u64),
    /// At each opportunity with this chance, 0 to 1.
    Chance(f64),
}

/// One planned fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What happens.
    pub kind: FaultKind,
    /// Where.
    pub point: Point,
    /// When.
    pub when: When,
    /// How often; `None`: without limit.
    pub times: Option<u64>,
    /// Only for this step.
    pub step: Option<String>,
    /// Only in this direction.
    pub direction: Option<Direction>,
    /// Only in this role.
    pub role: Option<Role>,
    /// How many sub-changes come before a strike between them.
    pub after_changes: u64,
    /// How late a delayed or second reply is.
    pub delay: Duration,
    /// Whether an error says that the same call may succeed later.
    pub retryable: bool,
}

/// A plan, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    seed: u64,
    faults: Vec<Planned>,
    /// Eight bytes of the text's hash: another text is another plan, whose faults have not struck yet.
    id: u64,
}

impl Plan {
    /// A plan that was read from this text.
    #[must_use]
    pub fn new(seed: u64, faults: Vec<Planned>, text: &[u8]) -> Self {
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(text).into();
        Self { seed, faults, id: u64::from_be_bytes([a, b, c, d, e, f, g, h]) }
    }
}

/// An opportunity.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where.
    pub point: Point,
    /// Small steps made so far; looked at between sub-changes.
    pub changes: u64,
    /// The step's name.
    pub step: &'static str,
    /// Its key.
    pub key: StepKey,
    /// Which way it goes.
    pub direction: Direction,
    /// In which role.
    pub role: Role,
}

/// What strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The kind.
    pub kind: FaultKind,
    /// How late a delayed or second reply is.
    pub delay: Duration,
    /// Whether an error says that the same call may succeed later.
    pub retryable: bool,
}

/// The faults of a running agent.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Vec<Planned>,
    state: Option<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// For each fault: opportunities so far, and its dice.
    lanes: Vec<(u64, Dice)>,
    fired: Fired,
}

impl Faults {
    /// No fault ever strikes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The faults of the plan at `plan`; what has struck is remembered below `directory`.
    ///
    /// # Errors
    /// `Malformed` with the line of the plan; `File`.
    pub fn load(plan: &Path, directory: &Path) -> Result<Self, AgentError> {
        let Plan { seed, faults, id } = read_plan(plan)?;
        let fired = Fired::open(directory, id, faults.len())?;
        tracing::warn!(plan = %plan.display(), faults = faults.len(), "faults are planned for this agent");
        let dice = |number: usize| Dice::new(seed, number as u64, fired.count(number));
        let lanes = (0..faults.len()).map(|number| (0, dice(number))).collect();
        Ok(Self { planned: faults, state: Some(Mutex::new(State { lanes, fired })) })
    }

    /// Whether any fault is planned.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.planned.is_empty()
    }

    /// What strikes here, if anything: the first planned fault that fits and is due.
    #[must_use]
    pub fn ask(&self, place: &Place) -> Option<Strike> {
        let mut state = self.state.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck = None;
        for (number, planned) in self.planned.iter().enumerate().filter(|(_, it)| it.fits(place)) {
            let State { lanes, fired } = &mut *state;
            let (Some((opportunities, dice)), so_far) = (lanes.get_mut(number), fired.count(number)) else {
                continue;
            };
            *opportunities += 1;
            let due = match planned.when {
                When::From(first) => *opportunities >= first || so_far > 0,
                When::Chance(chance) => dice.chance(chance),
            };
            if !due || planned.times.is_some_and(|times| so_far >= times) || struck.is_some() {
                continue;
            }
            if let Err(error) = fired.note(number, &line(planned, place, *opportunities)) {
                tracing::error!(%error, kind = %planned.kind, "a fault can't be noted and does not strike");
                continue;
            }
            tracing::warn!(
                kind = %planned.kind, point = ?place.point, step = place.step, direction = direction_name(place.direction),
                role = role_name(place.role), saga = %place.key.saga, opportunity = *opportunities,
                "a planned fault strikes"
            );
            let Planned { kind, delay, retryable, .. } = *planned;
            struck = Some(Strike { kind, delay, retryable });
        }
        struck
    }
}

impl Planned {
    fn fits(&self, place: &Place) -> bool {
        self.point == place.point
            && (self.point != Point::Between || self.after_changes == place.changes)
            && self.step.as_ref().is_none_or(|step| step == place.step)
            && self.direction.is_none_or(|direction| direction == place.direction)
            && self.role.is_none_or(|role| role == place.role)
    }
}

/// What the line of a strike says: kind, place, step, direction, role, key, opportunity.
fn line(planned: &Planned, place: &Place, opportunity: u64) -> String {
    let (kind, step, direction) = (planned.kind, place.step, direction_name(place.direction));
    let (role, key) = (role_name(place.role), place.key);
    format!("{kind} {:?} {step} {direction} {role} {} {} {opportunity}", place.point, key.saga, key.step)
}

#[cfg(test)]
mod tests;
