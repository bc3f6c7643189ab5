//! A rule of a fault, from what somebody asked for: one parser for the API's faults and for the agents' plans.
//!
//! Invariant: a `FaultRule` made here says nothing that its kind has no use for, and every number is in its bounds.

use alloc::format;
use alloc::string::String;

use super::{FaultKind, Target};
use crate::limits::{FAULT_CHANGES_MAX, FAULT_COUNT_MAX, FAULT_DELAY_DEFAULT_MS, FAULT_DELAY_MS_MAX};
use crate::record::{Direction, FaultAsked, FaultPoint, FaultRule, FaultWhen, Role, StepInput};

/// A word of a fault that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadFault {
    /// The field of `FaultAsked`.
    pub field: &'static str,
    /// What is wrong with it, for people.
    pub message: String,
}

/// An opportunity of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where in the course of a call.
    pub point: FaultPoint,
    /// Small changes made so far; looked at between two of them.
    pub changes: u64,
    /// The step's name.
    pub step: &'a str,
    /// Which way it goes.
    pub direction: Direction,
    /// In which role.
    pub role: Role,
}

impl FaultAsked {
    /// Nothing but a kind: it strikes at the first opportunity, once.
    #[must_use]
    pub const fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            role: None,
            step: None,
            direction: None,
            nth: None,
            chance_ppm: None,
            seed: 0,
            times: None,
            point: None,
            after_changes: None,
            delay_ms: None,
            retryable: None,
        }
    }
}

impl FaultRule {
    /// The rule that is asked for.
    ///
    /// # Errors
    /// The field that says what it can't, and why.
    pub fn of(asked: &FaultAsked) -> Result<Self, BadFault> {
        let kind = asked.kind;
        let Some(target) = kind.target() else {
            return Err(bad("kind", format!("{kind} is for the simulation and for networks of tests alone")));
        };
        if target == Target::Leader
            && (asked.role.is_some() || asked.direction.is_some() || asked.step.is_some())
        {
            let field = if asked.role.is_some() {
                "role"
            } else if asked.step.is_some() {
                "step"
            } else {
                "direction"
            };
            return Err(bad(field, format!("{kind} strikes at an orchestrator, which has no {field}")));
        }
        if let Some(step) = &asked.step
            && !StepInput::NAMES.contains(&step.as_str())
        {
            return Err(bad("step", no_step(step)));
        }
        let point = point(asked, target)?;
        let (when, times) = when(asked)?;
        let delay_ms = delay_ms(asked)?;
        if asked.retryable.is_some() && !matches!(kind, FaultKind::ErrorBefore | FaultKind::ErrorAfter) {
            return Err(bad(
                "retryable",
                format!("`retryable` is for error_before and error_after, not for {kind}"),
            ));
        }
        Ok(Self {
            kind,
            role: asked.role,
            step: asked.step.clone(),
            direction: asked.direction,
            when,
            seed: asked.seed,
            times,
            point,
            after_changes: after_changes(asked, point)?,
            delay_ms,
            retryable: asked.retryable.unwrap_or(true),
        })
    }

    /// Whether this is an opportunity of the rule.
    #[must_use]
    pub fn fits(&self, place: &Place<'_>) -> bool {
        self.point == place.point
            && (self.point != FaultPoint::Between || u64::from(self.after_changes) == place.changes)
            && self.step.as_ref().is_none_or(|step| step == place.step)
            && self.direction.is_none_or(|direction| direction == place.direction)
            && self.role.is_none_or(|role| role == place.role)
    }
}

/// What is wrong with a word that names no step.
fn no_step(name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    format!("{shown:?} is no step; the steps are {}", StepInput::NAMES.join(", "))
}

fn point(asked: &FaultAsked, target: Target) -> Result<FaultPoint, BadFault> {
    let kind = asked.kind;
    match (kind.own_point(), asked.point) {
        (Some(point), None) => Ok(point),
        (Some(_), Some(_)) => {
            Err(bad("point", format!("`when` says nothing to {kind}, which has its own place")))
        }
        (None, None) => Ok(match target {
            Target::Agents => FaultPoint::Between,
            Target::Leader => FaultPoint::After,
        }),
        (None, Some(point)) => {
            let can = match point {
                FaultPoint::Before | FaultPoint::After => true,
                FaultPoint::Between => target == Target::Agents,
                FaultPoint::Reply | FaultPoint::Arrival => false,
            };
            let places = match target {
                Target::Agents => "before, between or after the change",
                Target::Leader => "before or after the append",
            };
            if can { Ok(point) } else { Err(bad("point", format!("{kind} strikes {places}"))) }
        }
    }
}

fn when(asked: &FaultAsked) -> Result<(FaultWhen, Option<u64>), BadFault> {
    let counts = [("nth", asked.nth), ("times", asked.times)];
    for (field, count) in counts {
        if count.is_some_and(|count| !(1..=FAULT_COUNT_MAX).contains(&count)) {
            return Err(bad(field, format!("expected a whole number from 1 to {FAULT_COUNT_MAX}")));
        }
    }
    match (asked.nth, asked.chance_ppm) {
        (Some(_), Some(_)) => Err(bad("chance_ppm", "`at` and `probability` exclude each other".into())),
        (nth, None) => Ok((FaultWhen::Nth(nth.unwrap_or(1)), Some(asked.times.unwrap_or(1)))),
        (None, Some(ppm)) if ppm <= 1_000_000 => Ok((FaultWhen::Chance { ppm }, asked.times)),
        (None, Some(_)) => Err(bad("chance_ppm", "expected a probability from 0 to 1".into())),
    }
}

