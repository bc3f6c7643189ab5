//! A drawing of an operation's life: who did what when. One lane a step in the order of the plan, each attempt a bar from
//! the moment that it might leave to its outcome, the undo under the step that it undoes, pointing back.
//!
//! It is one SVG file without script or anything from elsewhere; its colours follow what the reader prefers.

mod axis;
mod lanes;
mod model;
mod paper;
#[cfg(test)]
mod tests;

use windlass_client::v1;

use crate::names::Names;
use crate::output::{lower, time};
use axis::Axis;
use model::{Mark, Model, What};
use paper::{Paper, fit, n, width};

const STYLE: &str = include_str!("style.css");

/// The width of all, and of the margins.
const WIDTH: f64 = 1280.0;
const MARGIN: f64 = 32.0;
/// Where time begins and ends.
const LEFT: f64 = 306.0;
const RIGHT: f64 = WIDTH - 76.0;
/// Where the first lane begins.
const TOP: f64 = 150.0;
/// A line of the list under the lanes.
const LINE: f64 = 21.0;
/// Lines of that list; what is beyond is counted.
const NOTES_MAX: usize = 60;

/// The drawing; `leader` names the leader of a term by the position where it was elected.
pub(crate) fn draw(
    saga: &v1::Saga,
    events: &[v1::Event],
    names: &Names,
    leader: &dyn Fn(u64) -> Option<String>,
) -> String {
    let model = Model::of(saga, events, names, leader);
    let axis = axis(&model);
    let heights = lanes::heights(&model);
    let bottom = TOP + heights.iter().sum::<f64>() + lanes::CHANGES_HEIGHT;
    let shown = model.marks.len().min(NOTES_MAX);
    let left_out = model.marks.len() - shown;
    let lines = shown + usize::from(left_out > 0);
    let notes = f64::from(u32::try_from(lines).unwrap_or_default()) * LINE;
    let height = bottom + 44.0 + notes + 72.0;

    let mut paper = Paper::default();
    head(&mut paper, height);
    title(&mut paper, saga, events, names);
    lanes::bands(&mut paper, &model, &heights);
    time_axis(&mut paper, &model, &axis, bottom);
    lanes::draw(&mut paper, &model, &axis, &heights);
    lines_of_terms(&mut paper, &model, &axis, bottom);
    spine(&mut paper, &model, &axis);
    lanes::changes(&mut paper, &model, &axis, bottom - lanes::CHANGES_HEIGHT);
    list(&mut paper, &model, bottom + 40.0, shown, left_out);
    legend(&mut paper, height - 34.0);
    paper.line("</svg>");
    paper.done()
}

fn axis(model: &Model) -> Axis {
    let of_bars = model.bars().flat_map(|bar| [Some(bar.asked), Some(bar.from), bar.to]).flatten();
    let of_marks = model.marks.iter().map(|mark| mark.at).chain(model.changes.iter().map(|it| it.at));
    let moments = of_bars.chain(of_marks).chain([model.from, model.to]).collect();
    // A call of which nothing is heard does not make the time worth its room.
    let heard = |bar: &&model::Bar| bar.end != model::End::Unknown;
    let busy = |from, to| model.bars().filter(heard).any(|bar| bar.from <= from && bar.to >= Some(to));
    Axis::new(moments, &busy, LEFT, RIGHT)
}

fn head(paper: &mut Paper, height: f64) {
    let (width, height) = (n(WIDTH), n(height));
    paper.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\">"
    ));
    paper.line(format_args!("<style>\n{STYLE}</style>"));
    paper.line(
        "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"hatched\" width=\"6\" height=\"6\"/><path class=\"hatch\" \
         d=\"M0 0V6\"/></pattern></defs>",
    );
    paper.line("<rect class=\"paper\" width=\"100%\" height=\"100%\"/>");
}

