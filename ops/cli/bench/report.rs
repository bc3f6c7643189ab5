//! All that was measured: a table for each journal and one among them, or one JSON document.

use serde_json::{Value, json};

use super::kind::Kind;
use super::measure::{COLUMNS, Measure};
use super::ratios::{self, Ratio};
use crate::nats::Events;
use crate::output::aligned;

/// All rows on one journal.
pub(super) struct Pass {
    pub(super) kind: Kind,
    /// Whether events are published; `None`: such a journal has no feed of them.
    pub(super) events: Option<Events>,
    /// What the journal is, for people.
    about: String,
    /// The machine's load before and after it.
    load: [Option<f64>; 2],
    pub(super) measures: Vec<Measure>,
}

impl Pass {
    pub(super) fn begin(kind: Kind, events: Option<Events>, about: String) -> Self {
        Self { kind, events, about, load: [load_average(), None], measures: Vec::new() }
    }

    /// The journal's name, for people.
    pub(super) fn name(&self) -> String {
        let without = if self.events == Some(Events::Off) { " without events" } else { "" };
        format!("{}{without}", self.kind.name())
    }

    /// What the orchestrator is told of events.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self.events {
            Some(Events::Off) => vec!["--events".to_owned(), "off".to_owned()],
            Some(Events::On) | None => Vec::new(),
        }
    }

    pub(super) fn add(&mut self, measure: Measure) {
        self.measures.push(measure);
    }

    /// Nothing more is measured; the rows come into their order.
    pub(super) fn end(&mut self) {
        self.load[1] = load_average();
        self.measures.sort_by_key(|measure| measure.row.place());
    }
}

/// The whole benchmark.
pub(super) struct Report {
    pub(super) links: u16,
    pub(super) seconds: u64,
    pub(super) fill: u64,
    /// Whether the agents' ledgers are synced.
    pub(super) synced: bool,
    pub(super) passes: Vec<Pass>,
}

impl Report {
    /// Whether nothing failed and every row has a measure.
    pub(super) fn is_sound(&self) -> bool {
        let mut measures = self.passes.iter().flat_map(|pass| &pass.measures);
        measures.all(|measure| measure.errors == 0 && measure.count > 0)
    }

    /// The rows on one journal, and what they say.
    pub(super) fn table(&self, pass: &Pass) -> String {
        let rows = aligned(Some(&COLUMNS), pass.measures.iter().map(Measure::cells));
        let ratios = listed(&ratios::of(pass, self.synced));
        let parts = [rows, ratios].into_iter().filter(|part| !part.is_empty());
        let tables = parts.collect::<Vec<_>>().join("\n\n");
        let [before, after] =
            pass.load.map(|load| load.map_or_else(|| "-".into(), |load| format!("{load:.2}")));
        let failed = pass.measures.iter().filter_map(|measure| {
            let error = measure.first_error.as_ref()?;
            Some(format!("\n{}: {} errors, the first: {error}", measure.row, measure.errors))
        });
        let failed: String = failed.collect();
        let (name, about) = (pass.name(), &pass.about);
        format!(
            "journal {name} ({about}), {} links, ledgers {}, {} cores, load {before} before and {after} after; commits, \
             bytes, CPU and flushes are for each frame, read, call or saga\n\n{tables}{failed}\n",
            self.links,
            self.ledgers(),
            cores()
        )
    }

    /// The journals against each other; empty where there is nothing to compare.
    pub(super) fn among(&self) -> String {
        listed(&ratios::among(&self.passes))
    }

    const fn ledgers(&self) -> &'static str {
        if self.synced { "synced" } else { "not synced" }
    }

    pub(super) fn json(&self) -> Value {
        let passes = self.passes.iter().map(|pass| {
            json!({
                "journal": pass.kind.name(),
                "events": pass.events.map(|events| events == Events::On),
                "about": pass.about,
                "loadBefore": pass.load[0],
                "loadAfter": pass.load[1],
                "rows": pass.measures.iter().map(Measure::json).collect::<Vec<_>>(),
                "ratios": all(&ratios::of(pass, self.synced)),
            })
        });
        json!({
            "links": self.links,
            "seconds": self.seconds,
            "fill": self.fill,
            "ledgersSynced": self.synced,
            "cores": cores(),
            "journals": passes.collect::<Vec<_>>(),
            "ratios": all(&ratios::among(&self.passes)),
        })
    }
}

fn listed(ratios: &[Ratio]) -> String {
    if ratios.is_empty() {
        return String::new();
    }
    aligned(Some(&ratios::COLUMNS), ratios.iter().map(Ratio::cells))
}

fn all(ratios: &[Ratio]) -> Vec<Value> {
    ratios.iter().map(Ratio::json).collect()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The machine's load over the last minute.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
