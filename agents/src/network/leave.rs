//! What is left of a port that is to be gone: the first thing, in the order in which things are removed. The record goes
//! last, so that whoever comes back knows what to look for; the network goes with its last port on the host.

use windlass_sagas::ids::{NetworkId, PortId};
use windlass_sagas::record::{PortSetup, Refusal};

use super::change::Change;
use super::dhcp::{Server, plan};
use super::links::{Kind, Link};
use super::prepare::is_our_tap;
use super::record::Record;
use super::{Inner, Seen, State, flows, names};

/// A port that is to be gone, as far as it is known.
pub(super) struct Leaving {
    port: PortId,
    network: NetworkId,
    vni: Option<u32>,
}

impl Leaving {
    /// Known by what was asked for.
    pub(super) const fn of_setup(setup: &PortSetup) -> Self {
        Self { port: setup.port, network: setup.network, vni: Some(setup.vni) }
    }

    /// Known by its name.
    pub(super) const fn named(port: PortId, network: NetworkId) -> Self {
        Self { port, network, vni: None }
    }
}

impl Inner {
    /// The next sub-change until nothing of the port is left; `None`: nothing is.
    pub(super) async fn left(&self, state: &State, it: &Leaving) -> Result<Option<Change>, Refusal> {
        let seen = self.look().await?;
        let leaving = state.with(it.port);
        let record = seen.records.get(&it.port);
        let network = record.map_or(it.network, |record| record.setup.network);
        let vni = record.map(|record| record.setup.vni).or(it.vni);
        let server = Server::of(&self.host.run, network);
        if let Some(record) = record
            && server.knows(record)?
        {
            let bridge = seen.links.get(&names::bridge(record.setup.vni));
            let ports = seen.staying(&leaving).filter(|other| other.setup.network == network);
            let others = bridge.and_then(|bridge| plan(ports, state.subnets(network), bridge.index));
            return Ok(Some(Change::Forget { record: record.clone(), others }));
        }
        let tap = seen.links.get(&names::tap(it.port)).filter(|tap| is_our_tap(tap, it.port));
        if let Some(tap) = tap.filter(|tap| tap.up || tap.controller.is_some()) {
            return Ok(Some(Change::Release { link: tap.clone() }));
        }
        if let Some(tables) = self.rules(&seen, &state.view, &leaving).await? {
            return Ok(Some(Change::Rules(tables)));
        }
        if let Some(change) = connections(record).await? {
            return Ok(Some(change));
        }
        if let Some(tap) = tap {
            return Ok(Some(Change::RemoveLink { link: tap.clone() }));
        }
        let is_last =
            !seen.records.values().any(|other| other.setup.network == network && other.setup.port != it.port);
        if is_last && let Some(change) = self.network_left(&seen, network, vni, &server)? {
            return Ok(Some(change));
        }
        Ok(record.map(|record| Change::RemoveRecord { port: record.setup.port }))
    }

    fn network_left(
        &self,
        seen: &Seen,
        network: NetworkId,
        vni: Option<u32>,
        server: &Server,
    ) -> Result<Option<Change>, Refusal> {
        if server.exists()? {
            return Ok(Some(Change::RemoveServer { network }));
        }
        let tag = names::network_tag(network);
        let tagged = |link: &&Link| link.alias.as_ref() == Some(&tag);
        // One that was half made has a name and no tag yet.
        let named = |link: &&Link| {
            let name = |vni| [names::tunnel(vni), names::bridge(vni)].contains(&link.name);
            link.alias.is_none() && vni.is_some_and(name)
        };
        let of_network = |link: &&Link| tagged(link) || named(link);
        let tunnel =
            seen.links.iter().filter(of_network).find(|link| matches!(link.kind, Kind::Tunnel { .. }));
        let link =
            tunnel.or_else(|| seen.links.iter().filter(of_network).find(|link| link.kind == Kind::Bridge));
        // A tap without a record is still to be removed by a step of its own.
        let used = link.is_some_and(|bridge| {
            let inside = |link: &Link| link.kind == Kind::Tap && link.controller == Some(bridge.index);
            seen.links.iter().any(inside)
        });
        Ok(link.filter(|_| !used).map(|link| Change::RemoveLink { link: link.clone() }))
    }
}

async fn connections(record: Option<&Record>) -> Result<Option<Change>, Refusal> {
    let Some(record) = record else { return Ok(None) };
    for address in record.addresses() {
        if flows::any(record.zone, address).await? {
            return Ok(Some(Change::Cut { zone: record.zone, address }));
        }
    }
    Ok(None)
}
