//! The answer to what can't be read: its agent is older than its leader.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::{agent_message, orchestrator_message};
use windlass_sagas::ids::{HostId, Incarnation};

use crate::WireError;

/// What a message that could not be read is answered with, so that its stream goes on: a call's step stands still, and a
/// view is said not to be in force. `None` for any other message, and for a call that does not say which it is: then only
/// ending the stream is left.
#[must_use]
pub fn refused(message: &v1::OrchestratorMessage, why: WireError) -> Option<v1::AgentMessage> {
    use orchestrator_message::Kind;
    let (call, kind) = match message.kind.as_ref()? {
        Kind::Execute(m) => (m.call.as_ref()?, v1::CallKind::Execute),
        Kind::Undo(m) => (m.call.as_ref()?, v1::CallKind::Undo),
        Kind::Lookup(m) => (m.call.as_ref()?, v1::CallKind::Lookup),
        Kind::View(_) => {
            let failure = format!("this build can't read it: {why}");
            let applied = v1::ViewApplied { position: 0, failure };
            return Some(v1::AgentMessage { kind: Some(agent_message::Kind::ViewApplied(applied)) });
        }
        Kind::Lead(_)
        | Kind::TakeInventory(_)
        | Kind::LowWater(_)
        | Kind::Seen(_)
        | Kind::Faults(_)
        | Kind::ReadConsole(_) => return None,
    };
    crate::call::key(call.key.as_ref()).ok()?;
    HostId::try_from(call.host.as_ref()).ok()?;
    Incarnation::try_from(call.incarnation.as_ref()).ok()?;
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
    Some(v1::AgentMessage { kind: Some(agent_message::Kind::CallError(error)) })
}
