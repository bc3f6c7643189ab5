//! What a port that is to be ready still lacks: the first thing, in the order in which things are made. A tap takes no
//! frame before its rules are there, and a port is ready when its guest would be answered by DHCP.

use std::collections::BTreeSet;

use windlass_sagas::cell::views::HostView;
use windlass_sagas::ids::PortId;
use windlass_sagas::protocol::ledger::Work;
use windlass_sagas::record::{PortSetup, Refusal, RefusalCode};

use super::change::{Change, Peers};
use super::dhcp::{Running, Server, plan};
use super::links::{Kind, Link, Links, TUNNEL_PORT};
use super::record::{self, Record};
use super::rules::SERVER;
use super::{Inner, Seen, State, names, settings};

impl Inner {
    /// The next sub-change of the port; `None`: it is ready.
    pub(super) async fn missing(
        &self,
        state: &State,
        leaving: &BTreeSet<PortId>,
        work: &Work,
        setup: &PortSetup,
    ) -> Result<Option<Change>, Refusal> {
        let seen = self.look().await?;
        let record = match seen.records.get(&setup.port) {
            Some(record) if record.setup == *setup => record,
            Some(_) | None => {
                let zone = record::zone(&seen.records, setup.network)?;
                let (setup, owner, key) = (setup.clone(), work.owner, work.key);
                return Ok(Some(Change::Record(Record { setup, owner, key, zone })));
            }
        };
        if let Some(change) = self.network(&seen, record, &state.view)? {
            return Ok(Some(change));
        }
        let (tap, tag) =
            (names::tap(setup.port), names::port_tag(setup.port, setup.mac, record.owner, record.key));
        let Some(tap) = our_tap(&seen.links, &tap, setup.port)? else {
            return Ok(Some(Change::AddTap { name: tap }));
        };
        if tap.alias.as_ref() != Some(&tag) || !settings::is_quiet(&tap.name)? {
            return Ok(Some(Change::Tag { link: tap.clone(), tag }));
        }
        if let Some(tables) = self.rules(&seen, &state.view, leaving).await? {
            return Ok(Some(Change::Rules(tables)));
        }
        let bridge = seen.links.get(&names::bridge(setup.vni)).map(|bridge| bridge.index);
        if let Some(change) = put_up(tap, &tag, setup.mtu, bridge)? {
            return Ok(Some(change));
        }
        self.dhcp(&seen, state, leaving, record)
    }

    /// What the port's network lacks on this host.
    fn network(&self, seen: &Seen, record: &Record, view: &HostView) -> Result<Option<Change>, Refusal> {
        let PortSetup { network, vni, mtu, .. } = record.setup;
        let tag = names::network_tag(network);
        let name = names::bridge(vni);
        let Some(bridge) = ours(&seen.links, &name, &tag, |kind| *kind == Kind::Bridge)? else {
            return Ok(Some(Change::AddBridge { name, mac: self.bridge_mac(record), mtu }));
        };
        if let Some(change) = put_up(bridge, &tag, mtu, None)? {
            return Ok(Some(change));
        }
        if !seen.links.has_address(bridge, SERVER) {
            return Ok(Some(Change::Address { link: bridge.clone() }));
        }
        let name = names::tunnel(vni);
        let Some(tunnel) = ours(&seen.links, &name, &tag, |kind| matches!(kind, Kind::Tunnel { .. }))? else {
            return Ok(Some(Change::AddTunnel { name, vni, mtu }));
        };
        if tunnel.kind != (Kind::Tunnel { vni, local: Some(self.local), port: TUNNEL_PORT }) {
            // The host has moved to another address since.
            return Ok(Some(Change::RemoveLink { link: tunnel.clone() }));
        }
        if let Some(change) = put_up(tunnel, &tag, mtu, Some(bridge.index))? {
            return Ok(Some(change));
        }
        Ok(self.peers(seen, record, view).map(Change::Peers))
    }

