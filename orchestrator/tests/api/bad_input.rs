//! Bad input to every method: refused with a reason and the field at fault, and nothing is written. The rows are
//! compared with the descriptor, so that a new method without a case fails.

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use windlass_proto::v1::ErrorReason;

use crate::image_data::UPLOAD;
use crate::support::raw::{self, WATCH};
use crate::support::rows::{self, Row};
use crate::support::stage::Stage;
use crate::support::{TOKEN, request_id};

pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let services = windlass_proto::pool().services().filter(|it| it.package_name() == "windlass.v1");
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

pub(crate) fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

pub(crate) fn method(path: &str) -> MethodDescriptor {
    methods().into_iter().find(|it| self::path(it) == path).expect("a row's method")
}

pub(crate) fn check(status: &Status, at: &str, reason: ErrorReason, field: &str) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{at}: no ErrorInfo in {status:?}"));
    assert_eq!(info.reason, reason.as_str_name(), "{at}: {status:?}");
    assert_eq!(info.domain, windlass_proto::ERROR_DOMAIN, "{at}");
    assert_eq!(status.code(), reason.code(), "{at}");
    assert!(info.metadata.get("hint").is_some_and(|hint| !hint.is_empty()), "{at}: no hint in {info:?}");
    if !field.is_empty() {
        assert_eq!(info.metadata.get("field").map(String::as_str), Some(field), "{at}: {status:?}");
    }
    if status.code() == Code::InvalidArgument {
        let bad = details.bad_request().unwrap_or_else(|| panic!("{at}: no BadRequest"));
        assert_eq!(bad.field_violations[0].field, field, "{at}");
        assert!(!bad.field_violations[0].description.is_empty(), "{at}");
    }
}

#[tokio::test]
async fn every_method_has_a_row_whose_good_request_is_taken() {
    let stage = Stage::set().await;
    let rows = rows::all(&stage);
    // What takes a stream has no one good request: its bad input stands in `image_data`.
    let (streams, one): (Vec<_>, Vec<_>) = methods().into_iter().partition(|it| it.is_client_streaming());
    assert_eq!(streams.iter().map(path).collect::<Vec<_>>(), [UPLOAD]);
    let described: BTreeSet<String> = one.iter().map(path).collect();
    let in_rows: BTreeSet<String> = rows.iter().map(|row| row.path.clone()).collect();
    assert_eq!(in_rows, described);
    assert_eq!(rows.len(), described.len(), "a method has two rows");
    let before = stage.world.last();
    for Row { path, valid, bad } in rows {
        assert!(!bad.is_empty(), "{path} has no bad request");
        let method = method(&path);
        let request = with(&method, &valid, "validate_only", Value::Bool(true));
        let answer = raw::call(&stage.world.routes, Some(TOKEN), &path, request).await;
        let answer = answer.unwrap_or_else(|status| panic!("{path}: {status:?}"));
        let answer = DynamicMessage::decode(method.output(), answer.as_slice()).expect("the method's answer");
        let position = answer.get_field_by_name("position").and_then(|it| it.as_u64());
        assert!(position.is_some_and(|position| position > 2), "{path} names no position");
    }
    assert_eq!(stage.world.last(), before, "reading and asking what would be writes nothing");
}

#[tokio::test]
async fn every_bad_request_is_refused_by_reason_and_field_and_changes_nothing() {
    let stage = Stage::set().await;
    let before = stage.world.last();
    let mut count = 0;
    for Row { path, valid, bad } in rows::all(&stage) {
        for (at, bad) in bad.iter().enumerate() {
            let answer = raw::call(&stage.world.routes, Some(TOKEN), &path, bad.request.clone()).await;
            let status = answer.err().unwrap_or_else(|| panic!("{path}, bad request {at}, was taken"));
            check(&status, &format!("{path}, bad request {at}"), bad.reason, bad.field);
        }
        for (field, value, reason) in common(&method(&path)) {
            let request = with(&method(&path), &valid, field, value.clone());
            let answer = raw::call(&stage.world.routes, Some(TOKEN), &path, request).await;
            let at = format!("{path}, {field} = {value:?}");
            let status = answer.err().unwrap_or_else(|| panic!("{at} was taken"));
            check(&status, &at, reason, field);
        }
        assert_eq!(stage.world.last(), before, "{path}: a refusal is in the journal");
        count += bad.len();
    }
    assert!(count > 150, "only {count} bad requests");
}

