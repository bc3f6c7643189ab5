//! Bodies of the events of resources, access and hosts: what happened, with all that `apply` needs and no more.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::order::{AccessRole, Scope};
use super::resource::*;
use crate::ids::*;

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type),* }
    )*};
}

bodies! {
    /// A server runs.
    ServerActivated {
        /// Which.
        server: ServerId,
        /// The step that booted it.
        booted_by: Maker,
    }
    /// A server's create was undone.
    ServerFailed {
        /// Which.
        server: ServerId,
        /// The reason that a user may read.
        reason: String,
    }
    /// A volume's bytes exist.
    VolumeReady {
        /// Which.
        volume: VolumeId,
        /// The step that made them.
        made_by: Maker,
    }
    /// A volume's create was undone.
    VolumeFailed {
        /// Which.
        volume: VolumeId,
        /// The reason that a user may read.
        reason: String,
    }
    /// A volume is detached.
    VolumeDetached {
        /// Which.
        volume: VolumeId,
        /// From what.
        attachment: AttachmentId,
    }
    /// A port was given to a server on a host.
    PortBound {
        /// Which.
        port: PortId,
        /// To whom.
        server: ServerId,
        /// Where.
        host: HostId,
    }
    /// A port is ready.
    PortReady {
        /// Which.
        port: PortId,
        /// The step that prepared it.
        prepared_by: Maker,
    }
    /// A network was made.
    NetworkCreated {
        /// Its id.
        id: NetworkId,
        /// Its project.
        project: ProjectId,
        /// Its name.
        name: String,
        /// VXLAN network identifier.
        vni: u32,
        /// MTU inside the tunnel, bytes.
        mtu: u16,
    }
    /// A subnet was made.
    SubnetCreated {
        /// Its id.
        id: SubnetId,
        /// Its project.
        project: ProjectId,
        /// Its name.
        name: String,
        /// Its network.
        network: NetworkId,
        /// Its range.
        cidr: Cidr,
        /// Its gateway.
        gateway: Option<core::net::IpAddr>,
        /// First and last address of each pool.
        pools: Vec<(core::net::IpAddr, core::net::IpAddr)>,
        /// Name servers.
        dns: Vec<core::net::IpAddr>,
        /// Whether DHCP answers.
        dhcp: bool,
    }
    /// A security group was made.
    SecurityGroupCreated {
        /// Its id.
        id: SecurityGroupId,
        /// Its project.
        project: ProjectId,
        /// Its name.
        name: String,
        /// Its rules.
        rules: Vec<SecurityRule>,
    }
    /// A security group's rules were replaced.
    SecurityRulesSet {
        /// Which.
        group: SecurityGroupId,
        /// From now on.
        rules: Vec<SecurityRule>,
    }
    /// A flavor was made.
    FlavorCreated {
        /// Its id.
        id: FlavorId,
        /// Its name.
        name: String,
        /// Virtual CPUs.
        vcpus: u32,
        /// Memory, MiB.
        ram_mib: u64,
        /// The root's size, GiB.
        root_gib: u64,
        /// Traits that a host must have.
        traits: Vec<String>,
    }
    /// An image was registered.
    ImageRegistered {
        /// Its id.
        id: ImageId,
        /// Its project.
        project: ProjectId,
        /// Its name.
        name: String,
        /// SHA-256 of its bytes.
        sha256: Hash,
        /// Its size, bytes.
        size_bytes: u64,
        /// Its format.
        format: ImageFormat,
        /// The smallest root that it fits, GiB.
        min_disk_gib: u64,
        /// The least memory that it runs in, MiB.
        min_ram_mib: u64,
        /// What proves that a guest of it runs.
        evidence: Evidence,
        /// Who may see it.
        visibility: Visibility,
    }
    /// What guests of an image boot with was set, in place of what was set before.
    ImageBootSet {
        /// Which.
        image: ImageId,
        /// The image that is the kernel.
        kernel: ImageId,
        /// SHA-256 of the kernel's bytes.
        kernel_sha256: Hash,
        /// The image that is the initial RAM disk, and SHA-256 of its bytes.
        initrd: Option<(ImageId, Hash)>,
        /// The kernel's command line.
        cmdline: String,
    }
    /// A public key was registered.
    KeyPairCreated {
        /// Its id.
        id: KeyPairId,
        /// Its project.
        project: ProjectId,
        /// Its name.
        name: String,
        /// The public half.
        public_key: String,
    }
    /// A project was made.
    ProjectCreated {
        /// Its id.
        id: ProjectId,
        /// Its name.
        name: String,
        /// What it may hold.
        quota: Amounts,
        /// Its default security group, made with it.
        default_group: SecurityGroupId,
    }
    /// A quota was set.
    QuotaSet {
        /// Whose.
        project: ProjectId,
        /// What it may hold.
        quota: Amounts,
    }
    /// A principal was made.
    PrincipalCreated {
        /// Its id.
        id: PrincipalId,
        /// Its name.
        name: String,
    }
    /// A credential was recorded.
    CredentialCreated {
        /// Its id.
        id: CredentialId,
        /// Whose.
        principal: PrincipalId,
        /// What it is for.
        name: String,
        /// SHA-256 of its secret.
        secret_sha256: Hash,
        /// When it ends.
        expires: Option<Time>,
    }
    /// A role was granted.
    RoleGranted {
        /// To whom.
        principal: PrincipalId,
        /// Which.
        role: AccessRole,
        /// Where.
        scope: Scope,
    }
    /// A role was revoked.
    RoleRevoked {
        /// From whom.
        principal: PrincipalId,
        /// Which.
        role: AccessRole,
        /// Where.
        scope: Scope,
    }
    /// A join token was recorded.
    JoinTokenCreated {
        /// Its id.
        id: JoinTokenId,
        /// The name that the host will have.
        host: String,
        /// The roles that it may take.
        roles: Vec<Role>,
        /// The zone that it is in.
        zone: String,
        /// SHA-256 of its secret.
        secret_sha256: Hash,
        /// When it ends.
        expires: Time,
    }
    /// A host joined.
    HostJoined {
        /// Its id.
        id: HostId,
        /// Its name.
        name: String,
        /// Its roles.
        roles: Vec<Role>,
        /// Its zone.
        zone: String,
        /// Where other hosts reach it.
        address: Option<core::net::IpAddr>,
        /// SHA-256 of the certificate request that was signed: it holds the host's public key.
        certificate_sha256: Hash,
    }
    /// A host is up, with what it offers now.
    HostUp {
        /// Which.
        host: HostId,
        /// The current start of its kernel.
        boot: BootId,
        /// What it offers.
        capacity: Capacity,
        /// What it can do.
        traits: Vec<String>,
    }
    /// A host's drain began or ended.
    HostDraining {
        /// Which.
        host: HostId,
        /// Whether it drains from now on.
        draining: bool,
    }
    /// A host was declared gone.
    HostGone {
        /// Which.
        host: HostId,
        /// Why.
        reason: String,
    }
    /// A ledger's incarnation may be named in calls.
    IncarnationAdmitted {
        /// The host.
        host: HostId,
        /// The role.
        role: Role,
        /// The ledger's id.
        incarnation: Incarnation,
    }
    /// An inventory showed orphans or losses.
    InventoryDiffers {
        /// The host.
        host: HostId,
        /// The role.
        role: Role,
        /// What the fold does not know.
        orphans: Vec<ResourceRef>,
        /// What the host lacks.
        losses: Vec<ResourceRef>,
    }
    /// A quarantined resource is free again.
    ResourceAdopted {
        /// Which.
        resource: ResourceRef,
        /// The operator's reason.
        reason: String,
    }
    /// A quarantined resource was affirmed to be gone.
    ResourceDiscarded {
        /// Which.
        resource: ResourceRef,
        /// The operator's reason.
        reason: String,
    }
}

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $type:ty })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// Which.
            pub $field: $type,
        }
    )*};
}

