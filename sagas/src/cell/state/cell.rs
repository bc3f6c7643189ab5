//! The cell as a whole: its maps, its settings, and what is derived from them to make decisions cheap.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::*;
use crate::ids::*;
use crate::limits::{self, RESTORES_AT_ONCE};
use crate::record::{Amounts, LedgerId, ServerSpec};

/// The layout of stored images of this build; raise it with every change of what is stored of this folder's types (what
/// follows from other rows is not).
pub const IMAGE_FORMAT: u16 = 5;

/// What an operator sets for the whole cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How long request ids are remembered, milliseconds of commit time (R1).
    pub request_memory_ms: u64,
    /// How long a released address rests, milliseconds of commit time (L2).
    pub address_rest_ms: u64,
    /// Virtual CPUs claimed for each that a host has, in hundredths.
    pub vcpu_overcommit_percent: u64,
    /// What a project may hold when its request names nothing.
    pub default_quota: Amounts,
    /// MTU inside the tunnel when a request names none, bytes: 1500 less VXLAN's 50.
    pub default_mtu: u16,
    /// Whether guests are packed on few hosts instead of spread over many.
    pub pack: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_memory_ms: limits::REQUEST_MEMORY_MS,
            address_rest_ms: limits::ADDRESS_REST_MS,
            vcpu_overcommit_percent: 400,
            default_quota: Amounts {
                servers: 100,
                vcpus: 400,
                ram_mib: 1024 * 1024,
                volumes: 200,
                gib: 10_000,
                networks: 20,
                ports: 400,
            },
            default_mtu: 1450,
            pack: false,
        }
    }
}

/// The state of a cell up to a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its id; zero before genesis.
    pub id: CellId,
    /// Its name.
    pub name: String,
    /// The format level that commits are written at.
    pub level: u16,
    /// The last applied commit's position.
    pub position: Position,
    /// Its time.
    pub time: Time,
    /// The current term.
    pub term: Term,
    /// The build of the leader.
    pub leader_build: String,
    /// What an operator set.
    pub settings: Settings,
    /// Projects.
    pub projects: BTreeMap<ProjectId, Project>,
    /// Principals.
    pub principals: BTreeMap<PrincipalId, PrincipalState>,
    /// Credentials.
    pub credentials: BTreeMap<CredentialId, Credential>,
    /// The same by the hash of the secret, by which a call is known.
    pub credentials_by_secret: BTreeSet<(Hash, CredentialId)>,
    /// Join tokens that are open.
    pub join_tokens: BTreeMap<JoinTokenId, JoinToken>,
    /// Hosts.
    pub hosts: BTreeMap<HostId, Host>,
    /// Flavors.
    pub flavors: BTreeMap<FlavorId, Flavor>,
    /// Images.
    pub images: BTreeMap<ImageId, Image>,
    /// Key pairs.
    pub key_pairs: BTreeMap<KeyPairId, KeyPair>,
    /// Networks.
    pub networks: BTreeMap<NetworkId, Network>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetId, Subnet>,
    /// Security groups.
    pub security_groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    /// Ports.
    pub ports: BTreeMap<PortId, Port>,
    /// Volumes.
    pub volumes: BTreeMap<VolumeId, Volume>,
    /// Servers.
    pub servers: BTreeMap<ServerId, Server>,
    /// Sagas that are not terminal.
    pub sagas: BTreeMap<SagaId, Saga>,
    /// Requests within the memory.
    pub requests: Requests,
    /// Names in use: (project or zero, noun, name) → id bytes.
    pub names: BTreeMap<(ProjectId, String, String), [u8; 16]>,
    /// First dispatch positions of steps whose sagas are open, by ledger: the low water.
    pub open_dispatches: BTreeMap<LedgerId, BTreeSet<(Position, SagaId, StepIndex)>>,
    /// Servers whose guests are being made, by host.
    pub building: BTreeSet<(HostId, ServerId)>,
    /// Servers whose guests are to be made again, by host.
    pub lost_servers: BTreeSet<(HostId, ServerId)>,
    /// Ports by the host that they are on: what a host's view is made of.
    pub ports_on: BTreeSet<(HostId, PortId)>,
    /// Ports by the security groups that they are in.
    pub ports_in: BTreeSet<(SecurityGroupId, PortId)>,
    /// Security groups by those that their rules name: (named, naming).
    pub groups_naming: BTreeSet<(SecurityGroupId, SecurityGroupId)>,
    /// Faults that somebody armed, and those whose lease has ended since.
    pub faults: BTreeMap<FaultId, Fault>,
    /// Where the search for a free VXLAN network identifier goes on.
    pub next_vni: u32,
}

/// What an index of pairs holds under a key, in order.
pub fn under<K: Copy + Ord, V: Copy + Ord + Default>(
    index: &BTreeSet<(K, V)>,
    key: K,
) -> impl Iterator<Item = V> + '_ {
    index.range((key, V::default())..).take_while(move |(of, _)| *of == key).map(|(_, value)| *value)
}

impl Cell {
    /// Before genesis.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The lowest first-dispatch position of any step of this ledger whose saga is open; with none, the next position.
    /// Safe to send only once `self.position` is durable.
    #[must_use]
    pub fn low_water(&self, ledger: LedgerId) -> Position {
        let lowest = self.open_dispatches.get(&ledger).and_then(BTreeSet::first);
        lowest.map_or(self.position.next(), |(position, _, _)| *position)
    }

    /// How many other guests may be booting on a server's host: those being made, and those being made again.
    #[must_use]
    pub fn boots_beside(&self, server: &ServerSpec) -> usize {
        let again = under(&self.lost_servers, server.host).take(RESTORES_AT_ONCE);
        under(&self.building, server.host).chain(again).filter(|other| *other != server.id).count()
    }

    /// The credential with this hash of its secret; whether it is in force is for the caller to see.
    #[must_use]
    pub fn credential_of(&self, secret_sha256: &Hash) -> Option<&Credential> {
        let id = under(&self.credentials_by_secret, *secret_sha256).next()?;
        self.credentials.get(&id)
    }

    /// The admitted ledgers.
    pub fn ledgers(&self) -> impl Iterator<Item = (LedgerId, Incarnation)> + '_ {
        self.hosts.values().flat_map(|host| {
            host.incarnations.iter().map(|(role, id)| (LedgerId { host: host.id, role: *role }, *id))
        })
    }
}
