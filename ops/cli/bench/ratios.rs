//! The whole against its parts, the journals against each other, and all against the bars that a machine of two cores
//! was given. A ratio is there only if all of its rows are.

use serde_json::{Value, json};

use super::kind::Kind;
use super::measure::Measure;
use super::plan::Row;
use super::report::Pass;
use crate::nats::Events;

/// Appends, calls and client round trips of a saga of five steps, were each to wait for the one before.
const PARTS: [f64; 3] = [6.0, 5.0, 2.0];
/// The frames that say what the journal allows.
const FRAME: usize = 128;
/// Sagas a second at 256 on a server alone that syncs every two minutes.
const PER_SECOND: f64 = 5_000.0;
/// Frames of a saga alone: one more than it has steps, and some of the sagas that were cut at either end of the row.
const FRAMES_ALONE: f64 = 6.05;

/// One number against its bar.
pub(super) struct Ratio {
    what: String,
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
        vec![self.what.clone(), format!("{:.digits$}", self.value), bar, holds.to_owned()]
    }

    pub(super) fn json(&self) -> Value {
        let key = if self.at_most { "atMost" } else { "atLeast" };
        json!({ "what": self.what, "value": self.value, key: self.bar, "holds": self.holds() })
    }
}

/// The ratios that there are, in their order.
#[derive(Default)]
pub(super) struct Ratios(pub(super) Vec<Ratio>);

impl Ratios {
    pub(super) fn at_most(&mut self, what: impl Into<String>, value: Option<f64>, bar: f64) {
        self.0.extend(value.map(|value| Ratio { what: what.into(), value, bar, at_most: true }));
    }

    pub(super) fn at_least(&mut self, what: impl Into<String>, value: Option<f64>, bar: f64) {
        self.0.extend(value.map(|value| Ratio { what: what.into(), value, bar, at_most: false }));
    }
}

/// All that the rows on one journal allow.
pub(super) fn of(pass: &Pass, synced: bool) -> Vec<Ratio> {
    let (mut ratios, sagas) = (Ratios::default(), |in_flight| find(pass, sagas(in_flight)));
    ratios.at_most("ms of a saga alone", sagas(1).map(|it| it.p50_ms), if synced { 3.0 } else { 1.5 });
    let calls = if synced { "synced" } else { "unsynced" };
    let what = format!("a saga alone / (6 appends + 5 {calls} calls + 2 reads)");
    ratios.at_most(what, alone(pass, synced), 1.3);
    let frames = |in_flight| sagas(in_flight).map(|it| it.each(it.used.frames));
    ratios.at_most("frames (syncs of a synced journal) of a saga alone", frames(1), FRAMES_ALONE);
    ratios.at_most("frames (syncs of a synced journal) of a saga at 256", frames(256), 0.1);
    if let Some(share) = share(pass.kind) {
        ratios.at_least("sagas/s at 256", sagas(256).map(Measure::per_second), PER_SECOND * share);
    }
    let growth = over(sagas(256), sagas(32), Measure::per_second);
    ratios.at_least("sagas/s at 256 / at 32", growth, 1.5);
    let journal = find(pass, Row::Journal { commits: FRAME });
    let rate = over(sagas(256), journal, Measure::commits_per_second);
    ratios.at_least("commits/s at 256 / commits/s of the journal alone", rate, 0.5);
    let filled = find(pass, Row::Sagas { filled: true, refused: false, in_flight: 256 });
    ratios.at_least("sagas/s at 256, filled / empty", over(filled, sagas(256), Measure::per_second), 0.9);
    ratios.at_most("CPU µs a saga at 256, all processes", sagas(256).map(Measure::cpu_us), 250.0);
    let orchestrator = sagas(256).map(|it| it.each(it.used.cpu_us[0]));
    ratios.at_most("CPU µs a saga at 256, orchestrator", orchestrator, 80.0);
    let bytes = sagas(256).map(|it| it.each(it.used.frame_bytes));
    ratios.at_most("bytes of commits a saga at 256", bytes, 1_536.0);
    ratios.0
}

