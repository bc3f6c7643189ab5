//! The lanes of a drawing: each step's attempts, its undo under it, and the dots of what changed with them.

use super::axis::Axis;
use super::model::{Bar, End, Lane, Model};
use super::paper::{Paper, fit, n, width};
use super::{LEFT, MARGIN, RIGHT, TOP, WIDTH, diamond, numbered};
use crate::output::seconds;

/// The lane of the operation as a whole, of a step, of its undo, and of what changed.
pub(super) const SPINE_HEIGHT: f64 = 40.0;
const STEP_HEIGHT: f64 = 32.0;
const UNDO_HEIGHT: f64 = 22.0;
pub(super) const CHANGES_HEIGHT: f64 = 34.0;
/// The height of a bar, and of an undo's.
const BAR: f64 = 18.0;
const UNDO_BAR: f64 = 12.0;
/// The least width of a bar, so that it is seen.
const BAR_WIDTH_MIN: f64 = 5.0;

/// What a bar looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Done,
    Undone,
    Refused { undo: bool },
    Unknown { undo: bool },
}

/// The height of the spine and of each lane.
pub(super) fn heights(model: &Model) -> Vec<f64> {
    let of_lane =
        |(at, lane): (usize, &Lane)| STEP_HEIGHT + if has_undo(model, at, lane) { UNDO_HEIGHT } else { 0.0 };
    std::iter::once(SPINE_HEIGHT).chain(model.lanes.iter().enumerate().map(of_lane)).collect()
}

fn has_undo(model: &Model, at: usize, lane: &Lane) -> bool {
    !lane.undo.is_empty() || model.marks.iter().any(|mark| mark.lane == Some((at, true)))
}

/// Every other lane on a band, so that the eye keeps to it.
pub(super) fn bands(paper: &mut Paper, model: &Model, heights: &[f64]) {
    let mut y = TOP;
    for (number, height) in heights.iter().enumerate() {
        if number % 2 == 1 {
            paper.rect("band", (MARGIN - 12.0, y), (WIDTH - 2.0 * MARGIN + 24.0, *height), 6.0);
        }
        y += height;
    }
    let labels = model.lanes.iter().zip(heights.iter().skip(1));
    let mut y = TOP + SPINE_HEIGHT;
    for (at, (lane, height)) in labels.enumerate() {
        let middle = y + STEP_HEIGHT / 2.0 + 4.5;
        let called = !lane.forward.is_empty() || !lane.undo.is_empty();
        paper.text("index", (MARGIN + 13.0, middle), &lane.index.to_string());
        let step = fit(&lane.kind, 13.5, 140.0);
        paper.text(if called { "step" } else { "rest" }, (MARGIN + 24.0, middle), &step);
        if lane.is_pivot {
            let x = (MARGIN + 24.0 + width(&step, 14.5) + 14.0).min(LEFT - 118.0);
            paper.path("pivotfill", &diamond((x, middle - 4.5), 4.5));
        }
        paper.text("host", (LEFT - 16.0, middle), &fit(&lane.host, 11.5, 92.0));
        if has_undo(model, at, lane) {
            paper.text("side", (LEFT - 16.0, y + STEP_HEIGHT + UNDO_HEIGHT / 2.0), "undo");
        }
        if !called {
            paper.text("rest", (LEFT + 4.0, middle), "not called");
        }
        y += height;
    }
}

/// All bars, with the pauses before them and the numbers of what they do not say.
pub(super) fn draw(paper: &mut Paper, model: &Model, axis: &Axis, heights: &[f64]) {
    let mut y = TOP + SPINE_HEIGHT;
    for (at, (lane, height)) in model.lanes.iter().zip(heights.iter().skip(1)).enumerate() {
        let (forward, undo) = (y + STEP_HEIGHT / 2.0, y + STEP_HEIGHT - 4.0 + UNDO_HEIGHT / 2.0);
        row(paper, model, axis, (at, false), &lane.forward, forward);
        row(paper, model, axis, (at, true), &lane.undo, undo);
        y += height;
    }
}

fn row(paper: &mut Paper, model: &Model, axis: &Axis, lane: (usize, bool), bars: &[Bar], y: f64) {
    let undo = lane.1;
    let high = if undo { UNDO_BAR } else { BAR };
    let mut ends: Vec<f64> = Vec::new();
    for (place, bar) in bars.iter().enumerate() {
        let (left, right) = (axis.at(bar.from), axis.at(bar.to.unwrap_or(model.to)));
        // Of two that are too short to be told apart the second one is moved, a little.
        let left = ends.last().map_or(left, |end| left.max(*end + 1.0));
        let wide = (right - left).max(BAR_WIDTH_MIN);
        let marks = model.marks.iter().filter(|mark| mark.lane == Some(lane) && Some(mark.at) > bar.to);
        let marks = marks.map(|mark| axis.at(mark.at) - 10.0);
        let next = bars.get(place + 1).map(|next| axis.at(next.asked));
        let room = next.into_iter().chain(marks).fold(RIGHT + 70.0, f64::min) - left - wide;
        if bar.from > bar.asked {
            paper.rule("wait", (axis.at(bar.asked), y), (left, y));
        }
        let kind = match (bar.end, undo) {
            (End::Done, false) => Kind::Done,
            (End::Done, true) => Kind::Undone,
            (End::Refused, undo) => Kind::Refused { undo },
            (End::Unknown, undo) => Kind::Unknown { undo },
        };
        paper.group("bar", &title(bar, undo), &bar.events);
        shape(paper, kind, (left, y - high / 2.0), wide, high);
        // A number will stand behind one that was refused.
        let taken = if bar.end == End::Refused { 20.0 } else { 0.0 };
        said(paper, bar, (left, y), wide, room - taken, taken, undo);
        paper.end();
        ends.push(left + wide);
    }
    let mut last = f64::MIN;
    for (number, mark) in (1..).zip(&model.marks).filter(|(_, mark)| mark.lane == Some(lane)) {
        let at = ends.iter().copied().rfind(|end| (*end - axis.at(mark.at)).abs() < BAR_WIDTH_MIN + 2.0);
        let x = at.map_or_else(|| axis.at(mark.at), |end| end + 11.0).max(last + 17.5);
        last = x;
        numbered(paper, mark, number, (x, y));
    }
}

