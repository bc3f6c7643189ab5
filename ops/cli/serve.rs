//! What commands that stay have in common: their log, and the signals that end them in order.

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use windlass_agents::CancellationToken;
use windlass_agents::logs::{self, Shape};

use crate::exit::Usage;

/// How a process logs, on standard error.
#[derive(Args, Clone, Debug)]
pub(crate) struct Log {
    /// What to log: a level, or levels by module, as `info` or `windlass_agents=debug,warn`.
    #[arg(long, env = "WINDLASS_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// How log lines look.
    #[arg(long, env = "WINDLASS_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    /// Starts the log of this process.
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        let shape = match self.log_format {
            LogFormat::Text => Shape::Text,
            LogFormat::Json => Shape::Json,
        };
        logs::start(shape, &self.log).map_err(|message| anyhow::anyhow!(Usage(message)))
    }
}

/// Cancelled by SIGTERM or SIGINT; a second one ends the process at once, which loses nothing that was acknowledged.
pub(crate) fn stop_signal() -> anyhow::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    // Lives as long as the process.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told.is_cancelled() {
                std::process::abort();
            }
            tracing::info!("ending in order; once more ends at once");
            told.cancel();
        }
    });
    Ok(stop)
}
