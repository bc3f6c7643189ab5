//! The answer to a call that can't be read: its agent is older than its leader.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::{agent_message, orchestrator_message};

use crate::WireError;

/// What a message that could not be read is answered with, so that its step stands still and its stream goes on; `None`
/// where it is no call, or does not say which: then only ending the stream is left.
#[must_use]
pub fn unsupported(message: &v1::OrchestratorMessage, why: WireError) -> Option<v1::AgentMessage> {
    use orchestrator_message::Kind;
    let (call, kind) = match message.kind.as_ref()? {
        Kind::Execute(m) => (m.call.as_ref()?, v1::CallKind::Execute),
        Kind::Undo(m) => (m.call.as_ref()?, v1::CallKind::Undo),
        Kind::Lookup(m) => (m.call.as_ref()?, v1::CallKind::Lookup),
        Kind::Lead(_)
        | Kind::View(_)
        | Kind::TakeInventory(_)
        | Kind::LowWater(_)
        | Kind::Seen(_)
        | Kind::Faults(_)
        | Kind::ReadConsole(_) => return None,
    };
    let read = crate::call::head(call).is_ok();
    let call = v1::CallRef {
        key: call.key.clone(),
        kind: kind.into(),
        attempt: call.attempt,
        role: call.role,
        incarnation: call.incarnation.clone(),
        host: call.host.clone(),
    };
    let kind = v1::CallErrorKind::Unsupported.into();
    let error = v1::CallError { call: Some(call), kind, message: why.to_string(), ..Default::default() };
    read.then_some(v1::AgentMessage { kind: Some(agent_message::Kind::CallError(error)) })
}
