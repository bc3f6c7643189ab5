//! What an orchestrator is started with: defaults, then the file, then the environment and flags; the later wins.
//!
//! Invariant: a `Config` has been checked whole; an orchestrator with a bad one does not start, and is told the line.

mod nats;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use nats::{Events, Nats, NatsOptions};

/// The port of the API and of agents' streams.
pub const PORT: u16 = 7700;
/// Addresses that agents may be told to dial.
pub const ADVERTISED_MAX: usize = 16;
/// How often the chain is followed where nobody says, seconds.
pub const VERIFY_EVERY_S: u64 = 24 * 3600;
/// How often it may be.
const VERIFY_EVERY_S_RANGE: std::ops::RangeInclusive<u64> = 10..=31 * 24 * 3600;
/// The largest configuration file, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The state directory: `identity/`, `journal/`, `store/` and `blobs/` are below it.
    pub state: PathBuf,
    /// Where the API and agents' streams are served; port 0: any free one.
    pub listen: SocketAddr,
    /// What agents are told to dial, as `host:port`; empty: the address that is listened on.
    pub advertise: Vec<String>,
    /// Where metrics are served in plain HTTP, on loopback alone; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// The journal is on NATS; `None`: below the state directory.
    pub nats: Option<Nats>,
    /// Whether faults may be armed at this orchestrator by the cell's API.
    pub faults_allowed: bool,
    /// How often the journal's chain is followed in the background; `None`: never.
    pub verify_every: Option<Duration>,
}

/// What the environment and flags say; laid over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The state directory.
    pub state: Option<PathBuf>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// What agents are told to dial.
    pub advertise: Vec<String>,
    /// Where to serve metrics.
    pub metrics: Option<SocketAddr>,
    /// The journal on NATS.
    pub nats: NatsOptions,
    /// Whether faults may be armed. No file can allow them: only who starts the orchestrator can.
    pub faults_allowed: bool,
    /// How often the journal's chain is followed in the background, seconds.
    pub verify_every_s: Option<u64>,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The file does not say what it should; the message names the line.
    #[error("{}: {message}", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A setting that is wrong or missing.
    #[error("{0}")]
    Setting(String),
}

/// The file, as it is written: TOML, every key optional, none unknown.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The state directory; no default.
    state: Option<PathBuf>,
    /// `address:port` to listen on; 127.0.0.1:7700.
    listen: Option<SocketAddr>,
    /// `host:port` of every orchestrator, as agents reach it; the address that is listened on.
    #[serde(default)]
    advertise: Vec<Advertised>,
    /// `address:port` of the metrics, on loopback; none.
    metrics: Option<SocketAddr>,
    /// The journal on NATS; below the state directory.
    nats: Option<nats::NatsFile>,
    /// How often the journal's chain is followed in the background, seconds, 10 to 31 days, 0: never; once a day.
    verify_every_s: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Advertised(String);

impl TryFrom<String> for Advertised {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        check_address(&text).map(|()| Self(text))
    }
}

impl Config {
    /// The file, if there is one, with the options laid over it.
    ///
    /// # Errors
    /// `Malformed` with the line of the file; `Setting` with the option.
    pub fn load(path: Option<&Path>, options: Options) -> Result<Self, ConfigError> {
        let file = path.map(read).transpose()?.unwrap_or_default();
        for address in &options.advertise {
            check_address(address).map_err(ConfigError::Setting)?;
        }
        let no_state = "no state directory: name one with --state, WINDLASS_STATE or `state` in the file";
        let state = options.state.or(file.state).ok_or_else(|| ConfigError::Setting(no_state.into()))?;
        let here = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT));
        let named = file.advertise.into_iter().map(|address| address.0).collect();
        let config = Self {
            state,
            listen: options.listen.or(file.listen).unwrap_or(here),
            advertise: if options.advertise.is_empty() { named } else { options.advertise },
            metrics: options.metrics.or(file.metrics),
            nats: nats::merged(file.nats, options.nats).map_err(ConfigError::Setting)?,
            faults_allowed: options.faults_allowed,
            verify_every: verify_every(options.verify_every_s.or(file.verify_every_s))?,
        };
        config.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        let refuse = |message: String| Err(ConfigError::Setting(message));
        if self.advertise.len() > ADVERTISED_MAX {
            let count = self.advertise.len();
            return refuse(format!("advertise: {count} addresses; at most {ADVERTISED_MAX}"));
        }
        if self.advertise.is_empty() && self.listen.ip().is_unspecified() {
            let message = "listening on every address, but agents can't dial that: name one with --advertise";
            return refuse(message.into());
        }
        match self.metrics {
            Some(address) if !address.ip().is_loopback() => {
                refuse(format!("metrics: {address} is not on loopback; they are served in plain HTTP"))
            }
            Some(_) | None => Ok(self),
        }
    }
}

