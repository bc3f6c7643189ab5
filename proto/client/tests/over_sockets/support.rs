//! A small cell in this process, behind real sockets: a few networks, one operation with a history, and a script of
//! failures. Its connections can be cut.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio_stream::StreamExt;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use windlass_client::{Client, Config, Retry};
use windlass_proto::v1::network_service_server::NetworkServiceServer;
use windlass_proto::v1::operation_service_server::OperationServiceServer;
use windlass_proto::v1::saga::State;
use windlass_proto::v1::{Operation, OperationChange, Saga, WatchOperationsResponse};

/// The name of the operation that is watched.
pub(crate) const OPERATION: &str = "operations/019aa000-0000-7000-8000-000000000001";

/// How a watch's stream ends before its history does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server says UNAVAILABLE.
    Unavailable,
    /// The server says that the reader is too slow.
    TooSlow,
    /// The server closes the stream in order.
    Closed,
    /// The connection is lost.
    Lost,
    /// The server sends the last answer once more, then says UNAVAILABLE.
    Repeated,
}

/// What the next call is answered with.
pub(crate) enum Answer {
    /// This refusal, before anything was done.
    Refuse(Status),
    /// This refusal, after the change was made: a lost answer.
    MakeThenRefuse(Status),
    /// The connection is lost after the change was made.
    MakeThenLose,
}

#[derive(Default)]
pub(crate) struct World {
    /// The operations that were made, by request id.
    pub(crate) made: BTreeMap<String, Operation>,
    /// The request ids and tokens of all calls, as they came.
    pub(crate) calls: Vec<(String, Option<String>)>,
    /// What the next changes are answered with; then they succeed.
    pub(crate) answers: VecDeque<Answer>,
    /// After how many answers each next stream is cut, and how; then they run to their end.
    pub(crate) cuts: VecDeque<(usize, Cut)>,
    /// The watched operation's history: positions with the state after them.
    pub(crate) history: Vec<(u64, State)>,
    /// Where the opened streams were asked to begin.
    pub(crate) opened: Vec<Option<u64>>,
    /// The networks that a list gives, two a page.
    pub(crate) networks: Vec<String>,
    connections: Vec<TcpStream>,
}

/// A running cell; shared with its services.
#[derive(Clone, Default)]
pub(crate) struct Cell(Arc<Mutex<World>>);

impl Cell {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no test panics while it holds this")
    }

    /// Serves on a free port of loopback until the test ends.
    pub(crate) fn serve(&self) -> SocketAddr {
        self.serve_by(Server::builder())
    }

    /// Serves with this certificate.
    pub(crate) fn serve_tls(&self, identity: Identity) -> SocketAddr {
        let tls = ServerTlsConfig::new().identity(identity);
        self.serve_by(Server::builder().tls_config(tls).expect("the certificate was just made"))
    }

    fn serve_by(&self, mut server: Server) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be set so");
        let address = listener.local_addr().expect("it is bound");
        let cell = self.clone();
        let listener = tokio::net::TcpListener::from_std(listener).expect("in a runtime");
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener).map(move |stream| {
            let std = stream?.into_std()?;
            cell.world().connections.push(std.try_clone()?);
            tokio::net::TcpStream::from_std(std)
        });
        let router = server
            .add_service(OperationServiceServer::new(self.clone()))
            .add_service(NetworkServiceServer::new(self.clone()));
        tokio::spawn(async move { router.serve_with_incoming(incoming).await });
        address
    }

    /// Cuts every connection that is open now.
    pub(crate) fn cut_connections(&self) {
        for connection in self.world().connections.drain(..) {
            // A connection that is closed already is cut.
            let _closed = connection.shutdown(Shutdown::Both);
        }
    }

    /// The watched operation after a position of its history.
    pub(crate) fn operation_at(&self, position: u64) -> Operation {
        let world = self.world();
        let past = world.history.iter().take_while(|(at, _)| *at <= position);
        let (last, state) = past.last().copied().unwrap_or((0, State::Running));
        operation(OPERATION, last, state)
    }
}

/// An operation in a state, by its last commit.
pub(crate) fn operation(name: &str, position: u64, state: State) -> Operation {
    let done = matches!(state, State::Completed | State::RolledBack | State::Abandoned);
    let saga = Saga { state: state.into(), last_position: position, ..Default::default() };
    Operation { name: name.into(), metadata: Some(saga), done, position, ..Default::default() }
}

/// One commit of the watched operation, as a stream sends it.
pub(crate) fn commit(position: u64, state: State) -> WatchOperationsResponse {
    let change =
        OperationChange { operation: Some(operation(OPERATION, position, state)), events: Vec::new() };
    WatchOperationsResponse { position, changes: vec![change], snapshot: false }
}

/// A client of these addresses that tries again almost at once.
pub(crate) fn client(addresses: &[SocketAddr]) -> Client {
    let mut config = Config::new(addresses.iter().map(|address| format!("http://{address}")));
    config.token = Some("wlt_test".into());
    config.retry = Retry { first: Duration::from_millis(1), longest: Duration::from_millis(5), times: 8 };
    Client::new(&config).expect("loopback needs no more")
}

/// A refusal with a reason of the table.
pub(crate) fn refusal(reason: windlass_proto::v1::ErrorReason) -> Status {
    use tonic_types::{ErrorDetails, StatusExt};
    let details = ErrorDetails::with_error_info(
        reason.as_str_name(),
        windlass_proto::ERROR_DOMAIN,
        std::collections::HashMap::new(),
    );
    Status::with_error_details(reason.code(), "as the script says", details)
}

/// The caller's token, as it came.
pub(crate) fn token<T>(request: &Request<T>) -> Option<String> {
    Some(request.metadata().get("authorization")?.to_str().ok()?.to_owned())
}

/// What a service method gives.
pub(crate) type Reply<T> = Result<Response<T>, Status>;
