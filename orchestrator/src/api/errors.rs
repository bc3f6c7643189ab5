//! Why a call was refused, and the one map from every refusal to `tonic::Status`: canonical code, `ErrorInfo` with a
//! reason of `error_reason.proto`, and the details that apply. No status is made anywhere else in `api`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use windlass_proto::v1::ErrorReason;
use windlass_proto::{ERROR_DOMAIN, metadata_key};
use windlass_sagas::cell::{Reason, Rejection};
use windlass_sagas::ids::{Position, ProjectId};

use super::limits::*;
use super::names;
use crate::lead::handle::Refused;

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    reason: ErrorReason,
    message: String,
    field: Option<String>,
    /// Its kind's word and its name.
    resource: Option<(&'static str, String)>,
    metadata: BTreeMap<String, String>,
    retry_after: Option<Duration>,
}

/// Field names of the core's request and the API's paths for them; a name that isn't listed is the same in both.
pub(super) type FieldNames = &'static [(&'static str, &'static str)];

impl Problem {
    /// A refusal with its reason and its words.
    #[must_use]
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            message: cut(message.into(), MESSAGE_BYTES_MAX),
            field: None,
            resource: None,
            metadata: BTreeMap::new(),
            retry_after: None,
        }))
    }

    /// A field that is missing, malformed or out of its bounds.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorReason::InvalidField, message)
            .of_field(field)
            .hint("correct the field and send the request again")
    }

    /// A resource that is not there, or not for this caller.
    #[must_use]
    pub fn not_found(noun: &'static str, name: &str) -> Self {
        let shown: String = name.chars().take(200).collect();
        let mut problem = Self::new(ErrorReason::NotFound, format!("no {noun} {shown}"))
            .hint("list what there is and check name, id and project");
        problem.0.resource = Some((noun, shown));
        problem
    }

    /// Something in this process that should not be.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::Internal, message).hint("report it with the orchestrator's log")
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// Names the field at fault.
    #[must_use]
    pub fn of_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(cut(field.into(), METADATUM_BYTES_MAX));
        self
    }

    /// Says what would help.
    #[must_use]
    pub fn hint(self, hint: &str) -> Self {
        self.with(metadata_key::HINT, hint)
    }

    /// Says when another try may succeed.
    #[must_use]
    pub const fn retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// Adds a changing part of the message.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.to_owned(), cut(value.into(), METADATUM_BYTES_MAX));
        self
    }
}

/// What the leader refused, in the API's words. `project` names the resources at fault, `fields` the fields.
pub(super) fn refused(refused: Refused, project: ProjectId, fields: FieldNames) -> Problem {
    match refused {
        Refused::Rejected { rejection, position } => {
            rejected(*rejection, project, fields).with(metadata_key::POSITION, position.to_string())
        }
        Refused::Stale => Problem::internal("the leader takes a request for a report"),
        Refused::Poisonous => Problem::internal("deciding this request panics; nothing was done"),
        Refused::NotLeader => Problem::new(ErrorReason::NotLeader, "this orchestrator does not lead")
            .hint("send it to another orchestrator of the cell")
            .retry_after(RETRY_LEADER),
        Refused::TakingOver => {
            Problem::new(ErrorReason::NotLeader, "an orchestrator is taking over: nobody leads yet")
                .hint("send it again in a moment")
                .retry_after(RETRY_LEADER)
        }
        Refused::Overloaded => Problem::new(ErrorReason::Overloaded, "too much waits for the leader")
            .hint("send it again in a moment, and fewer at a time")
            .retry_after(RETRY_OVERLOADED),
        Refused::JournalUnavailable => {
            let message = "the journal takes nothing at the moment";
            Problem::new(ErrorReason::JournalUnavailable, message)
                .hint("send the same request with the same request_id again: it is run at most once")
                .retry_after(RETRY_JOURNAL)
        }
        Refused::PositionNotReached(position) => not_reached(position),
        Refused::NothingLost | Refused::OtherTip(_) => {
            Problem::internal("the answer to an order about the journal, but none was given")
        }
        Refused::ReadOnly => {
            let message = "this journal is only read: nothing can be changed in it";
            Problem::new(ErrorReason::ReadOnly, message).hint("send changes to an orchestrator of the cell")
        }
        Refused::Stopping => Problem::new(ErrorReason::Draining, "this orchestrator stops")
            .hint("send it to another orchestrator of the cell")
            .retry_after(RETRY_LEADER),
    }
}

/// The wait for a position took too long.
pub(super) fn not_reached(position: Position) -> Problem {
    Problem::new(ErrorReason::PositionNotReached, format!("position {position} is not reached here"))
        .hint("check the position, or ask again in a moment")
        .retry_after(RETRY_JOURNAL)
}

/// A refusal of the core.
pub(super) fn rejected(rejection: Rejection, project: ProjectId, fields: FieldNames) -> Problem {
    let Rejection { reason, field, resource, message, hint, filters, holder, shortage } = rejection;
    let mut problem = Problem::new(reason_of(reason), message).hint(&hint);
    if let Some(field) = field {
        let path = fields.iter().find(|(core, _)| *core == field).map_or(field.as_str(), |(_, path)| path);
        // A quota's row is no field of the request.
        problem = if shortage.is_some() { problem.with("row", path) } else { problem.of_field(path) };
    }
    if let Some(resource) = resource {
        problem.0.resource = Some((resource.noun(), names::of(resource, project)));
    }
    if let Some(holder) = holder {
        problem = problem.with(metadata_key::HOLDER, names::operation(holder));
    }
    if let Some(shortage) = shortage {
        problem = problem
            .with(metadata_key::LIMIT, shortage.limit.to_string())
            .with(metadata_key::USED, shortage.used.to_string())
            .with(metadata_key::ASKED, shortage.asked.to_string());
    }
    for count in filters {
        let key = format!("{}{}", metadata_key::FILTER_PREFIX, count.filter.replace(' ', "_"));
        problem = problem.with(&key, count.removed.to_string());
    }
    problem
}