fn verify_every(seconds: Option<u64>) -> Result<Option<Duration>, ConfigError> {
    match seconds.unwrap_or(VERIFY_EVERY_S) {
        0 => Ok(None),
        seconds if VERIFY_EVERY_S_RANGE.contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
        seconds => Err(ConfigError::Setting(format!(
            "verify_every_s: {seconds}; {} to {} seconds, or 0 for never",
            VERIFY_EVERY_S_RANGE.start(),
            VERIFY_EVERY_S_RANGE.end()
        ))),
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let failed = |error| ConfigError::File { path: path.to_path_buf(), error };
    let malformed = |message: String| ConfigError::Malformed { path: path.to_path_buf(), message };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(malformed(format!("{length} bytes; at most {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    toml::from_str(&text).map_err(|error| malformed(error.to_string().trim_end().to_owned()))
}

/// Whether this can be dialled: `host:port`, `1.2.3.4:port` or `[::1]:port`.
fn check_address(text: &str) -> Result<(), String> {
    if text.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0) {
        return Ok(());
    }
    let named = text.rsplit_once(':').filter(|(host, port)| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        !host.is_empty() && host.bytes().all(word) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    named.map(|_| ()).ok_or_else(|| format!("{text:?} is no address; expected host:port"))
}

#[cfg(test)]
mod tests {
    use windlass_journal::jetstream::Access;

    use super::*;

    fn load(text: &str, options: Options) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orchestrator.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), options)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = "state = \"/a\"\nlisten = \"127.0.0.1:1\"\n";
        let config = load(file, Options::default()).unwrap();
        assert_eq!((config.state, config.listen.port()), (PathBuf::from("/a"), 1));
        let flags = Options { state: Some("/b".into()), ..Options::default() };
        let config = load("", flags).unwrap();
        assert_eq!((config.state, config.listen.port()), (PathBuf::from("/b"), PORT));
        assert_eq!(config.verify_every, Some(Duration::from_secs(24 * 3600)));
        let never = load("state = \"/a\"\nverify_every_s = 0\n", Options::default()).unwrap();
        assert_eq!(never.verify_every, None);
    }

    #[test]
    fn three_servers_make_three_replicas_and_flags_win() {
        let file = "state = \"/a\"\n[nats]\nservers = [\"nats://a:1\", \"nats://b:1\", \"nats://c:1\"]\n";
        assert_eq!(load(file, Options::default()).unwrap().nats.unwrap().replicas, 3);
        let nats = NatsOptions { servers: vec!["nats://d:1".into()], ..NatsOptions::default() };
        let nats = load(file, Options { nats, ..Options::default() }).unwrap().nats.unwrap();
        assert_eq!((nats.servers, nats.replicas), (vec!["nats://d:1".to_owned()], 1));
        assert_eq!(load("state = \"/a\"", Options::default()).unwrap().nats, None);
        let nats = NatsOptions { require_durable: true, ..NatsOptions::default() };
        let error = load("state = \"/a\"", Options { nats, ..Options::default() }).unwrap_err();
        assert!(error.to_string().contains("--nats"), "{error}");
    }

    #[test]
    fn events_are_published_on_nats_unless_somebody_says_no() {
        let file = "state = \"/a\"\n[nats]\nservers = [\"nats://a:1\"]\n";
        let (_, plan) = load(file, Options::default()).unwrap().nats.unwrap().feed("north").unwrap();
        assert_eq!(
            (plan.stream.as_str(), plan.prefix.as_str()),
            ("WINDLASS_north_EVENTS", "windlass.north.events")
        );
        assert_eq!(plan.keep.as_secs(), 7 * 86_400);
        let off = load(&format!("{file}events = false\n"), Options::default()).unwrap().nats.unwrap();
        assert_eq!(off.feed("north"), None);
        let nats = NatsOptions { events: Some(true), ..NatsOptions::default() };
        let both = Options { nats, ..Options::default() };
        assert!(
            load(&format!("{file}events = false\n"), both.clone()).unwrap().nats.unwrap().events.is_some()
        );
        let error = load("state = \"/a\"", both).unwrap_err();
        assert!(error.to_string().contains("--nats"), "{error}");
        let user = format!(
            "{file}user = \"a\"\npassword_file = \"/a\"\nevents_user = \"b\"\nevents_password_file = \"/b\"\n"
        );
        let nats = load(&user, Options::default()).unwrap().nats.unwrap();
        assert_eq!(nats.settings("north").access.user.unwrap().0, "a");
        assert_eq!(nats.feed("north").unwrap().0.access.user.unwrap().0, "b");
    }

    #[test]
    fn the_handbooks_file_for_nats_is_taken_and_gets_in_by_certificate_and_password() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/handbook/nats.md");
        let page = std::fs::read_to_string(page).unwrap();
        let lines = page.lines().skip_while(|line| !line.starts_with("    state = "));
        let file = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
        let file: Vec<&str> = file.map(str::trim).collect();
        let nats = load(&file.join("\n"), Options::default()).unwrap().nats.unwrap();
        assert!(nats.require_durable && nats.servers.iter().all(|server| server.starts_with("tls://")));
        assert_eq!((nats.replicas, nats.monitors.len()), (3, 3));
        let Access { ca, certificate, user, credentials, api } = nats.settings("north").access;
        assert!(ca.is_some() && certificate.is_some() && credentials.is_none() && api.is_none());
        assert_eq!(user.unwrap().0, "orchestrator");
    }

    #[test]
    fn a_mistake_is_refused_with_its_line_or_its_name() {
        let cases = [
            ("state = \"/a\"\ncolour = 1\n", "colour"),
            ("state = \"/a\"\nlisten = \"nowhere\"\n", "line 2"),
            ("state = \"/a\"\nadvertise = [\"x\"]\n", "line 2"),
            ("state = \"/a\"\nlisten = \"0.0.0.0:1\"\n", "--advertise"),
            ("state = \"/a\"\nmetrics = \"1.2.3.4:9\"\n", "loopback"),
            ("", "--state"),
            ("state = \"/a\"\nverify_every_s = 9\n", "verify_every_s"),
            ("state = \"/a\"\n[nats]\nservers = []\n", "no server"),
            ("state = \"/a\"\n[nats]\nserver = []\n", "line 3"),
            ("state = \"/a\"\n[nats]\nservers = [\"nats://a:1\"]\nreplicas = 2\n", "replicas"),
            ("state = \"/a\"\n[nats]\nservers = [\"nats://a:1\"]\nmonitors = [\"a:1\"]\n", "http://"),
            ("state = \"/a\"\n[nats]\nservers = [\"nats://a:1\"]\nuser = \"x\"\n", "password_file"),
            (
                "state = \"/a\"\n[nats]\nservers = [\"nats://a:1\"]\nevents_user = \"x\"\n",
                "events_password_file",
            ),
            ("state = \"/a\"\n[nats]\nservers = [\"nats://a:1\"]\nevents_keep_days = 0\n", "1 to 3650"),
        ];
        for (text, named) in cases {
            let error = load(text, Options::default()).unwrap_err().to_string();
            assert!(error.contains(named), "{text:?}: {error}");
        }
    }
}
