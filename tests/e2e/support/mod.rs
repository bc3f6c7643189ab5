//! A cell of real processes for one test: made in a directory of its own, ended and removed with it, also when the test
//! fails. It starts, kills and counts; it never decides what is right.

mod broker;
mod child;
mod dice;
mod node;
mod requests;
mod site;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use tempfile::TempDir;
use windlass_agents::sim::read_world;
use windlass_client::v1::{self, saga};
use windlass_client::{Client, Config, NewSecret};
use windlass_journal::jetstream::local::free_ports;
use windlass_orchestrator::identity;

pub(crate) use broker::Broker;
pub(crate) use child::{Child, PROGRAM, windlass};
pub(crate) use dice::Dice;
pub(crate) use node::Node;
pub(crate) use requests::*;
pub(crate) use site::Site;
pub(crate) use wire::{Weather, Wire};

/// How long a process may take until it is ready.
const READY_TIME_MAX: Duration = Duration::from_secs(60);
/// How long an operation may take in a test; a bound against hanging, not a claim.
const OPERATION_TIME_MAX: Duration = Duration::from_secs(120);

/// A simulated host of a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostSetup {
    pub(crate) name: &'static str,
    pub(crate) storage: bool,
    /// Its zone; empty: the cell's default one.
    pub(crate) zone: &'static str,
    /// A plan of faults, as its file says it.
    pub(crate) faults: Option<String>,
    /// Whether faults may be armed at it.
    pub(crate) allow_faults: bool,
    /// Milliseconds before each small step.
    pub(crate) latency_ms: u64,
}

/// A hypervisor without faults.
pub(crate) fn hypervisor(name: &'static str) -> HostSetup {
    HostSetup { name, ..HostSetup::default() }
}

/// A storage host without faults.
pub(crate) fn storage(name: &'static str) -> HostSetup {
    HostSetup { name, storage: true, ..HostSetup::default() }
}

/// A storage host and two hypervisors that take so many milliseconds for each small step.
pub(crate) fn slow_hosts(latency_ms: u64) -> Vec<HostSetup> {
    [storage("s1"), hypervisor("h1"), hypervisor("h2")].map(|setup| HostSetup { latency_ms, ..setup }).into()
}

/// Waits, bounded, until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// A cell.
pub(crate) struct Cell {
    pub(crate) home: TempDir,
    pub(crate) client: Client,
    /// Its orchestrators; one, where its journal is embedded.
    pub(crate) nodes: Vec<Node>,
    token: NewToken,
    hosts: Vec<HostSetup>,
    pub(crate) agents: BTreeMap<&'static str, Child>,
    /// The binary that agents are started from next.
    pub(crate) agent_program: PathBuf,
}

impl Cell {
    /// A cell with these hosts, all of them up, and a project to work in.
    pub(crate) async fn with(hosts: Vec<HostSetup>) -> Self {
        Self::over(hosts, vec![Vec::new()]).await
    }

    /// The same with an orchestrator for each of these lists of arguments.
    pub(crate) async fn over(hosts: Vec<HostSetup>, arguments: Vec<Vec<String>>) -> Self {
        Self::built(Path::new(PROGRAM), hosts, arguments, false).await
    }

    /// The same with a wire between the agents and each orchestrator.
    pub(crate) async fn wired(hosts: Vec<HostSetup>, arguments: Vec<Vec<String>>) -> Self {
        Self::built(Path::new(PROGRAM), hosts, arguments, true).await
    }

    /// The same, all of it of another build.
    pub(crate) async fn of(program: &Path, hosts: Vec<HostSetup>, arguments: Vec<Vec<String>>) -> Self {
        Self::built(program, hosts, arguments, false).await
    }

