//! The whole against its parts, in one run, and against the bars that this machine's size was given. A ratio is there
//! only if all of its rows are.

use serde_json::{Value, json};

use super::plan::Row;
use super::report::Measure;

/// Appends, calls and client round trips of a saga of five steps, were each to wait for the one before.
const PARTS: [f64; 3] = [6.0, 5.0, 2.0];
/// The frames that say what the journal allows.
const FRAME: usize = 128;

/// One number against its bar.
pub(super) struct Ratio {
    what: &'static str,
    value: f64,
    bar: f64,
    /// Whether the bar is the most, or the least.
    at_most: bool,
}

pub(super) const COLUMNS: [&str; 4] = ["RATIO OR BAR", "VALUE", "BAR", "HOLDS"];

impl Ratio {
    fn holds(&self) -> bool {
        if self.at_most { self.value <= self.bar } else { self.value >= self.bar }
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let word = if self.at_most { "at most" } else { "at least" };
        let holds = if self.holds() { "yes" } else { "no" };
        let digits = if self.bar < 10.0 { 2 } else { 0 };
        let bar = format!("{word} {:.digits$}", self.bar);
        vec![self.what.to_owned(), format!("{:.digits$}", self.value), bar, holds.to_owned()]
    }

    pub(super) fn json(&self) -> Value {
        let key = if self.at_most { "atMost" } else { "atLeast" };
        json!({ "what": self.what, "value": self.value, key: self.bar, "holds": self.holds() })
    }
}

/// All that the measured rows allow.
pub(super) fn of(measures: &[Measure]) -> Vec<Ratio> {
    let find = |row| measures.iter().find(|measure| measure.row == row && measure.count > 0);
    let sagas = |in_flight| find(Row::Sagas { filled: false, refused: false, in_flight });
    let mut ratios = Vec::new();
    let mut add = |what, value: Option<f64>, bar, at_most| {
        ratios.extend(value.map(|value| Ratio { what, value, bar, at_most }));
    };
    add("ms of a saga alone", sagas(1).map(|one| one.p50_ms), 3.0, true);
    add("a saga alone / (6 appends + 5 synced calls + 2 reads)", alone(&find), 1.3, true);
    add("sagas/s at 256", sagas(256).map(Measure::per_second), 3_500.0, false);
    let journal = find(Row::Journal { commits: FRAME });
    let share = sagas(256).zip(journal).map(|(all, one)| all.commits_per_second() / one.commits_per_second());
    add("commits/s at 256 / commits/s of the journal alone", share, 0.5, false);
    let growth = sagas(256).zip(sagas(32)).map(|(more, fewer)| more.per_second() / fewer.per_second());
    add("sagas/s at 256 / at 32", growth, 1.5, false);
    let filled = find(Row::Sagas { filled: true, refused: false, in_flight: 256 });
    let kept = sagas(256).zip(filled).map(|(empty, full)| full.per_second() / empty.per_second());
    add("sagas/s at 256, filled / empty", kept, 0.9, false);
    add("CPU µs a saga at 256, all processes", sagas(256).map(Measure::cpu_us), 250.0, true);
    let orchestrator = sagas(256).map(|all| all.each(all.used.cpu_us[0]));
    add("CPU µs a saga at 256, orchestrator", orchestrator, 80.0, true);
    add("journal bytes a saga", sagas(256).map(|all| all.each(all.used.frame_bytes)), 1_536.0, true);
    ratios
}

/// How much longer a saga alone takes than its parts do one after another.
fn alone<'a>(find: &impl Fn(Row) -> Option<&'a Measure>) -> Option<f64> {
    let parts = [Row::Journal { commits: 1 }, Row::Channel { synced: true, in_flight: 1 }, Row::Api];
    let times: Option<Vec<f64>> = parts.into_iter().map(|row| find(row).map(|it| it.p50_ms)).collect();
    let sum: f64 = times?.iter().zip(PARTS).map(|(time, count)| time * count).sum();
    let whole = find(Row::Sagas { filled: false, refused: false, in_flight: 1 })?;
    (sum > 0.0).then(|| whole.p50_ms / sum)
}
