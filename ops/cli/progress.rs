//! The steps of an operation while somebody waits for it: on a terminal one live line a step, drawn again in place;
//! elsewhere a plain line for each change, so that it reads the same in a log.
//!
//! It only shows; what it can't write is nobody's loss.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use windlass_client::v1::{Saga, Step, saga, step};

use crate::limits::COLUMNS_DEFAULT;
use crate::names::Names;
use crate::output::{between, note, seconds};

/// What is shown of one operation.
pub(crate) struct Progress {
    names: Names,
    began: Instant,
    live: bool,
    saga: Option<Saga>,
    /// What was last said of each step.
    shown: BTreeMap<u32, String>,
    /// Since when each step is under way, as it was seen from here, and which way.
    since: BTreeMap<(u32, bool), Instant>,
    /// How many lines stand on the terminal.
    drawn: usize,
}

impl Progress {
    /// Before anything is shown; hosts by these names.
    pub(crate) fn new(names: Names) -> Self {
        let live = std::io::stderr().is_terminal();
        let (shown, since) = (BTreeMap::new(), BTreeMap::new());
        Self { names, began: Instant::now(), live, saga: None, shown, since, drawn: 0 }
    }

    /// The operation as it is now.
    pub(crate) fn take(&mut self, saga: &Saga) {
        let now = Instant::now();
        for step in &saga.steps {
            if let Some(undo) = under_way(step) {
                self.since.entry((step.index, undo)).or_insert(now);
            }
        }
        self.saga = Some(saga.clone());
        if self.live { self.draw() } else { self.tell() }
    }

    /// Time has gone on.
    pub(crate) fn tick(&mut self) {
        if self.live {
            self.draw();
        }
    }

    /// A plain line for each step that changed.
    fn tell(&mut self) {
        let Some(saga) = &self.saga else { return };
        for step in &saga.steps {
            let line = line(step, &self.names);
            if !line.is_empty() && self.shown.get(&step.index) != Some(&line) {
                note(format!("{:>8.3}s  {line}", self.began.elapsed().as_secs_f64()));
                self.shown.insert(step.index, line);
            }
        }
    }

    /// Draws all lines over the ones that stand there.
    fn draw(&mut self) {
        let Some(saga) = &self.saga else { return };
        let elapsed = |step: &Step, undo| {
            let since = self.since.get(&(step.index, undo))?;
            (under_way(step) == Some(undo)).then(|| since.elapsed())
        };
        let lines = live_lines(saga, &self.names, self.began.elapsed(), columns(), &elapsed);
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        let body: String = lines.iter().map(|line| format!("\r\x1b[2K{line}\n")).collect();
        let mut out = std::io::stderr().lock();
        write!(out, "{up}{body}").and_then(|()| out.flush()).ok();
        self.drawn = lines.len();
    }
}

/// Which way a step is under way: its undo, or it itself.
fn under_way(step: &Step) -> Option<bool> {
    if step.undo_state() == step::UndoState::UndoRunning {
        return Some(true);
    }
    let forward = step.undo_state() == step::UndoState::Unspecified && step.state() == step::State::Running;
    forward.then_some(false)
}

/// How long a step is under way, as it was seen from here.
type Elapsed<'a> = &'a dyn Fn(&Step, bool) -> Option<Duration>;

/// The lines of a terminal so wide: a head, a line a step, and what is waited for.
fn live_lines(
    saga: &Saga,
    names: &Names,
    all: Duration,
    columns: usize,
    elapsed: Elapsed<'_>,
) -> Vec<String> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let state = crate::output::lower(saga.state().as_str_name());
    let mut lines = vec![format!("{} {state} {}", saga.kind, seconds(ms(all)))];
    for step in &saga.steps {
        let mut text = line(step, names);
        if text.is_empty() {
            text = format!("  {:<15} {:<12} waiting", step.kind, names.brief(&step.host));
        }
        if let Some(time) = under_way(step).and_then(|undo| elapsed(step, undo)) {
            text.push_str(&format!(", {}", seconds(ms(time))));
        }
        lines.push(text);
    }
    let tells = |wait: &&saga::Wait| {
        use saga::wait::For;
        !matches!(wait.what(), For::Unspecified | For::Outcome | For::UndoOutcome)
    };
    if let Some(wait) = saga.waits.iter().find(tells) {
        lines.push(format!("  waits: {}", wait.message));
    }
    lines.iter().map(|line| cut(line, columns)).collect()
}

/// No longer than a terminal's line, or drawing again would leave its rest behind.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() < columns {
        return line.to_string();
    }
    line.chars().take(columns.saturating_sub(2)).chain(['…']).collect()
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    // A terminal that was never given a size says 0.
    let columns = size.map(|size| usize::from(size.ws_col)).ok().filter(|columns| *columns > 0);
    columns.unwrap_or(COLUMNS_DEFAULT)
}

/// A step on one line: sign, name, host, state, attempt, how long it took. Empty while nothing happened.
pub(crate) fn line(step: &Step, names: &Names) -> String {
    use step::{State as S, UndoState as U};
    let host = names.brief(&step.host);
    let refused = step.refusal.as_ref().map(|refusal| format!(": {}", refusal.message)).unwrap_or_default();
    let took = |from, to| between(from, to).map(|time| format!(" in {time}")).unwrap_or_default();
    let again = |attempt| if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    let undone = took(step.undo_start_time.as_ref(), step.undo_end_time.as_ref());
    let undo = match step.undo_state() {
        U::Unspecified | U::UndoWaiting => None,
        U::UndoRunning => Some(format!("undoing{}", again(step.undo_attempt))),
        U::Undone => Some(format!("undone{undone}{}", again(step.undo_attempt))),
        U::UndoNotNeeded if step.state() == S::NeverDispatched => return String::new(),
        U::UndoNotNeeded => Some("nothing to undo".to_string()),
        U::UndoHostGone => Some("undone with its host, which is gone".to_string()),
        U::UndoSkipped => Some(format!("undo skipped: {}", step.skip_reason)),
        U::UndoRefused => Some(format!("undo refused{refused}{}", again(step.undo_attempt))),
    };
    if let Some(undo) = undo {
        return format!("- {:<15} {host:<12} {undo}", step.kind);
    }
    let done = took(step.start_time.as_ref(), step.end_time.as_ref());
    let state = match step.state() {
        S::Unspecified | S::Waiting | S::NeverDispatched => return String::new(),
        S::Running if step.progress_permille > 0 => {
            format!("running, {} %{}", step.progress_permille / 10, again(step.attempt))
        }
        S::Running => format!("running{}", again(step.attempt)),
        S::Done => format!("done{done}{}", again(step.attempt)),
        S::Refused => format!("refused{refused}{}", again(step.attempt)),
        S::Skipped => format!("skipped: {}", step.skip_reason),
    };
    format!("+ {:<15} {host:<12} {state}", step.kind)
}
