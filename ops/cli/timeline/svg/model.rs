//! What a drawing shows: an operation's events as bars, marks and lines in time, before anything has a place on paper.

use std::collections::BTreeMap;

use windlass_client::v1;
use windlass_client::v1::event::Direction;

use crate::names::Names;
use crate::output::micros;

/// An operation's life. Times are microseconds since 1970.
pub(super) struct Model {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) lanes: Vec<Lane>,
    /// What happened to the operation as a whole, and what a bar does not say.
    pub(super) marks: Vec<Mark>,
    /// What it did to resources, by commit.
    pub(super) changes: Vec<Change>,
    /// Where another leader went on.
    pub(super) terms: Vec<Term>,
    /// When it could not be turned back any more.
    pub(super) pivot: Option<i64>,
}

/// A step.
pub(super) struct Lane {
    pub(super) index: u32,
    pub(super) kind: String,
    pub(super) host: String,
    /// Whether it is the one behind which nothing turns back.
    pub(super) is_pivot: bool,
    pub(super) forward: Vec<Bar>,
    pub(super) undo: Vec<Bar>,
}

/// One attempt.
pub(super) struct Bar {
    /// When it was dispatched.
    pub(super) asked: i64,
    /// When it might leave.
    pub(super) from: i64,
    /// Its outcome; `None`: there is none.
    pub(super) to: Option<i64>,
    pub(super) end: End,
    pub(super) attempt: u32,
    pub(super) ms: Option<u64>,
    pub(super) events: Vec<Place>,
}

/// An event's place in the journal.
pub(super) type Place = (u64, u32);

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Refused,
    /// Nothing is known of it.
    Unknown,
}

/// Something at one time.
pub(super) struct Mark {
    pub(super) at: i64,
    pub(super) what: What,
    /// The step's place among the lanes, and whether it is its undo.
    pub(super) lane: Option<(usize, bool)>,
    pub(super) text: String,
    /// Who did it; empty: the cell itself.
    pub(super) who: String,
    pub(super) event: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Begins,
    Turns,
    Stuck,
    Resumes,
    Late,
    Refused,
    /// Resolved without an outcome.
    Resolved,
    Completed,
    RolledBack,
    Abandoned,
}

/// What one commit did to resources.
pub(super) struct Change {
    pub(super) at: i64,
    pub(super) texts: Vec<String>,
    pub(super) events: Vec<Place>,
}

/// A term that began.
pub(super) struct Term {
    pub(super) at: i64,
    pub(super) name: String,
}

impl Model {
    /// The life that these events tell, which stand in order; `leader` names the leader of a term, by the position where
    /// it was elected.
    pub(super) fn of(
        saga: &v1::Saga,
        events: &[v1::Event],
        names: &Names,
        leader: &dyn Fn(u64) -> Option<String>,
    ) -> Self {
        let pivot = saga.pivot.as_ref();
        let lanes = saga.steps.iter().map(|step| Lane {
            index: step.index,
            kind: step.kind.clone(),
            host: names.brief(&step.host),
            is_pivot: pivot.is_some_and(|pivot| pivot.step == step.index),
            forward: Vec::new(),
            undo: Vec::new(),
        });
        let from = saga.create_time.as_ref().or_else(|| events.first()?.time.as_ref()).map_or(0, micros);
        let mut model = Self {
            from,
            to: from,
            lanes: lanes.collect(),
            marks: Vec::new(),
            changes: Vec::new(),
            terms: Vec::new(),
            pivot: None,
        };
        let places: BTreeMap<u32, usize> =
            (0..).zip(&saga.steps).map(|(at, step)| (step.index, at)).collect();
        let mut term = None;
        for event in events {
            let at = event.time.as_ref().map_or(from, micros).max(from);
            model.to = model.to.max(at);
            if term.replace(event.term_elected).is_some_and(|before| before != event.term_elected) {
                let named = leader(event.term_elected).map(|name| format!(", {name}")).unwrap_or_default();
                let name = format!("term {}.{}{named}", event.term_generation, event.term_elected);
                model.terms.push(Term { at, name });
            }
            let lane = event.step.and_then(|step| places.get(&step)).copied();
            model.take(event, at, lane, names);
        }
        let waits = model.bars().map(|bar| bar.from).max();
        model.to = model.to.max(waits.unwrap_or(from)).max(saga.end_time.as_ref().map_or(from, micros));
        model.pivot = pivot.and_then(|pivot| {
            let lane = model.lanes.get(*places.get(&pivot.step)?)?;
            if pivot.from_dispatch {
                lane.forward.first().map(|bar| bar.asked)
            } else {
                lane.forward.iter().find(|bar| bar.end == End::Done).and_then(|bar| bar.to)
            }
        });
        model
    }

