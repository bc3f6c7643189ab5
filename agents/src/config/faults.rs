//! A plan of faults, as it is written: `seed`, then one `[[fault]]` table each. Every mistake is refused with its line.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use windlass_sagas::fault::{FaultKind, Target};
use windlass_sagas::record::{Direction, FaultAsked, FaultRule};

use super::direction_name;
use super::file::{Bounded, RoleName, check_step};
use crate::AgentError;
use crate::faults::{Plan, Point};
use crate::files::read_text;
use crate::limits::{FAULTS_MAX, LATENCY_MS_MAX};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    fault: Vec<Spanned<WrittenFault>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFault {
    /// The kind's stable name.
    kind: KindName,
    /// Only this step; all.
    step: Option<StepName>,
    /// `forward` or `undo`; both.
    direction: Option<DirectionName>,
    /// Only this role; all.
    role: Option<RoleName>,
    /// From the n-th opportunity on, counted from 1; 1.
    at: Option<Bounded<1, 1_000_000_000>>,
    /// Instead of `at`: the chance at each opportunity, 0 to 1.
    probability: Option<Chance>,
    /// How often it strikes; once with `at`, without limit with `probability`.
    times: Option<Bounded<1, 1_000_000_000>>,
    /// Where it strikes, for kinds that may strike anywhere: `before`, `between` or `after` the change.
    when: Option<WhenName>,
    /// How many sub-changes come before a strike between them; 1.
    after_changes: Option<Bounded<1, 64>>,
    /// How late a delayed or second reply is, milliseconds; 1000.
    delay_ms: Option<Bounded<0, LATENCY_MS_MAX>>,
    /// Whether an error says that the same call may succeed later; true.
    retryable: Option<bool>,
}

/// Reads a plan.
pub(crate) fn read_plan(path: &Path) -> Result<Plan, AgentError> {
    let text = read_text(path)?;
    let malformed = |message: String| AgentError::Malformed { path: path.to_path_buf(), message };
    let written: Written =
        toml::from_str(&text).map_err(|error| malformed(error.to_string().trim_end().to_owned()))?;
    if written.fault.len() > FAULTS_MAX {
        return Err(malformed(format!("{} faults; at most {FAULTS_MAX}", written.fault.len())));
    }
    let mut faults = Vec::with_capacity(written.fault.len());
    for fault in written.fault {
        let line = line_of(&text, fault.span());
        let rule = FaultRule::of(&asked(fault.into_inner(), written.seed));
        faults.push(rule.map_err(|bad| malformed(format!("line {line}: {bad}")))?);
    }
    Ok(Plan::new(faults, text.as_bytes()))
}

fn asked(written: WrittenFault, seed: u64) -> FaultAsked {
    FaultAsked {
        kind: written.kind.0,
        role: written.role.map(|role| role.0),
        step: written.step.map(|step| step.0),
        direction: written.direction.map(|direction| direction.0),
        nth: written.at.map(|at| at.0),
        chance_ppm: written.probability.map(|chance| chance.0),
        seed,
        times: written.times.map(|times| times.0),
        point: written.when.map(|when| when.0),
        after_changes: written.after_changes.map(|changes| small(changes.0)),
        delay_ms: written.delay_ms.map(|ms| small(ms.0)),
        retryable: written.retryable,
    }
}

/// A number whose bound is far below 2^32.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn line_of(text: &str, span: Range<usize>) -> usize {
    text.get(..span.start).unwrap_or(text).matches('\n').count() + 1
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct KindName(FaultKind);

impl TryFrom<String> for KindName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        let kind = name.parse().ok().filter(|kind: &FaultKind| kind.target() == Some(Target::Agents));
        let known =
            || FaultKind::of_target(Target::Agents).map(FaultKind::name).collect::<Vec<_>>().join(", ");
        kind.map(Self).ok_or_else(|| format!("{name:?} is no fault of an agent; those are {}", known()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct StepName(String);

impl TryFrom<String> for StepName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        check_step(&name).map(|()| Self(name))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct DirectionName(Direction);

impl TryFrom<String> for DirectionName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        let direction = Direction::ALL.iter().copied().find(|it| direction_name(*it) == name);
        direction.map(Self).ok_or_else(|| "a direction is `forward` or `undo`".into())
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct WhenName(Point);

impl TryFrom<String> for WhenName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "before" => Ok(Self(Point::Before)),
            "between" => Ok(Self(Point::Between)),
            "after" => Ok(Self(Point::After)),
            _ => Err("`when` is `before`, `between` or `after`".into()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Chance(u32);

impl TryFrom<f64> for Chance {
    type Error = String;
    fn try_from(chance: f64) -> Result<Self, String> {
        millionths(chance).map(Self).ok_or_else(|| "expected a probability from 0 to 1".into())
    }
}

/// A probability in millionths, rounded.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million, whole")]
fn millionths(chance: f64) -> Option<u32> {
    (0.0..=1.0).contains(&chance).then(|| (chance * 1e6).round() as u32)
}
