//! `windlass agent`: makes this machine a host (`join`) and works on it (`run`, or no word at all).
//!
//! It only reads flags and signals and prints; what an agent is stands in `windlass_agents`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use windlass_agents::config::{Options, role_of};
use windlass_agents::join::{Join, Token, join};
use windlass_agents::{AgentError, Config, Ended};

use crate::exit;
use crate::fault::{Faults, allowed_and_plan};
use crate::host::Role;
use crate::output;
use crate::serve::{Log, stop_signal};

/// Be an agent: the one process on a host that runs the cell's steps there.
///
/// A machine becomes a host once, with a token that an operator makes:
///
///   windlass host token web-1 --role hypervisor,network
///   windlass agent join TOKEN --orchestrator 10.0.0.1:7701 --state /var/lib/windlass
///
/// and is one from then on, whenever this runs:
///
///   windlass agent run --state /var/lib/windlass --driver sim
///
/// The agent dials every orchestrator of the cell; nothing dials it. Kill it at any moment: what it made stays, and it
/// finds it again. SIGTERM or ctrl-C lets the work that runs end, at most 20 s; a second one ends it at once.
/// Exit codes: 0 ended in order, 1 failed, 2 a flag, file or token is wrong, 3 this machine has not joined,
/// 4 another agent has the state directory or the machine has joined already.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, verbatim_doc_comment)]
pub(crate) struct Agent {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Work on this host until told to stop; the same as no word at all.
    Run(Run),
    /// Make this machine a host: exchange a join token for a certificate.
    Join(Joining),
}

/// What an agent is run with. Defaults, then the file, then the environment, then flags; the later wins.
#[derive(Args, Debug)]
struct Run {
    /// The state directory: identity, ledgers, and the simulated world. Keep it; only `faults/` may be deleted.
    #[arg(long, env = "WINDLASS_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
    /// The configuration file (TOML): state, roles, driver, name, orchestrators, blob_cache_gib; [sim] with vcpus, ram_mib,
    /// disk_gib, traits and latency_ms; [linux] with run, address, vcpus, ram_mib, traits, and its tables hypervisor
    /// (accelerator, probe_kernel, user) and storage (pool, ports, user). With the driver `linux`, linux.address is required;
    /// nothing else is, and nothing unknown is taken.
    #[arg(long, env = "WINDLASS_AGENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve only these roles; by default all that the certificate allows.
    #[arg(long, env = "WINDLASS_AGENT_ROLES", value_enum, value_delimiter = ',')]
    role: Vec<Role>,
    /// What works on the host: `linux`, the machine itself, as root; or `sim`, a simulated host in the state directory. Never
    /// chosen by itself.
    #[arg(long, env = "WINDLASS_AGENT_DRIVER", value_name = "DRIVER")]
    driver: Option<String>,
    /// The name under which other hosts reach this one; by default the one that it joined with, else its id.
    #[arg(long, env = "WINDLASS_AGENT_NAME")]
    name: Option<String>,
    /// Dial these orchestrators, and not those that the cell names; may be repeated.
    #[arg(long, env = "WINDLASS_ORCHESTRATORS", value_name = "HOST:PORT", value_delimiter = ',')]
    orchestrator: Vec<String>,
    /// Let faults be armed at this agent, or strike as a file plans them. For rehearsals: no file can allow faults.
    ///
    /// `--faults allow` lets operators arm faults while the agent runs (`windlass fault arm`), each for a while; the host
    /// shows it by the trait `windlass:faults`. `--faults FILE` reads a plan at start (a file named `allow` is `./allow`);
    /// both may be said. The plan (TOML): `seed = 7`, then one table each:
    ///
    ///   [[fault]]
    ///   kind = "crash_between"   # error_before error_after crash_before crash_between crash_after
    ///                            # power_cut ledger_lost host_reboot hang disk_full wrong_term
    ///                            # delay duplicate
    ///   step = "boot_vm"         # only this step; all
    ///   direction = "forward"    # or undo; both
    ///   role = "hypervisor"      # all
    ///   at = 2                   # from the 2nd opportunity on (1), or probability = 0.1
    ///   times = 1                # how often: once, or without limit with probability
    ///   after_changes = 1        # how many sub-changes come before a strike between them
    ///   when = "before"          # or between, after: for power_cut ledger_lost host_reboot hang
    ///   delay_ms = 1000          # for delay and duplicate
    ///   retryable = true         # for error_before and error_after
    ///
    /// Each strike is logged and written to `faults/` in the state directory before it happens.
    #[arg(long, value_name = "allow|FILE", verbatim_doc_comment)]
    faults: Vec<Faults>,
    /// Pause so long before each small step of simulated work: STEP=MS, or MS for every other step; may be repeated.
    #[arg(long, value_name = "[STEP=]MS", value_delimiter = ',')]
    latency: Vec<String>,
    #[command(flatten)]
    log: Log,
}

