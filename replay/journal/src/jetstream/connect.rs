//! One connection to the servers of a cell, that comes back by itself for as long as the process lives.

use std::time::Duration;

use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};

use super::{ANSWER_TIME_MAX, OpenError, Settings};

/// A dead server is noticed after about two of these.
const PING_PAUSE: Duration = Duration::from_secs(1);
/// How long one try to connect may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// The longest pause between two tries to connect again.
const RECONNECT_PAUSE_MAX_MS: u64 = 500;
/// The longest password file, bytes.
const PASSWORD_BYTES_MAX: usize = 4096;

/// Connects once; from then on the client reconnects without end.
pub(super) async fn connect(settings: &Settings) -> Result<(Client, Context), OpenError> {
    let servers = addresses(settings)?;
    check_api(settings.access.api())?;
    let options = options(settings).await?;
    let client = options.connect(servers).await.map_err(|error| OpenError::Connect {
        servers: settings.servers.join(", "),
        reason: error.to_string(),
    })?;
    let api = settings.access.api();
    let context = ContextBuilder::new().timeout(ANSWER_TIME_MAX).api_prefix(api).build(client.clone());
    Ok((client, context))
}

fn addresses(settings: &Settings) -> Result<Vec<ServerAddr>, OpenError> {
    if settings.servers.is_empty() {
        return Err(OpenError::Settings("no server is named".to_owned()));
    }
    let parse = |text: &String| {
        let parsed: Result<ServerAddr, _> = text.parse();
        parsed.map_err(|error| {
            OpenError::Settings(format!("{text:?} is no address (expected nats://host:port): {error}"))
        })
    };
    settings.servers.iter().map(parse).collect()
}

fn check_api(api: &str) -> Result<(), OpenError> {
    let plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '*' | '>');
    if api.split('.').all(|token| !token.is_empty() && token.chars().all(plain)) {
        return Ok(());
    }
    Err(OpenError::Settings(format!("{api:?} is no beginning of subjects (expected one like JOURNAL.API)")))
}

async fn options(settings: &Settings) -> Result<ConnectOptions, OpenError> {
    let access = &settings.access;
    let mut options = ConnectOptions::new()
        .name(format!("windlass {}", settings.cell))
        .ping_interval(PING_PAUSE)
        .connection_timeout(CONNECT_TIME_MAX)
        .reconnect_delay_callback(|tries| {
            let ms = u64::try_from(tries).unwrap_or(u64::MAX).saturating_mul(50);
            Duration::from_millis(ms.min(RECONNECT_PAUSE_MAX_MS))
        })
        .event_callback(|event| async move { tell(&event) });
    if let Some(ca) = &access.ca {
        options = options.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &access.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if let Some(path) = &access.credentials {
        options = options.credentials_file(path).await.map_err(|error| {
            OpenError::Settings(format!("the credentials file {} can't be used: {error}", path.display()))
        })?;
    }
    if let Some((user, path)) = &access.user {
        let password = tokio::fs::read_to_string(path).await.map_err(|error| {
            OpenError::Settings(format!("the password file {} can't be read: {error}", path.display()))
        })?;
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(OpenError::Settings(format!("the password file {} is too long", path.display())));
        }
        options = options.user_and_password(user.clone(), password.trim_end().to_owned());
    }
    Ok(options)
}

fn tell(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is gone; trying again"),
        Event::LameDuckMode => tracing::info!("a NATS server is being shut down"),
        Event::ServerError(error) => tracing::warn!(%error, "a NATS server complains"),
        other => tracing::debug!(event = %other, "NATS"),
    }
}
