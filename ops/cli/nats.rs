//! The options of commands that reach a journal on NATS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use windlass_journal::jetstream::Access;
use windlass_orchestrator::config::NatsOptions;

/// Where NATS is, and how to get in.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Journal on NATS")]
pub(crate) struct Servers {
    /// The journal is on NATS JetStream: `nats://host:port` or `tls://host:port` of its servers.
    #[arg(long, env = "WINDLASS_NATS", value_name = "URL", value_delimiter = ',')]
    pub(crate) nats: Vec<String>,
    /// The certificate authority of the NATS servers, PEM.
    #[arg(long, env = "WINDLASS_NATS_CA", value_name = "FILE")]
    nats_ca: Option<PathBuf>,
    /// Our certificate for NATS, PEM.
    #[arg(long, value_name = "FILE", requires = "nats_key")]
    nats_certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", requires = "nats_certificate")]
    nats_key: Option<PathBuf>,
    /// A NATS credentials file.
    #[arg(long, env = "WINDLASS_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: Option<PathBuf>,
    /// Our user at NATS.
    #[arg(long, env = "WINDLASS_NATS_USER", value_name = "NAME", requires = "nats_password_file")]
    nats_user: Option<String>,
    /// The file that holds its password.
    #[arg(long, env = "WINDLASS_NATS_PASSWORD_FILE", value_name = "FILE", requires = "nats_user")]
    nats_password_file: Option<PathBuf>,
    /// What the subjects of JetStream's API begin with, where our account at NATS has it from another one.
    #[arg(long, env = "WINDLASS_NATS_API", value_name = "SUBJECT")]
    nats_api: Option<String>,
}

impl Servers {
    /// As the environment alone says it.
    pub(crate) fn of_environment() -> Self {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            servers: Servers,
        }
        <Alone as clap::Parser>::try_parse_from(["windlass"]).map(|it| it.servers).unwrap_or_default()
    }

    /// The same, as a command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let all = [
            ("--nats", Some(self.nats.join(",")).filter(|text| !text.is_empty())),
            ("--nats-ca", file(&self.nats_ca)),
            ("--nats-certificate", file(&self.nats_certificate)),
            ("--nats-key", file(&self.nats_key)),
            ("--nats-credentials", file(&self.nats_credentials)),
            ("--nats-user", self.nats_user.clone()),
            ("--nats-password-file", file(&self.nats_password_file)),
            ("--nats-api", self.nats_api.clone()),
        ];
        let given = all.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
        given.flatten().collect()
    }

    /// How to get in.
    pub(crate) fn access(&self) -> Access {
        Access {
            ca: self.nats_ca.clone(),
            certificate: self.nats_certificate.clone().zip(self.nats_key.clone()),
            credentials: self.nats_credentials.clone(),
            user: self.nats_user.clone().zip(self.nats_password_file.clone()),
            api: self.nats_api.clone(),
        }
    }
}

/// What an orchestrator is told of NATS.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Journal on NATS")]
pub(crate) struct Nats {
    #[command(flatten)]
    servers: Servers,
    /// `http://host:port` of each server's monitoring, to read back whether it keeps what it acknowledges.
    #[arg(long, env = "WINDLASS_NATS_MONITOR", value_name = "URL", value_delimiter = ',')]
    nats_monitor: Vec<String>,
    /// Replicas of a stream that is made. By default 3 where three servers are named, else 1.
    #[arg(long, value_name = "N")]
    nats_replicas: Option<usize>,
    /// Do not lead while NATS may lose what it acknowledges.
    #[arg(long)]
    require_durable: bool,
    /// Whether to publish the feed of events (see ops/handbook/events.md) while this orchestrator leads. By default on.
    #[arg(long, env = "WINDLASS_EVENTS", value_enum, value_name = "on|off", hide_possible_values = true)]
    events: Option<Events>,
    /// Days that the feed's stream keeps an event, where it is made. By default 7.
    #[arg(long, value_name = "DAYS")]
    events_keep_days: Option<u32>,
    /// The user at NATS that publishes the feed, where it is another one than the journal's.
    #[arg(long, value_name = "NAME", requires = "events_password_file")]
    events_user: Option<String>,
    /// The file that holds its password.
    #[arg(long, value_name = "FILE", requires = "events_user")]
    events_password_file: Option<PathBuf>,
}

/// Whether events are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Events {
    /// They are.
    On,
    /// They are not.
    Off,
}

impl Nats {
    /// The journal's kind, for people.
    pub(crate) fn kind(&self) -> String {
        match self.servers.nats.as_slice() {
            [] => "embedded".to_owned(),
            servers => format!("on NATS at {}", servers.join(", ")),
        }
    }

    /// As the orchestrator's configuration takes them.
    pub(crate) fn options(self) -> NatsOptions {
        NatsOptions {
            access: self.servers.access(),
            servers: self.servers.nats,
            monitors: self.nats_monitor,
            replicas: self.nats_replicas,
            require_durable: self.require_durable,
            events: self.events.map(|events| events == Events::On),
            events_keep_days: self.events_keep_days,
            events_user: self.events_user.zip(self.events_password_file),
        }
    }
}
