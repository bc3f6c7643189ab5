//! What was measured, as a table for people and as one JSON document.

use serde_json::{Value, json};

use super::cell::Setup;
use super::load::Ran;
use super::meter::{Used, count_of};
use super::plan::{Plan, Row};
use super::sagas::quantile;
use super::{journal, ratios};
use crate::output::aligned;

/// The processes, in the order of the meter.
const PROCESSES: [&str; 4] = ["orchestrator", "agents", "bench", "broker"];

/// One row's measure.
pub(super) struct Measure {
    pub(super) row: Row,
    /// How many were measured: frames, reads, calls or sagas.
    pub(super) count: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) used: Used,
    errors: u64,
    first_error: Option<String>,
}

impl Measure {
    pub(super) fn of(row: Row, ran: Ran) -> Self {
        let Ran { mut latencies, used, errors, first_error } = ran;
        latencies.sort_unstable();
        let ms = |thousandths| quantile(&latencies, thousandths).as_secs_f64() * 1000.0;
        let count = u64::try_from(latencies.len()).unwrap_or(u64::MAX);
        Self { row, count, p50_ms: ms(500), p99_ms: ms(990), used, errors, first_error }
    }

    /// A total of the row, for each of what it counts.
    pub(super) fn each(&self, total: f64) -> f64 {
        if self.count == 0 { 0.0 } else { total / self.number() }
    }

    fn number(&self) -> f64 {
        count_of(usize::try_from(self.count).unwrap_or(usize::MAX))
    }

    pub(super) fn per_second(&self) -> f64 {
        self.number() / self.used.seconds.max(f64::EPSILON)
    }

    pub(super) fn commits_per_second(&self) -> f64 {
        self.used.commits / self.used.seconds.max(f64::EPSILON)
    }

    fn commits_per_frame(&self) -> f64 {
        if self.used.frames > 0.0 { self.used.commits / self.used.frames } else { 0.0 }
    }

    /// CPU of all processes, µs each.
    pub(super) fn cpu_us(&self) -> f64 {
        self.each(self.used.cpu_us.iter().sum())
    }

    fn cells(&self) -> Vec<String> {
        let used = &self.used;
        let [orchestrator, agents, bench, broker] = used.cpu_us.map(|us| self.each(us));
        let some = |value: f64, digits: usize| {
            if value > 0.0 { format!("{value:.digits$}") } else { "-".to_owned() }
        };
        vec![
            self.row.to_string(),
            format!("{:.0}", self.per_second()),
            format!("{:.3}", self.p50_ms),
            format!("{:.3}", self.p99_ms),
            some(self.commits_per_frame(), 1),
            some(self.each(used.commits), 2),
            some(self.each(used.frame_bytes), 0),
            some(orchestrator, 0),
            some(agents, 0),
            some(bench, 0),
            some(broker, 0),
            some(self.cpu_us(), 0),
            used.flushes.map_or_else(|| "-".into(), |flushes| format!("{:.2}", self.each(flushes))),
            used.resident_mib.iter().map(|mib| some(*mib, 0)).collect::<Vec<_>>().join("/"),
            format!("{:.2}", used.other_cores),
            self.errors.to_string(),
        ]
    }

    fn json(&self) -> Value {
        let used = &self.used;
        let by_process = |values: [f64; 4]| -> Value {
            PROCESSES.into_iter().zip(values).map(|(name, value)| (name.to_owned(), json!(value))).collect()
        };
        json!({
            "row": self.row.to_string(),
            "count": self.count,
            "errors": self.errors,
            "firstError": self.first_error,
            "seconds": used.seconds,
            "perSecond": self.per_second(),
            "p50Ms": self.p50_ms,
            "p99Ms": self.p99_ms,
            "commits": used.commits,
            "commitsPerSecond": self.commits_per_second(),
            "commitsPerFrame": self.commits_per_frame(),
            "commitsEach": self.each(used.commits),
            "journalBytesEach": self.each(used.frame_bytes),
            "cpuUsEach": by_process(used.cpu_us.map(|us| self.each(us))),
            "cpuUsEachAll": self.cpu_us(),
            "flushesEach": used.flushes.map(|flushes| self.each(flushes)),
            "residentMib": by_process(used.resident_mib),
            "otherCores": used.other_cores,
        })
    }
}

const COLUMNS: [&str; 16] = [
    "ROW",
    "/S",
    "P50 MS",
    "P99 MS",
    "COMMITS/FRAME",
    "COMMITS",
    "BYTES",
    "CPU µS: ORCH",
    "AGENTS",
    "BENCH",
    "BROKER",
    "ALL",
    "FLUSHES",
    "MIB: ORCH/AGENTS/BENCH/BROKER",
    "OTHER",
    "ERRORS",
];

/// All that was measured.
pub(super) struct Report {
    links: u16,
    seconds: u64,
    fill: u64,
    load: [Option<f64>; 2],
    measures: Vec<Measure>,
}

impl Report {
    pub(super) fn begin(setup: &Setup, plan: &Plan) -> Self {
        let load = [load_average(), None];
        Self { links: setup.links, seconds: plan.time.as_secs(), fill: plan.fill, load, measures: Vec::new() }
    }

    pub(super) fn add(&mut self, measure: Measure) {
        self.measures.push(measure);
    }

    /// Nothing more is measured; the rows come into their order.
    pub(super) fn end(&mut self) {
        self.load[1] = load_average();
        self.measures.sort_by_key(|measure| measure.row.place());
    }

    /// Whether nothing failed and every row has a measure.
    pub(super) fn is_sound(&self) -> bool {
        self.measures.iter().all(|measure| measure.errors == 0 && measure.count > 0)
    }

    pub(super) fn table(&self) -> String {
        let rows = aligned(Some(&COLUMNS), self.measures.iter().map(Measure::cells));
        let ratios = ratios::of(&self.measures);
        let ratios = aligned(Some(&ratios::COLUMNS), ratios.iter().map(ratios::Ratio::cells));
        let [before, after] =
            self.load.map(|load| load.map_or_else(|| "-".into(), |load| format!("{load:.2}")));
        let failed = self.measures.iter().filter_map(|measure| {
            let error = measure.first_error.as_ref()?;
            Some(format!("\n{}: {} errors, the first: {error}", measure.row, measure.errors))
        });
        let failed: String = failed.collect();
        format!(
            "journal {}, {} links, {} cores, load {before} before and {after} after; commits, bytes, CPU and flushes \
             are for each frame, read, call or saga\n\n{rows}\n\n{ratios}{failed}",
            journal::NAME,
            self.links,
            cores()
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "journal": journal::NAME,
            "links": self.links,
            "seconds": self.seconds,
            "fill": self.fill,
            "cores": cores(),
            "loadBefore": self.load[0],
            "loadAfter": self.load[1],
            "rows": self.measures.iter().map(Measure::json).collect::<Vec<_>>(),
            "ratios": ratios::of(&self.measures).iter().map(ratios::Ratio::json).collect::<Vec<_>>(),
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The machine's load over the last minute.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
