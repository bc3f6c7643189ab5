//! What the events of servers, volumes, ports, networks and the catalogue say.

use windlass_sagas::ids::ProjectId;
use windlass_sagas::record::*;

use super::event::Told;
use crate::api::names;

/// `None`: another family's event.
pub(super) fn told(event: &Event, project: ProjectId) -> Option<Told> {
    servers_and_volumes(event, project).or_else(|| networks(event, project)).or_else(|| catalogue(event))
}

fn servers_and_volumes(event: &Event, project: ProjectId) -> Option<Told> {
    Some(match event {
        Event::ServerClaimed(e) => Told::new("server.claimed", format!("server {} is claimed", e.name))
            .of(ResourceRef::Server(e.id))
            .on(e.host)
            .makes(&e.name)
            .with("vcpus", e.vcpus)
            .with("ram_mib", e.ram_mib)
            .with("flavor", names::of(ResourceRef::Flavor(e.flavor), project))
            .with("image", names::of(ResourceRef::Image(e.image), project)),
        Event::ServerActivated(e) => {
            Told::new("server.activated", "the server is ACTIVE").of(ResourceRef::Server(e.server))
        }
        Event::ServerFailed(e) => Told::new("server.failed", format!("the server is in ERROR: {}", e.reason))
            .of(ResourceRef::Server(e.server))
            .with("reason", &e.reason),
        Event::ServerDeleted(e) => {
            Told::new("server.deleted", "the server is no more").of(ResourceRef::Server(e.server)).removes()
        }
        Event::ServerStopped(e) => {
            Told::new("server.stopped", "the server has no guest").of(ResourceRef::Server(e.server))
        }
        Event::VolumeClaimed(e) => {
            let what = if e.root_of.is_some() { "a root volume" } else { "a volume" };
            Told::new("volume.claimed", format!("{what} of {} GiB is claimed", e.size_gib))
                .of(ResourceRef::Volume(e.id))
                .on(e.host)
                .makes(&e.name)
                .with("size_gib", e.size_gib)
        }
        Event::VolumeReady(e) => {
            Told::new("volume.ready", "the volume's bytes are there").of(ResourceRef::Volume(e.volume))
        }
        Event::VolumeFailed(e) => Told::new("volume.failed", format!("the volume is in error: {}", e.reason))
            .of(ResourceRef::Volume(e.volume))
            .with("reason", &e.reason),
        Event::VolumeAttached(e) => Told::new("volume.attached", "the volume is in the guest")
            .of(ResourceRef::Volume(e.volume))
            .with("server", names::of(ResourceRef::Server(e.server), project))
            .with("device_index", e.device)
            .with("export", format!("{}:{}", e.export.host, e.export.port)),
        Event::VolumeDetached(e) => Told::new("volume.detached", "the volume is free of the guest")
            .of(ResourceRef::Volume(e.volume))
            .with("attachment", e.attachment),
        Event::VolumeDeleted(e) => {
            Told::new("volume.deleted", "the volume is no more").of(ResourceRef::Volume(e.volume)).removes()
        }
        // The other families' events.
        _ => return None,
    })
}

fn networks(event: &Event, project: ProjectId) -> Option<Told> {
    Some(match event {
        Event::PortClaimed(e) => {
            let addresses: Vec<String> = e.addresses.iter().map(|address| address.ip.to_string()).collect();
            Told::new("port.claimed", format!("a port with {} is claimed", addresses.join(", ")))
                .of(ResourceRef::Port(e.id))
                .makes(&e.name)
                .with("mac_address", e.mac)
                .with("ip_addresses", addresses.join(" "))
                .with("network", names::of(ResourceRef::Network(e.network), project))
        }
        Event::PortBound(e) => Told::new("port.bound", "the port is given to the server")
            .of(ResourceRef::Port(e.port))
            .on(e.host)
            .changes()
            .with("server", names::of(ResourceRef::Server(e.server), project)),
        Event::PortReady(e) => Told::new("port.ready", "the port is ready").of(ResourceRef::Port(e.port)),
        Event::PortUnbound(e) => {
            Told::new("port.unbound", "the port is free of its server").of(ResourceRef::Port(e.port))
        }
        Event::PortDeleted(e) => Told::new("port.deleted", "the port is no more; its addresses rest")
            .of(ResourceRef::Port(e.port))
            .removes(),
        Event::NetworkCreated(e) => Told::new("network.created", format!("network {} is made", e.name))
            .of(ResourceRef::Network(e.id))
            .makes(&e.name)
            .with("mtu", e.mtu),
        Event::NetworkDeleted(e) => Told::new("network.deleted", "the network is no more")
            .of(ResourceRef::Network(e.network))
            .removes(),
        Event::SubnetCreated(e) => Told::new("subnet.created", format!("subnet {} is made", e.name))
            .of(ResourceRef::Subnet(e.id))
            .makes(&e.name)
            .with("cidr", e.cidr)
            .with("network", names::of(ResourceRef::Network(e.network), project)),
        Event::SubnetDeleted(e) => {
            Told::new("subnet.deleted", "the subnet is no more").of(ResourceRef::Subnet(e.subnet)).removes()
        }
        Event::SecurityGroupCreated(e) => {
            Told::new("security_group.created", format!("security group {} is made", e.name))
                .of(ResourceRef::SecurityGroup(e.id))
                .makes(&e.name)
                .with("rules", e.rules.len())
        }
        Event::SecurityRulesSet(e) => Told::new("security_group.rules_set", "its rules are replaced")
            .of(ResourceRef::SecurityGroup(e.group))
            .changes()
            .with("rules", e.rules.len()),
        Event::SecurityGroupDeleted(e) => {
            Told::new("security_group.deleted", "the security group is no more")
                .of(ResourceRef::SecurityGroup(e.group))
                .removes()
        }
        // The other families' events.
        _ => return None,
    })
}

fn catalogue(event: &Event) -> Option<Told> {
    Some(match event {
        Event::FlavorCreated(e) => Told::new("flavor.created", format!("flavor {} is made", e.name))
            .of(ResourceRef::Flavor(e.id))
            .makes(&e.name)
            .with("vcpus", e.vcpus)
            .with("ram_mib", e.ram_mib)
            .with("root_gib", e.root_gib),
        Event::FlavorDeleted(e) => {
            Told::new("flavor.deleted", "the flavor is no more").of(ResourceRef::Flavor(e.flavor)).removes()
        }
        Event::ImageRegistered(e) => Told::new("image.registered", format!("image {} is registered", e.name))
            .of(ResourceRef::Image(e.id))
            .makes(&e.name)
            .with("sha256", e.sha256)
            .with("size_bytes", e.size_bytes),
        Event::ImageDeleted(e) => {
            Told::new("image.deleted", "the image is no more").of(ResourceRef::Image(e.image)).removes()
        }
        Event::ImageBootSet(e) => {
            Told::new("image.boot_set", "guests of the image boot from a kernel of their own")
                .of(ResourceRef::Image(e.image))
                .with("kernel", e.kernel)
                .with("cmdline", &e.cmdline)
        }
        Event::KeyPairCreated(e) => Told::new("key_pair.created", format!("key pair {} is made", e.name))
            .of(ResourceRef::KeyPair(e.id))
            .makes(&e.name),
        Event::KeyPairDeleted(e) => Told::new("key_pair.deleted", "the key pair is no more")
            .of(ResourceRef::KeyPair(e.key_pair))
            .removes(),
        // The other families' events.
        _ => return None,
    })
}
