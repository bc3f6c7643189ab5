//! The command tree, and what every subcommand gets: a client, the project, how to print and whether to wait.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use windlass_client::{Client, ClientError, Unary};

use crate::context::{Connected, Target};
use crate::limits::PATIENCE;
use crate::output::{Format, note};
#[cfg(feature = "lab")]
use crate::sim;
use crate::{
    about, access, agent, bench, demo, diff, doctor, events, exit, explain, fault, history, host, image,
    init, network, operation, orchestrator, project, recover, replay, server, up, volume,
};

/// Provision servers, volumes and networks by durable sagas, and see what happened.
///
/// Every change is an operation: it completes, or is fully undone, or stands stuck where you see it. Commands wait for
/// it by default; a change whose answer was lost is repeated safely with its --request-id.
#[derive(Parser, Debug)]
#[command(name = "windlass", version, propagate_version = true, disable_help_subcommand = true, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 timed out, 6 rolled back, 7 stuck; 130 when you stop
waiting with ctrl-C: the operation goes on. `windlass explain CODE` explains the code of an error.

Example: windlass server create web-1 --flavor small --image debian-12 --network blue";

/// How a command prints and waits.
#[derive(Args, Clone, Debug)]
struct How {
    /// How to print: columns for people, or the API's message as one JSON document.
    #[arg(long, short = 'o', global = true, value_enum, default_value_t, help_heading = GLOBAL)]
    output: Format,
    /// Don't wait for the operation: print it as soon as it is durable.
    #[arg(long, global = true, help_heading = GLOBAL)]
    no_wait: bool,
    /// Wait at most so many seconds; the operation goes on.
    #[arg(long, global = true, value_name = "SECONDS", help_heading = GLOBAL)]
    timeout: Option<u64>,
    /// Only say what would happen: chosen hosts, steps with their undo, quota. Nothing is recorded.
    #[arg(long, global = true, alias = "dry-run", help_heading = GLOBAL)]
    validate_only: bool,
    /// The change's request id, a UUIDv7: the same one again answers the same operation.
    #[arg(long, global = true, value_name = "UUID", help_heading = GLOBAL)]
    request_id: Option<String>,
}

/// The heading of what every subcommand takes.
pub(crate) const GLOBAL: &str = "Global options";

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a cell: its certificate authority, certificates and the administrator's token.
    Init(init::Init),
    /// See it work, with real processes that are killed in the middle.
    Demo(demo::Demo),
    // Its words are the struct's, which are longer.
    Bench(Box<bench::Bench>),
    /// Run a whole cell here, with simulated hosts, in one process.
    Up(up::Up),
    /// Remove what `up --driver linux` made, once it has ended.
    #[command(hide = true)]
    UpGuard(up::guard::Guard),
    /// Lead a cell: the process that serves the API.
    Orchestrator(orchestrator::Orchestrator),
    // Its words are the struct's, which are longer.
    Agent(Box<agent::Agent>),
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
    Image(image::Image),
    /// Key pairs.
    #[command(subcommand)]
    KeyPair(project::KeyPair),
    /// Projects.
    #[command(subcommand)]
    Project(project::Project),
    /// Quotas of projects.
    #[command(subcommand)]
    Quota(project::Quota),
    /// Principals and their roles.
    #[command(subcommand)]
    Principal(access::Principal),
    /// API tokens of principals.
    #[command(subcommand)]
    Token(access::Token),
    /// Hosts and the tokens by which they join.
    #[command(subcommand)]
    Host(host::Host),
    /// Faults armed on purpose, for drills.
    #[command(subcommand)]
    Fault(fault::Fault),
    /// Operations: what is going on, what happened, and what to do about it.
    #[command(subcommand)]
    Operation(operation::Operation),
    /// What happens in the cell, event by event.
    #[command(subcommand)]
    Events(events::Events),
    /// What abandoned operations left.
    #[command(subcommand)]
    Quarantine(operation::Quarantine),
    Cell(about::Cell),
    Doctor(doctor::Doctor),
    Diff(diff::Diff),
    Recover(recover::Recover),
    /// The history as a whole: export it or a part of it, and verify its chain.
    #[command(subcommand)]
    History(history::History),
    /// Decide a journal again: one that nobody leads, an exported one, or one on NATS.
    #[command(subcommand)]
    Replay(replay::Replay),
    Explain(explain::Explain),
    /// Simulate whole cells with faults, and check every promise.
    #[cfg(feature = "lab")]
    Sim(sim::Simulate),
    Completion(about::Completion),
    Version(about::Version),
}

/// What every subcommand gets.
pub(crate) struct App {
    /// The client.
    pub(crate) client: Client,
    /// The cell's CA certificate, in PEM.
    pub(crate) ca_pem: Option<String>,
    /// Where the orchestrators are.
    pub(crate) endpoints: String,
    /// The project to work in.
    pub(crate) project: Option<String>,
    /// Whether it is the past that is read, or a journal that nobody leads: no host can be asked.
    pub(crate) past: bool,
    /// How to print.
    pub(crate) format: Format,
    /// Whether to wait for operations.
    pub(crate) wait: bool,
    /// How long.
    pub(crate) timeout: Option<Duration>,
    /// Whether to change nothing.
    pub(crate) validate_only: bool,
    /// The request id of the change, where it was given.
    pub(crate) request_id: Option<String>,
}

