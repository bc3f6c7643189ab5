//! What a strike left: the agents' notes of it, the operation and its events, the worlds on disk; and what is wrong with it.

use std::collections::BTreeSet;
use std::path::Path;

use windlass_agents::sim::read_world;
use windlass_client::v1::{self, saga};
use windlass_sagas::cell::state::Ended;
use windlass_sagas::record::{Role, Undo};

use crate::square::{Square, counts};

/// A host, looked at from outside.
pub(crate) struct Look {
    /// What its world holds, sorted.
    held: Vec<String>,
    /// Changes that were made twice, ever.
    repeated: u64,
    /// The lines of every strike.
    strikes: BTreeSet<String>,
}

/// What was seen of one square.
pub(crate) struct Seen {
    pub(crate) operation: v1::Operation,
    pub(crate) events: Vec<v1::Event>,
    /// The host for guests and the one for volumes, before and after.
    pub(crate) before: [Look; 2],
    pub(crate) after: [Look; 2],
}

/// Looks at a host's directory.
pub(crate) fn look(directory: &Path) -> Look {
    let world = read_world(directory).unwrap();
    let roles = [Role::Storage, Role::Network, Role::Hypervisor];
    let mut held: Vec<String> = roles
        .iter()
        .flat_map(|role| world.inventory(*role))
        .map(|item| {
            // By whom it was plugged is forgotten when its guest is made again.
            let line = format!("at {item:?}");
            line.split(" attachment:").next().unwrap_or_default().to_owned()
        })
        .collect();
    held.sort_unstable();
    let mut strikes = BTreeSet::new();
    for file in std::fs::read_dir(directory.join("faults")).into_iter().flatten() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        strikes.extend(text.lines().map(|line| format!("{line} in {}", path.display())));
    }
    Look { held, repeated: world.repeated(), strikes }
}

/// How an operation ended.
pub(crate) fn ended(operation: &v1::Operation) -> Option<Ended> {
    match operation.metadata.as_ref().map(v1::Saga::state) {
        Some(saga::State::Completed) => Some(Ended::Completed),
        Some(saga::State::RolledBack) => Some(Ended::RolledBack),
        Some(saga::State::Abandoned) => Some(Ended::Abandoned),
        _ => None,
    }
}

/// What is wrong with a strike.
pub(crate) fn judge(square: &Square, seen: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    let (ended, wanted) = (ended(&seen.operation), square.ends());
    if ended != Some(wanted) {
        found.push(format!("ended {ended:?} instead of {wanted:?}: {:?}", kinds(seen)));
    }
    if seen.events.iter().any(|event| event.kind == "saga.stuck") {
        found.push(format!("needed an operator: {:?}", kinds(seen)));
    }
    found.extend(strikes(square, seen));
    found.extend(undos(square, seen, ended));
    let held: Vec<String> = seen.after.iter().flat_map(|look| look.held.clone()).collect();
    if counts(&held) != *square.holds() {
        found.push(format!("the worlds hold {held:?} instead of {:?}", square.holds()));
    }
    if ended == Some(Ended::RolledBack) && seen.before.iter().zip(&seen.after).any(|(a, b)| a.held != b.held)
    {
        found.push(format!("rolled back, the worlds hold {held:?} and not what they held before"));
    }
    let repeated: u64 = seen.after.iter().map(|look| look.repeated).sum();
    if repeated != 0 {
        found.push(format!("{repeated} changes were made twice"));
    }
    found
}

fn kinds(seen: &Seen) -> Vec<String> {
    let kind = |event: &v1::Event| format!("{} {:?}", event.kind, event.step);
    seen.events.iter().map(kind).collect()
}

/// The agents noted as many strikes as were planned, the square's own among them, at this saga.
fn strikes(square: &Square, seen: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    let saga = seen.operation.name.rsplit('/').next().unwrap_or_default();
    let mut own = 0;
    for (place, (_, planned)) in square.faults().iter().enumerate() {
        let fresh: Vec<&String> = seen.after[place].strikes.difference(&seen.before[place].strikes).collect();
        if fresh.len() != *planned {
            found.push(format!("host {place} noted {fresh:?}, planned were {planned}"));
        }
        let lines = fresh.iter().filter_map(|line| line.split(" in ").next());
        own += lines.filter(|line| square.is_noted(line, saga)).count();
    }
    if own != 1 {
        found.push(format!("its own strike at {saga} was noted {own} times"));
    }
    found
}

/// Each dispatched step of a saga that is rolled back is undone once, behind those that depend on it; of one that
/// completed nothing is.
fn undos(square: &Square, seen: &Seen, ended: Option<Ended>) -> Vec<String> {
    let steps = |kind: &str, forward: bool| {
        let way = if forward { v1::event::Direction::Forward } else { v1::event::Direction::Undo };
        let fits = move |event: &&v1::Event| event.kind == kind && event.direction() == way;
        seen.events.iter().filter(fits).filter_map(|event| event.step).collect::<Vec<u32>>()
    };
    let undone = steps("step.undone", false);
    let dispatched: BTreeSet<u32> = steps("step.dispatched", true).into_iter().collect();
    if ended != Some(Ended::RolledBack) {
        return if undone.is_empty() { Vec::new() } else { vec![format!("{undone:?} were undone")] };
    }
    let mut found = Vec::new();
    let once: BTreeSet<u32> = undone.iter().copied().collect();
    if once != dispatched || once.len() != undone.len() || once.is_empty() {
        found.push(format!("dispatched {dispatched:?}, undone {undone:?}"));
    }
    let place = |wanted: u16| undone.iter().position(|step| *step == u32::from(wanted));
    for (index, step) in (0_u16..).zip(&square.plan.steps) {
        for on in &step.after {
            let turned = matches!(&step.undo, Undo::Call { after, .. } if after.contains(on));
            let (first, then) = if turned { (on.0, index) } else { (index, on.0) };
            if place(first).zip(place(then)).is_some_and(|(first, then)| first > then) {
                found.push(format!("{then} undone before {first}: {undone:?}"));
            }
        }
    }
    found
}
