//! `windlass bench`: a cell of real processes on this machine, measured: the journal alone, the agents' channel alone,
//! and sagas through the public API, in one run and on each journal, so that the parts, the whole and the journals can be
//! set against each other.

mod alone;
mod cell;
mod channel;
mod history;
mod hosts;
mod kind;
mod limits;
mod load;
mod measure;
mod meter;
mod plan;
mod ratios;
mod report;
mod sagas;
mod seeded;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_agents::CancellationToken;

use crate::exit;
use crate::journal::Journal;
use crate::nats::Events;
use crate::output::{self, Format};
use crate::serve::{Log, stop_signal};
use cell::Cell;
use meter::Processes;
use plan::{Plan, Row};
use report::{Pass, Report};

/// Measure a cell on this machine: its journal, the channel to its agents, and sagas through its API.
///
/// Starts an orchestrator and agents whose hosts hold nothing (every step is done at once), each a process of its own,
/// over mutual TLS, in a directory of its own, and removes all of it at the end. Agents answer once their ledgers are
/// synced. All rows are measured on each journal in turn, each time with a new cell:
///
///   r1                      one nats-server that syncs every two minutes, as it does by default
///   r1-synced               one that syncs every frame before it acknowledges it
///   r3-synced               three that do, and three replicas
///   embedded                the orchestrator's own directory
///
/// The servers are started here too: with `nats-server` 2.11 or newer on the PATH (or by --nats-server) all four are
/// measured, else `embedded` alone. --nats measures on servers that run already, as journal `nats`. The rows:
///
///   journal-1 -32 -128      frames of so many real commits, one after another, on the journal alone
///   api-1                   a read through the API
///   channel-synced-1 -256   calls to one agent, so many in flight, answered once its ledger is synced
///   channel-unsynced-1 -256 the same without the sync
///   ok-1 -32 -256           `server.create` with two interfaces: five steps, so many sagas in flight
///   failed-1 -32 -256       the same, refused at its fourth step and undone
///   filled-ok-… -failed-…   both again, once the journal holds --fill sagas
///
/// A row's sagas are deleted before the next one, unmeasured. Completion is seen on one watch of the project. CPU is
/// that of all threads, µs a saga, and `other` what else ran on the machine, in cores: where it is more than a few
/// hundredths, believe CPU and ratios, not rates. The handbook's page `bench.md` says how to read each column.
///
/// Examples: windlass bench --only journal,ok-256 --seconds 5
///           windlass bench --on r1,embedded --only ok --links 3
///           windlass bench --on r1-synced --events on,off --only ok
///           windlass bench history --commits 100000
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand, Debug)]
enum Part {
    History(history::History),
    /// Be some of the hosts of a benchmark.
    #[command(hide = true)]
    Hosts(hosts::Hosts),
}

// At `info` the log of 60 hosts that join would hide what is measured.
#[derive(Args, Debug)]
#[command(mut_arg("log", |arg| arg.default_value("warn")))]
struct Run {
    /// How long each row is measured, seconds, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Simulated hosts, each with a stream of its own; one in twelve is for storage.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(2..=limits::LINKS_MAX))]
    links: u16,
    /// Sagas that the filled journal holds before its rows.
    #[arg(long, default_value_t = 20_000)]
    fill: u64,
    /// Only rows whose names begin so; may be repeated.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// Answer before the agents' ledgers are synced: what the rest costs without them.
    #[arg(long)]
    unsynced_ledgers: bool,
    /// With the feed of events, without it, or both in turn: what it costs. Only journals on NATS have one.
    #[arg(long, value_enum, value_name = "on|off", value_delimiter = ',', default_value = "on")]
    events: Vec<Events>,
    #[command(flatten)]
    journals: kind::Options,
    #[command(flatten)]
    log: Log,
}

impl Bench {
    /// Whether it serves others rather than asking them.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self.part, Some(Part::Hosts(_)))
    }

    pub(crate) async fn run(self, format: Format) -> anyhow::Result<u8> {
        match self.part {
            Some(Part::History(history)) => Box::pin(history.run(format)).await,
            Some(Part::Hosts(hosts)) => hosts.run().await,
            None => self.run.run(format).await,
        }
    }
}