fn title(paper: &mut Paper, saga: &v1::Saga, events: &[v1::Event], names: &Names) {
    use v1::saga::State;
    let subject =
        if saga.subject.is_empty() { String::new() } else { format!(" {}", names.show(&saga.subject)) };
    let state = lower(saga.state().as_str_name());
    let ended = events.iter().rev().find(|event| event.step.is_none() && event.latency_ms.is_some());
    let took = ended.and_then(|event| event.latency_ms).filter(|_| saga.end_time.is_some());
    let took = took.map(|ms| format!(" after {}", long(ms))).unwrap_or_default();
    let class = match saga.state() {
        State::Completed => "good",
        State::RolledBack | State::Unwinding => "back",
        State::Stuck | State::Running | State::Unspecified => "warn",
        State::Abandoned => "bad",
    };
    let how = format!("● {state}{took}");
    let room = WIDTH - 2.0 * MARGIN - width(&how, 14.0) - 30.0;
    paper.text("title", (MARGIN, 48.0), &fit(&format!("{}{subject}", saga.kind), 23.0, room));
    paper.text(&format!("pill {class}"), (WIDTH - MARGIN, 48.0), &how);
    let cause = events.first().and_then(|event| event.cause.clone()).unwrap_or_default();
    let who =
        if saga.principal.is_empty() { "the cell itself".to_owned() } else { names.show(&saga.principal) };
    let from = if cause.source_address.is_empty() {
        String::new()
    } else {
        format!(" from {}", cause.source_address)
    };
    let asked =
        format!("{}  ·  asked by {who}{from}  ·  operation {}", time(saga.create_time.as_ref()), saga.uid);
    paper.text("about", (MARGIN, 72.0), &fit(&asked, 13.0, WIDTH - 2.0 * MARGIN));
    let with = [("request", &saga.request_id), ("trace", &cause.trace_id)];
    let with: Vec<String> =
        with.iter().filter(|(_, id)| !id.is_empty()).map(|(word, id)| format!("{word} {id}")).collect();
    paper.text("about", (MARGIN, 91.0), &fit(&with.join("  ·  "), 13.0, WIDTH - 2.0 * MARGIN));
}

/// The axis with its labels, lines through the lanes, and its breaks.
fn time_axis(paper: &mut Paper, model: &Model, axis: &Axis, bottom: f64) {
    let y = TOP - 8.0;
    let (ticks, step) = axis.ticks(model.from);
    paper.group("axis", "", &[]);
    let mut labels: Vec<(f64, String)> = Vec::new();
    for tick in ticks {
        let (x, text) = (axis.at(tick), label(tick - model.from, step));
        let room = |last: &(f64, String)| (width(&last.1, 11.0) + width(&text, 11.0)) / 2.0 + 8.0;
        // Behind a break the first label is the one that says where one is.
        if labels.last().is_some_and(|last| x - last.0 < room(last)) {
            labels.pop();
        }
        paper.rule("grid", (x, y), (x, bottom));
        labels.push((x, text));
    }
    labels.into_iter().for_each(|(x, text)| paper.text("tick", (x, y - 8.0), &text));
    for segment in &axis.segments {
        if segment.broken {
            let (left, right) = (segment.left, segment.right);
            paper.rect("torn", (left + 3.0, y), (right - left - 6.0, bottom - y), 0.0);
            let middle = f64::midpoint(left, right);
            for x in [middle - 3.0, middle + 3.0] {
                paper.rule("tear", (x - 3.5, y + 6.0), (x + 3.5, y - 6.0));
            }
            paper.text("gap", (middle, y - 22.0), &brief((segment.to - segment.from) / 1000));
        } else {
            paper.rule("base", (segment.left, y), (segment.right, y));
        }
    }
    paper.end();
}

/// A time since the beginning, as exact as the labels' step.
fn label(us: i64, step: i64) -> String {
    let whole = f64_of(us) / 1e6;
    if us >= 60_000_000 {
        let text = clock(u64::try_from(us / 1000).unwrap_or_default());
        let digits = if step < 1_000_000 { 2 } else { 4 };
        return text.get(..text.len() - digits).unwrap_or(&text).to_owned();
    }
    match step {
        ..1_000 => format!("{:.1} ms", f64_of(us) / 1000.0),
        1_000..10_000 => format!("{whole:.3} s"),
        10_000..100_000 => format!("{whole:.2} s"),
        100_000..1_000_000 => format!("{whole:.1} s"),
        _ => format!("{whole:.0} s"),
    }
}

