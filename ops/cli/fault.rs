//! `windlass fault`: faults armed on purpose, in a cell whose processes were started for it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use windlass_client::v1;
use windlass_client::v1::planned_fault::{Kind, Point};

use crate::app::{App, of_cell};
use crate::exit::Usage;
use crate::host::Role;
use crate::resource::{self, Listed, Named};

/// Planned faults.
#[derive(Subcommand, Debug)]
pub(crate) enum Fault {
    /// Arm a fault for a while.
    ///
    /// It strikes only at agents, and at the orchestrator that leads, that were started with `--faults allow`; elsewhere
    /// arming is refused. Its lease ends by itself, also when you, the orchestrators and the journal are gone: the process
    /// that applies it keeps the deadline. Who armed it and why is in the cell's history.
    ///
    /// Try it on `windlass up --faults allow`, and see what it did with `windlass operation list` and
    /// `windlass fault list`.
    #[command(
        after_help = "Example: windlass fault arm crash-between --host rack1-07 --step boot_vm --for 60 --reason \"autumn drill\"",
        verbatim_doc_comment
    )]
    Arm(Box<Arm>),
    /// List the faults that are armed, and those that have ended since the last one was armed: what is left of each lease,
    /// how often it struck, who armed it.
    #[command(after_help = "Example: windlass fault list --filter state=ARMED")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass fault get 0b000000-0000-5000-8000-000000000016")]
    Get(Named),
    /// Disarm one before its lease ends, or all of them.
    #[command(after_help = "Example: windlass fault disarm --all")]
    Disarm {
        /// Its id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// All that are armed.
        #[arg(long)]
        all: bool,
    },
}

/// Arm a fault.
#[derive(Args, Debug)]
pub(crate) struct Arm {
    /// What happens.
    #[arg(value_enum)]
    kind: FaultKind,
    /// Why; it is recorded.
    #[arg(long)]
    reason: String,
    /// Only on this host; by default on every host that allows faults.
    #[arg(long)]
    host: Option<String>,
    /// Only in this role.
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// Only this step, as histories name it: `boot_vm`, `attach`, …
    #[arg(long)]
    step: Option<String>,
    /// Only this direction.
    #[arg(long, value_enum)]
    direction: Option<Direction>,
    /// From the n-th opportunity on, counted on each host from the start of its process.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "probability")]
    nth: Option<u64>,
    /// At each opportunity with this chance, over 0 and up to 1.
    #[arg(long, value_name = "P")]
    probability: Option<f64>,
    /// What the dice of --probability begin with: the same seed throws the same.
    #[arg(long, default_value_t = 0, requires = "probability")]
    seed: u64,
    /// How often it strikes on each host; by default once, or with --probability without limit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    /// Where it strikes, for kinds that have no place of their own: in the course of a call, or of an append.
    #[arg(long, value_enum)]
    point: Option<Place>,
    /// How many small changes come before a strike between two of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    after_changes: Option<u32>,
    /// How late a reply is, or how long the orchestrator stands still, milliseconds; 1000.
    #[arg(long, value_name = "MS")]
    delay_ms: Option<u32>,
    /// An error says that the same call will not succeed later either.
    #[arg(long)]
    permanent: bool,
    /// How long it stays armed, seconds, at most an hour.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    lease_s: u64,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Kinds of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub(crate) enum FaultKind { $($(#[$doc])* $name),* }

        impl FaultKind {
            const fn message(self) -> Kind {
                match self { $(Self::$name => Kind::$name),* }
            }
        }
    };
}

kinds! {
    /// Agent: the driver fails before it changes anything.
    ErrorBefore,
    /// Agent: the driver makes its change and says that it failed.
    ErrorAfter,
    /// Agent: its process dies before the change.
    CrashBefore,
    /// Agent: its process dies between two small changes.
    CrashBetween,
    /// Agent: its process dies after the change and before its record.
    CrashAfter,
    /// Agent: its host loses power; what is unsynced or volatile is gone.
    PowerCut,
    /// Agent: a ledger is lost and comes back as another incarnation.
    LedgerLost,
    /// Agent: its host's kernel starts anew.
    HostReboot,
    /// Agent: the driver neither goes on nor fails until its own deadline.
    Hang,
    /// Agent: the host's disk is full.
    DiskFull,
    /// Agent: a call comes with a term that is over.
    WrongTerm,
    /// Agent: a reply leaves late.
    Delay,
    /// Agent: a reply leaves twice, the second time late.
    Duplicate,
    /// Orchestrator: the journal does not take an append.
    JournalUnavailable,
    /// Orchestrator: the answer of an append is lost; with --point before, so is the append.
    JournalUnknown,
    /// Orchestrator: its process dies, before or after an append.
    OrchestratorCrash,
    /// Orchestrator: it stands still for --delay-ms, before or after an append, and goes on with what it believed.
    OrchestratorPause,
}

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Its change is made.
    Forward,
    /// Its change is removed.
    Undo,
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// Before the first small change, or before the append.
    Before,
    /// Between two small changes.
    Between,
    /// After the change and before its record, or once the append is durable and before anybody hears of it.
    After,
}

