//! Whether the broker keeps what it acknowledges, read back from the servers themselves: what is unsafe, and the fix.
//!
//! Invariant: what can't be read counts as unsafe. A setting that nobody looked at is no setting.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::stream::{PersistenceMode, StorageType};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::local::parse_version;
use super::{Connection, SERVER_VERSION_MIN};

/// How long one server may take to tell its settings.
const LOOK_TIME_MAX: Duration = Duration::from_secs(2);
/// The longest answer of a monitoring port, bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Something that may lose what was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {fix}")]
pub struct Warning {
    /// What is unsafe, and where.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

fn warning(what: impl Into<String>, fix: impl Into<String>) -> Warning {
    Warning { what: what.into(), fix: fix.into() }
}

/// What a monitoring port tells, as far as it concerns us.
#[derive(Debug, Deserialize)]
struct Varz {
    server_name: String,
    version: String,
    #[serde(default)]
    jetstream: JetStreamVarz,
}

#[derive(Debug, Default, Deserialize)]
struct JetStreamVarz {
    #[serde(default)]
    config: Option<JetStreamConfig>,
}

#[derive(Debug, Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
    /// Nanoseconds.
    #[serde(default)]
    sync_interval: u64,
}

/// Looks at the stream, and at every server that is named by its monitoring address (`http://host:port`).
pub async fn look(connection: &Connection, monitors: &[String]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut unseen = match connection.stream.get_info().await {
        Ok(info) => {
            warnings.extend(of_stream(&info.config));
            let cluster = info.cluster.unwrap_or_default();
            let alone = connection.client.server_info().server_name;
            let leader = cluster.leader.unwrap_or(alone);
            cluster.replicas.into_iter().map(|peer| peer.name).chain([leader]).collect()
        }
        Err(error) => {
            let what = format!("the stream's settings can't be read: {error}");
            warnings.push(warning(what, "start again once NATS answers"));
            BTreeSet::new()
        }
    };
    for monitor in monitors {
        match varz(monitor).await {
            Ok(varz) => {
                unseen.remove(&varz.server_name);
                warnings.extend(of_server(&varz));
            }
            Err(reason) => {
                let what = format!("the settings of the server at {monitor} can't be read: {reason}");
                warnings.push(warning(what, "let it serve `http: address:port`, or correct the address"));
            }
        }
    }
    warnings.extend(unseen.into_iter().map(|server| {
        let what = format!("nobody has looked whether server {server:?} syncs before it acknowledges");
        warning(what, "name its monitoring address in `nats.monitors` (--nats-monitor)")
    }));
    warnings
}

fn of_stream(config: &async_nats::jetstream::stream::Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if config.storage != StorageType::File {
        warnings.push(warning(
            "the journal's stream is kept in memory",
            "make a stream with file storage: this one loses everything when its server ends",
        ));
    }
    if config.persist_mode == Some(PersistenceMode::Async) {
        warnings.push(warning(
            "the journal's stream is written asynchronously, whatever its servers are set to",
            "take `persist_mode: async` off the stream",
        ));
    }
    warnings
}

fn of_server(varz: &Varz) -> Vec<Warning> {
    let name = &varz.server_name;
    let mut warnings = Vec::new();
    let version = parse_version(&varz.version).map(|(major, minor, _)| (major, minor));
    if version.is_none_or(|version| version < SERVER_VERSION_MIN) {
        let (major, minor) = SERVER_VERSION_MIN;
        warnings.push(warning(
            format!("server {name:?} is {}", varz.version),
            format!("install {major}.{minor} or newer: older ones can't sync before they acknowledge"),
        ));
    }
    match &varz.jetstream.config {
        None => warnings.push(warning(
            format!("server {name:?} has no JetStream"),
            "switch it on: `jetstream { store_dir: … }`",
        )),
        Some(JetStreamConfig { sync_always: false, sync_interval }) => warnings.push(warning(
            format!(
                "server {name:?} acknowledges before it syncs (every {} s)",
                Duration::from_nanos(*sync_interval).as_secs()
            ),
            "set `sync_interval: always` in its `jetstream` block: a power cut loses what was acknowledged",
        )),
        Some(_) => {}
    }
    warnings
}

async fn varz(monitor: &str) -> Result<Varz, String> {
    let uri = format!("{}/varz", monitor.trim_end_matches('/'));
    let uri: http::Uri = uri.parse().map_err(|error| format!("{error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err("expected http://host:port".to_owned());
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let asked = async {
        let response = client.get(uri).await.map_err(|error| error.to_string())?;
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| format!("not what a NATS server tells: {error}"))
    };
    tokio::time::timeout(LOOK_TIME_MAX, asked).await.map_err(|_| "no answer in time".to_owned())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varz(text: &str) -> Varz {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_a_new_server_that_syncs_always_is_safe() {
        let safe = r#"{"server_name":"a","version":"2.15.1","jetstream":{"config":{"sync_always":true}}}"#;
        assert_eq!(of_server(&varz(safe)), []);
        let unsafe_ones = [
            (r#"{"server_name":"a","version":"2.15.1","jetstream":{}}"#, "no JetStream"),
            (
                r#"{"server_name":"a","version":"2.15.1","jetstream":{"config":{"sync_interval":120000000000}}}"#,
                "120 s",
            ),
            (
                r#"{"server_name":"a","version":"2.9.10","jetstream":{"config":{"sync_always":true}}}"#,
                "2.9.10",
            ),
            (r#"{"server_name":"a","version":"?","jetstream":{"config":{"sync_always":true}}}"#, "is ?"),
        ];
        for (text, named) in unsafe_ones {
            let said: Vec<String> = of_server(&varz(text)).iter().map(ToString::to_string).collect();
            assert!(said.len() == 1 && said[0].contains(named), "{text}: {said:?}");
        }
    }
}