    async fn built(program: &Path, hosts: Vec<HostSetup>, arguments: Vec<Vec<String>>, wired: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let names = ["localhost".into(), "127.0.0.1".into()];
        let identity = home.path().join("identity");
        let made = identity::init(&identity, "test", &names).unwrap();
        let mut nodes = Vec::new();
        for (number, arguments) in arguments.into_iter().enumerate() {
            // The first one lives at home; the others have a copy of the cell's identity.
            let (state, log) = match number {
                0 => (home.path().to_path_buf(), "orchestrator.log".to_owned()),
                _ => (home.path().join(format!("o{number}")), format!("orchestrator-{number}.log")),
            };
            if number > 0 {
                copy_all(&identity, &state.join("identity"));
            }
            nodes.push(Node::new(&state, home.path().join(log), program, arguments));
        }
        let all: Vec<String> = nodes.iter().map(|node| node.address.clone()).collect();
        let mut advertised = all.clone();
        for (node, address) in nodes.iter_mut().zip(&mut advertised).filter(|_| wired) {
            let wire = Wire::to(address.clone()).await;
            address.clone_from(&wire.address);
            node.wire = Some(wire);
        }
        for node in &mut nodes {
            node.arguments.extend(["--advertise".to_owned(), advertised.join(",")]);
            node.start().await;
        }
        let token = NewToken(made.admin_token);
        let client = token.client(home.path(), &all);
        let agent_program = program.into();
        let mut cell = Self { home, client, nodes, token, hosts, agents: BTreeMap::new(), agent_program };
        cell.seed().await;
        for setup in cell.hosts.clone() {
            cell.join(&setup).await;
            cell.start_agent(setup.name);
        }
        cell.until_up().await;
        cell
    }

    /// A client that knows only this orchestrator.
    pub(crate) fn client_of(&self, node: usize) -> Client {
        self.client_at(&self.nodes[node].address)
    }

    /// A client that knows only this address.
    pub(crate) fn client_at(&self, address: &str) -> Client {
        self.token.client(self.home.path(), &[address.to_owned()])
    }

    /// What its orchestrators have logged.
    pub(crate) fn said(&self) -> String {
        self.nodes.iter().map(Node::said).collect::<Vec<_>>().join("--\n")
    }

    /// Runs a command of the administrator's to its end.
    pub(crate) async fn windlass(&self, arguments: &[&str]) -> Output {
        let endpoints: Vec<String> =
            self.nodes.iter().map(|node| format!("https://{}", node.address)).collect();
        let (endpoints, ca) = (endpoints.join(","), self.home.path().join("identity/ca.pem"));
        let target = ["--endpoint", &endpoints, "--token", &self.token.0, "--ca", ca.to_str().unwrap()];
        windlass(&[arguments, &target].concat()).await
    }

