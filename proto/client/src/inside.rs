//! A channel over any byte stream, in place of a socket.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

/// A channel that connects by `connect` when it is first used.
pub(crate) fn channel<S>(connect: impl Fn() -> io::Result<S> + Send + Sync + 'static) -> Channel
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The address is only what HTTP wants to name.
    Endpoint::from_static("http://inside").connect_with_connector_lazy(Connector(connect))
}

struct Connector<F>(F);

impl<S, F> Service<Uri> for Connector<F>
where
    F: Fn() -> io::Result<S>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = TokioIo<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<S>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready((self.0)().map(TokioIo::new))
    }
}
