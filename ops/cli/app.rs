//! The command tree, and what every subcommand gets: a client, the project, how to print and whether to wait.

use std::time::Duration;

use clap::{Parser, Subcommand};
use windlass_client::Client;

use crate::context::Target;
use crate::output::Format;
#[cfg(feature = "lab")]
use crate::sim;
use crate::{agent, demo, exit, host, init, network, operation, orchestrator, project, server, up, volume};

/// Provision servers, volumes and networks by durable sagas, and see what happened.
///
/// Every change is an operation: it completes, or is fully undone, or stands stuck where you see it. Commands wait for
/// it by default; the same command may be repeated safely. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found,
/// 4 conflict, 5 timed out, 6 rolled back, 7 stuck.
#[derive(Parser, Debug)]
#[command(name = "windlass", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    target: Target,
    /// How to print.
    #[arg(long, short = 'o', global = true, value_enum, default_value_t)]
    output: Format,
    /// Don't wait for the operation: print it as soon as it is durable.
    #[arg(long, global = true)]
    no_wait: bool,
    /// Wait at most so many seconds; the operation goes on.
    #[arg(long, global = true, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Only say what would happen: chosen hosts, steps with their undo, quota.
    #[arg(long, global = true)]
    dry_run: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a cell: its certificate authority, certificates and the administrator's token.
    Init(init::Init),
    /// See it work, with real processes that are killed in the middle.
    Demo(demo::Demo),
    /// Run a whole cell here, with simulated hosts, in one process.
    Up(up::Up),
    /// Lead a cell: the process that serves the API.
    Orchestrator(orchestrator::Orchestrator),
    // Its words are the struct's, which are longer.
    Agent(agent::Agent),
    /// Servers.
    #[command(subcommand)]
    Server(server::Server),
    /// Volumes.
    #[command(subcommand)]
    Volume(volume::Volume),
    /// Networks.
    #[command(subcommand)]
    Network(network::Network),
    /// Subnets.
    #[command(subcommand)]
    Subnet(network::Subnet),
    /// Ports.
    #[command(subcommand)]
    Port(network::Port),
    /// Security groups.
    #[command(subcommand)]
    SecurityGroup(network::Group),
    /// Flavors.
    #[command(subcommand)]
    Flavor(project::Flavor),
    /// Images.
    #[command(subcommand)]
    Image(project::Image),
    /// Key pairs.
    #[command(subcommand)]
    KeyPair(project::KeyPair),
    /// Projects.
    #[command(subcommand)]
    Project(project::Project),
    /// Quotas of projects.
    #[command(subcommand)]
    Quota(project::Quota),
    /// Hosts.
    #[command(subcommand)]
    Host(host::Host),
    /// Operations: what is going on, what happened, and what to do about it.
    #[command(subcommand)]
    Operation(operation::Operation),
    /// Compare what the hosts hold with what the cell says (invariants 2, 3, 5, 6).
    Doctor(operation::Doctor),
    /// Simulate whole cells with faults, and check every promise.
    #[cfg(feature = "lab")]
    Sim(sim::Simulate),
}

/// What every subcommand gets.
pub(crate) struct App {
    /// The client.
    pub(crate) client: Client,
    /// The cell's CA certificate, in PEM.
    pub(crate) ca_pem: Option<String>,
    /// The project to work in.
    pub(crate) project: Option<String>,
    /// How to print.
    pub(crate) format: Format,
    /// Whether to wait for operations.
    pub(crate) wait: bool,
    /// How long.
    pub(crate) timeout: Option<Duration>,
    /// Whether to change nothing.
    pub(crate) dry_run: bool,
}

impl App {
    /// `projects/{project}`.
    pub(crate) fn parent(&self) -> anyhow::Result<String> {
        match &self.project {
            Some(project) => Ok(format!("projects/{project}")),
            None => {
                anyhow::bail!(exit::Usage("no project: name one with --project or in the context".into()))
            }
        }
    }

    /// `projects/{project}/{collection}/{name}`.
    pub(crate) fn name(&self, collection: &str, name: &str) -> anyhow::Result<String> {
        Ok(format!("{}/{collection}/{name}", self.parent()?))
    }
}

impl Cli {
    /// Whether the command stays and serves others: then it takes every core.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self.command, Command::Up(_) | Command::Orchestrator(_) | Command::Agent(_))
    }
}

/// Runs the command; gives the exit code.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<u8> {
    if let Command::Init(init) = &cli.command {
        return init.run();
    }
    let cli = match cli.command {
        Command::Demo(demo) => return demo.run().await,
        Command::Up(up) => return up.run().await,
        Command::Orchestrator(orchestrator) => return orchestrator.run().await,
        Command::Agent(agent) => return agent::run(agent, cli.target.ca()).await,
        command => Cli { command, ..cli },
    };
    #[cfg(feature = "lab")]
    if let Command::Sim(simulate) = &cli.command {
        return sim::run(simulate, cli.output);
    }
    let context = cli.target.resolve()?;
    let app = App {
        client: context.client()?,
        ca_pem: context.ca_pem()?,
        project: context.project,
        format: cli.output,
        wait: !cli.no_wait,
        timeout: cli.timeout.map(Duration::from_secs),
        dry_run: cli.dry_run,
    };
    match cli.command {
        Command::Init(_)
        | Command::Demo(_)
        | Command::Up(_)
        | Command::Orchestrator(_)
        | Command::Agent(_) => Ok(exit::OK),
        #[cfg(feature = "lab")]
        Command::Sim(_) => Ok(exit::OK),
        Command::Server(command) => server::run(&app, command).await,
        Command::Volume(command) => volume::run(&app, command).await,
        Command::Network(command) => network::run(&app, command).await,
        Command::Subnet(command) => network::subnet(&app, command).await,
        Command::Port(command) => network::port(&app, command).await,
        Command::SecurityGroup(command) => network::group(&app, command).await,
        Command::Flavor(command) => project::flavor(&app, command).await,
        Command::Image(command) => project::image(&app, command).await,
        Command::KeyPair(command) => project::key_pair(&app, command).await,
        Command::Project(command) => project::run(&app, command).await,
        Command::Quota(command) => project::quota(&app, command).await,
        Command::Host(command) => host::run(&app, command).await,
        Command::Operation(command) => operation::run(&app, command).await,
        Command::Doctor(command) => operation::doctor(&app, command).await,
    }
}
