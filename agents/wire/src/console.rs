//! A guest's console, asked for and told beside the protocol's machines: no rule rests on it, and whoever has a stream may
//! ask.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::console::Result as Told;
use windlass_proto::agent::v1::{agent_message, orchestrator_message};
use windlass_sagas::ids::ServerId;
use windlass_sagas::record::{Refusal, RefusalCode};

use crate::limits::CONSOLE_BYTES_MAX;
use crate::outcome::{refusal, refusal_out};
use crate::{WireError, bad, id};

/// What an orchestrator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleAsked {
    /// Repeated in the answer.
    pub id: u64,
    /// Whose guest.
    pub server: ServerId,
    /// At most so many bytes, the last ones; 1 to `CONSOLE_BYTES_MAX`.
    pub bytes_max: u32,
}

/// What an agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleTold {
    /// As asked.
    pub id: u64,
    /// What the guest wrote last, at most `CONSOLE_BYTES_MAX` bytes, or why that can't be read.
    pub result: Result<Vec<u8>, Refusal>,
}

impl ConsoleAsked {
    /// Reads a message; `None` where it asks for something else.
    ///
    /// # Errors
    /// The field at fault.
    pub fn decode(message: &v1::OrchestratorMessage) -> Result<Option<Self>, WireError> {
        let Some(orchestrator_message::Kind::ReadConsole(m)) = &message.kind else { return Ok(None) };
        if m.bytes_max == 0 || m.bytes_max > CONSOLE_BYTES_MAX {
            return Err(bad("bytes_max"));
        }
        Ok(Some(Self { id: m.id, server: id(&m.server, "server")?, bytes_max: m.bytes_max }))
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> v1::OrchestratorMessage {
        let server = self.server.0.to_vec().into();
        let m = v1::ReadConsole { id: self.id, server, bytes_max: self.bytes_max };
        v1::OrchestratorMessage { kind: Some(orchestrator_message::Kind::ReadConsole(m)) }
    }
}

impl ConsoleTold {
    /// Reads a message; `None` where it tells something else.
    ///
    /// # Errors
    /// The field at fault.
    pub fn decode(message: &v1::AgentMessage) -> Result<Option<Self>, WireError> {
        let Some(agent_message::Kind::Console(m)) = &message.kind else { return Ok(None) };
        let result = match &m.result {
            // A result of a kind that only a newer agent knows.
            None => Err(Refusal {
                code: RefusalCode::DriverFailed,
                retryable: false,
                message: "the agent is newer than this orchestrator, which can't read its answer".into(),
            }),
            Some(Told::Text(text)) if text.len() > CONSOLE_BYTES_MAX as usize => return Err(bad("text")),
            Some(Told::Text(text)) => Ok(text.to_vec()),
            Some(Told::Refused(refused)) => Err(refusal(refused)?),
        };
        Ok(Some(Self { id: m.id, result }))
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(self) -> v1::AgentMessage {
        let result = match self.result {
            Ok(text) => Told::Text(text.into()),
            Err(refusal) => Told::Refused(refusal_out(&refusal)),
        };
        let m = v1::Console { id: self.id, result: Some(result) };
        v1::AgentMessage { kind: Some(agent_message::Kind::Console(m)) }
    }
}