fn delay_ms(asked: &FaultAsked) -> Result<u32, BadFault> {
    let kind = asked.kind;
    let late = matches!(kind, FaultKind::Delay | FaultKind::Duplicate | FaultKind::OrchestratorPause);
    match asked.delay_ms {
        None => Ok(FAULT_DELAY_DEFAULT_MS),
        Some(_) if !late => Err(bad(
            "delay_ms",
            format!("`delay_ms` is for delay, duplicate and orchestrator_pause, not for {kind}"),
        )),
        Some(ms) if ms > FAULT_DELAY_MS_MAX => {
            Err(bad("delay_ms", format!("at most {FAULT_DELAY_MS_MAX} milliseconds")))
        }
        Some(ms) => Ok(ms),
    }
}

fn after_changes(asked: &FaultAsked, point: FaultPoint) -> Result<u32, BadFault> {
    match asked.after_changes {
        None => Ok(1),
        Some(_) if point != FaultPoint::Between => {
            Err(bad("after_changes", "`after_changes` is for strikes between two sub-changes".into()))
        }
        Some(changes) if !(1..=FAULT_CHANGES_MAX).contains(&changes) => {
            Err(bad("after_changes", format!("expected a whole number from 1 to {FAULT_CHANGES_MAX}")))
        }
        Some(changes) => Ok(changes),
    }
}

const fn bad(field: &'static str, message: String) -> BadFault {
    BadFault { field, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: FaultKind) -> FaultAsked {
        FaultAsked::of(kind)
    }

    #[test]
    fn a_kind_alone_strikes_once_at_the_first_opportunity() {
        for kind in FaultKind::ALL.iter().filter(|kind| kind.target().is_some()) {
            let rule = FaultRule::of(&asked(*kind)).expect("a rule");
            assert_eq!((rule.when, rule.times), (FaultWhen::Nth(1), Some(1)), "{kind}");
            assert!(kind.own_point().is_none_or(|point| point == rule.point), "{kind}");
        }
        let chance = FaultAsked { chance_ppm: Some(1), ..asked(FaultKind::Hang) };
        assert_eq!(
            FaultRule::of(&chance).map(|rule| rule.times),
            Ok(None),
            "a chance has no limit of its own"
        );
    }

    #[test]
    fn what_a_kind_has_no_use_for_is_refused_by_its_field() {
        use FaultKind::*;
        let step = || Some("attach".into());
        let cases = [
            ("kind", asked(Drop)),
            ("kind", asked(Partition)),
            ("step", FaultAsked { step: Some("dance".into()), ..asked(Hang) }),
            ("step", FaultAsked { step: step(), ..asked(JournalUnknown) }),
            ("role", FaultAsked { role: Some(Role::Storage), step: step(), ..asked(OrchestratorCrash) }),
            ("direction", FaultAsked { direction: Some(Direction::Undo), ..asked(OrchestratorPause) }),
            ("point", FaultAsked { point: Some(FaultPoint::After), ..asked(ErrorBefore) }),
            ("point", FaultAsked { point: Some(FaultPoint::Reply), ..asked(Hang) }),
            ("point", FaultAsked { point: Some(FaultPoint::Between), ..asked(OrchestratorCrash) }),
            ("nth", FaultAsked { nth: Some(0), ..asked(Hang) }),
            ("times", FaultAsked { times: Some(FAULT_COUNT_MAX + 1), ..asked(Hang) }),
            ("chance_ppm", FaultAsked { chance_ppm: Some(1_000_001), ..asked(Hang) }),
            ("chance_ppm", FaultAsked { nth: Some(2), chance_ppm: Some(5), ..asked(Hang) }),
            ("after_changes", FaultAsked { after_changes: Some(1), ..asked(ErrorAfter) }),
            ("after_changes", FaultAsked { after_changes: Some(0), ..asked(CrashBetween) }),
            ("delay_ms", FaultAsked { delay_ms: Some(1), ..asked(Hang) }),
            ("delay_ms", FaultAsked { delay_ms: Some(FAULT_DELAY_MS_MAX + 1), ..asked(Delay) }),
            ("retryable", FaultAsked { retryable: Some(false), ..asked(Hang) }),
        ];
        for (field, asked) in cases {
            assert_eq!(FaultRule::of(&asked).map_err(|bad| bad.field), Err(field), "{asked:?}");
        }
    }

    #[test]
    fn a_rule_fits_only_what_it_names() {
        let named = FaultAsked {
            step: Some("attach".into()),
            direction: Some(Direction::Undo),
            role: Some(Role::Hypervisor),
            after_changes: Some(2),
            ..asked(FaultKind::PowerCut)
        };
        let rule = FaultRule::of(&named).expect("a rule");
        let (point, direction, role) = (FaultPoint::Between, Direction::Undo, Role::Hypervisor);
        let here = Place { point, changes: 2, step: "attach", direction, role };
        assert!(rule.fits(&here));
        for other in [
            Place { point: FaultPoint::After, ..here },
            Place { changes: 1, ..here },
            Place { step: "detach", ..here },
            Place { direction: Direction::Forward, ..here },
            Place { role: Role::Storage, ..here },
        ] {
            assert!(!rule.fits(&other), "{other:?}");
        }
    }
}