/// A length of time as exact as people ask for it.
fn long(ms: u64) -> String {
    let shown = i64::try_from(ms).unwrap_or(i64::MAX);
    if ms < 60_000 { crate::output::seconds(ms) } else { brief(shown) }
}

/// A time since the beginning, to the millisecond.
fn clock(ms: u64) -> String {
    if ms < 60_000 {
        return crate::output::seconds(ms);
    }
    let s = ms / 1000;
    format!("{}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, ms % 1000)
}

/// A length of time in two words at most.
fn brief(ms: i64) -> String {
    let s = ms / 1000;
    match s {
        ..1 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", s, ms % 1000 / 100),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

fn f64_of(us: i64) -> f64 {
    f64::from(i32::try_from(us / 1000).unwrap_or(i32::MAX)) * 1000.0
        + f64::from(i32::try_from(us % 1000).unwrap_or_default())
}

/// Where the pivot was passed, and where another leader went on.
fn lines_of_terms(paper: &mut Paper, model: &Model, axis: &Axis, bottom: f64) {
    if let Some(at) = model.pivot {
        let x = axis.at(at);
        paper.group("line", "from here on it can't be turned back", &[]);
        paper.rule("pivot", (x, TOP - 8.0), (x, bottom));
        paper.path("pivotfill", &diamond((x, TOP - 8.0), 5.0));
        paper.end();
    }
    for term in &model.terms {
        let x = axis.at(term.at);
        paper.group("line", &format!("{} leads from here on", term.name), &[]);
        paper.rule("term", (x, TOP - 38.0), (x, bottom));
        let wide = width(&term.name, 11.0);
        let left = if x + wide + 6.0 > WIDTH - MARGIN { x - wide - 6.0 } else { x + 6.0 };
        paper.text("termname", (left, TOP - 42.0), &term.name);
        paper.end();
    }
}

/// The operation as a whole: a line from its begin to its end, with what happened on the way.
fn spine(paper: &mut Paper, model: &Model, axis: &Axis) {
    let y = TOP + lanes::SPINE_HEIGHT / 2.0;
    paper.text("step", (MARGIN, y + 4.5), "operation");
    paper.rule("spine", (axis.at(model.from), y), (axis.at(model.to), y));
    let mut last = f64::MIN;
    let mut up = 0.0;
    for (number, mark) in (1..).zip(&model.marks).filter(|(_, mark)| mark.lane.is_none()) {
        let x = axis.at(mark.at);
        // What stands close together is fanned out, so that every number is read.
        up = if x - last < 17.0 { up + 17.0 } else { 0.0 };
        last = if up > 0.0 { last } else { x };
        numbered(paper, mark, number, (last + up, y));
    }
}

/// The number of something in the list.
fn numbered(paper: &mut Paper, mark: &Mark, number: u32, at: (f64, f64)) {
    let title = format!("@{} {}{}", mark.event.0, mark.text, by(mark));
    paper.group("mark", &title, &[mark.event]);
    let class = class(mark.what);
    match mark.what {
        What::Stuck | What::Late => paper.path(class, &diamond(at, 10.5)),
        What::Turns | What::RolledBack => {
            let (x, y) = at;
            let d = format!("M{} {}l9 -8.5v17z", n(x - 12.0), n(y));
            paper.path(class, &d);
            paper.circle(class, at, 8.5);
        }
        _ => paper.circle(class, at, 8.5),
    }
    paper.text("number", (at.0, at.1 + 3.6), &number.to_string());
    paper.end();
}

fn by(mark: &Mark) -> String {
    if mark.who.is_empty() { String::new() } else { format!(", by {}", mark.who) }
}

const fn class(what: What) -> &'static str {
    match what {
        What::Begins => "m-begins",
        What::Turns => "m-turns",
        What::Stuck => "m-stuck",
        What::Resumes => "m-resumes",
        What::Late => "m-late",
        What::Refused => "m-refused",
        What::Resolved => "m-resolved",
        What::Completed => "m-completed",
        What::RolledBack => "m-rolledback",
        What::Abandoned => "m-abandoned",
    }
}

fn diamond((x, y): (f64, f64), size: f64) -> String {
    let (s, t) = (n(size), n(-size));
    format!("M{} {}l{s} {s}l{t} {s}l{t} {t}z", n(x), n(y - size))
}

/// What the numbers say.
fn list(paper: &mut Paper, model: &Model, top: f64, shown: usize, left_out: usize) {
    paper.text("head", (MARGIN, top), "What happened");
    let mut y = top + LINE + 2.0;
    for (number, mark) in (1_u32..).zip(model.marks.iter().take(shown)) {
        paper.circle(class(mark.what), (MARGIN + 8.0, y - 4.2), 8.0);
        paper.text("number", (MARGIN + 8.0, y - 0.7), &number.to_string());
        let since = u64::try_from((mark.at - model.from) / 1000).unwrap_or_default();
        paper.text("when", (MARGIN + 116.0, y), &format!("+{}", clock(since)));
        let of = mark.lane.and_then(|(lane, undo)| Some((model.lanes.get(lane)?, undo)));
        let of = of.map(|(lane, undo)| {
            let sign = if undo { "−" } else { "+" };
            format!("{sign} {}: ", lane.kind)
        });
        let text = format!("{}{}{}", of.unwrap_or_default(), mark.text, by(mark));
        paper.text("say", (MARGIN + 132.0, y), &fit(&text, 12.5, WIDTH - 2.0 * MARGIN - 132.0));
        y += LINE;
    }
    if left_out > 0 {
        paper.text("when", (MARGIN + 116.0, y), "…");
        paper.text("say", (MARGIN + 132.0, y), &format!("and {left_out} more"));
    }
}

fn legend(paper: &mut Paper, y: f64) {
    paper.rule("grid", (MARGIN, y - 22.0), (WIDTH - MARGIN, y - 22.0));
    let mut x = MARGIN;
    let bar =
        |paper: &mut Paper, x: f64, kind: lanes::Kind| lanes::shape(paper, kind, (x, y - 5.0), 26.0, 11.0);
    let mut entry = |paper: &mut Paper, text: &str, draw: &dyn Fn(&mut Paper, f64)| {
        draw(paper, x);
        paper.text("note", (x + 33.0, y + 4.0), text);
        x += 33.0 + width(text, 11.0) + 15.0;
    };
    entry(paper, "done", &|paper, x| bar(paper, x, lanes::Kind::Done));
    entry(paper, "refused", &|paper, x| bar(paper, x, lanes::Kind::Refused { undo: false }));
    entry(paper, "outcome not known", &|paper, x| bar(paper, x, lanes::Kind::Unknown { undo: false }));
    entry(paper, "undone", &|paper, x| bar(paper, x, lanes::Kind::Undone));
    entry(paper, "pause before a retry", &|paper, x| paper.rule("wait", (x, y), (x + 26.0, y)));
    entry(paper, "no way back", &|paper, x| {
        paper.rule("pivot", (x + 13.0, y - 8.0), (x + 13.0, y + 8.0));
        paper.path("pivotfill", &diamond((x + 13.0, y - 4.0), 4.5));
    });
    entry(paper, "another leader", &|paper, x| paper.rule("term", (x + 2.0, y), (x + 26.0, y)));
    entry(paper, "a resource changes", &|paper, x| paper.circle("dot", (x + 13.0, y), 3.5));
    entry(paper, "time left out", &|paper, x| {
        for at in [x + 10.0, x + 16.0] {
            paper.rule("tear", (at - 3.5, y + 6.0), (at + 3.5, y - 6.0));
        }
    });
}