impl App {
    /// One call. Where it has to be tried again for long, it says so.
    pub(crate) async fn call<M: Unary>(&self, request: M) -> Result<M::Answer, ClientError> {
        let mut call = Box::pin(self.client.call(request));
        match tokio::time::timeout(PATIENCE, &mut call).await {
            Ok(answer) => answer,
            Err(_) => {
                note(format!("no answer yet from {}: trying on", self.endpoints));
                call.await
            }
        }
    }

    /// `projects/{project}`.
    pub(crate) fn parent(&self) -> anyhow::Result<String> {
        match &self.project {
            Some(project) => Ok(of_cell("projects", project)),
            None => {
                anyhow::bail!(exit::Usage("no project: name one with --project or in the context".into()))
            }
        }
    }

    /// `projects/{project}/{collection}/{name}`; a whole resource name is taken as it is.
    pub(crate) fn name(&self, collection: &str, name: &str) -> anyhow::Result<String> {
        if name.contains('/') {
            Ok(name.into())
        } else {
            Ok(format!("{}/{collection}/{name}", self.parent()?))
        }
    }

    /// The same for several.
    pub(crate) fn names(&self, collection: &str, names: &[String]) -> anyhow::Result<Vec<String>> {
        names.iter().map(|name| self.name(collection, name)).collect()
    }

    /// The same for one that may be left out.
    pub(crate) fn name_or_none(&self, collection: &str, name: Option<&String>) -> anyhow::Result<String> {
        name.map_or_else(|| Ok(String::new()), |name| self.name(collection, name))
    }
}

/// `{collection}/{name}`; a whole resource name is taken as it is.
pub(crate) fn of_cell(collection: &str, name: &str) -> String {
    if name.contains('/') { name.into() } else { format!("{collection}/{name}") }
}

impl Cli {
    /// Whether the command stays and serves others: then it takes every core.
    pub(crate) const fn serves(&self) -> bool {
        match &self.command {
            Command::Up(_) | Command::Orchestrator(_) | Command::Agent(_) => true,
            Command::Bench(bench) => bench.serves(),
            _ => false,
        }
    }
}

/// Runs the command; gives the exit code.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<u8> {
    let Cli { target, how, command } = cli;
    let connected = |connected: Connected| {
        let Connected { client, ca_pem, endpoints, project, past } = connected;
        App {
            client,
            ca_pem,
            endpoints,
            project,
            past,
            format: how.output,
            wait: !how.no_wait,
            timeout: how.timeout.map(Duration::from_secs),
            validate_only: how.validate_only,
            request_id: how.request_id.clone(),
        }
    };
    let connect = async || anyhow::Ok(connected(target.connect().await?));
    match command {
        Command::Init(command) => command.run(),
        Command::Demo(command) => command.run().await,
        Command::Bench(command) => command.run(how.output).await,
        Command::Up(command) => command.run().await,
        Command::UpGuard(command) => command.run().await,
        Command::Orchestrator(command) => command.run().await,
        Command::Agent(command) => agent::run(*command, target.ca()).await,
        #[cfg(feature = "lab")]
        Command::Sim(command) => sim::run(&command, how.output),
        Command::Events(events::Events::Rebuild(command)) => command.run(how.output).await,
        Command::History(command) => history::run(command, how.output, connect).await,
        Command::Replay(command) => replay::run(command, how.output).await,
        Command::Explain(command) => explain::run(&command),
        Command::Completion(command) => about::completion(&command),
        Command::Version(command) => about::version(&command, how.output),
        Command::Server(command) => server::run(&connect().await?, command).await,
        Command::Volume(command) => volume::run(&connect().await?, command).await,
        Command::Network(command) => network::run(&connect().await?, command).await,
        Command::Subnet(command) => network::subnet(&connect().await?, command).await,
        Command::Port(command) => network::port(&connect().await?, command).await,
        Command::SecurityGroup(command) => network::group(&connect().await?, command).await,
        Command::Flavor(command) => project::flavor(&connect().await?, command).await,
        Command::Image(command) => image::run(&connect().await?, command).await,
        Command::KeyPair(command) => project::key_pair(&connect().await?, command).await,
        Command::Project(command) => project::run(&connect().await?, command).await,
        Command::Quota(command) => project::quota(&connect().await?, command).await,
        Command::Principal(command) => access::run(&connect().await?, command).await,
        Command::Token(command) => access::token(&connect().await?, command).await,
        Command::Host(command) => host::run(&connect().await?, command).await,
        Command::Fault(command) => fault::run(&connect().await?, command).await,
        Command::Operation(command) => operation::run(&connect().await?, command).await,
        Command::Events(command) => events::run(&connect().await?, command).await,
        Command::Quarantine(command) => operation::quarantine(&connect().await?, command).await,
        Command::Cell(command) => about::cell(&connect().await?, command).await,
        Command::Diff(command) => {
            let span = target.span()?;
            diff::run(&connected(target.connect_at(None).await?), span, command).await
        }
        Command::Doctor(command) => doctor::run(&connect().await?, command).await,
        Command::Recover(command) => recover::run(&connect().await?, command).await,
    }
}