    /// Which orchestrator leads; waits, bounded, until one does.
    pub(crate) async fn leader(&self) -> usize {
        for _ in 0..6_000 {
            for (number, node) in self.nodes.iter().enumerate() {
                if node.leads().await {
                    return number;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody leads:\n{}", self.said());
    }

    /// Of two orchestrators, the first one is to lead.
    pub(crate) async fn let_the_first_lead(&mut self) {
        if self.leader().await != 0 {
            self.nodes[1].end().await;
            assert_eq!(self.leader().await, 0);
            self.nodes[1].start().await;
        }
    }

    /// Deletes these servers; the doctor finds nothing before and behind that, nothing was repeated, nothing is left.
    pub(crate) async fn ends_well(&mut self, servers: impl IntoIterator<Item = String>) {
        self.is_well().await;
        for name in servers {
            self.completes(self.client.call(delete_server(&name)).await.unwrap()).await;
        }
        self.is_well().await;
        self.nothing_repeated().await;
        self.nothing_left().await;
    }

    /// Two hypervisors and a storage host, nothing wrong with any.
    pub(crate) async fn plain() -> Self {
        Self::with(vec![storage("s1"), hypervisor("h1"), hypervisor("h2")]).await
    }

    pub(crate) fn host(&self, name: &str) -> PathBuf {
        self.home.path().join("hosts").join(name)
    }

    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    async fn join(&self, setup: &HostSetup) {
        let state = self.host(setup.name);
        std::fs::create_dir_all(&state).unwrap();
        let config = format!("[sim.latency_ms]\ndefault = {}\n", setup.latency_ms);
        std::fs::write(state.join("agent.toml"), config).unwrap();
        if let Some(faults) = &setup.faults {
            std::fs::write(state.join("faults.toml"), faults).unwrap();
        }
        let secret = NewSecret::join_token().unwrap();
        let mut request = join_token(setup.name, setup.storage, &secret.sha256);
        if let Some(token) = request.join_token.as_mut().filter(|_| !setup.zone.is_empty()) {
            token.zone = setup.zone.into();
        }
        self.completes(self.client.call(request).await.unwrap()).await;
        let ca = self.home.path().join("identity/ca.pem");
        let log = self.home.path().join(format!("{}.log", setup.name));
        let arguments = [
            "agent",
            "join",
            &secret.text,
            "--orchestrator",
            &self.nodes[0].address,
            "--ca",
            ca.to_str().unwrap(),
            "--state",
            state.to_str().unwrap(),
        ];
        let mut child = Child::start(&self.agent_program, &arguments, &log);
        let status = child.ends_within(READY_TIME_MAX).await;
        assert!(status.success(), "{}: {}", setup.name, self.log(setup.name));
    }

    /// Starts a host's agent; with its faults the first time only where they are still wanted.
    pub(crate) fn start_agent(&mut self, name: &'static str) {
        let allow_faults = self.hosts.iter().any(|setup| setup.name == name && setup.allow_faults);
        self.agents.insert(name, agent(&self.agent_program, self.home.path(), name, allow_faults));
    }

    pub(crate) fn stop_faults(&self, name: &str) {
        std::fs::remove_file(self.host(name).join("faults.toml")).unwrap();
    }

    pub(crate) async fn kill_agent(&mut self, name: &str) {
        self.agents.remove(name).unwrap().kill().await;
    }

    /// Waits for the end of an agent that a planned fault takes down.
    pub(crate) async fn agent_falls(&mut self, name: &str) {
        let status = self.agents.remove(name).unwrap().ends_within(OPERATION_TIME_MAX).await;
        assert!(!status.success(), "{name} was to fall: {}", self.log(name));
    }

    pub(crate) async fn kill_orchestrator(&mut self) {
        self.nodes[0].kill().await;
    }

    pub(crate) async fn end_orchestrator(&mut self) {
        self.nodes[0].end().await;
    }

    pub(crate) async fn start_orchestrator(&mut self) {
        self.nodes[0].start().await;
    }

    async fn seed(&self) {
        for request in projects() {
            self.completes(self.client.call(request).await.unwrap()).await;
        }
        self.completes(self.client.call(flavor()).await.unwrap()).await;
        self.completes(self.client.call(image()).await.unwrap()).await;
        self.completes(self.client.call(network()).await.unwrap()).await;
        self.completes(self.client.call(subnet()).await.unwrap()).await;
    }

    /// Waits, bounded, until every host is up.
    pub(crate) async fn until_up(&self) {
        for _ in 0..3_000 {
            let mut hosts = self.client.list(v1::ListHostsRequest::default());
            let hosts = hosts.take(100).await.unwrap();
            let ready = |host: &&v1::Host| {
                let admitted = host.ledgers.iter().filter(|ledger| ledger.admitted).count();
                host.state() == v1::host::State::Up && host.connected && admitted == host.roles.len()
            };
            if hosts.iter().filter(ready).count() == self.hosts.len() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not every host came up:\n{}", self.log("orchestrator"));
    }

    /// Waits for an operation's end.
    pub(crate) async fn ends(&self, operation: v1::Operation) -> v1::Operation {
        if operation.done {
            return operation;
        }
        match tokio::time::timeout(OPERATION_TIME_MAX, self.client.wait(&operation)).await {
            Ok(ended) => ended.unwrap(),
            Err(_) => panic!("{} does not end:\n{}", operation.name, self.said()),
        }
    }

    pub(crate) async fn completes(&self, operation: v1::Operation) -> v1::Operation {
        let ended = self.ends(operation).await;
        assert_eq!(state(&ended), saga::State::Completed, "{ended:#?}");
        ended
    }

    pub(crate) async fn rolls_back(&self, operation: v1::Operation) -> v1::Operation {
        let ended = self.ends(operation).await;
        assert_eq!(state(&ended), saga::State::RolledBack, "{ended:#?}");
        ended
    }

    /// The doctor finds nothing, and could look everywhere once every agent has dialled again.
    pub(crate) async fn is_well(&self) {
        self.until_up().await;
        let request = v1::DoctorRequest { invariants: vec![2, 3, 5, 6], ..Default::default() };
        let mut answer = self.client.call(request.clone()).await.unwrap();
        // A host is called up for some seconds after its stream was cut: then it is asked once it has dialled again.
        for _ in 0..100 {
            if answer.hosts_missing.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer = self.client.call(request.clone()).await.unwrap();
        }
        assert_eq!(answer.hosts_missing, [""; 0]);
        assert_eq!(answer.checks.len(), 4);
        for check in &answer.checks {
            assert_eq!(check.result(), v1::invariant_check::Result::Passed, "{check:#?}");
            assert!(check.looked_at > 0 || check.findings.is_empty());
        }
    }

    /// The value of one of the first orchestrator's metrics.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        self.nodes[0].metric(name).await
    }

    /// Ends every process, then counts at the worlds: nothing was done twice.
    pub(crate) async fn nothing_repeated(&mut self) {
        self.end_agents().await;
        for setup in &self.hosts {
            let world = read_world(&self.host(setup.name)).unwrap();
            assert_eq!(world.repeated(), 0, "{}: {:?}", setup.name, world.tallies().collect::<Vec<_>>());
        }
    }

    /// Ends every process, then counts at the worlds: nothing is left.
    pub(crate) async fn nothing_left(&mut self) {
        self.end_agents().await;
        for setup in &self.hosts {
            let world = read_world(&self.host(setup.name)).unwrap();
            assert!(world.is_empty(), "{} still holds something: {world:#?}", setup.name);
        }
    }

    async fn end_agents(&mut self) {
        while let Some((name, agent)) = self.agents.pop_first() {
            let status = agent.end(READY_TIME_MAX).await;
            assert!(status.success(), "{name}: {}", self.log(name));
        }
    }
}

/// Starts the agent of the host of this name, with its faults where it has any.
pub(crate) fn agent(program: &Path, home: &Path, name: &str, allow_faults: bool) -> Child {
    let state = home.join("hosts").join(name);
    let (config, faults) = (state.join("agent.toml"), state.join("faults.toml"));
    let state = state.to_str().unwrap();
    let mut arguments =
        vec!["agent", "run", "--driver", "sim", "--state", state, "--config", config.to_str().unwrap()];
    if faults.exists() {
        arguments.extend(["--faults", faults.to_str().unwrap()]);
    }
    if allow_faults {
        arguments.extend(["--faults", "allow"]);
    }
    Child::start(program, &arguments, &home.join(format!("{name}.log")))
}

/// The administrator's token of a cell.
struct NewToken(String);

impl NewToken {
    fn client(&self, home: &Path, addresses: &[String]) -> Client {
        let mut config = Config::new(addresses.iter().map(|address| format!("https://{address}")));
        config.ca_pem = Some(std::fs::read_to_string(home.join("identity/ca.pem")).unwrap());
        config.token = Some(self.0.clone());
        config.deadline = Duration::from_secs(60);
        Client::new(&config).unwrap()
    }
}

/// A directory with everything below it, copied.
fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// An address on loopback that nobody listens on, and that nobody takes while its process is down.
fn free_address() -> String {
    format!("127.0.0.1:{}", free_ports(1).unwrap()[0])
}

pub(crate) fn state(operation: &v1::Operation) -> saga::State {
    operation.metadata.as_ref().map(v1::Saga::state).unwrap_or_default()
}
