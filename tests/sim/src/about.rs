//! What a decision about a fault is about: steps, each in one direction. Only said where decisions are listed.

use std::collections::BTreeSet;

use windlass_sagas::record::{Commit, Direction, Event, Frame, StepKey};

/// A step that a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// The step.
    pub key: StepKey,
    /// Which way it goes.
    pub direction: Direction,
    /// How many small steps its driver had made by then; 0 outside a driver's work.
    pub changes: u32,
}

impl About {
    /// A step outside its driver's work.
    #[must_use]
    pub(crate) const fn step(key: StepKey, direction: Direction) -> Self {
        Self { key, direction, changes: 0 }
    }
}

/// The steps that the commits of a frame dispatch or resolve.
pub(crate) fn steps_of_frame(frame: &[u8]) -> Vec<About> {
    let commits = Frame::decode(frame).map(|frame| frame.commits).unwrap_or_default();
    let commits: Vec<Commit> = commits.iter().filter_map(|stored| stored.decode().ok()).collect();
    steps_of(&commits)
}

/// The steps that commits dispatch or resolve.
pub(crate) fn steps_of(commits: &[Commit]) -> Vec<About> {
    let step = |event: &Event| {
        let (saga, step, direction) = match event {
            Event::StepDispatched(e) => (e.saga, e.step, e.direction),
            Event::StepRefused(e) => (e.saga, e.step, e.direction),
            Event::StepDone(e) => (e.saga, e.step, Direction::Forward),
            Event::StepUndone(e) => (e.saga, e.step, Direction::Undo),
            _ => return None,
        };
        Some(About::step(StepKey { saga, step }, direction))
    };
    let events = commits.iter().flat_map(|commit| &commit.events);
    events.filter_map(step).collect::<BTreeSet<_>>().into_iter().collect()
}
