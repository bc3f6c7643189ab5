//! The client: one call, its request id and its tries. Only UNAVAILABLE is tried again, with the same request id, so
//! that a change is made once however often it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use uuid::Uuid;
use windlass_proto::v1::{Operation, OperationChange, ReadAt, WatchEventsRequest};

use crate::config::{Config, ConfigError, Retry};
use crate::error::ClientError;
use crate::inside;
use crate::limits;
use crate::methods::{List, Unary};
use crate::pages::Pages;
use crate::tail::Tail;
use crate::watch::Watch;

/// A client of one cell. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    peers: Vec<Channel>,
    current: AtomicUsize,
    bearer: Option<MetadataValue<Ascii>>,
    deadline: Duration,
    retry: Retry,
    read_at: Option<ReadAt>,
}

impl Client {
    /// A client by this configuration; it connects when it is first used. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When the configuration can't be used; see [`ConfigError`].
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Self::of(config, config.channels()?)
    }

    /// A client whose connection `connect` makes in place of a socket: to an API inside the same process. The
    /// configuration's endpoints are not used.
    ///
    /// # Errors
    /// When the token can't be used.
    pub fn over<S>(
        config: &Config,
        connect: impl Fn() -> std::io::Result<S> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::of(config, vec![inside::channel(connect)])
    }

    fn of(config: &Config, peers: Vec<Channel>) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Inner {
            peers,
            current: AtomicUsize::new(0),
            bearer: config.bearer()?,
            deadline: config.deadline,
            retry: config.retry,
            read_at: config.read_at,
        })))
    }

    /// A new request id. [`Client::call`] makes one by itself where a change has none; make it yourself, and keep it,
    /// where the change must happen once even over a restart of your program.
    #[must_use]
    pub fn new_request_id() -> String {
        Uuid::now_v7().hyphenated().to_string()
    }

    /// One call, tried again while no orchestrator is available.
    ///
    /// # Errors
    /// The server's refusal; UNAVAILABLE after the last try; DEADLINE_EXCEEDED when time ran out. In the last two cases
    /// a change may have been made: repeat it with the error's `request_id`. FAILED_PRECONDITION, unsent, where a client
    /// of the past is asked for a change.
    pub async fn call<M: Unary>(&self, mut request: M) -> Result<M::Answer, ClientError> {
        if let Some(moment) = self.0.read_at {
            match request.read_at() {
                Some(read_at) => drop(read_at.get_or_insert(moment)),
                None => {
                    let message = "the past can be read, and not changed";
                    return Err(ClientError::own(Code::FailedPrecondition, message));
                }
            }
        }
        let request_id = request.request_id().map(|id| {
            if id.is_empty() {
                *id = Self::new_request_id();
            }
            id.clone()
        });
        let tries = self.tries(|channel| self.once(channel, &request));
        let answer = tokio::time::timeout(self.0.deadline, tries).await;
        answer.unwrap_or_else(|_| Err(out_of_time(M::PATH))).map_err(|error| error.of_request(request_id))
    }

    /// A list over all its pages, the first at the request's `page_token`.
    pub fn list<M: List>(&self, request: M) -> Pages<M> {
        Pages::new(self.clone(), request)
    }

    /// Follows one operation (`operations/…`) or a project's (`projects/…`): every commit after the position, or from
    /// the state now. See [`Watch`].
    pub fn watch(&self, parent: impl Into<String>, after_position: Option<u64>) -> Watch {
        Watch::new(self.clone(), parent.into(), after_position)
    }

    /// Follows the events of the cell or of projects, as the request says: every one after its position, or from now
    /// on; with a client of the past up to there.
    /// See [`Tail`].
    pub fn tail(&self, mut request: WatchEventsRequest) -> Tail {
        request.read_at = request.read_at.or(self.0.read_at);
        Tail::new(self.clone(), request)
    }

    /// Waits until the operation has ended or is stuck, and returns it then. It has no bound of its own: an operation
    /// always says what it waits for and until when.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn wait(&self, operation: &Operation) -> Result<Operation, ClientError> {
        self.wait_with(operation, |_| ()).await
    }

    /// Like [`Client::wait`], and shows every commit that concerns the operation, once and in order.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn wait_with(
        &self,
        operation: &Operation,
        seen: impl FnMut(&OperationChange),
    ) -> Result<Operation, ClientError> {
        crate::watch::wait(self, operation, seen).await
    }

    /// Opens a stream, tried again while no orchestrator is available.
    pub(crate) async fn open<R, A>(
        &self,
        path: &'static str,
        request: &R,
    ) -> Result<Streaming<A>, ClientError>
    where
        R: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let tries = self.tries(|channel| self.stream(channel, path, request));
        tokio::time::timeout(self.0.deadline, tries).await.unwrap_or_else(|_| Err(out_of_time(path)))
    }

    pub(crate) fn reads_the_past(&self) -> bool {
        self.0.read_at.is_some()
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.0.deadline
    }

    pub(crate) fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Goes on with the next orchestrator; for a stream that broke after it had begun.
    pub(crate) fn leave_peer(&self) {
        self.leave(self.0.current.load(Ordering::Relaxed));
    }

    pub(crate) async fn tries<T, F: Future<Output = Result<T, Status>>>(
        &self,
        once: impl Fn(Channel) -> F,
    ) -> Result<T, ClientError> {
        let mut pauses = self.0.retry.pauses();
        loop {
            let peer = self.0.current.load(Ordering::Relaxed);
            let error = match once(self.0.peers[peer].clone()).await {
                Ok(answer) => return Ok(answer),
                Err(status) => ClientError::from(status),
            };
            if !error.is_unavailable() {
                return Err(error);
            }
            self.leave(peer);
            let Some(pause) = pauses.next() else { return Err(error) };
            let asked = error.retry_after.unwrap_or_default().min(limits::RETRY_AFTER_MAX);
            tokio::time::sleep(pause.max(asked)).await;
        }
    }

    async fn once<M: Unary>(&self, channel: Channel, request: &M) -> Result<M::Answer, Status> {
        let mut grpc = ready(channel).await?;
        let codec = ProstCodec::<M, M::Answer>::default();
        let path = PathAndQuery::from_static(M::PATH);
        Ok(grpc.unary(self.signed(request.clone()), path, codec).await?.into_inner())
    }

    async fn stream<R, A>(
        &self,
        channel: Channel,
        path: &'static str,
        request: &R,
    ) -> Result<Streaming<A>, Status>
    where
        R: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = ready(channel).await?;
        let (codec, path) = (ProstCodec::<R, A>::default(), PathAndQuery::from_static(path));
        Ok(grpc.server_streaming(self.signed(request.clone()), path, codec).await?.into_inner())
    }

    pub(crate) fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.0.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        request
    }

    /// Leaves a peer that was unavailable, unless another call has done so already.
    fn leave(&self, peer: usize) {
        let next = (peer + 1) % self.0.peers.len();
        // Who loses this race finds that somebody else has moved on.
        let _moved = self.0.current.compare_exchange(peer, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("peers", &self.0.peers.len()).finish_non_exhaustive()
    }
}

pub(crate) async fn ready(channel: Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(limits::ANSWER_BYTES_MAX);
    grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
    Ok(grpc)
}

pub(crate) fn out_of_time(path: &str) -> ClientError {
    ClientError::own(Code::DeadlineExceeded, format!("no answer to {path} in time; its outcome is not known"))
}
