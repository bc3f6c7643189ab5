//! Which journals are measured: those that are asked for, or all that can be had here; and how each is started.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use windlass_journal::jetstream::local::{Plan, Program, Server};

use crate::exit::Usage;
use crate::journal::{Journal, Place};
use crate::nats::{Events, Servers};

/// The name of the cell whose journal it is.
const CELL: &str = "bench";

/// A journal to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// One NATS server that syncs every two minutes, as it does by default.
    R1,
    /// One NATS server that syncs before it acknowledges.
    R1Synced,
    /// Three NATS servers that sync before they acknowledge, and three replicas.
    R3Synced,
    /// The orchestrator's own directory, without NATS.
    Embedded,
    /// Servers that run already.
    #[value(skip)]
    Nats,
}

impl Kind {
    /// Those that can be asked for, in the order of their measuring.
    const ALL: [Self; 4] = [Self::R1, Self::R1Synced, Self::R3Synced, Self::Embedded];

    /// As it is asked for and told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::R1 => "r1",
            Self::R1Synced => "r1-synced",
            Self::R3Synced => "r3-synced",
            Self::Embedded => "embedded",
            Self::Nats => "nats",
        }
    }

    /// Whether servers are to be started for it.
    const fn needs_servers(self) -> bool {
        match self {
            Self::R1 | Self::R1Synced | Self::R3Synced => true,
            Self::Embedded | Self::Nats => false,
        }
    }
}

/// Where the journals of a benchmark are.
#[derive(Args, Debug)]
#[command(mut_arg("nats", |arg| arg.env(None).help(
    "Measure on NATS servers that run already, and delete there what was made; the environment is not asked"
)))]
pub(super) struct Options {
    /// The journals to measure on, one after another. By default all that can be had: those on NATS need a nats-server.
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', conflicts_with = "nats")]
    on: Vec<Kind>,
    /// The nats-server to start, 2.11 or newer. By default the first one on the PATH.
    #[arg(long, value_name = "FILE", conflicts_with = "nats")]
    nats_server: Option<PathBuf>,
    /// Count CPU and memory of the servers that --nats names, by their process ids.
    #[arg(long, value_name = "PID", value_delimiter = ',', requires = "nats")]
    broker: Vec<u32>,
    #[command(flatten)]
    servers: Servers,
}

/// What was chosen.
pub(super) struct Chosen {
    /// The journals, each once.
    pub(super) kinds: Vec<Kind>,
    program: Option<Program>,
    servers: Servers,
    brokers: Vec<u32>,
}

impl Options {
    /// Chooses; what can't be had is the command line's fault.
    pub(super) fn choose(self) -> anyhow::Result<Chosen> {
        let Self { on: mut journal, nats_server, broker: brokers, servers } = self;
        if !servers.nats.is_empty() {
            return Ok(Chosen { kinds: vec![Kind::Nats], program: None, servers, brokers });
        }
        let program = match nats_server {
            None => Program::find(),
            Some(path) => Some(program_at(&path)?),
        };
        let can = |kind: &Kind| program.is_some() || !kind.needs_servers();
        if journal.is_empty() {
            journal = Kind::ALL.into_iter().filter(can).collect();
        }
        if let Some(kind) = journal.iter().find(|kind| !can(kind)) {
            let name = kind.name();
            let message =
                format!("journal {name} needs a nats-server 2.11 or newer: on the PATH, or by --nats-server");
            anyhow::bail!(Usage(message));
        }
        let mut kinds = Vec::new();
        for kind in journal {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(Chosen { kinds, program, servers, brokers })
    }
}

fn program_at(path: &Path) -> anyhow::Result<Program> {
    let program = Program::at(path).filter(Program::is_new_enough);
    program.ok_or_else(|| {
        anyhow::anyhow!(Usage(format!("{} is no nats-server of 2.11 or newer", path.display())))
    })
}

impl Chosen {
    /// What is measured in turn: each journal with events, without, or both; `None` where it can't have any.
    pub(super) fn passes(&self, events: &[Events]) -> Vec<(Kind, Option<Events>)> {
        let mut passes = Vec::new();
        for kind in &self.kinds {
            for events in events {
                let pass = (*kind, (*kind != Kind::Embedded).then_some(*events));
                if !passes.contains(&pass) {
                    passes.push(pass);
                }
            }
        }
        passes
    }

