//! What a client may ask for: one body a mutating call, names as the client wrote them (`decide` resolves them).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cause::Principal;
use super::fault::{ArmFault, DisarmFault};
use super::order::*;
use super::resource::*;
use crate::ids::*;

/// A mutating call (R1): who asks what, in which project, under which request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's id of this request.
    pub id: RequestId,
    /// The project that it is in; the cell's own (all zero) for what belongs to no project.
    pub project: ProjectId,
    /// Who asks.
    pub principal: Principal,
    /// What is asked.
    pub body: Body,
}

records! {
    /// The body of a request.
    Body {
        /// Make a server.
        CreateServer(CreateServer) = 100 v 1,
        /// Delete a server.
        DeleteServer(DeleteServer) = 101 v 1,
        /// Give a stopped server its guest again.
        StartServer(StartServer) = 102 v 1,
        /// Stop a server's guest.
        StopServer(StopServer) = 103 v 1,
        /// Stop a server's guest and give it another one.
        RebootServer(RebootServer) = 104 v 1,
        /// Make a volume.
        CreateVolume(CreateVolume) = 110 v 1,
        /// Delete a volume.
        DeleteVolume(DeleteVolume) = 111 v 1,
        /// Attach a volume.
        AttachVolume(AttachVolume) = 112 v 1,
        /// Detach a volume.
        DetachVolume(DetachVolume) = 113 v 1,
        /// Make a network.
        CreateNetwork(CreateNetwork) = 120 v 1,
        /// Delete a network.
        DeleteNetwork(DeleteNetwork) = 121 v 1,
        /// Make a subnet.
        CreateSubnet(CreateSubnet) = 122 v 1,
        /// Delete a subnet.
        DeleteSubnet(DeleteSubnet) = 123 v 1,
        /// Make a port.
        CreatePort(CreatePort) = 124 v 1,
        /// Delete a port.
        DeletePort(DeletePort) = 125 v 1,
        /// Make a security group.
        CreateSecurityGroup(CreateSecurityGroup) = 126 v 1,
        /// Delete a security group.
        DeleteSecurityGroup(DeleteSecurityGroup) = 127 v 1,
        /// Replace a security group's rules.
        SetSecurityRules(SetSecurityRules) = 128 v 1,
        /// Make a flavor.
        CreateFlavor(CreateFlavor) = 140 v 1,
        /// Delete a flavor.
        DeleteFlavor(DeleteFlavor) = 141 v 1,
        /// Register an image by hash and size.
        RegisterImage(RegisterImage) = 142 v 1,
        /// Delete an image.
        DeleteImage(DeleteImage) = 143 v 1,
        /// Register a public key.
        CreateKeyPair(CreateKeyPair) = 144 v 1,
        /// Delete a key pair.
        DeleteKeyPair(DeleteKeyPair) = 145 v 1,
        /// Say what guests of an image boot with.
        SetImageBoot(SetImageBoot) = 146 v 1,
        /// Make a project.
        CreateProject(CreateProject) = 160 v 1,
        /// Delete an empty project.
        DeleteProject(DeleteProject) = 161 v 1,
        /// Set a project's quota.
        SetQuota(SetQuota) = 162 v 1,
        /// Make a principal.
        CreatePrincipal(CreatePrincipal) = 163 v 1,
        /// Delete a principal with its credentials and roles.
        DeletePrincipal(DeletePrincipal) = 164 v 1,
        /// Record a credential's hash.
        CreateCredential(CreateCredential) = 165 v 1,
        /// Revoke a credential.
        RevokeCredential(RevokeCredential) = 166 v 1,
        /// Grant a role.
        GrantRole(GrantRole) = 167 v 1,
        /// Revoke a role.
        RevokeRole(RevokeRole) = 168 v 1,
        /// Record a join token's hash.
        CreateJoinToken(CreateJoinToken) = 180 v 1,
        /// Revoke a join token.
        RevokeJoinToken(RevokeJoinToken) = 181 v 1,
        /// Place nothing more on a host.
        DrainHost(DrainHost) = 182 v 1,
        /// Place on a host again.
        UndrainHost(UndrainHost) = 183 v 1,
        /// Declare a host gone.
        DeclareHostGone(DeclareHostGone) = 184 v 1,
        /// Affirm that a gone host is powered off.
        AffirmHostOff(AffirmHostOff) = 185 v 1,
        /// Let a wiped host come back.
        RejoinHost(RejoinHost) = 186 v 1,
        /// Join a host by a token.
        JoinHost(JoinHost) = 187 v 1,
        /// Turn a saga back.
        CancelSaga(CancelSaga) = 200 v 1,
        /// Try a stuck saga's failed steps again.
        RetrySaga(RetrySaga) = 201 v 1,
        /// Count a stuck step as resolved.
        SkipStep(SkipStep) = 202 v 1,
        /// Give a stuck saga up.
        AbandonSaga(AbandonSaga) = 203 v 1,
        /// Take a quarantined resource back as it is.
        AdoptResource(AdoptResource) = 204 v 1,
        /// Affirm that a quarantined resource is gone.
        DiscardResource(DiscardResource) = 205 v 1,
        /// Arm a fault.
        ArmFault(ArmFault) = 220 v 1,
        /// Disarm a fault, or all of them.
        DisarmFault(DisarmFault) = 221 v 1,
    }
}

