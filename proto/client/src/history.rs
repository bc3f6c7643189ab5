//! The history as a file, and its chain followed: both stream, and neither begins again in the middle.

use http::uri::PathAndQuery;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;
use windlass_proto::v1::*;

use crate::client::{Client, out_of_time, ready};
use crate::error::ClientError;
use crate::limits::EXPORT_SILENCE_MAX;

const EXPORT_PATH: &str = "/windlass.v1.HistoryService/ExportHistory";
const VERIFY_PATH: &str = "/windlass.v1.HistoryService/VerifyHistory";

impl Client {
    /// Writes the history, or the part that `request` asks for, as an exported file to `to`; `told` is told how far it has
    /// come, as positions of how many. What was written by an export that fails is to be thrown away; it has no end, so
    /// that nobody reads it as a shorter one. It has no deadline of its own. Gives the file's size, bytes.
    ///
    /// # Errors
    /// The server's refusal; UNAVAILABLE after the last try, or where the stream breaks; INVALID_ARGUMENT where it can't be
    /// written.
    pub async fn export_history(
        &self,
        request: ExportHistoryRequest,
        to: &mut (impl AsyncWrite + Unpin + Send),
        mut told: impl FnMut(u64, u64) + Send,
    ) -> Result<u64, ClientError> {
        let mut stream: Streaming<ExportHistoryResponse> = self.open_stream(&request, EXPORT_PATH).await?;
        let mut bytes = 0;
        while let Some(part) = next(&mut stream, "the export").await? {
            to.write_all(&part.data).await.map_err(|error| unwritten(&error))?;
            bytes += part.data.len() as u64;
            told(part.position, part.end_position);
        }
        to.flush().await.map_err(|error| unwritten(&error))?;
        Ok(bytes)
    }

    /// Has the chain of the journal followed; `told` is told how far that has come, as positions of how many. It has no
    /// deadline of its own.
    ///
    /// # Errors
    /// The server's refusal; UNAVAILABLE after the last try, or where the stream breaks before its end.
    pub async fn verify_history(
        &self,
        request: VerifyHistoryRequest,
        mut told: impl FnMut(u64, u64) + Send,
    ) -> Result<Verification, ClientError> {
        let mut stream: Streaming<VerifyHistoryResponse> = self.open_stream(&request, VERIFY_PATH).await?;
        let mut found = None;
        while let Some(answer) = next(&mut stream, "the verification").await? {
            told(answer.position, answer.end_position);
            found = answer.verification;
        }
        found.ok_or_else(|| ClientError::own(Code::Unavailable, "the verification ended before its end"))
    }

    async fn open_stream<Q, A>(&self, request: &Q, path: &'static str) -> Result<Streaming<A>, ClientError>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let opened =
            timeout(self.deadline(), self.tries(|channel| self.open_once(channel, request, path))).await;
        opened.unwrap_or_else(|_| Err(out_of_time(path)))
    }

    async fn open_once<Q, A>(
        &self,
        channel: Channel,
        request: &Q,
        path: &'static str,
    ) -> Result<Streaming<A>, Status>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut grpc = ready(channel).await?;
        let (codec, path) = (ProstCodec::<Q, A>::default(), PathAndQuery::from_static(path));
        Ok(grpc.server_streaming(self.signed(request.clone()), path, codec).await?.into_inner())
    }
}

async fn next<A>(stream: &mut Streaming<A>, what: &str) -> Result<Option<A>, ClientError> {
    match timeout(EXPORT_SILENCE_MAX, stream.message()).await {
        Ok(answer) => answer.map_err(ClientError::from),
        Err(_) => Err(ClientError::own(Code::Unavailable, format!("{what} fell silent"))),
    }
}

fn unwritten(error: &std::io::Error) -> ClientError {
    ClientError::own(Code::InvalidArgument, format!("the export can't be written: {error}"))
}
