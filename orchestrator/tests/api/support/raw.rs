//! Calls as bytes, over the services themselves: no socket, no generated client, so that any bytes can be sent.

use prost::bytes::{Buf, BufMut};
use tokio_stream::StreamExt;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::{Request, Status};

/// The methods that answer a stream.
pub(crate) const WATCH: &str = "/windlass.v1.OperationService/WatchOperations";
pub(crate) const EVENTS: &str = "/windlass.v1.HistoryService/WatchEvents";
pub(crate) const DOWNLOAD: &str = "/windlass.v1.ImageService/DownloadImageData";

/// Bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

/// One call; of a stream the first message.
pub(crate) async fn call(
    routes: &Routes,
    token: Option<&str>,
    path: &str,
    message: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let mut grpc = Grpc::new(routes.clone());
    grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new(message);
    if let Some(token) = token {
        let header = format!("Bearer {token}").parse().expect("ascii");
        request.metadata_mut().insert("authorization", header);
    }
    let uri = PathAndQuery::try_from(path).expect("a path");
    if [WATCH, EVENTS, DOWNLOAD].contains(&path) {
        let mut stream = grpc.server_streaming(request, uri, Bytes).await?.into_inner();
        return stream.next().await.unwrap_or_else(|| Ok(Vec::new()));
    }
    grpc.unary(request, uri, Bytes).await.map(tonic::Response::into_inner)
}