    /// Which, and why, for people.
    pub(super) fn line(&self) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let why = match (&self.program, self.kinds.as_slice()) {
            (_, [Kind::Nats]) => format!("at {}", self.servers.nats.join(", ")),
            (Some(program), _) => format!("{program}, {}", program.path.display()),
            (None, _) => {
                "no nats-server 2.11 or newer is on the PATH; --nats-server names one elsewhere".into()
            }
        };
        format!("journals: {} ({why})", names.join(", "))
    }

    /// What a journal is, for people.
    pub(super) fn about(&self, kind: Kind) -> String {
        let program = self.program.as_ref().map(ToString::to_string).unwrap_or_default();
        match kind {
            Kind::Embedded => "a directory, every frame synced".to_owned(),
            Kind::R1 => format!("{program}, synced every two minutes"),
            Kind::R1Synced => format!("{program}, every frame synced"),
            Kind::R3Synced => format!("three of {program}, three replicas, every frame synced"),
            Kind::Nats => self.servers.nats.join(", "),
        }
    }

    /// Starts what a journal needs, below `home`.
    pub(super) fn start(&self, kind: Kind, home: &Path) -> anyhow::Result<Journal> {
        let home = home.join("nats");
        let place = match kind {
            Kind::Embedded => Place::Embedded,
            Kind::Nats => Place::Named(self.servers.clone()),
            Kind::R1 => self.own(vec![Plan { sync_always: false, ..Plan::alone(home)? }])?,
            Kind::R1Synced => self.own(vec![Plan::alone(home)?])?,
            Kind::R3Synced => self.own(Plan::three(&home)?)?,
        };
        Journal::new(CELL, place)
    }

    fn own(&self, plans: Vec<Plan>) -> anyhow::Result<Place> {
        let program = self.program.as_ref().context("there is no nats-server")?;
        let servers: Result<Vec<Server>, _> =
            plans.into_iter().map(|plan| Server::start(program, plan)).collect();
        Ok(Place::Own(servers?))
    }

    /// The processes that keep the journal, as far as they are known.
    pub(super) fn brokers(&self, journal: &Journal) -> Vec<u32> {
        match &journal.place {
            Place::Embedded => Vec::new(),
            Place::Own(servers) => servers.iter().map(Server::pid).collect(),
            Place::Named(_) => self.brokers.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(journal: Vec<Kind>) -> Options {
        let nats_server = Some(std::env::current_exe().unwrap());
        Options { on: journal, nats_server, broker: Vec::new(), servers: Servers::default() }
    }

    #[test]
    fn a_journal_is_told_by_the_word_that_it_is_asked_for_by() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_str(kind.name(), false), Ok(kind));
        }
        assert_eq!(Kind::value_variants().len(), Kind::ALL.len());
        assert!(Kind::from_str(Kind::Nats.name(), false).is_err(), "it is asked for by --nats");
    }

    #[test]
    fn a_journal_is_measured_with_events_and_without_where_it_can_have_them() {
        let chosen = options(vec![Kind::Embedded, Kind::R1]);
        let chosen = Chosen { kinds: chosen.on, program: None, servers: Servers::default(), brokers: vec![] };
        let both = chosen.passes(&[Events::On, Events::Off, Events::On]);
        let expected = [(Kind::Embedded, None), (Kind::R1, Some(Events::On)), (Kind::R1, Some(Events::Off))];
        assert_eq!(both, expected);
    }

    #[test]
    fn a_program_that_is_no_server_is_refused_and_servers_that_run_are_measured_alone() {
        assert!(options(Vec::new()).choose().is_err_and(|error| error.is::<Usage>()));
        let mut named = options(Vec::new());
        named.servers.nats = vec!["nats://127.0.0.1:1".to_owned()];
        let chosen = named.choose().unwrap();
        assert_eq!(chosen.kinds, [Kind::Nats]);
        assert_eq!(chosen.line(), "journals: nats (at nats://127.0.0.1:1)");
    }
}
