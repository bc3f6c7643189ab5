//! Planned faults: at each opportunity the plan is asked, and says what strikes. Nothing strikes unless the agent was
//! started with a plan, or so that faults may be armed from outside.
//!
//! Invariant: a strike is on disk before it happens, so that one that takes the process down is not repeated by the
//! next process, and every strike leaves a line that says what, where and at which opportunity.

mod armed;
mod fired;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;
use windlass_sagas::fault::{self, FaultKind, Lane};
use windlass_sagas::protocol::{FaultHeld, LeasedFault};
use windlass_sagas::record::{Direction, FaultRule, Role, StepKey};

use crate::AgentError;
use crate::config::{direction_name, read_plan, role_name};
use armed::Armed;
use fired::Fired;

/// Where in the course of a call a fault can strike.
pub use windlass_sagas::record::FaultPoint as Point;

/// A plan, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    faults: Vec<FaultRule>,
    /// Eight bytes of the text's hash: another text is another plan, whose faults have not struck yet.
    id: u64,
}

impl Plan {
    /// A plan that was read from this text.
    #[must_use]
    pub fn new(faults: Vec<FaultRule>, text: &[u8]) -> Self {
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(text).into();
        Self { faults, id: u64::from_be_bytes([a, b, c, d, e, f, g, h]) }
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

impl Place {
    const fn rules(&self) -> fault::Place<'static> {
        let Self { point, changes, step, direction, role, .. } = *self;
        fault::Place { point, changes, step, direction, role }
    }
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

impl Strike {
    fn of(rule: &FaultRule) -> Self {
        let (kind, retryable) = (rule.kind, rule.retryable);
        Self { kind, delay: Duration::from_millis(rule.delay_ms.into()), retryable }
    }
}

/// The faults of a running agent.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Option<Mutex<Planned>>,
    /// `None`: the agent was not started so that faults may be armed.
    armed: Option<Mutex<Armed>>,
    struck: Notify,
}

/// A plan, as far as it has gone.
#[derive(Debug)]
struct Planned {
    lanes: Vec<(FaultRule, Lane)>,
    fired: Fired,
}

impl Faults {
    /// No fault ever strikes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The faults of the plan at `plan`, and those that will be armed where `allowed`; what has struck is remembered
    /// below `directory`.
    ///
    /// # Errors
    /// `Malformed` with the line of the plan; `File`.
    pub fn load(plan: Option<&Path>, allowed: bool, directory: &Path) -> Result<Self, AgentError> {
        let planned = plan.map(|plan| Planned::load(plan, directory)).transpose()?;
        if allowed {
            tracing::warn!("faults may be armed at this agent");
        }
        Ok(Self {
            planned: planned.map(Mutex::new),
            armed: allowed.then(|| Mutex::new(Armed::new(directory.to_path_buf()))),
            struck: Notify::new(),
        })
    }

    /// Whether any fault may ever strike.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.planned.is_some() || self.armed.is_some()
    }

    /// Whether faults may be armed.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.armed.is_some()
    }

    /// What strikes here, if anything: the first fault that fits and is due, of the plan and then of the armed ones.
    #[must_use]
    pub fn ask(&self, place: &Place) -> Option<Strike> {
        if let Some(strike) = self.planned.as_ref().and_then(|planned| lock(planned).ask(place)) {
            return Some(strike);
        }
        let (fault, strike) = lock(self.armed.as_ref()?).ask(place, Instant::now())?;
        tracing::warn!(%fault, "the fault was armed from outside");
        self.struck.notify_one();
        Some(strike)
    }

    /// Takes in the leader's list of armed faults; `false`: none may be armed here.
    pub(crate) fn hold(&self, list: Vec<LeasedFault>) -> bool {
        let Some(armed) = &self.armed else { return false };
        lock(armed).hold(list, Instant::now());
        true
    }

    /// The armed faults that may still strike, and how often each has; `None`: none may be armed here.
    pub(crate) fn held(&self) -> Option<Vec<FaultHeld>> {
        self.armed.as_ref().map(|armed| lock(armed).report(Instant::now()))
    }

    /// When the next lease ends.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.armed.as_ref().and_then(|armed| lock(armed).next_end())
    }

    /// Tells of leases that have ended.
    pub(crate) fn end(&self) {
        if let Some(armed) = &self.armed {
            lock(armed).end(Instant::now());
        }
    }

    /// Returns once an armed fault has struck and the process is still there.
    pub(crate) async fn struck(&self) {
        self.struck.notified().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Planned {
    fn load(plan: &Path, directory: &Path) -> Result<Self, AgentError> {
        let Plan { faults, id } = read_plan(plan)?;
        let fired = Fired::open(directory, &format!("{id:016x}"), faults.len())?;
        tracing::warn!(plan = %plan.display(), faults = faults.len(), "faults are planned for this agent");
        let lane = |(number, rule): (usize, FaultRule)| {
            let lane = Lane::new(&rule, number as u64, fired.count(number));
            (rule, lane)
        };
        let lanes = faults.into_iter().enumerate().map(lane).collect();
        Ok(Self { lanes, fired })
    }

    fn ask(&mut self, place: &Place) -> Option<Strike> {
        let Self { lanes, fired } = self;
        let mut struck = None;
        for (number, (rule, lane)) in lanes.iter_mut().enumerate() {
            if !rule.fits(&place.rules()) || !lane.due(rule) || struck.is_some() {
                continue;
            }
            if let Err(error) = fired.note(number, &line(rule, place, lane.opportunities())) {
                tracing::error!(%error, kind = %rule.kind, "a fault can't be noted and does not strike");
                continue;
            }
            lane.struck();
            struck = Some(Strike::of(rule));
        }
        struck
    }
}

/// Tells of a strike, and gives its line: kind, place, step, direction, role, key, opportunity.
fn line(rule: &FaultRule, place: &Place, opportunity: u64) -> String {
    let (kind, step, direction) = (rule.kind, place.step, direction_name(place.direction));
    let (role, key) = (role_name(place.role), place.key);
    tracing::warn!(
        %kind, point = ?place.point, step, direction, role, saga = %key.saga, opportunity, "a planned fault strikes"
    );
    format!("{kind} {:?} {step} {direction} {role} {} {} {opportunity}", place.point, key.saga, key.step)
}

#[cfg(test)]
mod tests;