/// The core's reasons in the API's table: the same names, checked by a test.
#[must_use]
pub const fn reason_of(reason: Reason) -> ErrorReason {
    match reason {
        Reason::InvalidField => ErrorReason::InvalidField,
        Reason::RequestIdInvalid => ErrorReason::RequestIdInvalid,
        Reason::RequestIdMismatch => ErrorReason::RequestIdMismatch,
        Reason::RequestIdExpired => ErrorReason::RequestIdExpired,
        Reason::RequestIdInFuture => ErrorReason::RequestIdInFuture,
        Reason::NameTaken => ErrorReason::NameTaken,
        Reason::NotFound => ErrorReason::NotFound,
        Reason::ResourceBusy => ErrorReason::ResourceBusy,
        Reason::ResourceQuarantined => ErrorReason::ResourceQuarantined,
        Reason::ResourceInUse => ErrorReason::ResourceInUse,
        Reason::WrongState => ErrorReason::WrongState,
        Reason::QuotaExceeded => ErrorReason::QuotaExceeded,
        Reason::NoHostFits => ErrorReason::NoHostFits,
        Reason::AddressPoolExhausted => ErrorReason::AddressPoolExhausted,
        Reason::AddressUnavailable => ErrorReason::AddressUnavailable,
        Reason::PastPivot => ErrorReason::PastPivot,
        Reason::NotStuck => ErrorReason::NotStuck,
        Reason::AlreadyEnded => ErrorReason::AlreadyEnded,
        Reason::PermissionDenied => ErrorReason::PermissionDenied,
        Reason::TokenInvalid => ErrorReason::TokenInvalid,
        Reason::TooLarge => ErrorReason::TooLarge,
        Reason::FaultsNotAllowed => ErrorReason::FaultsNotAllowed,
        Reason::TooManyFaults => ErrorReason::TooManyFaults,
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let Parts { reason, message, field, resource, mut metadata, retry_after } = *problem.0;
        let code = reason.code();
        let subject = || {
            let name = resource.as_ref().map(|(_, name)| name);
            name.or(field.as_ref()).cloned().unwrap_or_default()
        };
        let mut details = ErrorDetails::new();
        match code {
            Code::InvalidArgument => {
                // An empty field is the request as a whole.
                details.add_bad_request_violation(field.clone().unwrap_or_default(), message.clone());
            }
            Code::FailedPrecondition | Code::Aborted => {
                details.add_precondition_failure_violation(reason.as_str_name(), subject(), message.clone());
            }
            Code::ResourceExhausted => {
                details.add_quota_failure_violation(subject(), message.clone());
            }
            _ => {}
        }
        if let Some((noun, name)) = resource {
            details.set_resource_info(noun, name.clone(), "", message.clone());
            metadata.entry(metadata_key::RESOURCE.to_owned()).or_insert(name);
        }
        if let Some(field) = field {
            metadata.entry(metadata_key::FIELD.to_owned()).or_insert(field);
        }
        if let Some(pause) = retry_after {
            details.set_retry_info(Some(pause));
        }
        let page = format!("ops/handbook/errors/{}.md", reason.as_str_name());
        details.add_help_link("the handbook's page of this reason", page);
        details.set_error_info(
            reason.as_str_name(),
            ERROR_DOMAIN,
            metadata.into_iter().collect::<HashMap<_, _>>(),
        );
        Self::with_error_details(code, message, details)
    }
}

/// At most `max` bytes of a text, at a character's border.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let mut end = max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use windlass_sagas::ids::{SagaId, VolumeId};
    use windlass_sagas::record::ResourceRef;

    use super::*;

    #[test]
    fn every_reason_of_the_core_has_the_same_name_in_the_api() {
        for reason in Reason::ALL {
            assert_eq!(reason_of(*reason).as_str_name(), reason.code());
        }
    }

    #[test]
    fn a_busy_resource_names_holder_resource_and_position() {
        let (project, saga, volume) = (ProjectId([1; 16]), SagaId([2; 16]), VolumeId([3; 16]));
        let rejection = Rejection::new(Reason::ResourceBusy, "busy", "wait")
            .of(ResourceRef::Volume(volume))
            .held_by(saga);
        let problem = refused(
            Refused::Rejected { rejection: Box::new(rejection), position: Position(7) },
            project,
            &[],
        );
        let status = Status::from(problem);
        assert_eq!(status.code(), Code::Aborted);
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("RESOURCE_BUSY", "windlass"));
        assert_eq!(info.metadata["holder"], format!("operations/{saga}"));
        assert_eq!(info.metadata["resource"], format!("projects/{project}/volumes/{volume}"));
        assert_eq!((info.metadata["position"].as_str(), info.metadata["hint"].as_str()), ("7", "wait"));
        assert_eq!(details.resource_info().expect("which").resource_type, "volume");
        assert!(details.has_precondition_failure_violations() && details.has_help_links());
    }

    #[test]
    fn a_field_is_named_as_the_api_names_it() {
        let rejection = Rejection::field("nics", "too many");
        let problem = rejected(rejection, ProjectId::default(), &[("nics", "server.interfaces")]);
        let details = Status::from(problem).get_error_details();
        assert_eq!(details.bad_request().expect("which").field_violations[0].field, "server.interfaces");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("aéé".into(), 4), "aé");
        assert_eq!(cut("aé".into(), 3), "aé");
    }
}
