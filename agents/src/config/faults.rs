//! A plan of faults, as it is written: `seed`, then one `[[fault]]` table each. Every mistake is refused with its line.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::record::Direction;

use super::direction_name;
use super::file::{Bounded, RoleName, check_step};
use crate::AgentError;
use crate::faults::{Plan, Planned, Point, When};
use crate::files::read_text;
use crate::limits::{FAULTS_MAX, LATENCY_MS_MAX};

/// Kinds that a plan for an agent may name.
const KINDS: [FaultKind; 12] = [
    FaultKind::ErrorBefore,
    FaultKind::ErrorAfter,
    FaultKind::CrashBefore,
    FaultKind::CrashBetween,
    FaultKind::CrashAfter,
    FaultKind::PowerCut,
    FaultKind::LedgerLost,
    FaultKind::HostReboot,
    FaultKind::Hang,
    FaultKind::DiskFull,
    FaultKind::Delay,
    FaultKind::Duplicate,
];

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
        let planned = planned(fault.into_inner());
        faults.push(planned.map_err(|message| malformed(format!("line {line}: {message}")))?);
    }
    Ok(Plan::new(written.seed, faults, text.as_bytes()))
}

fn planned(written: WrittenFault) -> Result<Planned, String> {
    let kind = written.kind.0;
    let point = match (own_point(kind), written.when) {
        (Some(point), None) => point,
        (Some(_), Some(_)) => return Err(format!("`when` says nothing to {kind}, which has its own place")),
        (None, Some(WhenName(point))) => point,
        (None, None) => Point::Between,
    };
    if written.after_changes.is_some() && point != Point::Between {
        return Err("`after_changes` is for strikes between two sub-changes".into());
    }
    let late = matches!(kind, FaultKind::Delay | FaultKind::Duplicate);
    if written.delay_ms.is_some() && !late {
        return Err(format!("`delay_ms` is for delay and duplicate, not for {kind}"));
    }
    let is_error = matches!(kind, FaultKind::ErrorBefore | FaultKind::ErrorAfter);
    if written.retryable.is_some() && !is_error {
        return Err(format!("`retryable` is for error_before and error_after, not for {kind}"));
    }
    let times = written.times.map(|times| times.0);
    let (when, times) = match (written.at, written.probability) {
        (Some(_), Some(_)) => return Err("`at` and `probability` exclude each other".into()),
        (at, None) => (When::From(at.map_or(1, |at| at.0)), Some(times.unwrap_or(1))),
        (None, Some(Chance(chance))) => (When::Chance(chance), times),
    };
    Ok(Planned {
        kind,
        point,
        when,
        times,
        step: written.step.map(|step| step.0),
        direction: written.direction.map(|direction| direction.0),
        role: written.role.map(|role| role.0),
        after_changes: written.after_changes.map_or(1, |it| it.0),
        delay: Duration::from_millis(written.delay_ms.map_or(1000, |ms| ms.0)),
        retryable: written.retryable.unwrap_or(true),
    })
}

/// Where a kind strikes; `None`: where the plan says.
const fn own_point(kind: FaultKind) -> Option<Point> {
    match kind {
        FaultKind::ErrorBefore | FaultKind::CrashBefore | FaultKind::DiskFull => Some(Point::Before),
        FaultKind::CrashBetween => Some(Point::Between),
        FaultKind::ErrorAfter | FaultKind::CrashAfter => Some(Point::After),
        FaultKind::Delay | FaultKind::Duplicate => Some(Point::Reply),
        FaultKind::PowerCut
        | FaultKind::LedgerLost
        | FaultKind::HostReboot
        | FaultKind::Hang
        | FaultKind::WrongTerm
        | FaultKind::Drop
        | FaultKind::Partition
        | FaultKind::JournalUnavailable
        | FaultKind::JournalUnknown
        | FaultKind::OrchestratorCrash
        | FaultKind::OrchestratorPause => None,
    }
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
        let kind = name.parse().ok().filter(|kind| KINDS.contains(kind));
        let known = || KINDS.map(FaultKind::name).join(", ");
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
struct Chance(f64);

impl TryFrom<f64> for Chance {
    type Error = String;
    fn try_from(chance: f64) -> Result<Self, String> {
        let fits = (0.0..=1.0).contains(&chance);
        if fits { Ok(Self(chance)) } else { Err("expected a probability from 0 to 1".into()) }
    }
}
