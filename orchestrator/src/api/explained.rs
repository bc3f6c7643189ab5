//! Refusals that tonic itself makes, before a service sees the request: they get a reason of the table like every other.
//! Only what carries no details is touched; an answer that a service gave passes as it is.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;
use tonic::{Code, Status};
use windlass_proto::metadata_key;
use windlass_proto::v1::ErrorReason;

use super::errors::Problem;
use super::limits::REQUEST_BYTES_MAX;

/// A service whose every refusal has a reason.
#[derive(Clone)]
pub(super) struct Explained<S>(pub(super) S);

impl<S: NamedService> NamedService for Explained<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<http::Request<B>> for Explained<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<S::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move { answer.await.map(explained) })
    }
}

fn explained(answer: http::Response<Body>) -> http::Response<Body> {
    let refusal = Status::from_header_map(answer.headers()).filter(|status| status.details().is_empty());
    match refusal.as_ref().and_then(problem) {
        Some(problem) => Status::from(problem).into_http(),
        None => answer,
    }
}

/// The reason of a refusal that is tonic's own; `None` for one that speaks for itself.
pub(super) fn problem(refusal: &Status) -> Option<Problem> {
    match refusal.code() {
        Code::OutOfRange => {
            let message = format!("a request has at most {REQUEST_BYTES_MAX} bytes");
            let problem = Problem::new(ErrorReason::TooLarge, message).hint("ask for less at a time");
            Some(problem.with(metadata_key::LIMIT, REQUEST_BYTES_MAX.to_string()))
        }
        Code::Internal | Code::InvalidArgument | Code::Unknown => {
            let message = format!("the request can't be read: {}", refusal.message());
            let problem = Problem::new(ErrorReason::InvalidField, message)
                .hint("send the method's request message, as the API's descriptor says");
            Some(match field(refusal.message()) {
                Some(field) => problem.of_field(field),
                None => problem,
            })
        }
        Code::Ok
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}

/// The field at fault, where the decoder names one: it says `Inner.field: Outer.field: why`, the innermost first.
fn field(message: &str) -> Option<String> {
    let fields = message.split(": ").filter_map(|part| match part.split_once('.') {
        Some((kind, field)) if is_name(kind) && is_name(field) => Some(field),
        Some(_) | None => None,
    });
    let mut path: Vec<&str> = fields.collect();
    path.reverse();
    (!path.is_empty()).then(|| path.join("."))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tonic_types::StatusExt;
    use windlass_proto::v1::CreateServerRequest;

    use super::*;

    #[test]
    fn a_decoders_words_name_the_field() {
        // Field 2 (the server) with a field 3 (its display name) that is not UTF-8.
        let bytes = [0x12, 0x03, 0x1a, 0x01, 0xff];
        let error = CreateServerRequest::decode(bytes.as_slice()).expect_err("not text");
        let refusal = Status::internal(error.to_string());
        assert_eq!(field(refusal.message()).as_deref(), Some("server.display_name"), "{error}");
        let status = Status::from(problem(&refusal).expect("tonic's own"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.bad_request().expect("which").field_violations[0].field, "server.display_name");
    }

    #[test]
    fn what_names_no_field_is_the_request_as_a_whole() {
        for words in ["Missing request message.", "protocol error: received message with 5 bytes", "a: b.c d"]
        {
            assert_eq!(field(words), None, "{words}");
        }
        assert!(problem(&Status::unimplemented("no such method")).is_none());
    }
}
