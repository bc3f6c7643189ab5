//! The streams to the orchestrators: each is dialled by a task of its own, again and again, with a pause that grows and
//! jitters. A task only moves messages; the agent's task speaks and hears.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use windlass_agent_wire::{ConsoleAsked, WireError, decode_down, refused};
use windlass_proto::agent::v1::agent_service_client::AgentServiceClient;
use windlass_proto::agent::v1::{AgentMessage, OrchestratorMessage};
use windlass_sagas::ids::HostId;
use windlass_sagas::protocol::Down;
use windlass_sagas::protocol::ledger::LinkId;

use crate::identity::Identity;
use crate::limits::*;
use crate::random::jitter;

/// What happens on the streams.
pub(super) enum Event {
    /// A connection stands: say Hello, then whatever there is to say. A `cut` ends it.
    Opened { link: LinkId, out: mpsc::Sender<AgentMessage>, cut: CancellationToken },
    /// The orchestrator said this.
    Said { link: LinkId, down: Down },
    /// The orchestrator asks for a console.
    Console { link: LinkId, asked: ConsoleAsked },
    /// A call or view that can't be read is answered like this.
    Answered { link: LinkId, answer: AgentMessage },
    /// The stream is gone.
    Lost { link: LinkId },
}

/// The tasks, one an address.
pub(super) struct Dialers {
    identities: watch::Receiver<Arc<Identity>>,
    events: mpsc::Sender<Event>,
    links: Arc<AtomicU64>,
    /// Nothing is dialled any more.
    closing: CancellationToken,
    tasks: BTreeMap<String, (CancellationToken, JoinHandle<()>)>,
}

impl Dialers {
    pub(super) fn new(identities: watch::Receiver<Arc<Identity>>, events: mpsc::Sender<Event>) -> Self {
        let (links, closing) = (Arc::new(AtomicU64::new(1)), CancellationToken::new());
        Self { identities, events, links, closing, tasks: BTreeMap::new() }
    }

    /// Dials exactly these addresses from now on; a stream that stands to one of them stays.
    pub(super) fn set(&mut self, addresses: &[String]) {
        self.tasks.retain(|address, (stop, _)| {
            let stays = addresses.contains(address);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for address in addresses.iter().take(ORCHESTRATORS_MAX) {
            if !self.tasks.contains_key(address) {
                let stop = CancellationToken::new();
                let dialer = Dialer {
                    address: address.clone(),
                    identities: self.identities.clone(),
                    events: self.events.clone(),
                    links: Arc::clone(&self.links),
                    closing: self.closing.clone(),
                };
                let stopped = stop.clone();
                let task = tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = stopped.cancelled() => {}
                        () = dialer.run() => {}
                    }
                });
                self.tasks.insert(address.clone(), (stop, task));
            }
        }
    }

    /// Ends all streams. In good order: what was given to them leaves first, bounded.
    pub(super) async fn close(self, in_order: bool) {
        let Self { closing, tasks, .. } = self;
        closing.cancel();
        let until = Instant::now() + FLUSH_TIME_MAX;
        for (_, (stop, mut task)) in tasks {
            // The agent's task has let go of its end of each stream; the orchestrator then ends it from its side.
            if in_order && tokio::time::timeout_at(until, &mut task).await.is_ok() {
                continue;
            }
            stop.cancel();
            task.abort();
            // Aborted or ended: either way it is over.
            task.await.ok();
        }
    }
}

struct Dialer {
    address: String,
    identities: watch::Receiver<Arc<Identity>>,
    events: mpsc::Sender<Event>,
    links: Arc<AtomicU64>,
    closing: CancellationToken,
}

impl Dialer {
    /// Dials until the agent is gone.
    async fn run(self) {
        let (first, longest) = REDIAL_PAUSE;
        let (mut pause, mut told) = (first, false);
        loop {
            let begun = Instant::now();
            let why = self.stream().await;
            if self.closing.is_cancelled() {
                return;
            }
            if begun.elapsed() >= GOOD_STREAM {
                (pause, told) = (first, false);
            }
            // Once a row of failures; the rest is for those who look closer.
            if told {
                tracing::debug!(orchestrator = self.address, why, "no stream to the orchestrator");
            } else {
                tracing::warn!(
                    orchestrator = self.address,
                    why,
                    "no stream to the orchestrator; dialling again"
                );
            }
            told = true;
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = sleep(jitter(pause)) => {}
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// One stream, from dialling to its end; why it ended.
    async fn stream(&self) -> String {
        let identity = Arc::clone(&self.identities.borrow());
        let connected = tokio::select! {
            biased;
            () = self.closing.cancelled() => return "the agent ends".into(),
            connected = connect(&self.address, &identity) => connected,
        };
        let channel = match connected {
            Ok(channel) => channel,
            Err(why) => return why,
        };
        let link = LinkId(self.links.fetch_add(1, Ordering::Relaxed));
        let (out, messages) = mpsc::channel(OUT_QUEUE);
        let cut = CancellationToken::new();
        if self.events.send(Event::Opened { link, out, cut: cut.clone() }).await.is_err() {
            return "the agent ends".into();
        }
        let why = tokio::select! {
            biased;
            () = cut.cancelled() => "cut".into(),
            why = self.hear(link, channel, messages) => why,
        };
        // An error means that nobody is left to be told.
        self.events.send(Event::Lost { link }).await.ok();
        why
    }

    async fn hear(&self, link: LinkId, channel: Channel, messages: mpsc::Receiver<AgentMessage>) -> String {
        let host = self.identities.borrow().host();
        let mut client = AgentServiceClient::new(channel);
        let opened = timeout(DIAL_TIME_MAX, client.connect(ReceiverStream::new(messages))).await;
        let mut stream = match opened {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return said(&status),
            Err(_) => return "the orchestrator did not answer in time".into(),
        };
        tracing::info!(orchestrator = self.address, link = link.0, "a stream stands");
        loop {
            let message = match stream.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return "the orchestrator ended the stream".into(),
                Err(status) => return said(&status),
            };
            let event = match event(host, link, &message) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(error) => return format!("a message can't be used: {error}"),
            };
            if self.events.send(event).await.is_err() {
                return "the agent ends".into();
            }
        }
    }
}

/// What a message of an orchestrator is to the agent; `None` for one that only a newer one knows.
fn event(host: HostId, link: LinkId, message: &OrchestratorMessage) -> Result<Option<Event>, WireError> {
    if let Some(asked) = ConsoleAsked::decode(message)? {
        return Ok(Some(Event::Console { link, asked }));
    }
    match decode_down(host, message) {
        Ok(down) => Ok(down.map(|down| Event::Said { link, down })),
        // A call or view of a newer leader: that stands still, and the stream goes on.
        Err(error) => {
            let answer = refused(message, error).ok_or(error)?;
            tracing::warn!(%error, link = link.0, "a call or view can't be read by this build");
            Ok(Some(Event::Answered { link, answer }))
        }
    }
}

/// A connection to an orchestrator, with the host's certificate shown.
pub(crate) async fn connect(address: &str, identity: &Identity) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .and_then(|endpoint| endpoint.tls_config(identity.tls(address)))
        .map_err(|error| causes(&error))?
        .connect_timeout(DIAL_TIME_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
        .keep_alive_timeout(KEEP_ALIVE_TIME_MAX)
        .keep_alive_while_idle(true);
    match timeout(DIAL_TIME_MAX, endpoint.connect()).await {
        Ok(connected) => connected.map_err(|error| causes(&error)),
        Err(_) => Err("it did not answer in time".into()),
    }
}

fn said(status: &tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// An error with its causes, on one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
