//! Agents' streams with no leader behind them: who takes the events is what the agents hear. To measure the channel by
//! itself; no cell is led so.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use windlass_proto::agent::v1::agent_service_server::AgentServiceServer;

use super::{AgentEvent, Contacts, Streams};
use crate::identity::{CellIdentity, Issued};
use crate::process::{AGENTS_QUEUE, ProcessError, Shown, connections, listen, server};

/// Served streams; dropped, they end.
pub struct Bare {
    /// Where agents dial.
    pub address: SocketAddr,
    /// What they do and say.
    pub events: mpsc::Receiver<AgentEvent>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Bare {
    /// Serves agents of the cell, with its orchestrator's `own` certificate.
    ///
    /// # Errors
    /// `Listen`, or `Server` where the certificates can't be used.
    pub fn serve(identity: &CellIdentity, own: &Issued, address: SocketAddr) -> Result<Self, ProcessError> {
        let incoming = listen(address)?;
        let address = incoming.local_addr().map_err(|error| ProcessError::Listen { address, error })?;
        let (told, events) = mpsc::channel(AGENTS_QUEUE);
        let streams = Streams::new(identity.genesis.cell, told, Arc::new(Contacts::default()));
        let stop = CancellationToken::new();
        let incoming = connections(incoming, identity, Shown::new(own)?, stop.clone())?;
        let router = server().add_service(AgentServiceServer::new(streams));
        let served = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the streams are no longer served");
            }
        });
        Ok(Self { address, events, stop, serving })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.cancel();
        self.serving.abort();
    }
}