/// What each journal reaches of the server alone that syncs every two minutes, and what is left of each with events.
pub(super) fn among(passes: &[Pass]) -> Vec<Ratio> {
    let mut ratios = Ratios::default();
    let pass = |kind| passes.iter().find(|pass| pass.kind == kind);
    let compared =
        [(Kind::R1Synced, 256), (Kind::R1Synced, 32), (Kind::R3Synced, 256), (Kind::Embedded, 256)];
    for (kind, in_flight) in compared {
        let row = |kind| pass(kind).and_then(|pass| find(pass, sagas(in_flight)));
        let value = over(row(kind), row(Kind::R1), Measure::per_second);
        let bar = if in_flight == 256 { share(kind) } else { Some(0.5) };
        let what = format!("sagas/s at {in_flight}, {} / {}", kind.name(), Kind::R1.name());
        ratios.at_least(what, value, bar.unwrap_or(1.0));
    }
    for on in passes.iter().filter(|pass| pass.events == Some(Events::On)) {
        let is_off = |pass: &&Pass| pass.kind == on.kind && pass.events == Some(Events::Off);
        let Some(off) = passes.iter().find(is_off) else { continue };
        for in_flight in [32, 256] {
            let [with, without] = [on, off].map(|pass| find(pass, sagas(in_flight)));
            let what = format!("sagas/s at {in_flight}, {}, with events / without", on.kind.name());
            ratios.at_least(what, over(with, without, Measure::per_second), 0.9);
        }
    }
    ratios.0
}

/// The least share of the sagas a second of the server alone that syncs every two minutes; `None` where nothing is
/// known of the servers.
const fn share(kind: Kind) -> Option<f64> {
    match kind {
        Kind::R1 => Some(1.0),
        Kind::R1Synced | Kind::Embedded => Some(0.7),
        Kind::R3Synced => Some(0.5),
        Kind::Nats => None,
    }
}

const fn sagas(in_flight: usize) -> Row {
    Row::Sagas { filled: false, refused: false, in_flight }
}

fn find(pass: &Pass, row: Row) -> Option<&Measure> {
    pass.measures.iter().find(|measure| measure.row == row && measure.count > 0)
}

fn over(one: Option<&Measure>, other: Option<&Measure>, what: fn(&Measure) -> f64) -> Option<f64> {
    let (one, other) = (what(one?), what(other?));
    (other > 0.0).then(|| one / other)
}

/// How much longer a saga alone takes than its parts do one after another.
fn alone(pass: &Pass, synced: bool) -> Option<f64> {
    let parts = [Row::Journal { commits: 1 }, Row::Channel { synced, in_flight: 1 }, Row::Api];
    let times: Option<Vec<f64>> = parts.into_iter().map(|row| find(pass, row).map(|it| it.p50_ms)).collect();
    let sum: f64 = times?.iter().zip(PARTS).map(|(time, count)| time * count).sum();
    let whole = find(pass, sagas(1))?;
    (sum > 0.0).then(|| whole.p50_ms / sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::load::Ran;
    use crate::bench::meter::Used;

    /// So many sagas at 256 in one second.
    fn pass(kind: Kind, count: usize) -> Pass {
        with(kind, None, count)
    }

    fn with(kind: Kind, events: Option<Events>, count: usize) -> Pass {
        let used = Used { seconds: 1.0, ..Used::default() };
        let ran = Ran { latencies: vec![Duration::from_millis(1); count], used, ..Ran::default() };
        let mut pass = Pass::begin(kind, events, String::new());
        pass.add(Measure::of(sagas(256), ran));
        pass
    }

    fn held(ratios: &[Ratio]) -> Vec<(&str, bool)> {
        ratios.iter().map(|ratio| (ratio.what.as_str(), ratio.holds())).collect()
    }

    #[test]
    fn a_journal_is_set_against_the_server_alone_where_both_were_measured() {
        let passes = [pass(Kind::Embedded, 699), pass(Kind::R1, 1_000), pass(Kind::R3Synced, 500)];
        let expected = [("sagas/s at 256, r3-synced / r1", true), ("sagas/s at 256, embedded / r1", false)];
        assert_eq!(held(&among(&passes)), expected);
        assert!(among(&passes[..1]).is_empty());
    }

    #[test]
    fn a_journal_with_events_is_set_against_the_same_without() {
        let [on, off] = [Events::On, Events::Off].map(Some);
        let passes = [with(Kind::R1, on, 890), with(Kind::R1, off, 1_000), with(Kind::R3Synced, off, 500)];
        let expected =
            [("sagas/s at 256, r3-synced / r1", true), ("sagas/s at 256, r1, with events / without", false)];
        assert_eq!(held(&among(&passes)), expected);
    }

    #[test]
    fn the_rate_has_a_bar_by_the_journal_and_none_on_servers_that_nobody_knows() {
        let rate = |kind| of(&pass(kind, 4_000), true).into_iter().find(|it| it.what == "sagas/s at 256");
        let holds = |kind| rate(kind).map(|ratio| ratio.holds());
        assert_eq!([Kind::R1, Kind::R1Synced, Kind::Nats].map(holds), [Some(false), Some(true), None]);
    }
}
