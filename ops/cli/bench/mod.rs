//! `windlass bench`: a cell of real processes on this machine, measured: the journal alone, the agents' channel alone,
//! and sagas through the public API, in one run, so that the parts and the whole can be set against each other.

mod cell;
mod channel;
mod hosts;
mod journal;
mod limits;
mod load;
mod meter;
mod plan;
mod ratios;
mod report;
mod sagas;
mod seeded;

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::exit;
use crate::output::{self, Format};
use crate::serve::{Log, stop_signal};
use cell::Cell;
use plan::{Plan, Row};
use report::Report;

/// Measure a cell on this machine: its journal, the channel to its agents, and sagas through its API.
///
/// Starts an orchestrator and agents whose hosts hold nothing (every step is done at once), each a process of its own,
/// over mutual TLS, in a directory of its own, and removes all of it at the end. Agents answer once their ledgers are
/// synced. The rows:
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
/// Example: windlass bench --only journal,ok-256 --seconds 5
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
    /// Be some of the hosts of a benchmark.
    #[command(hide = true)]
    Hosts(hosts::Hosts),
}

#[derive(Args, Debug)]
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
    /// Count the CPU and memory of a broker that runs already, by its process id.
    #[arg(long, value_name = "PID")]
    broker: Option<u32>,
    #[command(flatten)]
    log: Log,
}

impl Bench {
    /// Whether it serves others rather than asking them.
    pub(crate) const fn serves(&self) -> bool {
        self.part.is_some()
    }

    pub(crate) async fn run(self, format: Format) -> anyhow::Result<u8> {
        match self.part {
            Some(Part::Hosts(hosts)) => hosts.run().await,
            None => self.run.run(format).await,
        }
    }
}

impl Run {
    async fn run(self, format: Format) -> anyhow::Result<u8> {
        self.log.start()?;
        let plan = Plan::of(&self.only, Duration::from_secs(self.seconds), self.fill)?;
        let stop = stop_signal()?;
        let home = tempfile::Builder::new().prefix("windlass-bench-").tempdir()?;
        let setup = cell::Setup { home: home.path().to_path_buf(), links: self.links, broker: self.broker };
        let measured = Box::pin(measure(setup, &plan));
        let report = tokio::select! {
            biased;
            () = stop.cancelled() => anyhow::bail!("told to stop; every process of the benchmark is ended"),
            report = measured => report?,
        };
        let sound = report.is_sound();
        match format {
            Format::Table => output::say(report.table())?,
            Format::Json => output::document(&report.json())?,
        }
        Ok(if sound { exit::OK } else { exit::FAILED })
    }
}

/// All rows of the plan. The journal's come last, of commits that the cell has written by then.
async fn measure(setup: cell::Setup, plan: &Plan) -> anyhow::Result<Report> {
    let mut report = Report::begin(&setup, plan);
    output::note(format!("starting an orchestrator and {} hosts", setup.links));
    let mut cell = Cell::start(setup).await?;
    for row in plan.rows.iter().filter(|row| matches!(row, Row::Channel { .. })) {
        report.add(channel::measure(&mut cell, *row, plan).await?);
    }
    cell.start_hosts().await?;
    let mut load = load::Load::begin(&cell).await?;
    for row in &plan.rows {
        match row {
            Row::Api => report.add(load.reads(plan).await?),
            Row::Sagas { filled, .. } => {
                if *filled {
                    load.fill(plan.fill).await?;
                }
                report.add(load.sagas(&cell, *row, plan).await?);
            }
            Row::Channel { .. } | Row::Journal { .. } => {}
        }
    }
    if plan.rows.iter().any(|row| matches!(row, Row::Journal { .. })) {
        load.some().await?;
    }
    load.end().await;
    let home = cell.end().await?;
    let commits = journal::commits(&home).await?;
    for row in &plan.rows {
        if let Row::Journal { commits: count } = row {
            report.add(journal::measure(&home, &commits, *count, plan).await?);
        }
    }
    report.end();
    Ok(report)
}
