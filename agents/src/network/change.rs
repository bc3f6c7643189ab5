//! The sub-changes of a port: what each is called, and how it is made.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use windlass_sagas::ids::{NetworkId, PortId};
use windlass_sagas::record::Refusal;

use super::dhcp::{Plan, Server};
use super::links::Link;
use super::record::Record;
use super::rules::{SERVER, Tables};
use super::{Inner, flows, nft, record, settings};

/// One sub-change.
pub(super) enum Change {
    Record(Record),
    AddBridge { name: String, mac: [u8; 6], mtu: u16 },
    AddTunnel { name: String, vni: u32, mtu: u16 },
    AddTap { name: String },
    Tag { link: Link, tag: String },
    PutUp { link: Link, tag: String, mtu: u16, bridge: Option<u32> },
    Address { link: Link },
    Peers(Peers),
    Rules(Tables),
    Serve { network: NetworkId, plan: Plan },
    Reserve(Record),
    Forget { record: Record, others: Option<Plan> },
    Release { link: Link },
    Cut { zone: u16, address: Ipv4Addr },
    RemoveServer { network: NetworkId },
    RemoveLink { link: Link },
    RemoveRecord { port: PortId },
}

/// What must change about where a tunnel sends.
pub(super) struct Peers {
    pub(super) tunnel: Link,
    pub(super) add: BTreeSet<IpAddr>,
    pub(super) remove: BTreeSet<IpAddr>,
}

impl Change {
    /// Its name, for logs.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::AddBridge { .. } => "bridge",
            Self::AddTunnel { .. } => "tunnel",
            Self::AddTap { .. } => "tap",
            Self::Tag { .. } => "tag",
            Self::PutUp { .. } => "link up",
            Self::Address { .. } => "server address",
            Self::Peers(_) => "peers",
            Self::Rules(_) => "rules",
            Self::Serve { .. } => "DHCP server",
            Self::Reserve(_) => "reservation",
            Self::Forget { .. } => "no reservation",
            Self::Release { .. } => "link down",
            Self::Cut { .. } => "no connections",
            Self::RemoveServer { .. } => "no DHCP server",
            Self::RemoveLink { .. } => "no link",
            Self::RemoveRecord { .. } => "no record",
        }
    }
}

impl Inner {
    /// Makes one sub-change.
    pub(super) async fn make(&self, change: Change) -> Result<(), Refusal> {
        let (run, netlink) = (&self.host.run, &self.netlink);
        match change {
            Change::Record(record) => record::write(run, &record),
            Change::AddBridge { name, mac, mtu } => netlink.add_bridge(&name, mac, mtu).await,
            Change::AddTunnel { name, vni, mtu } => netlink.add_tunnel(&name, vni, self.local, mtu).await,
            Change::AddTap { name } => netlink.add_tap(&name).await,
            Change::Tag { link, tag } => {
                settings::make_quiet(&link.name)?;
                netlink.tag(&link, &tag).await
            }
            Change::PutUp { link, tag, mtu, bridge } => {
                settings::make_quiet(&link.name)?;
                netlink.put_up(&link, &tag, mtu, bridge).await
            }
            Change::Address { link } => netlink.add_address(&link, SERVER).await,
            Change::Peers(peers) => self.set_peers(&peers).await,
            Change::Rules(tables) => nft::load(&tables).await,
            Change::Serve { network, plan } => Server::of(run, network).serve(&plan).await,
            Change::Reserve(record) => Server::of(run, record.setup.network).reserve(&record),
            Change::Forget { record, others } => {
                Server::of(run, record.setup.network).forget(&record, others.as_ref()).await
            }
            Change::Release { link } => netlink.release(&link).await,
            Change::Cut { zone, address } => flows::cut(zone, address).await,
            Change::RemoveServer { network } => Server::of(run, network).remove().await,
            Change::RemoveLink { link } => netlink.remove(&link).await,
            Change::RemoveRecord { port } => record::remove(run, port),
        }
    }

    pub(super) async fn set_peers(&self, peers: &Peers) -> Result<(), Refusal> {
        for peer in &peers.add {
            self.netlink.add_peer(&peers.tunnel, *peer).await?;
        }
        for peer in &peers.remove {
            self.netlink.remove_peer(&peers.tunnel, *peer).await?;
        }
        Ok(())
    }
}
