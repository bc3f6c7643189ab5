//! The agents' side of the gRPC server: one bidirectional stream an agent, bound to the certificate that it showed.
//!
//! Invariant: what a stream says is believed only of the host and roles of its certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use windlass_agent_wire::{Collector, ConsoleTold, decode_up, encode_down};
use windlass_proto::agent::v1::agent_service_server::AgentService;
use windlass_proto::agent::v1::{AgentMessage, OrchestratorMessage, agent_message};
use windlass_sagas::ids::{CellId, HostId};
use windlass_sagas::protocol::dispatcher::LinkId;
use windlass_sagas::protocol::{Down, Up};
use windlass_sagas::record::Role;

use super::Contacts;
use super::peer::host_of;
use crate::identity::HostIdentity;

/// Messages that may wait for one agent; one that does not read is cut off.
const OUT_QUEUE: usize = 4096;

/// What happens on agents' streams.
pub enum AgentEvent {
    /// An agent dialled.
    Connected(Link),
    /// It said something.
    Said {
        /// On which stream.
        link: LinkId,
        /// Which host.
        host: HostId,
        /// What.
        up: Up,
    },
    /// Its stream is gone.
    Lost {
        /// Which.
        link: LinkId,
        /// Whose.
        host: HostId,
    },
}

/// The sending half of one agent's stream.
pub struct Link {
    /// Its number, never used again.
    pub id: LinkId,
    /// Whose it is.
    pub host: HostId,
    /// What its certificate allows.
    pub roles: Vec<Role>,
    out: mpsc::Sender<Result<OrchestratorMessage, Status>>,
    contacts: Arc<Contacts>,
}

impl Link {
    /// A link whose messages go to `out`.
    #[must_use]
    pub fn new(
        id: LinkId,
        host: HostId,
        roles: Vec<Role>,
        out: mpsc::Sender<Result<OrchestratorMessage, Status>>,
    ) -> Self {
        Self { id, host, roles, out, contacts: Arc::default() }
    }

    /// Sends a message; `false` where the agent does not read or is gone: then the link is to be dropped.
    #[must_use]
    pub fn send(&self, down: &Down) -> bool {
        if let Down::Call(call) = down {
            self.contacts.called(self.host, call.ledger.role);
        }
        self.out.try_send(Ok(encode_down(down))).is_ok()
    }
}

/// The service.
pub struct Streams {
    cell: CellId,
    events: mpsc::Sender<AgentEvent>,
    next: AtomicU64,
    contacts: Arc<Contacts>,
}

impl Streams {
    /// A service that tells of everything on `events`.
    #[must_use]
    pub const fn new(cell: CellId, events: mpsc::Sender<AgentEvent>, contacts: Arc<Contacts>) -> Self {
        Self { cell, events, next: AtomicU64::new(1), contacts }
    }
}

type Out = Pin<Box<dyn Stream<Item = Result<OrchestratorMessage, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Streams {
    type ConnectStream = Out;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let HostIdentity { host, roles, .. } = host_of(&request, self.cell)?;
        let id = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (out, messages) = mpsc::channel(OUT_QUEUE);
        let stopping = |_| Status::unavailable("the orchestrator stops");
        let contacts = Arc::clone(&self.contacts);
        contacts.consoles.opened(host, id, &out);
        let link = Link { contacts, ..Link::new(id, host, roles.clone(), out) };
        self.events.send(AgentEvent::Connected(link)).await.map_err(stopping)?;
        let listener = Listener {
            link: id,
            host,
            roles,
            events: self.events.clone(),
            contacts: Arc::clone(&self.contacts),
        };
        // It ends with its stream, which ends with the server.
        tokio::spawn(listener.listen(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

/// The receiving half of one agent's stream.
struct Listener {
    link: LinkId,
    host: HostId,
    roles: Vec<Role>,
    events: mpsc::Sender<AgentEvent>,
    contacts: Arc<Contacts>,
}

impl Listener {
    /// Takes in what the agent says until its stream ends or breaks a rule.
    async fn listen(self, mut stream: Streaming<AgentMessage>) {
        let Self { link, host, .. } = self;
        let mut collector = Collector::default();
        self.contacts.opened(host, link);
        while let Some(Ok(message)) = stream.next().await {
            self.contacts.heard(host);
            if let Some(agent_message::Kind::Hello(hello)) = &message.kind {
                self.contacts.introduced(host, hello.build.clone());
            }
            match ConsoleTold::decode(&message) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    self.contacts.consoles.told(link, told);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%host, %error, "an agent's message can't be used; cut off");
                    break;
                }
            }
            let up = match decode_up(host, &mut collector, &message) {
                Ok(None) => continue,
                Ok(Some(up)) if within(&up, host, &self.roles) => up,
                Ok(Some(_)) => {
                    tracing::warn!(%host, "an agent speaks of what its certificate does not cover; cut off");
                    break;
                }
                Err(error) => {
                    tracing::warn!(%host, %error, "an agent's message can't be used; cut off");
                    break;
                }
            };
            match &up {
                Up::Reply(reply) => self.contacts.replied(host, reply.ledger.role),
                Up::FaultsHeld(held) => self.contacts.strikes.told(held),
                Up::Hello(_)
                | Up::FencedLead { .. }
                | Up::Inventory(_)
                | Up::ViewApplied(_)
                | Up::Heartbeat { .. } => {}
            }
            if self.events.send(AgentEvent::Said { link, host, up }).await.is_err() {
                return;
            }
        }
        self.contacts.closed(host, link);
        self.contacts.consoles.closed(host, link);
        // An error means that the leader's task is gone.
        drop(self.events.send(AgentEvent::Lost { link, host }).await);
    }
}

/// Whether everything that a message speaks of is the certificate's.
fn within(up: &Up, host: HostId, roles: &[Role]) -> bool {
    let covered =
        |ledger: &windlass_sagas::record::LedgerId| ledger.host == host && roles.contains(&ledger.role);
    match up {
        Up::Hello(hello) => hello.host == host && hello.ledgers.iter().all(|(ledger, _)| covered(ledger)),
        Up::Reply(reply) => covered(&reply.ledger),
        Up::Inventory(inventory) => inventory.ledger.as_ref().is_some_and(covered),
        Up::ViewApplied(applied) => applied.host == host && roles.contains(&Role::Network),
        Up::FaultsHeld(held) => held.host == host,
        Up::Heartbeat { host: named } => *named == host,
        Up::FencedLead { .. } => true,
    }
}
