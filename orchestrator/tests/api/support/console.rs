//! Hosts that are asked for nothing but consoles: each guest that runs wrote the same, and a host named `deaf…` has no
//! stream.

use std::time::Duration;

use windlass_orchestrator::api::inventories::{Contact, Inventories, Taken};
use windlass_orchestrator::lead::handle::Leader;
use windlass_sagas::cell::state::ServerState;
use windlass_sagas::ids::*;
use windlass_sagas::record::{Refusal, RefusalCode};

/// What each guest wrote.
pub(crate) const CONSOLE: &[u8] = b"booted\nlogin: ";

/// The hosts of a leader's cell.
pub(crate) struct Consoles(pub(crate) Leader);

#[tonic::async_trait]
impl Inventories for Consoles {
    async fn take(&self, _: Vec<HostId>, _: Duration) -> Vec<Taken> {
        Vec::new()
    }

    async fn console(
        &self,
        host: HostId,
        server: ServerId,
        bytes_max: u32,
    ) -> Option<Result<Vec<u8>, Refusal>> {
        let look = move |cell: &windlass_sagas::cell::Cell| {
            let deaf = cell.hosts.get(&host).is_none_or(|host| host.name.starts_with("deaf"));
            let runs = cell.servers.get(&server).is_some_and(|it| matches!(it.state, ServerState::Active(_)));
            (deaf, runs)
        };
        let (_, (deaf, runs)) = self.0.read(Position(0), look).await.ok()?;
        if deaf {
            return None;
        }
        let message = "the host has no such guest".into();
        let missing = Refusal { code: RefusalCode::Missing, retryable: false, message };
        let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let text = CONSOLE.get(CONSOLE.len().saturating_sub(most)..).unwrap_or_default().to_vec();
        Some(if runs { Ok(text) } else { Err(missing) })
    }

    fn contact(&self, _: HostId) -> Option<Contact> {
        None
    }

    fn strikes(&self, _: FaultId) -> (Vec<(HostId, u64)>, u64) {
        (Vec::new(), 0)
    }

    fn refuses_faults(&self) -> bool {
        true
    }
}
