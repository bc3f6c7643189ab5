//! Links, addresses and tunnels' peers of the host, by netlink.
//!
//! Invariant: the socket stays in the network namespace that the agent was started in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;

use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::{AddressAttribute, AddressScope};
use rtnetlink::packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Error, Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVxlan};
use tokio_stream::{Stream, StreamExt as _};
use windlass_sagas::record::Refusal;

use crate::driver::driver_failed;
use crate::linux::Tool;

/// The port that tunnels end at (RFC 7348).
pub(super) const TUNNEL_PORT: u16 = 4789;

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) alias: Option<String>,
    pub(super) mtu: u32,
    pub(super) controller: Option<u32>,
    pub(super) up: bool,
    pub(super) kind: Kind,
}

/// What a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bridge,
    Tunnel { vni: u32, local: Option<Ipv4Addr>, port: u16 },
    Tap,
    Other,
}

/// All links by name, and the IPv4 addresses of each, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<String, Link>,
    addresses: BTreeMap<u32, BTreeSet<Ipv4Addr>>,
}

impl Links {
    pub(super) fn get(&self, name: &str) -> Option<&Link> {
        self.links.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(super) fn has_address(&self, link: &Link, address: Ipv4Addr) -> bool {
        self.addresses.get(&link.index).is_some_and(|addresses| addresses.contains(&address))
    }
}

/// The kernel's word on links.
#[derive(Clone, Debug)]
pub(super) struct Netlink(Handle);

impl Netlink {
    /// Opens a socket, and reads it until the last of these is dropped.
    pub(super) fn open() -> std::io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// Looks at all links.
    pub(super) async fn links(&self) -> Result<Links, Refusal> {
        let mut found = Links::default();
        for message in all(self.0.link().get().execute()).await? {
            let link = link(message);
            found.links.insert(link.name.clone(), link);
        }
        for message in all(self.0.address().get().execute()).await? {
            let addresses = message.attributes.iter().filter_map(|attribute| match attribute {
                AddressAttribute::Address(IpAddr::V4(address)) => Some(*address),
                _ => None,
            });
            found.addresses.entry(message.header.index).or_default().extend(addresses);
        }
        Ok(found)
    }

    /// Makes a bridge that forwards at once and takes part in no tree; down.
    pub(super) async fn add_bridge(&self, name: &str, mac: [u8; 6], mtu: u16) -> Result<(), Refusal> {
        let message = LinkMessageBuilder::<LinkBridge>::new(name).address(mac.to_vec()).mtu(mtu.into());
        let settings = vec![
            InfoBridge::StpState(BridgeStpState::Disabled),
            InfoBridge::ForwardDelay(0),
            InfoBridge::MulticastSnooping(false),
        ];
        let message = message.set_info_data(InfoData::Bridge(settings)).build();
        self.0.link().add(message).execute().await.map_err(|error| failed(name, &error))
    }

    /// Makes a tunnel that learns no outer addresses; down.
    pub(super) async fn add_tunnel(
        &self,
        name: &str,
        vni: u32,
        local: Ipv4Addr,
        mtu: u16,
    ) -> Result<(), Refusal> {
        let message = LinkVxlan::new(name, vni).local(local).port(TUNNEL_PORT).learning(false);
        let message = message.mtu(mtu.into()).build();
        self.0.link().add(message).execute().await.map_err(|error| failed(name, &error))
    }

    /// Makes a persistent tap; down. Netlink can't.
    pub(super) async fn add_tap(&self, name: &str) -> Result<(), Refusal> {
        let tool = Tool::new("ip").args(["tuntap", "add", "name", name, "mode", "tap"]);
        tool.succeed().await.map(drop)
    }

    /// Gives the link its tag, its MTU and its bridge, and puts it up.
    pub(super) async fn put_up(
        &self,
        link: &Link,
        tag: &str,
        mtu: u16,
        bridge: Option<u32>,
    ) -> Result<(), Refusal> {
        let mut message = LinkUnspec::new_with_index(link.index).alias(tag).mtu(mtu.into());
        if let Some(bridge) = bridge {
            message = message.controller(bridge);
        }
        self.set(link, message.up().build()).await
    }

    /// Gives the link its tag.
    pub(super) async fn tag(&self, link: &Link, tag: &str) -> Result<(), Refusal> {
        let message = LinkUnspec::new_with_index(link.index).alias(tag);
        self.set(link, message.build()).await
    }

    /// Puts the link down, and takes it out of its bridge.
    pub(super) async fn release(&self, link: &Link) -> Result<(), Refusal> {
        let message = LinkUnspec::new_with_index(link.index).nocontroller();
        self.set(link, message.down().build()).await
    }

    async fn set(&self, link: &Link, message: LinkMessage) -> Result<(), Refusal> {
        self.0.link().set(message).execute().await.map_err(|error| failed(&link.name, &error))
    }

    /// Removes the link.
    pub(super) async fn remove(&self, link: &Link) -> Result<(), Refusal> {
        self.0.link().del(link.index).execute().await.map_err(|error| failed(&link.name, &error))
    }

