//! The recorded shapes of resources: what the event that makes one says about it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::*;

recorded_enum! {
    /// What an agent does on a host; one ledger each.
    Role { Hypervisor = 1, Storage = 2, Network = 3 }
}

recorded_enum! {
    /// The format of an image's bytes.
    ImageFormat { Raw = 1, Qcow2 = 2 }
}

recorded_enum! {
    /// What proves that a guest runs, as its image declares.
    Evidence {
        /// A hello from inside over virtio-serial.
        Hello = 1,
        /// The first DHCP lease of its first port.
        Lease = 2,
        /// Only that the guest's process runs.
        Runs = 3,
    }
}

recorded_enum! {
    /// Who may see an image.
    Visibility { Private = 1, Public = 2 }
}

recorded_enum! {
    /// The direction of a security rule, seen from the guest.
    RuleDirection { Ingress = 1, Egress = 2 }
}

recorded_enum! {
    /// The protocol of a security rule.
    Protocol { Any = 0, Icmp = 1, Tcp = 6, Udp = 17 }
}

/// A MAC address (IEEE 802, 48 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IP prefix, its host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cidr {
    /// The network address.
    pub address: IpAddr,
    /// The prefix length, bits.
    pub prefix_bits: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// Any resource, as locks, causes and errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceRef {
    /// A server.
    Server(ServerId),
    /// A volume.
    Volume(VolumeId),
    /// A port.
    Port(PortId),
    /// A network.
    Network(NetworkId),
    /// A subnet.
    Subnet(SubnetId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A flavor.
    Flavor(FlavorId),
    /// An image.
    Image(ImageId),
    /// A key pair.
    KeyPair(KeyPairId),
    /// A project.
    Project(ProjectId),
    /// A host.
    Host(HostId),
    /// A saga.
    Saga(SagaId),
    /// A credential.
    Credential(CredentialId),
    /// A principal.
    Principal(PrincipalId),
    /// A join token.
    JoinToken(JoinTokenId),
    /// A fault that somebody armed.
    Fault(FaultId),
}

impl ResourceRef {
    /// The kind's word, as the API, the CLI and errors use it.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Server(_) => "server",
            Self::Volume(_) => "volume",
            Self::Port(_) => "port",
            Self::Network(_) => "network",
            Self::Subnet(_) => "subnet",
            Self::SecurityGroup(_) => "security group",
            Self::Flavor(_) => "flavor",
            Self::Image(_) => "image",
            Self::KeyPair(_) => "key pair",
            Self::Project(_) => "project",
            Self::Host(_) => "host",
            Self::Saga(_) => "operation",
            Self::Credential(_) => "credential",
            Self::Principal(_) => "principal",
            Self::JoinToken(_) => "join token",
            Self::Fault(_) => "fault",
        }
    }
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = match self {
            Self::Server(id) => id.0,
            Self::Volume(id) => id.0,
            Self::Port(id) => id.0,
            Self::Network(id) => id.0,
            Self::Subnet(id) => id.0,
            Self::SecurityGroup(id) => id.0,
            Self::Flavor(id) => id.0,
            Self::Image(id) => id.0,
            Self::KeyPair(id) => id.0,
            Self::Project(id) => id.0,
            Self::Host(id) => id.0,
            Self::Saga(id) => id.0,
            Self::Credential(id) => id.0,
            Self::Principal(id) => id.0,
            Self::JoinToken(id) => id.0,
            Self::Fault(id) => id.0,
        };
        write!(f, "{} {}", self.noun(), uuid::Uuid::from_bytes(id).hyphenated())
    }
}

/// The step that made a thing on a host: its key and the dispatch position that every call of that key carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Maker {
    /// The saga.
    pub saga: SagaId,
    /// Its step.
    pub step: StepIndex,
    /// The position of the commit that first dispatched the step.
    pub dispatched: Position,
}

/// How many of each thing a project may hold, or holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Servers.
    pub servers: u64,
    /// Virtual CPUs.
    pub vcpus: u64,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// Volumes.
    pub volumes: u64,
    /// Volume bytes, GiB.
    pub gib: u64,
    /// Networks.
    pub networks: u64,
    /// Ports.
    pub ports: u64,
}

/// What a host offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Virtual CPUs, before the cell's overcommit ratio.
    pub vcpus: u64,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// Storage, GiB.
    pub disk_gib: u64,
}

/// One rule of a security group; what no rule allows is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecurityRule {
    /// Seen from the guest.
    pub direction: RuleDirection,
    /// Which protocol.
    pub protocol: Protocol,
    /// First and last port, for TCP and UDP; `None` = all.
    pub ports: Option<(u16, u16)>,
    /// Who is at the other end.
    pub remote: Remote,
}

/// The other end of a security rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Remote {
    /// Anybody.
    Any,
    /// An address range.
    Range(Cidr),
    /// The ports of a security group.
    Group(SecurityGroupId),
}

/// One address of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FixedAddress {
    /// The subnet that it is of.
    pub subnet: SubnetId,
    /// The address.
    pub ip: IpAddr,
}

/// A port, as it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// Its id.
    pub id: PortId,
    /// Its project.
    pub project: ProjectId,
    /// Its name; empty for a server's own ports.
    pub name: String,
    /// Its network.
    pub network: NetworkId,
    /// Its MAC.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: Vec<FixedAddress>,
    /// Its security groups.
    pub groups: Vec<SecurityGroupId>,
    /// The server that it was made for and is deleted with; `None`: a port of its own.
    pub server: Option<ServerId>,
}

/// A volume, as it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Its id.
    pub id: VolumeId,
    /// Its project.
    pub project: ProjectId,
    /// Its name; empty for a server's own root volume.
    pub name: String,
    /// Its size, GiB.
    pub size_gib: u64,
    /// The image that its bytes come from.
    pub image: Option<ImageId>,
    /// The storage host that holds it.
    pub host: HostId,
    /// The server whose root it is, made and (unless kept) deleted with it.
    pub root_of: Option<ServerId>,
}

/// A server, as it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// Its id.
    pub id: ServerId,
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// The flavor that it was made from.
    pub flavor: FlavorId,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// The image of its root.
    pub image: ImageId,
    /// The hypervisor that it was placed on.
    pub host: HostId,
    /// Its root volume.
    pub root: VolumeId,
    /// Whether the root volume outlives the server.
    pub keep_root: bool,
    /// Its ports, in the guest's order.
    pub ports: Vec<PortId>,
    /// Its key pair.
    pub key_pair: Option<KeyPairId>,
    /// The blob with its user data.
    pub user_data: Option<Hash>,
    /// Metadata given to the guest.
    pub metadata: Vec<(String, String)>,
    /// What proves that it runs.
    pub evidence: Evidence,
}

/// Where an agent exports a volume; the hypervisor dials it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// A host name or address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// One attachment, as the terminal commit of its saga records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentSpec {
    /// Its id, from which the guest's device is named.
    pub id: AttachmentId,
    /// The volume.
    pub volume: VolumeId,
    /// The server.
    pub server: ServerId,
    /// The device's place in the guest, 0 = root.
    pub device: u8,
    /// Where the volume is exported to the server's host.
    pub export: Endpoint,
    /// The step that opened the export.
    pub exported_by: Maker,
    /// The step that plugged it into the guest (the root's: the boot).
    pub plugged_by: Maker,
}