/// What is bad in every method that has the field.
fn common(method: &MethodDescriptor) -> Vec<(&'static str, Value, ErrorReason)> {
    let text = |text: &str| Value::String(text.to_owned());
    let mut all = vec![
        ("request_id", text(""), ErrorReason::RequestIdRequired),
        ("request_id", text("blue"), ErrorReason::RequestIdInvalid),
        ("request_id", text("01234567-89ab-4def-8123-456789abcdef"), ErrorReason::RequestIdInvalid),
        ("request_id", text(&request_id(6 * 60 * 1000, 1)), ErrorReason::RequestIdInFuture),
        ("request_id", text(&request_id(-8 * 24 * 3600 * 1000, 1)), ErrorReason::RequestIdExpired),
        ("name", text(""), ErrorReason::InvalidField),
        ("name", text("/"), ErrorReason::InvalidField),
        ("name", text(&"n".repeat(2_000)), ErrorReason::InvalidField),
        ("parent", text("projects/"), ErrorReason::InvalidField),
        ("parent", text("projects/a/b"), ErrorReason::InvalidField),
        ("page_size", Value::U32(1_001), ErrorReason::InvalidField),
        ("page_token", text("AAAA"), ErrorReason::PageTokenInvalid),
        ("filter", text("state=\"ACTIVE"), ErrorReason::FilterInvalid),
        ("filter", text(&"f".repeat(3_000)), ErrorReason::FilterInvalid),
        ("order_by", text("create_time up"), ErrorReason::FilterInvalid),
    ];
    if let Some(read_at) = method.input().get_field_by_name("read_at") {
        let kind = read_at.kind();
        let message = DynamicMessage::new(kind.as_message().expect("ReadAt").clone());
        let in_no_history = ["GetServerConsole", "GetRecovery", "VerifyHistory"].contains(&method.name());
        let reason = if in_no_history { ErrorReason::ReadAtUnsupported } else { ErrorReason::InvalidField };
        all.push(("read_at", Value::Message(message), reason));
    }
    all.retain(|(field, ..)| method.input().get_field_by_name(field).is_some());
    all
}

/// The request with one field set otherwise, where it has the field.
pub(crate) fn with(method: &MethodDescriptor, request: &[u8], field: &str, value: Value) -> Vec<u8> {
    let mut message = DynamicMessage::decode(method.input(), request).expect("the row's own message");
    if let Some(field) = method.input().get_field_by_name(field) {
        message.set_field(&field, value);
    }
    message.encode_to_vec()
}

#[tokio::test]
async fn what_is_no_message_at_all_is_refused_with_a_reason_too() {
    let stage = Stage::set().await;
    let before = stage.world.last();
    for Row { path, .. } in rows::all(&stage) {
        let call = |bytes: Vec<u8>| raw::call(&stage.world.routes, Some(TOKEN), &path, bytes);
        let status = call(vec![0xff; 9]).await.expect_err("no message");
        check(&status, &path, ErrorReason::InvalidField, "");
        let status = call(vec![0x0a; 300_000]).await.expect_err("too large");
        check(&status, &path, ErrorReason::TooLarge, "");
    }
    let path = "/windlass.v1.ServerService/CreateServer";
    // The server's display name is not UTF-8.
    let status = raw::call(&stage.world.routes, Some(TOKEN), path, vec![0x12, 3, 0x1a, 1, 0xff]).await;
    check(&status.expect_err("not text"), path, ErrorReason::InvalidField, "server.display_name");
    assert_eq!(stage.world.last(), before);
    assert_eq!(
        raw::call(&stage.world.routes, Some(TOKEN), WATCH, vec![0xff]).await.err().map(|it| it.code()),
        Some(Code::InvalidArgument)
    );
}