named! {
    /// A server is no more.
    ServerDeleted { server: ServerId }
    /// A server has no guest and gets none by itself: SHUTOFF.
    ServerStopped { server: ServerId }
    /// A volume is no more.
    VolumeDeleted { volume: VolumeId }
    /// A port is free of its server.
    PortUnbound { port: PortId }
    /// A port is no more; its addresses rest.
    PortDeleted { port: PortId }
    /// A network is no more.
    NetworkDeleted { network: NetworkId }
    /// A subnet is no more.
    SubnetDeleted { subnet: SubnetId }
    /// A security group is no more.
    SecurityGroupDeleted { group: SecurityGroupId }
    /// A flavor is no more.
    FlavorDeleted { flavor: FlavorId }
    /// An image is no more.
    ImageDeleted { image: ImageId }
    /// A key pair is no more.
    KeyPairDeleted { key_pair: KeyPairId }
    /// A project is no more.
    ProjectDeleted { project: ProjectId }
    /// A principal is no more.
    PrincipalDeleted { principal: PrincipalId }
    /// A credential was revoked.
    CredentialRevoked { credential: CredentialId }
    /// A join token was revoked or used.
    JoinTokenEnded { token: JoinTokenId }
    /// A host is silent.
    HostDown { host: HostId }
    /// A host's kernel started anew.
    HostRebooted { host: HostId }
    /// A gone host is powered off.
    HostOff { host: HostId }
    /// A gone host may come back.
    HostRejoined { host: HostId }
}
