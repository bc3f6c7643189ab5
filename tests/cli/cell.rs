//! A scripted cell on loopback: it answers every method of the public API by JSON, and remembers what it was asked. It
//! knows no rule of the product.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Service, http};
use tonic::server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

/// What a call is answered with.
pub(crate) type Answer = Result<Value, Status>;
/// Answers a call by its method and its request.
type Script = Box<dyn Fn(&str, &Value) -> Answer + Send + Sync>;

/// What a watch's stream does next.
#[derive(Clone, Debug)]
pub(crate) enum Sends {
    /// This answer.
    This(Value),
    /// Nothing, for ever.
    Nothing,
    /// It breaks off.
    Break(Status),
}

struct Inner {
    script: Script,
    calls: Mutex<Vec<(String, Value)>>,
    watches: Mutex<VecDeque<Vec<Sends>>>,
}

/// The running cell; it ends with this.
pub(crate) struct Cell {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    _runtime: Runtime,
}

impl Cell {
    /// A cell that answers by this script.
    pub(crate) fn new(script: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let inner = Inner { script: Box::new(script), calls: Mutex::default(), watches: Mutex::default() };
        let inner = Arc::new(inner);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be set so");
        let address = listener.local_addr().expect("it is bound");
        let served = inner.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("in a runtime");
            serve(served).serve_with_incoming(TcpListenerStream::new(listener)).await
        });
        Self { address, inner, _runtime: runtime }
    }

    /// What the next watches send, each in its turn; those beyond send nothing.
    pub(crate) fn watches(&self, watches: impl IntoIterator<Item = Vec<Sends>>) {
        lock(&self.inner.watches).extend(watches);
    }

    /// What it was asked so far: methods with their requests.
    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
        lock(&self.inner.calls).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

/// A refusal as the API sends it.
pub(crate) fn refusal(code: Code, reason: &str, message: &str, metadata: &[(&str, &str)]) -> Status {
    let metadata: std::collections::HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())).collect();
    let details = ErrorDetails::with_error_info(reason, windlass_proto::ERROR_DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

macro_rules! services {
    ($($service:ident)*) => {
        $(
            #[derive(Clone)]
            struct $service(Arc<Inner>);

            impl NamedService for $service {
                const NAME: &'static str = concat!("windlass.v1.", stringify!($service));
            }

            impl Service<http::Request<tonic::body::Body>> for $service {
                type Response = http::Response<tonic::body::Body>;
                type Error = Infallible;
                type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

                fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                    Poll::Ready(Ok(()))
                }

                fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
                    let inner = self.0.clone();
                    Box::pin(async move { Ok(answer(inner, request).await) })
                }
            }
        )*

        fn serve(inner: Arc<Inner>) -> tonic::transport::server::Router {
            let services = windlass_proto::pool().services().filter(|it| it.package_name() == "windlass.v1");
            let known = [$(stringify!($service)),*];
            assert_eq!(services.count(), known.len(), "a service is missing in this list");
            let mut server = tonic::transport::Server::builder();
            let router = server.add_service(First);
            $(let router = router.add_service($service(inner.clone()));)*
            router
        }
    };
}

services! {
    AccessService CellService FaultService FlavorService HistoryService HostService ImageService KeyPairService NetworkService
    OperationService PortService ProjectService SecurityGroupService ServerService SubnetService VolumeService
}

/// A router begins with a service; this one has no methods.
#[derive(Clone)]
struct First;

impl NamedService for First {
    const NAME: &'static str = "nothing.Here";
}

impl Service<http::Request<tonic::body::Body>> for First {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<tonic::body::Body>) -> Self::Future {
        std::future::ready(Ok(Status::unimplemented("nothing is here").into_http()))
    }
}

async fn answer(
    inner: Arc<Inner>,
    request: http::Request<tonic::body::Body>,
) -> http::Response<tonic::body::Body> {
    let path = request.uri().path().trim_start_matches('/').to_string();
    let Some(method) = method(&path) else { return Status::unimplemented(path).into_http() };
    let (takes, gives) = (method.is_client_streaming(), method.is_server_streaming());
    let (mut grpc, called) = (Grpc::new(Bytes), Called { inner, method });
    match (takes, gives) {
        (true, _) => grpc.client_streaming(called, request).await,
        (false, true) => grpc.server_streaming(called, request).await,
        (false, false) => grpc.unary(called, request).await,
    }
}

fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, method) = path.split_once('/')?;
    let service = windlass_proto::pool().get_service_by_name(service)?;
    service.methods().find(|it| it.name() == method)
}

/// One call of a method.
struct Called {
    inner: Arc<Inner>,
    method: MethodDescriptor,
}

impl Called {
    /// Remembers the call; gives its method's name and its request.
    fn noted(&self, bytes: &[u8]) -> (String, Value) {
        let message = DynamicMessage::decode(self.method.input(), bytes).expect("a request of the method");
        let options = SerializeOptions::new().skip_default_fields(true);
        let json = message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON");
        let call = (format!("{}/{}", self.method.parent_service().name(), self.method.name()), json);
        lock(&self.inner.calls).push(call.clone());
        call
    }

    fn encoded(&self, json: Value) -> Result<Vec<u8>, Status> {
        use prost_reflect::prost::Message as _;
        let message = DynamicMessage::deserialize(self.method.output(), json);
        message.map(|it| it.encode_to_vec()).map_err(|error| Status::internal(format!("the script: {error}")))
    }
}

type Later<T> = std::pin::Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

impl UnaryService<Vec<u8>> for Called {
    type Response = Vec<u8>;
    type Future = Later<Vec<u8>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let (method, asked) = self.noted(&request.into_inner());
        let answer = (self.inner.script)(&method, &asked).and_then(|json| self.encoded(json));
        Box::pin(async move { answer.map(Response::new) })
    }
}

/// Each message is remembered as a call of its own; the script answers the first one.
impl ClientStreamingService<Vec<u8>> for Called {
    type Response = Vec<u8>;
    type Future = Later<Vec<u8>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        let called = Self { inner: Arc::clone(&self.inner), method: self.method.clone() };
        Box::pin(async move {
            let mut stream = request.into_inner();
            let mut first = None;
            while let Some(bytes) = stream.message().await? {
                first.get_or_insert(called.noted(&bytes));
            }
            let (method, asked) = first.ok_or_else(|| Status::invalid_argument("nothing came"))?;
            (called.inner.script)(&method, &asked).and_then(|json| called.encoded(json)).map(Response::new)
        })
    }
}

type Answers = std::pin::Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

impl ServerStreamingService<Vec<u8>> for Called {
    type Response = Vec<u8>;
    type ResponseStream = Answers;
    type Future = Later<Answers>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        self.noted(&request.into_inner());
        let sends = lock(&self.inner.watches).pop_front().unwrap_or_else(|| vec![Sends::Nothing]);
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        let messages: Vec<_> = sends
            .into_iter()
            .map(|it| match it {
                Sends::This(json) => Some(self.encoded(json)),
                Sends::Nothing => None,
                Sends::Break(status) => Some(Err(status)),
            })
            .collect();
        tokio::spawn(async move {
            for message in messages {
                match message {
                    Some(message) => drop(sender.send(message).await),
                    None => std::future::pending::<()>().await,
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let stream: Answers = Box::pin(ReceiverStream::new(receiver));
        Box::pin(async move { Ok(Response::new(stream)) })
    }
}

/// Messages as their bytes.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(into, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf as _;
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}