    /// What must change about where the network's tunnel sends: to the peers that the view names, and nowhere else.
    pub(super) fn peers(&self, seen: &Seen, record: &Record, view: &HostView) -> Option<Peers> {
        let tunnel = seen.links.get(&names::tunnel(record.setup.vni))?;
        let shown = view.networks.get(&record.setup.network).filter(|shown| shown.vni == record.setup.vni);
        let wanted = shown.into_iter().flat_map(|shown| shown.peers.iter().copied());
        let wanted: BTreeSet<_> =
            wanted.filter(|peer| peer.is_ipv4() && *peer != self.host.address).collect();
        let none = BTreeSet::new();
        let there = seen.peers.get(&tunnel.index).unwrap_or(&none);
        let (add, remove) = (&wanted - there, there - &wanted);
        (*there != wanted).then(|| Peers { tunnel: tunnel.clone(), add, remove })
    }

    fn dhcp(
        &self,
        seen: &Seen,
        state: &State,
        leaving: &BTreeSet<PortId>,
        record: &Record,
    ) -> Result<Option<Change>, Refusal> {
        let network = record.setup.network;
        let Some(bridge) = seen.links.get(&names::bridge(record.setup.vni)) else { return Ok(None) };
        let ports = seen.staying(leaving).filter(|other| other.setup.network == network);
        let Some(plan) = plan(ports, state.subnets(network), bridge.index) else { return Ok(None) };
        let server = Server::of(&self.host.run, network);
        if !server.serves(&plan, &Running::look()?)? {
            return Ok(Some(Change::Serve { network, plan }));
        }
        Ok(if server.reserves(record)? { None } else { Some(Change::Reserve(record.clone())) })
    }

    /// A bridge's own MAC: the same while it stands, and another one on each host.
    fn bridge_mac(&self, record: &Record) -> [u8; 6] {
        let (host, network) = (&self.host.id.0[10..], &record.setup.network.0[10..]);
        let mut mac = std::array::from_fn(|at| host[at] ^ network[at].rotate_left(3));
        // Locally administered, and of one station.
        mac[0] = mac[0] & 0xfc | 0x02;
        mac
    }
}

/// How a link that is there must still change.
fn put_up(link: &Link, tag: &str, mtu: u16, bridge: Option<u32>) -> Result<Option<Change>, Refusal> {
    let reached = link.up
        && link.alias.as_deref() == Some(tag)
        && link.mtu == u32::from(mtu)
        && (bridge.is_none() || link.controller == bridge)
        && settings::is_quiet(&link.name)?;
    let put_up = || Change::PutUp { link: link.clone(), tag: tag.to_owned(), mtu, bridge };
    Ok((!reached).then(put_up))
}

/// The link of this name, where there is one of ours: of its kind, and with its tag or, half-made, with none.
fn ours<'a>(
    links: &'a Links,
    name: &str,
    tag: &str,
    of_kind: impl Fn(&Kind) -> bool,
) -> Result<Option<&'a Link>, Refusal> {
    match links.get(name) {
        Some(link) if of_kind(&link.kind) && link.alias.as_deref().is_none_or(|alias| alias == tag) => {
            Ok(Some(link))
        }
        Some(link) => Err(foreign(link)),
        None => Ok(None),
    }
}

fn our_tap<'a>(links: &'a Links, name: &str, port: PortId) -> Result<Option<&'a Link>, Refusal> {
    match links.get(name) {
        Some(link) if is_our_tap(link, port) => Ok(Some(link)),
        Some(link) => Err(foreign(link)),
        None => Ok(None),
    }
}

/// Whether a link with the name of the port's tap is that tap.
pub(super) fn is_our_tap(link: &Link, port: PortId) -> bool {
    let of_port = |alias: &str| names::tagged_port(alias).is_some_and(|(of, _)| of == port);
    link.kind == Kind::Tap && link.alias.as_deref().is_none_or(of_port)
}

fn foreign(link: &Link) -> Refusal {
    let alias = link.alias.as_deref().unwrap_or("no tag");
    let message = format!("the host has a link {} that is not ours ({alias})", link.name);
    Refusal { code: RefusalCode::Foreign, retryable: false, message }
}