/// How long it took and which try it was: in the bar, or behind it where there is room.
fn said(paper: &mut Paper, bar: &Bar, (x, y): (f64, f64), wide: f64, room: f64, behind: f64, undo: bool) {
    let took = bar.ms.map(brief);
    let attempt = (bar.attempt > 1).then(|| format!("#{}", bar.attempt));
    let texts: Vec<String> = attempt.into_iter().chain(took).collect();
    let text = texts.join(" · ");
    if text.is_empty() {
        return;
    }
    let needs = width(&text, 11.0);
    if !undo && bar.end == End::Done && needs + 24.0 < wide {
        paper.text("in", (x + 8.0, y + 4.0), &text);
    } else if needs + 14.0 < room {
        paper.text("note", (x + wide + behind + 6.0, y + 4.0), &text);
    } else if bar.attempt > 1 && width("#00", 11.0) + 8.0 < room {
        paper.text("note", (x + wide + behind + 4.0, y + 4.0), &format!("#{}", bar.attempt));
    }
}

fn brief(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{:02} s", ms / 1000, ms % 1000 / 10) }
}

fn title(bar: &Bar, undo: bool) -> String {
    let what = if undo { "undo" } else { "call" };
    let how = match bar.end {
        End::Done if undo => "undone",
        End::Done => "done",
        End::Refused => "refused",
        End::Unknown => "no outcome is known",
    };
    let took = bar.ms.map(|ms| format!(" after {}", seconds(ms))).unwrap_or_default();
    let at = bar.events.iter().map(|(position, _)| format!("@{position}")).collect::<Vec<_>>().join(" to ");
    format!("{what}, attempt {}: {how}{took} ({at})", bar.attempt)
}

/// A bar: forward points forward, an undo back; what was refused is hatched and crossed, what is not known is hollow.
pub(super) fn shape(paper: &mut Paper, kind: Kind, (x, y): (f64, f64), wide: f64, high: f64) {
    match kind {
        Kind::Done => paper.path("f-done", &arrow((x, y), wide, high, false)),
        Kind::Undone => paper.path("f-undo", &arrow((x, y), wide, high, true)),
        Kind::Refused { undo } => {
            paper.path("f-refused", &arrow((x, y), wide, high, undo));
            if wide >= 22.0 {
                let (middle, half) = (x + if undo { wide - 8.0 } else { 8.0 }, 3.0);
                let (top, low) = (y + high / 2.0 - half, y + high / 2.0 + half);
                paper.rule("cross", (middle - half, top), (middle + half, low));
                paper.rule("cross", (middle - half, low), (middle + half, top));
            }
        }
        Kind::Unknown { undo } => {
            paper.path("f-unknown", &arrow((x, y), wide, high, undo));
            if wide >= 16.0 {
                paper.text("ask", (x + wide / 2.0, y + high / 2.0 + 4.2), "?");
            }
        }
    }
}

/// The outline of a bar that points forward or back.
fn arrow((x, y): (f64, f64), wide: f64, high: f64, back: bool) -> String {
    let tip = (high * 0.42).min(wide * 0.6);
    let (half, body) = (high / 2.0, wide - tip);
    let point = |(x, y): (f64, f64)| format!("{} {}", n(x), n(y));
    let outline = if back {
        [(x, y + half), (x + tip, y), (x + wide, y), (x + wide, y + high), (x + tip, y + high)]
    } else {
        [(x, y), (x + body, y), (x + wide, y + half), (x + body, y + high), (x, y + high)]
    };
    format!("M{}Z", outline.map(point).join("L"))
}

/// What each commit did to resources.
pub(super) fn changes(paper: &mut Paper, model: &Model, axis: &Axis, top: f64) {
    let y = top + CHANGES_HEIGHT / 2.0;
    paper.text("rest", (MARGIN, y + 4.5), "resources");
    paper.rule("grid", (LEFT, y), (RIGHT, y));
    for change in &model.changes {
        let position = change.events.first().map(|event| event.0).unwrap_or_default();
        paper.group("change", &format!("@{position} {}", change.texts.join("; ")), &change.events);
        let x = axis.at(change.at);
        paper.circle("dot", (x, y), 3.8);
        if change.texts.len() > 1 && x + 24.0 < WIDTH - MARGIN {
            paper.text("note", (x + 7.0, y + 4.0), &change.texts.len().to_string());
        }
        paper.end();
    }
}
