//! One row's measure, as a line for people and as JSON.

use serde_json::{Value, json};

use super::load::Ran;
use super::meter::{Used, count_of};
use super::plan::Row;
use super::sagas::quantile;

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
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
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

    pub(super) fn cells(&self) -> Vec<String> {
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

    pub(super) fn json(&self) -> Value {
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

pub(super) const COLUMNS: [&str; 16] = [
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