impl Run {
    async fn run(self, format: Format) -> anyhow::Result<u8> {
        self.log.start()?;
        let plan = Plan::of(&self.only, Duration::from_secs(self.seconds), self.fill)?;
        let chosen = self.journals.choose()?;
        let (links, synced) = (self.links, !self.unsynced_ledgers);
        let mut report = Report { links, seconds: self.seconds, fill: self.fill, synced, passes: Vec::new() };
        let stop = stop_signal()?;
        let home = tempfile::Builder::new().prefix("windlass-bench-").tempdir()?;
        output::note(chosen.line());
        for (kind, events) in chosen.passes(&self.events) {
            let pass = Pass::begin(kind, events, chosen.about(kind));
            let pass = passed(pass, &chosen, home.path(), &report, &plan, &stop).await?;
            if matches!(format, Format::Table) {
                output::say(report.table(&pass))?;
            }
            report.passes.push(pass);
        }
        match format {
            Format::Table if report.passes.len() > 1 => output::say(report.among())?,
            Format::Table => {}
            Format::Json => output::document(&report.json())?,
        }
        Ok(if report.is_sound() { exit::OK } else { exit::FAILED })
    }
}

/// All rows of the plan on one journal. Its servers, processes and streams are gone at the end, also where it fails.
async fn passed(
    mut pass: Pass,
    chosen: &kind::Chosen,
    home: &Path,
    report: &Report,
    plan: &Plan,
    stop: &CancellationToken,
) -> anyhow::Result<Pass> {
    let home = home.join(pass.kind.name());
    std::fs::create_dir(&home)?;
    let journal = chosen.start(pass.kind, &home)?;
    let setup = cell::Setup {
        home: home.clone(),
        links: report.links,
        synced: report.synced,
        name: journal.cell.clone(),
        journal: [journal.arguments(), pass.arguments()].concat(),
        brokers: chosen.brokers(&journal),
    };
    let measured = tokio::select! {
        biased;
        () = stop.cancelled() => Err(anyhow::anyhow!("told to stop; every process of the benchmark is ended")),
        measured = Box::pin(measure(setup, &journal, &mut pass, plan)) => measured,
    };
    let removed = (journal.remove().await, alone::remove(&journal).await);
    drop(journal);
    measured?;
    removed.0.and(removed.1).context("what was made on NATS is not deleted")?;
    // The next journal finds the disk as this one did.
    std::fs::remove_dir_all(&home)?;
    pass.end();
    Ok(pass)
}

/// All rows of the plan. The journal's come last, of commits that the cell has written by then.
async fn measure(setup: cell::Setup, journal: &Journal, pass: &mut Pass, plan: &Plan) -> anyhow::Result<()> {
    output::note(format!("journal {}: starting an orchestrator and {} hosts", pass.name(), setup.links));
    let (home, broker) = (setup.home.clone(), setup.brokers.clone());
    let mut cell = Cell::start(setup).await?;
    for row in plan.rows.iter().filter(|row| matches!(row, Row::Channel { .. })) {
        pass.add(channel::measure(&mut cell, *row, plan).await?);
    }
    cell.start_hosts().await?;
    let mut load = load::Load::begin(&cell).await?;
    for row in &plan.rows {
        match row {
            Row::Api => pass.add(load.reads(plan).await?),
            Row::Sagas { filled, .. } => {
                if *filled {
                    load.fill(plan.fill).await?;
                }
                pass.add(load.sagas(&cell, *row, plan).await?);
            }
            Row::Channel { .. } | Row::Journal { .. } => {}
        }
    }
    let alone: Vec<Row> =
        plan.rows.iter().copied().filter(|row| matches!(row, Row::Journal { .. })).collect();
    if !alone.is_empty() {
        load.some().await?;
    }
    load.end().await;
    cell.end().await?;
    if !alone.is_empty() {
        let commits = alone::commits(journal, &home).await?;
        let bench = vec![std::process::id()];
        let processes = Processes { bench, broker, home, ..Processes::default() };
        for row in alone {
            pass.add(alone::measure(journal, &processes, &commits, row, plan).await?);
        }
    }
    Ok(())
}