    /// Gives the link an address that is good on it alone.
    pub(super) async fn add_address(&self, link: &Link, address: Ipv4Addr) -> Result<(), Refusal> {
        let mut request = self.0.address().add(link.index, address.into(), 32);
        request.message_mut().header.scope = AddressScope::Link;
        request.execute().await.map_err(|error| failed(&link.name, &error))
    }

    /// The peers of every tunnel, by its index: where frames go whose place is not known.
    pub(super) async fn peers(&self) -> Result<BTreeMap<u32, BTreeSet<IpAddr>>, Refusal> {
        let request = self.0.neighbours().get().set_address_family(AddressFamily::Bridge);
        let mut peers: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
        for message in all(request.execute()).await? {
            let everywhere = |attribute: &NeighbourAttribute| matches!(attribute, NeighbourAttribute::LinkLayerAddress(mac) if mac.iter().all(|byte| *byte == 0));
            let destination = message.attributes.iter().find_map(|attribute| match attribute {
                NeighbourAttribute::Destination(address) => ip(address),
                _ => None,
            });
            if message.attributes.iter().any(everywhere)
                && let Some(destination) = destination
            {
                peers.entry(message.header.ifindex).or_default().insert(destination);
            }
        }
        Ok(peers)
    }

    /// Lets the tunnel send to this peer too. The library's own request knows no second peer, so this one is by hand.
    pub(super) async fn add_peer(&self, tunnel: &Link, peer: IpAddr) -> Result<(), Refusal> {
        let message = self.peer(tunnel, peer);
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(message));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
        let mut handle = self.0.clone();
        let mut answers = pin!(handle.request(request).map_err(|error| failed(&tunnel.name, &error))?);
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(failed(&tunnel.name, &Error::NetlinkError(error)));
            }
        }
        Ok(())
    }

    /// Lets the tunnel send to this peer no more.
    pub(super) async fn remove_peer(&self, tunnel: &Link, peer: IpAddr) -> Result<(), Refusal> {
        let removed = self.0.neighbours().del(self.peer(tunnel, peer)).execute().await;
        removed.map_err(|error| failed(&tunnel.name, &error))
    }

    fn peer(&self, tunnel: &Link, peer: IpAddr) -> NeighbourMessage {
        let request = self.0.neighbours().add_bridge(tunnel.index, &[0; 6]);
        let mut request = request.flags(NeighbourFlags::Own).destination(peer);
        request.message_mut().clone()
    }
}

/// The library leaves addresses in a bridge's list as bytes.
fn ip(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(address) => Some((*address).into()),
        NeighbourAddress::Inet6(address) => Some((*address).into()),
        NeighbourAddress::Other(bytes) => match bytes.len() {
            4 => Some(<[u8; 4]>::try_from(bytes.as_slice()).ok()?.into()),
            _ => Some(<[u8; 16]>::try_from(bytes.as_slice()).ok()?.into()),
        },
        _ => None,
    }
}

async fn all<T>(stream: impl Stream<Item = Result<T, Error>>) -> Result<Vec<T>, Refusal> {
    let mut stream = pin!(stream);
    let mut found = Vec::new();
    while let Some(item) = stream.next().await {
        found.push(item.map_err(|error| failed("the kernel's list", &error))?);
    }
    Ok(found)
}

fn link(message: LinkMessage) -> Link {
    let up = message.header.flags.contains(LinkFlags::Up);
    let (index, name, alias) = (message.header.index, String::new(), None);
    let mut link = Link { index, name, alias, mtu: 0, controller: None, up, kind: Kind::Other };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.controller = Some(index).filter(|index| *index > 0),
            LinkAttribute::LinkInfo(infos) => link.kind = kind(&infos),
            _ => {}
        }
    }
    link
}

fn kind(infos: &[LinkInfo]) -> Kind {
    let word = infos.iter().find_map(|info| if let LinkInfo::Kind(kind) = info { Some(kind) } else { None });
    match word {
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::Tun) => Kind::Tap,
        Some(InfoKind::Vxlan) => {
            let (mut vni, mut local, mut port) = (0, None, 0);
            let data = infos.iter().find_map(|info| match info {
                LinkInfo::Data(InfoData::Vxlan(data)) => Some(data.as_slice()),
                _ => None,
            });
            for setting in data.unwrap_or_default() {
                match setting {
                    InfoVxlan::Id(id) => vni = *id,
                    InfoVxlan::Local(address) => local = Some(*address),
                    InfoVxlan::Port(number) => port = *number,
                    _ => {}
                }
            }
            Kind::Tunnel { vni, local, port }
        }
        Some(_) | None => Kind::Other,
    }
}

fn failed(what: &str, error: &Error) -> Refusal {
    match error {
        Error::NetlinkError(message) => driver_failed(&format!("{what}: {}", message.to_io())),
        other => driver_failed(&format!("{what}: {other}")),
    }
}
