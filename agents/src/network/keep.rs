//! What must stand beside steps: the view in force, and everything that somebody else may take away, looked at again and
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Weak;

use windlass_sagas::cell::views::HostView;
use windlass_sagas::ids::NetworkId;
use windlass_sagas::record::Refusal;

use super::dhcp::{self, Running, Server, plan};
use super::record::{Record, file_failed};
use super::rules::SERVER;
use super::{Inner, Seen, State, flows, names, nft, settings};
use crate::driver::driver_failed;
use crate::files::{PRIVATE, replace};
use crate::limits::NETWORK_LOOK_EVERY;
use crate::linux::Run;

/// The file with the last view, so that a process that starts puts the same rules in force.
const VIEW: &str = "view.bin";

/// The view that was applied last; an empty one denies all.
pub(super) fn read_view(run: &Run) -> Result<HostView, Refusal> {
    let path = run.join(VIEW);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let no_view = || driver_failed(&format!("{} is no view: move it away", path.display()));
            HostView::decode(&bytes).ok_or_else(no_view)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(HostView::default()),
        Err(error) => Err(file_failed(&path, &error)),
    }
}

/// Looks every few seconds, until nobody has the role any more.
pub(super) async fn watch(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(NETWORK_LOOK_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        let state = &mut *inner.state.lock().await;
        if let Err(refusal) = inner.keep(state).await {
            tracing::error!(message = refusal.message, "the host's network is not what it should be");
        }
    }
}

impl Inner {
    /// Puts a view in force. It is on disk first: a process that comes after a crash goes on from there.
    pub(super) async fn apply(&self, state: &mut State, view: HostView) -> Result<(), Refusal> {
        if state.view != view {
            let path = self.host.run.join(VIEW);
            replace(&path, PRIVATE, &view.encode()).map_err(|error| file_failed(&path, &error))?;
            state.sweep_due |= flows::lost(&state.view, &view);
            state.view = view;
        }
        self.keep(state).await
    }

    /// Sees to it that rules, peers and servers are what records and view say.
    pub(super) async fn keep(&self, state: &mut State) -> Result<(), Refusal> {
        settings::see_bridged()?;
        let seen = self.look().await?;
        if let Some(tables) = self.rules(&seen, &state.view, &state.leaving).await? {
            nft::load(&tables).await?;
        }
        if state.sweep_due {
            flows::sweep(&seen.records, &state.view).await?;
            state.sweep_due = false;
        }
        let recorded: BTreeSet<NetworkId> =
            seen.records.values().map(|record| record.setup.network).collect();
        let mut kept = dhcp::retain(&self.host.run, &recorded).await;
        let mut networks: BTreeMap<NetworkId, &Record> = BTreeMap::new();
        networks.extend(seen.staying(&state.leaving).map(|record| (record.setup.network, record)));
        let running = Running::look()?;
        // One network's trouble is not another's.
        for record in networks.values() {
            let peers = match self.peers(&seen, record, &state.view) {
                Some(peers) => self.set_peers(&peers).await,
                None => Ok(()),
            };
            let server = self.keep_server(&seen, state, record, &running).await;
            kept = kept.and(peers).and(server);
        }
        kept
    }

    /// A network that is still being made gets its server by the step that makes it.
    async fn keep_server(
        &self,
        seen: &Seen,
        state: &State,
        record: &Record,
        running: &Running,
    ) -> Result<(), Refusal> {
        let bridge = seen.links.get(&names::bridge(record.setup.vni));
        let Some(bridge) = bridge.filter(|bridge| bridge.up && seen.links.has_address(bridge, SERVER)) else {
            return Ok(());
        };
        let network = record.setup.network;
        let ports = || seen.staying(&state.leaving).filter(|other| other.setup.network == network);
        let server = Server::of(&self.host.run, network);
        let Some(plan) = plan(ports(), state.subnets(network), bridge.index) else {
            // The view has DHCP off; what is reserved stays for when it is on again.
            return server.pause().await;
        };
        if !server.serves(&plan, running)? {
            server.serve(&plan).await?;
        }
        for record in ports() {
            if !server.reserves(record)? {
                server.reserve(record)?;
            }
        }
        Ok(())
    }
}
