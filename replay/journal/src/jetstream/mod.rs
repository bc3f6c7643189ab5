//! The journal on NATS JetStream: one stream a cell, one subject, one plain message a frame, one in flight.
//!
//! Invariant: a frame's cursor is its sequence in the stream; every append names the sequence that it expects to be the
//! last, and only an acknowledgement at the next one is a success. Nothing here decides on what a lagging replica says:
//! the end of the journal is asked of the stream's leader.

mod append;
mod batch;
mod connect;
mod feed;
mod lease;
pub mod local;
mod read;
pub mod safety;
mod stream;
mod tail;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;

pub use append::JetStream;
pub use feed::{Feed, FeedEnd, FeedError, FeedMessage, FeedPlan};
pub use lease::{Lease, LeaseTold};
pub use read::Reader;

/// How long the broker may take to answer one request, also an append, before it counts as unanswered.
pub(crate) const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);
/// The oldest server that is known to keep what it acknowledges once it syncs always, and to answer batched reads.
pub const SERVER_VERSION_MIN: (u64, u64) = (2, 11);

/// Where a cell's journal is, and how to get in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `nats://host:port` or `tls://host:port` of every server that is known; the client learns the others of a cluster.
    pub servers: Vec<String>,
    /// The cell's name; the stream is `WINDLASS_<name>`.
    pub cell: String,
    /// Replicas of a stream that is made: 1 or 3 (an existing one keeps what it has).
    pub replicas: usize,
    /// Who we are.
    pub access: Access,
}

/// How a connection proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The certificate authority of the servers, PEM; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// A credentials file (JWT and seed).
    pub credentials: Option<PathBuf>,
    /// A user, and the file that holds the password.
    pub user: Option<(String, PathBuf)>,
    /// What the subjects of JetStream's API begin with, where the account has it from another one; `None`: `$JS.API`.
    pub api: Option<String>,
}

impl Access {
    /// What the subjects of JetStream's API begin with, without the dot behind it.
    pub(crate) fn api(&self) -> &str {
        self.api.as_deref().unwrap_or("$JS.API")
    }
}

/// Why the journal on NATS can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address, a name or a file in the settings is at fault.
    #[error("nats: {0}")]
    Settings(String),
    /// No server answers, or it refuses us.
    #[error("no NATS server at {servers} lets us in: {reason}")]
    Connect {
        /// Where it was tried.
        servers: String,
        /// What the client says.
        reason: String,
    },
    /// The server is there, JetStream or the stream is not.
    #[error("the stream {stream} can't be had: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// What the server says.
        reason: String,
    },
    /// A stream of this name is there that a journal can't be kept in.
    #[error("the stream {stream} can't hold a journal: {what}")]
    Unfit {
        /// Its name.
        stream: String,
        /// What is wrong with it, and the fix.
        what: String,
    },
}

/// A connection to the broker of one cell; cheap to clone.
#[derive(Clone, Debug)]
pub struct Connection {
    client: async_nats::Client,
    context: jetstream::Context,
    stream: jetstream::stream::Stream,
    cell: String,
    replicas: usize,
    api: String,
}

/// Publishes one message; the acknowledgement, the refusal, or `None` where neither came in time.
async fn publish(
    context: &jetstream::Context,
    subject: &str,
    message: PublishMessage,
) -> Option<Result<PublishAck, PublishError>> {
    let published = async { context.send_publish(subject.to_owned(), message).await?.await };
    tokio::time::timeout(ANSWER_TIME_MAX, published).await.ok()
}

/// The stream that holds the journal of the cell of this name.
#[must_use]
pub fn stream_name(cell: &str) -> String {
    format!("WINDLASS_{cell}")
}

/// The subject of its frames.
#[must_use]
pub fn subject(cell: &str) -> String {
    format!("windlass.{cell}.journal")
}

impl Connection {
    /// Connects, and finds or makes the cell's stream.
    ///
    /// # Errors
    /// As `OpenError` says; a stream that is there is never changed.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let (client, context) = connect::connect(settings).await?;
        let stream = stream::find_or_make(&context, settings).await?;
        Ok(Self::to(client, context, stream, settings))
    }

    /// Connects to a cell whose stream is there; for who only reads.
    ///
    /// # Errors
    /// As `OpenError` says; `Stream` also where there is none.
    pub async fn existing(settings: &Settings) -> Result<Self, OpenError> {
        let (client, context) = connect::connect(settings).await?;
        let stream = stream::find(&context, settings).await?;
        Ok(Self::to(client, context, stream, settings))
    }

    fn to(
        client: async_nats::Client,
        context: jetstream::Context,
        stream: jetstream::stream::Stream,
        settings: &Settings,
    ) -> Self {
        let (cell, replicas) = (settings.cell.clone(), settings.replicas);
        let api = settings.access.api().to_owned();
        Self { client, context, stream, cell, replicas, api }
    }

    /// Deletes a cell's journal, lease and feed for good, where they are there: for cells that were made to be thrown
    /// away.
    ///
    /// # Errors
    /// `Connect` where no server answers, `Stream` where the broker refuses.
    pub async fn delete_journal(settings: &Settings) -> Result<(), OpenError> {
        let (_client, context) = connect::connect(settings).await?;
        let feed = FeedPlan::of_cell(&settings.cell, 1, Duration::ZERO).stream;
        for stream in [stream_name(&settings.cell), lease::stream_name(&settings.cell), feed] {
            stream::delete(&context, stream).await?;
        }
        Ok(())
    }

    /// The name of the server that leads the stream; `None` where it is no cluster's, or nobody leads now.
    pub async fn stream_leader(&self) -> Option<String> {
        self.stream.get_info().await.ok()?.cluster?.leader
    }

    /// What appends. Only who leads the cell may use it.
    #[must_use]
    pub fn appender(&self) -> JetStream {
        JetStream::new(self.context.clone(), subject(&self.cell))
    }

    /// What reads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.client.clone(), &self.api, self.stream.clone())
    }
}
