//! A host with an agent in this process: joined over TLS, started, stopped, killed and started again on what it left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use windlass_agents::config::{OnFall, Options};
use windlass_agents::join::{Join, Token, join};
use windlass_agents::{AgentError, CancellationToken, Config, Ended};
use windlass_world::World;

use crate::orchestrator::{Cell, Orchestrator, PATIENCE, SECRET};

/// A host; its state lives as long as this.
pub(crate) struct Host {
    _directory: Option<TempDir>,
    pub(crate) state: PathBuf,
    /// How it is started the next time.
    pub(crate) config: Config,
    running: Option<(CancellationToken, JoinHandle<Result<Ended, AgentError>>)>,
}

/// What differs from host to host.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// The plan of faults.
    pub(crate) faults: Option<&'a str>,
    /// Whether faults may be armed.
    pub(crate) allow: bool,
    /// The pauses of simulated work, as flags give them.
    pub(crate) latencies: &'a [&'a str],
    /// The state directory; a fresh one otherwise.
    pub(crate) state: Option<&'a Path>,
}

impl Host {
    /// A host that has joined by the first orchestrator, dials all of these, and runs.
    pub(crate) async fn start(cell: &Cell, orchestrators: &[&Orchestrator]) -> Self {
        Self::start_with(cell, orchestrators, Setup::default()).await
    }

    pub(crate) async fn start_with(cell: &Cell, orchestrators: &[&Orchestrator], setup: Setup<'_>) -> Self {
        let directory = setup.state.is_none().then(|| tempfile::tempdir().expect("a directory"));
        let state = setup.state.map(Path::to_path_buf);
        let state = state.or(directory.as_ref().map(|it| it.path().join("state"))).expect("either");
        let plan = state.with_extension("faults.toml");
        if let Some(text) = setup.faults {
            std::fs::write(&plan, text).expect("written");
        }
        joined(cell, orchestrators[0], &state).await.expect("it joins");
        let options = Options {
            state: Some(state.clone()),
            driver: Some("sim".into()),
            orchestrators: orchestrators.iter().map(|it| it.address.to_string()).collect(),
            faults: setup.faults.map(|_| plan),
            faults_allowed: setup.allow,
            latencies: setup.latencies.iter().map(ToString::to_string).collect(),
            ..Options::default()
        };
        let config = Config { on_fall: OnFall::Return, ..Config::load(None, options).expect("a good one") };
        let mut host = Self { _directory: directory, state, config, running: None };
        host.run();
        host
    }

    /// Starts the agent. What an agent that was killed has left, its threads among it, is waited for.
    pub(crate) fn run(&mut self) {
        assert!(self.running.is_none(), "one agent at a time");
        let (config, shutdown) = (self.config.clone(), CancellationToken::new());
        let told = shutdown.clone();
        let task = tokio::spawn(async move {
            loop {
                match windlass_agents::run(config.clone(), told.clone()).await {
                    Err(AgentError::Held { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                    ended => return ended,
                }
            }
        });
        self.running = Some((shutdown, task));
    }

    /// Ends the agent in order.
    pub(crate) async fn stop(&mut self) {
        let (shutdown, task) = self.running.take().expect("it runs");
        shutdown.cancel();
        let ended = timeout(PATIENCE, task).await.expect("it ends").expect("no panic").expect("in order");
        assert_eq!(ended, Ended::Stopped);
    }

    /// How the agent ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<Ended, AgentError> {
        let (_, task) = self.running.as_mut().expect("it runs");
        let ended = timeout(PATIENCE, task).await.expect("it ends").expect("no panic");
        self.running = None;
        ended
    }

    /// Kills the agent: nothing behind this call happens in its task.
    pub(crate) async fn kill(&mut self) {
        let (_, task) = self.running.take().expect("it runs");
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()), "it ran until it was killed");
    }

    /// What the host holds, as it was written last.
    pub(crate) fn world(&self) -> World {
        windlass_agents::sim::read_world(&self.state).expect("a world")
    }

    pub(crate) fn ledger(&self, role: &str) -> PathBuf {
        self.state.join("ledger").join(role)
    }

    /// The lines of all strikes so far.
    pub(crate) fn strikes(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.state.join("faults")) else { return Vec::new() };
        let text = files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"));
        text.flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
    }
}

/// Joins this state directory by this orchestrator, of which only the hash of the cell's authority is known.
pub(crate) async fn joined(cell: &Cell, orchestrator: &Orchestrator, state: &Path) -> Result<(), AgentError> {
    let token = Token::new(SECRET, &cell.authority.certificate_pem)?;
    join_with(token, orchestrator, state).await
}

pub(crate) async fn join_with(
    token: Token,
    orchestrator: &Orchestrator,
    state: &Path,
) -> Result<(), AgentError> {
    let authority = token.authority(None)?;
    let wanted = Join {
        token,
        orchestrator: orchestrator.address.to_string(),
        authority,
        state: state.to_path_buf(),
        name: Some("host-1".into()),
        roles: Default::default(),
        address: None,
    };
    join(wanted).await.map(|_| ())
}
