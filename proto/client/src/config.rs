//! What a client is made from, and the channels that it becomes. A token never leaves in plain text for another
//! machine: plain http is refused for anything but loopback.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use windlass_proto::v1::ReadAt;

use crate::limits;

/// Where the cell is and who asks.
#[derive(Clone)]
pub struct Config {
    /// The orchestrators' addresses, as `https://10.0.0.1:7700`; 1 to [`limits::ENDPOINTS_MAX`]. One is used until it
    /// is unavailable, then the next.
    pub endpoints: Vec<String>,
    /// The cell's CA certificate in PEM; required for https.
    pub ca_pem: Option<String>,
    /// The name in the orchestrators' certificates; `None`: each address's own host.
    pub server_name: Option<String>,
    /// The API token.
    pub token: Option<String>,
    /// The moment that every read is made at which names none; `None`: now. A client of the past changes nothing.
    pub read_at: Option<ReadAt>,
    /// How long one call may take with all its tries.
    pub deadline: Duration,
    /// How unavailable orchestrators are tried again.
    pub retry: Retry,
}

impl Config {
    /// A configuration for these addresses, without certificate and token.
    pub fn new<T: Into<String>>(endpoints: impl IntoIterator<Item = T>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            ca_pem: None,
            server_name: None,
            token: None,
            read_at: None,
            deadline: limits::CALL_TIME_MAX,
            retry: Retry::default(),
        }
    }

    pub(crate) fn channels(&self) -> Result<Vec<Channel>, ConfigError> {
        if self.endpoints.is_empty() || self.endpoints.len() > limits::ENDPOINTS_MAX {
            return Err(ConfigError::Endpoints(self.endpoints.len()));
        }
        self.endpoints.iter().map(|endpoint| self.channel(endpoint)).collect()
    }

    pub(crate) fn bearer(&self) -> Result<Option<MetadataValue<Ascii>>, ConfigError> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut bearer: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| ConfigError::Token)?;
        bearer.set_sensitive(true);
        Ok(Some(bearer))
    }

    /// A channel that connects when it is first used.
    fn channel(&self, text: &str) -> Result<Channel, ConfigError> {
        let bad = |reason: String| ConfigError::Address { address: text.to_owned(), reason };
        let uri: Uri = text.parse().map_err(|error: http::uri::InvalidUri| bad(error.to_string()))?;
        let host = uri.host().ok_or_else(|| bad("no host".into()))?.to_owned();
        let scheme = uri.scheme_str().unwrap_or_default().to_owned();
        let endpoint = Endpoint::from(uri)
            .connect_timeout(limits::CONNECT_TIME_MAX)
            .http2_keep_alive_interval(limits::KEEP_ALIVE_EVERY)
            .keep_alive_timeout(limits::KEEP_ALIVE_TIME_MAX);
        match scheme.as_str() {
            "https" => {
                let ca = self.ca_pem.as_deref().ok_or(ConfigError::NoCa)?;
                let name = self.server_name.clone().unwrap_or_else(|| host.clone());
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name(name);
                let endpoint =
                    endpoint.tls_config(tls).map_err(|error| ConfigError::Tls(error.to_string()))?;
                Ok(endpoint.connect_lazy())
            }
            "http" if is_loopback(&host) => Ok(endpoint.connect_lazy()),
            "http" => Err(ConfigError::Plain(text.to_owned())),
            _ => Err(bad("it must begin with https:// or http://".into())),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Config")
            .field("endpoints", &self.endpoints)
            .field("token", &token)
            .finish_non_exhaustive()
    }
}

/// How unavailable orchestrators are tried again: after `first`, then twice that and so on up to `longest`, each time
/// with a random part of up to the pause itself on top.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// The most tries after the first; 0 = none.
    pub times: usize,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: limits::RETRY_PAUSE_FIRST,
            longest: limits::RETRY_PAUSE_MAX,
            times: limits::RETRIES_MAX,
        }
    }
}

impl Retry {
    /// The pauses of one call.
    pub(crate) fn pauses(self) -> impl Iterator<Item = Duration> + Send + Sync + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.times)
            .with_jitter()
            .build()
    }
}

/// A configuration that no client can be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// None, or too many.
    #[error("{0} endpoints; 1 to {max} are possible", max = limits::ENDPOINTS_MAX)]
    Endpoints(usize),
    /// An address can't be read.
    #[error("the endpoint {address} can't be used: {reason}")]
    Address {
        /// As given.
        address: String,
        /// Why.
        reason: String,
    },
    /// Plain http to another machine.
    #[error("the endpoint {0} is plain http and not on loopback: use https")]
    Plain(String),
    /// https without a CA.
    #[error("https needs the cell's CA certificate")]
    NoCa,
    /// The certificate can't be used.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// The token is not printable ASCII.
    #[error("the token holds characters that no token has")]
    Token,
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plain_http_is_for_loopback_only() {
        for fine in ["http://127.0.0.1:7700", "http://[::1]:7700", "http://localhost:7700"] {
            assert!(Config::new([fine]).channels().is_ok(), "{fine}");
        }
        for far in ["http://10.0.0.1:7700", "http://example.org:7700", "http://localhost.example.org"] {
            assert_eq!(Config::new([far]).channels().err(), Some(ConfigError::Plain(far.into())));
        }
    }

    #[tokio::test]
    async fn https_needs_a_ca_that_can_be_read() {
        let mut config = Config::new(["https://10.0.0.1:7700"]);
        assert_eq!(config.channels().err(), Some(ConfigError::NoCa));
        config.ca_pem = Some("-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n".into());
        assert!(matches!(config.channels().err(), Some(ConfigError::Tls(_))));
    }

    #[tokio::test]
    async fn bad_addresses_and_counts_are_refused() {
        for bad in ["ftp://127.0.0.1", "127.0.0.1:7700", "http://", "not an address"] {
            assert!(
                matches!(Config::new([bad]).channels().err(), Some(ConfigError::Address { .. })),
                "{bad}"
            );
        }
        assert_eq!(Config::new(Vec::<String>::new()).channels().err(), Some(ConfigError::Endpoints(0)));
        let many = vec!["http://127.0.0.1:1"; limits::ENDPOINTS_MAX + 1];
        assert_eq!(Config::new(many).channels().err(), Some(ConfigError::Endpoints(17)));
    }

    #[test]
    fn a_token_is_never_shown_and_must_be_text() {
        let mut config = Config::new(["http://127.0.0.1:7700"]);
        config.token = Some("wlt_secret".into());
        assert!(!format!("{config:?}").contains("secret"));
        assert!(config.bearer().is_ok_and(|bearer| bearer.is_some_and(|bearer| bearer.is_sensitive())));
        config.token = Some("line\nbreak".into());
        assert_eq!(config.bearer().err(), Some(ConfigError::Token));
    }

    #[test]
    fn pauses_grow_with_jitter_and_end() {
        let retry = Retry { first: Duration::from_millis(10), longest: Duration::from_millis(40), times: 5 };
        let pauses: Vec<u128> = retry.pauses().map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses.len(), 5);
        let bases = [10, 20, 40, 40, 40];
        assert!(
            pauses.iter().zip(bases).all(|(pause, base)| (base..=2 * base).contains(pause)),
            "{pauses:?}"
        );
    }
}