/// What `--faults` of an agent, or of a whole cell, says: that faults may be armed, or the file of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Faults may be armed by the API.
    Allow,
    /// Faults strike as this file plans them.
    Plan(PathBuf),
}

impl FromStr for Faults {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "allow" { Self::Allow } else { Self::Plan(text.into()) })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            // A file of that name is told apart by its path.
            Self::Plan(path) if path.as_os_str() == "allow" => f.write_str("./allow"),
            Self::Plan(path) => path.display().fmt(f),
        }
    }
}

/// Whether faults may be armed, and the plan, of all that `--faults` said.
pub(crate) fn allowed_and_plan(said: Vec<Faults>) -> Result<(bool, Option<PathBuf>), Usage> {
    let (mut allowed, mut plan) = (false, None);
    for one in said {
        match one {
            Faults::Allow => allowed = true,
            Faults::Plan(path) if plan.is_none() => plan = Some(path),
            Faults::Plan(_) => return Err(Usage("--faults names two plans; one at most".into())),
        }
    }
    Ok((allowed, plan))
}

/// What `--faults` of an orchestrator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Allow {
    /// Faults may be armed by the API.
    Allow,
}

pub(crate) async fn run(app: &App, command: Fault) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Fault::Arm(arm) => {
            let fault = Some(arm.message());
            resource::change(app, v1::ArmFaultRequest { fault, validate_only, ..Default::default() }).await
        }
        Fault::List(listed) => {
            let request = v1::ListFaultsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Fault::Get(named) => {
            let name = of_cell("faults", &named.name);
            resource::get(app, v1::GetFaultRequest { name, ..Default::default() }).await
        }
        Fault::Disarm { name, all: _ } => {
            let name = of_cell("faults", name.as_deref().unwrap_or("-"));
            resource::change(app, v1::DisarmFaultRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

impl Arm {
    fn message(self) -> v1::PlannedFault {
        v1::PlannedFault {
            kind: self.kind.message().into(),
            host: self.host.map(|host| of_cell("hosts", &host)).unwrap_or_default(),
            role: self.role.map_or(0, Role::message),
            step: self.step.unwrap_or_default(),
            direction: match self.direction {
                None => v1::event::Direction::Unspecified,
                Some(Direction::Forward) => v1::event::Direction::Forward,
                Some(Direction::Undo) => v1::event::Direction::Undo,
            }
            .into(),
            nth_call: self.nth.unwrap_or(0),
            probability: self.probability.unwrap_or(0.0),
            seed: self.seed,
            times: self.times.unwrap_or(0),
            point: match self.point {
                None => Point::Unspecified,
                Some(Place::Before) => Point::Before,
                Some(Place::Between) => Point::Between,
                Some(Place::After) => Point::After,
            }
            .into(),
            after_changes: self.after_changes.unwrap_or(0),
            delay_ms: self.delay_ms,
            permanent: self.permanent,
            lease_ms: self.lease_s * 1000,
            reason: self.reason,
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_allowed_planned_or_both() {
        let said = |texts: &[&str]| {
            let said = texts.iter().map(|text| text.parse().unwrap()).collect();
            allowed_and_plan(said).map_err(|error| error.to_string())
        };
        assert_eq!(said(&[]), Ok((false, None)));
        assert_eq!(said(&["allow"]), Ok((true, None)));
        assert_eq!(said(&["plan.toml", "allow"]), Ok((true, Some("plan.toml".into()))));
        assert_eq!(said(&["./allow"]), Ok((false, Some("./allow".into()))));
        assert!(said(&["a.toml", "b.toml"]).is_err());
    }

    #[test]
    fn every_kind_of_the_api_can_be_named() {
        for kind in FaultKind::value_variants() {
            let word = kind.to_possible_value().unwrap().get_name().replace('-', "_").to_uppercase();
            assert_eq!(word, kind.message().as_str_name());
        }
    }
}