/// Make a server: `server.create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateServer {
    /// Unique in its project, 1 to `NAME_BYTES_MAX` bytes.
    pub name: String,
    /// A flavor's name or id.
    pub flavor: String,
    /// An image's name or id.
    pub image: String,
    /// What it is plugged into, in the guest's order.
    pub nics: Vec<Nic>,
    /// Volumes to attach, by name or id.
    pub volumes: Vec<String>,
    /// A key pair's name or id.
    pub key_pair: Option<String>,
    /// The blob with its user data.
    pub user_data: Option<Hash>,
    /// Metadata for the guest.
    pub metadata: Vec<(String, String)>,
    /// The root's size, GiB; `None`: the flavor's.
    pub root_gib: Option<u64>,
    /// Whether the root volume outlives the server.
    pub keep_root: bool,
    /// Where it may be placed.
    pub placement: PlacementHints,
}

/// One interface of a new server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nic {
    /// A new port on this network (name or id), with this address where given, in these groups (none: the default).
    Network {
        /// The network's name or id.
        network: String,
        /// The wanted address.
        ip: Option<IpAddr>,
        /// Security groups by name or id.
        groups: Vec<String>,
    },
    /// A port that exists, by name or id.
    Port(String),
}

/// Where a server may be placed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementHints {
    /// Only in this zone.
    pub zone: Option<String>,
    /// Only on this host, by name (operators).
    pub host: Option<String>,
    /// Only on the host of one of these servers (name or id).
    pub same_host_as: Vec<String>,
    /// Not on the host of any of these servers.
    pub different_host_from: Vec<String>,
    /// Only on hosts with these traits.
    pub traits: Vec<String>,
}

/// Make a volume: `volume.create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateVolume {
    /// Unique in its project.
    pub name: String,
    /// GiB, 1 to `VOLUME_GIB_MAX`.
    pub size_gib: u64,
    /// An image's name or id; `None`: blank.
    pub image: Option<String>,
    /// Only in this zone.
    pub zone: Option<String>,
}

/// Attach a volume to a server: `volume.attach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachVolume {
    /// Name or id.
    pub volume: String,
    /// Name or id.
    pub server: String,
}

/// Stop a server's guest: `server.stop`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopServer {
    /// Name or id.
    pub server: String,
    /// How long the guest may take to power down, milliseconds, at most `GUEST_GRACE_MS_MAX`; 0: off at once.
    pub grace_ms: u32,
}

/// Stop a server's guest and give it another one: `server.reboot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebootServer {
    /// Name or id.
    pub server: String,
    /// How long the guest may take to power down, milliseconds, at most `GUEST_GRACE_MS_MAX`; 0: off at once.
    pub grace_ms: u32,
}

/// Make a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateNetwork {
    /// Unique in its project.
    pub name: String,
    /// MTU inside the tunnel, bytes; `None`: the cell's default.
    pub mtu: Option<u16>,
}

