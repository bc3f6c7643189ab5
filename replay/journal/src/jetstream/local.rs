//! A NATS server of one's own on loopback, for demonstrations, benchmarks and tests: found on the PATH, configured to
//! keep what it acknowledges, and ended with its owner.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::SERVER_VERSION_MIN;

/// How long a server may take to listen.
const START_TIME_MAX: Duration = Duration::from_secs(15);
/// How long an orderly end may take before it is a kill.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// Where ports are looked for: below those that the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A `nats-server` program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Major, minor and patch.
    pub version: (u64, u64, u64),
}

impl Program {
    /// The first `nats-server` on the PATH, if it is new enough.
    #[must_use]
    pub fn find() -> Option<Self> {
        let paths = std::env::var_os("PATH")?;
        let found =
            std::env::split_paths(&paths).map(|path| path.join("nats-server")).find(|path| path.is_file());
        Self::at(&found?).filter(Self::is_new_enough)
    }

    /// Whether a journal can be kept on it.
    #[must_use]
    pub fn is_new_enough(&self) -> bool {
        let (major, minor, _) = self.version;
        (major, minor) >= SERVER_VERSION_MIN
    }

    /// The program at `path`; `None` where it does not say its version.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let output = Command::new(path).arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = parse_version(text.split_whitespace().last()?)?;
        Some(Self { path: path.to_path_buf(), version })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(f, "nats-server {major}.{minor}.{patch}")
    }
}

/// `v2.15.1`, `2.15.1` or `2.15.1-RC.1`.
pub(super) fn parse_version(text: &str) -> Option<(u64, u64, u64)> {
    let text = text.trim_start_matches('v').split('-').next()?;
    let mut numbers = text.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its own directory: configuration, log and store; made if missing.
    pub directory: PathBuf,
    /// Where clients connect.
    pub port: u16,
    /// Where its monitoring answers.
    pub monitor_port: u16,
    /// Whether it syncs before it acknowledges.
    pub sync_always: bool,
    /// Its place in a cluster; `None`: alone.
    pub cluster: Option<Place>,
}

/// A server's place in a cluster.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name in it.
    pub name: String,
    /// Its own port for the others.
    pub port: u16,
    /// Those of all.
    pub ports: Vec<u16>,
}

impl Plan {
    /// A server alone, on free ports, that syncs always.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn alone(directory: PathBuf) -> io::Result<Self> {
        let ports = free_ports(2)?;
        Ok(Self { directory, port: ports[0], monitor_port: ports[1], sync_always: true, cluster: None })
    }

    /// Three servers that are one cluster, below `directory`.
    ///
    /// # Errors
    /// Where no ports are free.
    pub fn three(directory: &Path) -> io::Result<Vec<Self>> {
        let ports = free_ports(9)?;
        let cluster = ports[6..].to_vec();
        let plan = |n: usize| {
            let name = format!("n{}", n + 1);
            let place = Place { name: name.clone(), port: cluster[n], ports: cluster.clone() };
            let directory = directory.join(name);
            Self {
                directory,
                port: ports[n],
                monitor_port: ports[3 + n],
                sync_always: true,
                cluster: Some(place),
            }
        };
        Ok((0..3).map(plan).collect())
    }

    /// What clients are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// What the monitoring answers at.
    #[must_use]
    pub fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    fn text(&self) -> String {
        let store = self.directory.join("store");
        let sync = if self.sync_always { ", sync_interval: always" } else { "" };
        let mut text = format!(
            "listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\njetstream {{ store_dir: {store:?}{sync} }}\n",
            self.port, self.monitor_port
        );
        if let Some(Place { name, port, ports }) = &self.cluster {
            let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
            let routes = routes.join(", ");
            text.push_str(&format!(
                "server_name: {name}\ncluster {{ name: local, listen: 127.0.0.1:{port}, routes: [{routes}] }}\n"
            ));
        }
        text
    }
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// What it was started with.
    pub plan: Plan,
    child: Child,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// Where it does not start; the message has the end of its log.
    pub fn start(program: &Program, plan: Plan) -> io::Result<Self> {
        fs::create_dir_all(&plan.directory)?;
        fs::write(plan.directory.join("nats.conf"), plan.text())?;
        Self::start_configured(program, plan)
    }

    /// Starts a server with the `nats.conf` that is in its plan's directory already, and waits until it listens.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_configured(program: &Program, plan: Plan) -> io::Result<Self> {
        let (config, log) = (plan.directory.join("nats.conf"), plan.directory.join("nats.log"));
        let log_file = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = Command::new(&program.path)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .spawn()?;
        let mut server = Self { plan, child };
        let until = Instant::now() + START_TIME_MAX;
        while !listens(server.plan.port) {
            if server.child.try_wait()?.is_some() || Instant::now() >= until {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = said.lines().rev().take(5).collect();
                return Err(io::Error::other(format!("nats-server does not start: {}", lines.join(" | "))));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would, and gives its plan back to start it again with.
    pub fn kill(mut self) -> Plan {
        self.end();
        self.plan.clone()
    }

    /// Ends it in order.
    pub fn stop(mut self) -> Plan {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid
            && rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok()
        {
            let until = Instant::now() + STOP_TIME_MAX;
            while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.end();
        self.plan.clone()
    }

    fn end(&mut self) {
        // An error means that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a NATS server greets on this port.
fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
        return false;
    };
    let mut greeting = [0; 4];
    let timed = stream.set_read_timeout(Some(Duration::from_millis(500)));
    timed.is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"INFO"
}

/// Ports of loopback that nobody listens on, below the range that outgoing connections take theirs from (32768 and up on
/// Linux): so nobody takes one while its process is down.
///
/// # Errors
/// Where there are not so many.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let span = usize::from(PORTS.end - PORTS.start);
    // Who starts at the same time begins elsewhere.
    let begin = (usize::try_from(std::process::id()).unwrap_or(0).wrapping_mul(7919)) % span;
    static TAKEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let mut held = Vec::new();
    for _ in 0..span {
        if held.len() == count {
            break;
        }
        let next = TAKEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let port = PORTS.start + u16::try_from((begin + next) % span).unwrap_or(0);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(io::Error::other("no free port of loopback is left"));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_nonsense_is_not() {
        assert_eq!(parse_version("v2.15.1"), Some((2, 15, 1)));
        assert_eq!(parse_version("2.11.0-RC.2"), Some((2, 11, 0)));
        assert_eq!(parse_version("2.11"), None);
        assert_eq!(parse_version("x"), None);
    }
}