/// What a join needs. The same command may be repeated: a join whose answer was lost joins the same host.
#[derive(Args, Debug)]
struct Joining {
    /// The token that `windlass host token` showed. It holds the hash of the cell's authority, by which the orchestrator
    /// is known; for one that does not, give the authority's file with --ca.
    #[arg(env = "WINDLASS_JOIN_TOKEN", hide_env_values = true)]
    token: String,
    /// The orchestrator to ask.
    #[arg(long, value_name = "HOST:PORT")]
    orchestrator: String,
    /// The state directory; the identity goes below it.
    #[arg(long, env = "WINDLASS_STATE", value_name = "DIR")]
    state: PathBuf,
    /// The host's name: the token's, and refused if it is another.
    #[arg(long, visible_alias = "name", value_name = "NAME")]
    host: Option<String>,
    /// The roles that this machine is meant for: the token's, and refused if they are others.
    #[arg(long, value_enum, value_delimiter = ',')]
    role: Vec<Role>,
    /// Where other hosts reach it; by default where the call comes from.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    #[command(flatten)]
    log: Log,
}

/// Runs it; gives the exit code. `ca`: the file with the cell's authority, if one is named.
pub(crate) async fn run(agent: Agent, ca: Option<&Path>) -> anyhow::Result<u8> {
    match agent.command {
        Some(Command::Join(joining)) => joining.run(ca).await,
        Some(Command::Run(run)) => run.run().await,
        None => agent.run.run().await,
    }
}

/// The exit code of what went wrong.
pub(crate) const fn code(error: &AgentError) -> u8 {
    match error {
        AgentError::Malformed { .. } | AgentError::Setting(_) => exit::USAGE,
        AgentError::NoIdentity(_) => exit::NOT_FOUND,
        AgentError::Held { .. } | AgentError::Joined(_) | AgentError::NotWiped(_) => exit::CONFLICT,
        AgentError::File { .. }
        | AgentError::Certificate(_)
        | AgentError::Ledger { .. }
        | AgentError::World { .. }
        | AgentError::Orchestrator { .. }
        | AgentError::Thread(_)
        | AgentError::Randomness => exit::FAILED,
    }
}

impl Run {
    async fn run(self) -> anyhow::Result<u8> {
        self.log.start()?;
        let (faults_allowed, faults) = allowed_and_plan(self.faults)?;
        let options = Options {
            state: self.state,
            roles: self.role.iter().map(|role| role.name().to_owned()).collect(),
            driver: self.driver,
            name: self.name,
            orchestrators: self.orchestrator,
            faults,
            faults_allowed,
            latencies: self.latency,
        };
        let config = Config::load(self.config.as_deref(), options)?;
        let ended = windlass_agents::run(config, stop_signal()?).await?;
        Ok(Self::code(ended))
    }

    const fn code(ended: Ended) -> u8 {
        match ended {
            Ended::Stopped => exit::OK,
            // A process of its own is ended by the fault itself.
            Ended::Fell(_) => exit::FAILED,
        }
    }
}

impl Joining {
    async fn run(self, ca: Option<&Path>) -> anyhow::Result<u8> {
        self.log.start()?;
        let token = Token::parse(&self.token)?;
        let read =
            |path: &Path| std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
        let authority = token.authority(ca.map(read).transpose()?)?;
        let roles = self.role.iter().map(|role| role_of(role.name())).collect::<Result<_, _>>();
        let roles = roles.map_err(exit::Usage)?;
        let joined = join(Join {
            token,
            orchestrator: self.orchestrator,
            authority,
            state: self.state.clone(),
            name: self.host,
            roles,
            address: self.address,
        })
        .await?;
        output::tell(joined.host());
        let state = self.state.display();
        eprintln!(
            "this machine is a host of cell {}; now: windlass agent run --state {state}",
            joined.cell_name()
        );
        Ok(exit::OK)
    }
}
