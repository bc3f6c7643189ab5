//! The journal on NATS, as it is configured: `[nats]` in the file, and what the environment and flags lay over it.

use std::path::PathBuf;

use serde::Deserialize;
use std::time::Duration;
use windlass_journal::jetstream::{Access, Settings};

use crate::feed::{FeedPlan, KEEP_DAYS, KEEP_DAYS_MAX};

/// Servers or monitoring addresses that may be named.
const ADDRESSES_MAX: usize = 16;

/// A journal on NATS JetStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// `nats://host:port` or `tls://host:port`, at least one.
    pub servers: Vec<String>,
    /// `http://host:port` of every server's monitoring, to read its settings back.
    pub monitors: Vec<String>,
    /// Replicas of a stream that is made: 1, 3 or 5.
    pub replicas: usize,
    /// How to get in.
    pub access: Access,
    /// Never lead while a broker may lose what it acknowledges.
    pub require_durable: bool,
    /// The public feed of events; `None`: none is published.
    pub events: Option<Events>,
}

/// The public feed of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Days that a message is kept in a stream that is made.
    pub keep_days: u32,
    /// Who publishes, where that is another user than the journal's.
    pub user: Option<(String, PathBuf)>,
}

impl Nats {
    /// What the journal is opened with, for the cell of this name.
    #[must_use]
    pub fn settings(&self, cell: &str) -> Settings {
        Settings {
            servers: self.servers.clone(),
            cell: cell.to_owned(),
            replicas: self.replicas,
            access: self.access.clone(),
        }
    }

    /// What the feed of this cell's events is published with.
    #[must_use]
    pub fn feed(&self, cell: &str) -> Option<(Settings, FeedPlan)> {
        let events = self.events.as_ref()?;
        let mut settings = self.settings(cell);
        if let Some(user) = &events.user {
            // Another user is in an account of its own, which has a JetStream.
            (settings.access.user, settings.access.api) = (Some(user.clone()), None);
        }
        let keep = Duration::from_secs(u64::from(events.keep_days) * 24 * 60 * 60);
        Some((settings, FeedPlan::of_cell(cell, self.replicas, keep)))
    }
}

/// What the environment and flags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsOptions {
    /// Servers; any at all: the journal is on NATS.
    pub servers: Vec<String>,
    /// Monitoring addresses.
    pub monitors: Vec<String>,
    /// Replicas of a stream that is made.
    pub replicas: Option<usize>,
    /// Whether to refuse to lead on a broker that is not durable.
    pub require_durable: bool,
    /// How to get in.
    pub access: Access,
    /// Whether events are published.
    pub events: Option<bool>,
    /// Days that a message of theirs is kept.
    pub events_keep_days: Option<u32>,
    /// Who publishes them, where that is another user than the journal's.
    pub events_user: Option<(String, PathBuf)>,
}

/// `[nats]` in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NatsFile {
    servers: Vec<String>,
    #[serde(default)]
    monitors: Vec<String>,
    replicas: Option<usize>,
    #[serde(default)]
    require_durable: bool,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    credentials: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    api: Option<String>,
    events: Option<bool>,
    events_keep_days: Option<u32>,
    events_user: Option<String>,
    events_password_file: Option<PathBuf>,
}

/// The file's table with the options laid over it; `None`: neither speaks of NATS.
pub(super) fn merged(file: Option<NatsFile>, options: NatsOptions) -> Result<Option<Nats>, String> {
    if file.is_none() && options.servers.is_empty() {
        let events = options.events == Some(true) || options.events_keep_days.is_some();
        let other = !options.monitors.is_empty() || options.require_durable || options.replicas.is_some();
        let other = other || events || options.events_user.is_some();
        let message = "nats: options for NATS, but no server: name one with --nats, or in `[nats] servers`";
        return if other { Err(message.into()) } else { Ok(None) };
    }
    let file = file.unwrap_or_default();
    let named = |flags: Vec<String>, file: Vec<String>| if flags.is_empty() { file } else { flags };
    let servers = named(options.servers, file.servers);
    let Access { ca, certificate, credentials, user, api } = options.access;
    let access = Access {
        ca: ca.or(file.ca),
        certificate: match certificate {
            Some(both) => Some(both),
            None => pair(file.certificate, file.key, "nats: `certificate` and `key` go together")?,
        },
        credentials: credentials.or(file.credentials),
        user: match user {
            Some(both) => Some(both),
            None => pair(file.user, file.password_file, "nats: `user` and `password_file` go together")?,
        },
        api: api.or(file.api),
    };
    let alone = if servers.len() < 3 { 1 } else { 3 };
    let both = "nats: `events_user` and `events_password_file` go together";
    let user = pair(file.events_user, file.events_password_file, both)?;
    let events = Events {
        keep_days: options.events_keep_days.or(file.events_keep_days).unwrap_or(KEEP_DAYS),
        user: options.events_user.or(user),
    };
    let published = options.events.or(file.events).unwrap_or(true);
    let nats = Nats {
        monitors: named(options.monitors, file.monitors),
        replicas: options.replicas.or(file.replicas).unwrap_or(alone),
        servers,
        access,
        require_durable: options.require_durable || file.require_durable,
        events: published.then_some(events),
    };
    nats.check().map(Some)
}

fn pair<A, B>(one: Option<A>, other: Option<B>, message: &str) -> Result<Option<(A, B)>, String> {
    match (one, other) {
        (Some(one), Some(other)) => Ok(Some((one, other))),
        (None, None) => Ok(None),
        _ => Err(message.to_owned()),
    }
}

impl Nats {
    fn check(self) -> Result<Self, String> {
        if self.servers.is_empty() {
            return Err("nats: no server is named in `servers`".to_owned());
        }
        if self.servers.len() > ADDRESSES_MAX || self.monitors.len() > ADDRESSES_MAX {
            return Err(format!("nats: at most {ADDRESSES_MAX} servers and as many monitors"));
        }
        if !matches!(self.replicas, 1 | 3 | 5) {
            return Err(format!("nats: replicas is {}; 1, 3 or 5 make sense", self.replicas));
        }
        let days = self.events.as_ref().map_or(KEEP_DAYS, |events| events.keep_days);
        if !(1..=KEEP_DAYS_MAX).contains(&days) {
            return Err(format!("nats: events_keep_days is {days}; 1 to {KEEP_DAYS_MAX} make sense"));
        }
        match self.monitors.iter().find(|monitor| !monitor.starts_with("http://")) {
            Some(monitor) => Err(format!("nats: monitor {monitor:?}; expected http://host:port")),
            None => Ok(self),
        }
    }
}