/// Make a subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSubnet {
    /// Unique in its project.
    pub name: String,
    /// Name or id.
    pub network: String,
    /// The range.
    pub cidr: Cidr,
    /// `None`: the first usable address.
    pub gateway: Option<IpAddr>,
    /// First and last address of each pool; empty: all usable ones but the gateway.
    pub pools: Vec<(IpAddr, IpAddr)>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Whether DHCP answers.
    pub dhcp: bool,
}

/// Make a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePort {
    /// Unique in its project.
    pub name: String,
    /// Name or id.
    pub network: String,
    /// Wanted addresses; empty: one of the network's first subnet with room.
    pub ips: Vec<IpAddr>,
    /// A wanted MAC.
    pub mac: Option<Mac>,
    /// Security groups by name or id; empty: the project's default.
    pub groups: Vec<String>,
}

/// Make a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSecurityGroup {
    /// Unique in its project.
    pub name: String,
    /// Its rules.
    pub rules: Vec<RuleAsked>,
}

/// Replace a security group's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSecurityRules {
    /// Name or id.
    pub group: String,
    /// The rules from now on.
    pub rules: Vec<RuleAsked>,
}

/// A security rule as a client writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleAsked {
    /// Seen from the guest.
    pub direction: RuleDirection,
    /// Which protocol.
    pub protocol: Protocol,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
    /// Only this range.
    pub remote: Option<Cidr>,
    /// Only this group's ports (name or id; "self" for the group itself).
    pub remote_group: Option<String>,
}

/// Make a flavor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateFlavor {
    /// Unique in the cell.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub ram_mib: u64,
    /// The root's size, GiB.
    pub root_gib: u64,
    /// Traits that a host must have.
    pub traits: Vec<String>,
}

/// Register an image by hash and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterImage {
    /// Unique in its project, and among the public ones.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its format.
    pub format: ImageFormat,
    /// The smallest root that it fits, GiB.
    pub min_disk_gib: u64,
    /// The least memory that it runs in, MiB.
    pub min_ram_mib: u64,
    /// What proves that a guest of it runs.
    pub evidence: Evidence,
    /// Who may see it.
    pub visibility: Visibility,
}

/// Say what guests of an image boot with, instead of their disk's own loader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetImageBoot {
    /// Name or id of the image; no server may use it.
    pub image: String,
    /// Name or id of the image that is the kernel; raw.
    pub kernel: String,
    /// Name or id of the image that is the initial RAM disk; raw.
    pub initrd: Option<String>,
    /// The kernel's command line.
    pub cmdline: String,
}

/// Register a public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateKeyPair {
    /// Unique in its project.
    pub name: String,
    /// The public half, one line as in OpenSSH's authorized_keys.
    pub public_key: String,
}

macro_rules! by_name {
    ($($(#[$doc:meta])* $name:ident { $field:ident })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// Name or id.
            pub $field: String,
        }
    )*};
}

by_name! {
    /// Delete a server: `server.delete`.
    DeleteServer { server }
    /// Give a stopped server its guest again: `server.start`.
    StartServer { server }
    /// Delete a volume: `volume.delete`.
    DeleteVolume { volume }
    /// Detach a volume from its server: `volume.detach`.
    DetachVolume { volume }
    /// Delete a network without ports.
    DeleteNetwork { network }
    /// Delete a subnet without addresses in use.
    DeleteSubnet { subnet }
    /// Delete a port that no server uses.
    DeletePort { port }
    /// Delete a security group that nothing uses.
    DeleteSecurityGroup { group }
    /// Delete a flavor; servers keep what they were made from.
    DeleteFlavor { flavor }
    /// Delete an image; volumes keep their bytes.
    DeleteImage { image }
    /// Delete a key pair; guests keep it.
    DeleteKeyPair { key_pair }
}

impl Request {
    /// The first eight bytes of the hash of the client's own fields: by it the same request is told from another one
    /// under the same id.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let body = self.body.encode_body(alloc::vec::Vec::new()).unwrap_or_default();
        let mut hasher = Sha256::new_with_prefix(b"windlass request 1\0");
        hasher.update(self.body.kind().to_be_bytes());
        hasher.update(&body);
        let hash: [u8; 32] = hasher.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}