    /// All attempts.
    pub(super) fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.lanes.iter().flat_map(|lane| lane.forward.iter().chain(&lane.undo))
    }

    fn take(&mut self, event: &v1::Event, at: i64, lane: Option<usize>, names: &Names) {
        let undo = event.direction() == Direction::Undo;
        let bars = lane
            .and_then(|lane| self.lanes.get_mut(lane))
            .map(|lane| if undo { &mut lane.undo } else { &mut lane.forward });
        let place = (event.position, event.ordinal);
        let how = event.details.get("how").map(String::as_str);
        let what = match (event.kind.as_str(), bars) {
            ("step.dispatched", Some(bars)) => {
                // What was under way has no outcome that anybody heard of.
                if let Some(open) = bars.last_mut().filter(|bar| bar.to.is_none()) {
                    open.to = Some(at);
                }
                let pause = event.details.get("not_before");
                let pause = pause.and_then(|text| text.parse::<prost_types::Timestamp>().ok());
                let from = pause.map_or(at, |pause| micros(&pause).max(at));
                let (end, attempt) = (End::Unknown, event.attempt);
                bars.push(Bar { asked: at, from, to: None, end, attempt, ms: None, events: vec![place] });
                return;
            }
            ("step.done", Some(bars)) => return end(bars, at, End::Done, event),
            ("step.undone", Some(bars)) if how.is_none_or(|how| how == "by_agent") => {
                return end(bars, at, End::Done, event);
            }
            ("step.refused", Some(bars)) => {
                end(bars, at, End::Refused, event);
                What::Refused
            }
            ("step.skipped" | "step.undone", Some(bars)) => {
                if let Some(open) = bars.last_mut().filter(|bar| bar.to.is_none()) {
                    open.to = Some(at);
                }
                What::Resolved
            }
            ("step.overdue" | "saga.overdue", _) => What::Late,
            ("saga.started", _) => What::Begins,
            ("saga.unwinding", _) => What::Turns,
            ("saga.stuck", _) => What::Stuck,
            ("saga.resumed", _) => What::Resumes,
            ("saga.completed", _) => What::Completed,
            ("saga.rolled_back", _) => What::RolledBack,
            ("saga.abandoned", _) => What::Abandoned,
            _ => return self.change(event, at, names),
        };
        let lane = lane.filter(|_| event.kind.starts_with("step.")).map(|lane| (lane, undo));
        let by = event.cause.as_ref().map(|cause| cause.principal.as_str()).unwrap_or_default();
        let who = if by.is_empty() || what == What::Refused { String::new() } else { names.show(by) };
        let took = event.latency_ms.filter(|_| event.step.is_none());
        let took = took.map(|ms| format!(" after {}", super::long(ms))).unwrap_or_default();
        let text = match (what, event.details.get("message")) {
            (What::Refused, Some(message)) => {
                let again = event.details.get("retryable").is_some_and(|it| it == "true");
                let again = if again { "for now" } else { "for good" };
                format!("refused {again}, attempt {}: {message}", event.attempt)
            }
            _ => format!("{}{took}", names.within(&event.summary)),
        };
        self.marks.push(Mark { at, what, lane, text, who, event: place });
    }

    fn change(&mut self, event: &v1::Event, at: i64, names: &Names) {
        let (text, place) = (names.within(&event.summary), (event.position, event.ordinal));
        match self.changes.last_mut().filter(|last| last.events.iter().all(|it| it.0 == event.position)) {
            Some(last) => {
                last.texts.push(text);
                last.events.push(place);
            }
            None => self.changes.push(Change { at, texts: vec![text], events: vec![place] }),
        }
    }
}

/// An attempt ends: the one that is under way, or one that was over before it was heard of.
fn end(bars: &mut Vec<Bar>, at: i64, end: End, event: &v1::Event) {
    let place = (event.position, event.ordinal);
    match bars.last_mut().filter(|bar| bar.to.is_none()) {
        Some(bar) => {
            (bar.to, bar.end, bar.ms) = (Some(at), end, event.latency_ms);
            bar.events.push(place);
        }
        None => {
            let (attempt, ms) = (event.attempt, event.latency_ms);
            bars.push(Bar { asked: at, from: at, to: Some(at), end, attempt, ms, events: vec![place] });
        }
    }
}
