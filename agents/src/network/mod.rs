//! The network role on a real host: bridges, tunnels, taps, the rules that hold guests to what is theirs, and DHCP.
//!
//! Invariants: all changes come one after the other; what is there is read from the kernel and the run directory each
//! time; our tables are replaced whole, and nothing outside of them is touched; what no rule allows is dropped.

mod change;
mod dhcp;
mod flows;
mod keep;
mod leave;
mod links;
mod names;
mod nft;
mod prepare;
mod record;
mod rules;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use windlass_sagas::cell::views::{HostView, SubnetView};
use windlass_sagas::ids::{NetworkId, PortId};
use windlass_sagas::protocol::ledger::{Observed, Work};
use windlass_sagas::protocol::{InventoryItem, PlacedView};
use windlass_sagas::record::{Direction, Mac, Refusal, RefusalCode, StepInput, StepOutput};

use crate::AgentError;
use crate::driver::driver_failed;
use crate::linux::{Hand, Host, Run};
use leave::Leaving;
use links::{Links, Netlink};
use record::{Record, Records};
use rules::Tables;

/// A port's tap, as a guest plugs into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    /// The link's name.
    pub(crate) ifname: String,
    /// The guest's MAC.
    pub(crate) mac: Mac,
    /// The MTU inside the tunnel, bytes.
    pub(crate) mtu: u16,
}

/// The tap of a port of this host; `None`: the port is not prepared.
pub(crate) fn tap(run: &Run, port: PortId) -> Result<Option<Tap>, Refusal> {
    let record = record::read(run, port)?;
    Ok(record.map(|record| Tap { ifname: names::tap(port), mac: record.setup.mac, mtu: record.setup.mtu }))
}

/// Whether the port's guest was granted its address by DHCP at or after this time, Unix seconds.
pub(crate) async fn leased_since(run: &Run, port: PortId, since_unix_s: i64) -> Result<bool, Refusal> {
    match record::read(run, port)? {
        Some(record) => {
            dhcp::Server::of(run, record.setup.network).leased_since(record.setup.mac, since_unix_s)
        }
        None => Ok(false),
    }
}

/// The network role of a host.
pub(crate) struct Network {
    inner: Arc<Inner>,
    watch: AbortHandle,
}

struct Inner {
    host: Host,
    /// Where this host's tunnels end.
    local: Ipv4Addr,
    netlink: Netlink,
    state: Mutex<State>,
}

/// What is known beside what the host shows.
#[derive(Default)]
struct State {
    view: HostView,
    /// Ports that are on their way out: their records are still there, and nothing else of them comes back.
    leaving: BTreeSet<PortId>,
    /// Whether connections may be established that no rule allows any more.
    sweep_due: bool,
}

/// What the host shows.
struct Seen {
    links: Links,
    /// Where tunnels send, by their index.
    peers: BTreeMap<u32, BTreeSet<IpAddr>>,
    records: Records,
}

impl Network {
    /// Finds again what earlier processes made, and puts the last view in force.
    pub(crate) async fn open(host: Host) -> Result<Self, AgentError> {
        let no_tunnels =
            || AgentError::Setting("linux.address: tunnels of the network role need an IPv4 address".into());
        let local = record::v4(host.address).ok_or_else(no_tunnels)?;
        let netlink =
            Netlink::open().map_err(|error| AgentError::Setting(format!("no netlink socket: {error}")))?;
        let view = keep::read_view(&host.run).map_err(|refusal| AgentError::Setting(refusal.message))?;
        // What an earlier process was about to cut is not known.
        let state = State { view, leaving: BTreeSet::new(), sweep_due: true };
        let inner = Arc::new(Inner { host, local, netlink, state: Mutex::new(state) });
        let kept = inner.keep(&mut *inner.state.lock().await).await;
        kept.map_err(|refusal| AgentError::Setting(refusal.message))?;
        let watch = tokio::spawn(keep::watch(Arc::downgrade(&inner))).abort_handle();
        Ok(Self { inner, watch })
    }

    /// Puts a view in force: all of it, and nothing else of its kind.
    pub(crate) async fn apply(&self, view: PlacedView) -> Result<(), Refusal> {
        let state = &mut *self.inner.state.lock().await;
        self.inner.apply(state, view.content).await
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Hand for Network {
    async fn observe(&self, work: &Work) -> Result<Observed, Refusal> {
        let state = &*self.inner.state.lock().await;
        let reached = || Observed::Present(StepOutput::None);
        match &work.input {
            StepInput::PreparePort(setup) => {
                let staying = state.without(setup.port);
                match self.inner.missing(state, &staying, work, setup).await {
                    Ok(None) => return Ok(reached()),
                    // A thing in the way is no part of the step.
                    Err(refusal) if refusal.code != RefusalCode::Foreign => return Err(refusal),
                    Ok(Some(_)) | Err(_) => {}
                }
                let left = self.inner.left(state, &Leaving::of_setup(setup)).await?;
                Ok(if left.is_some() { Observed::Partial } else { Observed::Absent })
            }
            StepInput::RemovePort { port, network } => {
                let left = self.inner.left(state, &Leaving::named(*port, *network)).await?;
                Ok(if left.is_some() { Observed::Partial } else { reached() })
            }
            _ => Err(no_network_step(work)),
        }
    }

    async fn advance(&self, work: &Work, direction: Direction) -> Result<Option<&'static str>, Refusal> {
        let state = &mut *self.inner.state.lock().await;
        let change = match (&work.input, direction) {
            (StepInput::PreparePort(setup), Direction::Forward) => {
                state.leaving.remove(&setup.port);
                self.inner.missing(state, &state.leaving, work, setup).await?
            }
            (StepInput::PreparePort(setup), Direction::Undo) => {
                state.leaving.insert(setup.port);
                self.inner.left(state, &Leaving::of_setup(setup)).await?
            }
            (StepInput::RemovePort { port, network }, Direction::Forward) => {
                state.leaving.insert(*port);
                self.inner.left(state, &Leaving::named(*port, *network)).await?
            }
            // A port that is gone is prepared again by a step of its own.
            (StepInput::RemovePort { .. }, Direction::Undo) => None,
            _ => return Err(no_network_step(work)),
        };
        let Some(change) = change else {
            if let Some(port) = port_of(&work.input) {
                state.leaving.remove(&port);
            }
            return Ok(None);
        };
        let name = change.name();
        self.inner.make(change).await?;
        Ok(Some(name))
    }

    async fn output(&self, _: &Work) -> Result<StepOutput, Refusal> {
        Ok(StepOutput::None)
    }

    async fn inventory(&self) -> Result<Vec<InventoryItem>, Refusal> {
        let _state = self.inner.state.lock().await;
        let seen = self.inner.look().await?;
        let recorded = seen.records.values().map(|record| (record.setup.port, record.setup.mac));
        let tagged = seen.links.iter().filter_map(|link| names::tagged_port(link.alias.as_deref()?));
        // A record knows better than a tag.
        let ports: BTreeMap<PortId, Mac> = tagged.chain(recorded).collect();
        Ok(ports.into_iter().map(|(port, mac)| InventoryItem::Port { port, mac }).collect())
    }
}

impl State {
    fn without(&self, port: PortId) -> BTreeSet<PortId> {
        self.leaving.iter().copied().filter(|leaving| *leaving != port).collect()
    }

    fn with(&self, port: PortId) -> BTreeSet<PortId> {
        self.leaving.iter().copied().chain([port]).collect()
    }
}

impl State {
    /// What the view shows of a network's subnets.
    fn subnets(&self, network: NetworkId) -> &[SubnetView] {
        self.view.networks.get(&network).map_or(&[], |shown| &shown.subnets)
    }
}

impl Seen {
    /// The records of the ports that stay.
    fn staying(&self, leaving: &BTreeSet<PortId>) -> impl Iterator<Item = &Record> {
        self.records.values().filter(|record| !leaving.contains(&record.setup.port))
    }
}

impl Inner {
    async fn look(&self) -> Result<Seen, Refusal> {
        let (links, peers) = (self.netlink.links().await?, self.netlink.peers().await?);
        Ok(Seen { links, peers, records: record::read_all(&self.host.run)? })
    }

    /// The tables that should be in force, where they are not.
    async fn rules(
        &self,
        seen: &Seen,
        view: &HostView,
        leaving: &BTreeSet<PortId>,
    ) -> Result<Option<Tables>, Refusal> {
        let tables = rules::render(seen.staying(leaving), view);
        Ok(if nft::in_force(&tables).await? { None } else { Some(tables) })
    }
}

const fn port_of(input: &StepInput) -> Option<PortId> {
    match input {
        StepInput::PreparePort(setup) => Some(setup.port),
        StepInput::RemovePort { port, .. } => Some(*port),
        _ => None,
    }
}

fn no_network_step(work: &Work) -> Refusal {
    driver_failed(&format!("{} is no step of the network role", work.input.name()))
}
