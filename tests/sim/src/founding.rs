//! How a simulated cell begins: genesis, a project, hosts with admitted ledgers, a network, a flavor, an image; one
//! frame that every world of a topology starts from. Decided by the product's own rules, like everything behind it.

use windlass_sagas::cell::{Cell, decide};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::limits::EPOCH_US;

/// The administrator, who asks everything in a simulated cell.
pub(crate) const ADMIN: Principal = Principal::User(PrincipalId([9; 16]));
/// The cell of every world.
pub(crate) const CELL: CellId = CellId([1; 16]);

/// How many of what a world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topology {
    /// Orchestrators, 1 to `ORCHESTRATORS_MAX`.
    pub orchestrators: usize,
    /// Hosts that run guests.
    pub hypervisors: usize,
    /// Hosts that store volumes.
    pub storages: usize,
}

/// One host at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundHost {
    /// Its id.
    pub(crate) id: HostId,
    /// Its name.
    pub(crate) name: String,
    /// The start of its kernel.
    pub(crate) boot: BootId,
    /// Its ledgers' ids.
    pub(crate) ledgers: Vec<(Role, Incarnation)>,
}

/// A cell at its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Founding {
    /// How many of what.
    pub(crate) topology: Topology,
    /// The one frame.
    pub(crate) frame: Vec<u8>,
    /// The fold of it.
    pub(crate) cell: Cell,
    /// The tip behind it.
    pub(crate) tip: Tip,
    /// Its commits.
    pub(crate) commits: Vec<Commit>,
    /// The hosts, hypervisors first.
    pub(crate) hosts: Vec<FoundHost>,
    /// The project that everything is in.
    pub(crate) project: ProjectId,
}

/// What every host offers.
#[must_use]
pub(crate) const fn capacity() -> Capacity {
    Capacity { vcpus: 2, ram_mib: 4 * 1024, disk_gib: 60 }
}

/// The id of the `number`-th request made at `ms` milliseconds since 1970.
#[must_use]
pub(crate) fn request_id(ms: i64, number: u64) -> RequestId {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8..].copy_from_slice(&number.to_be_bytes());
    id[8] = 0x80;
    RequestId(id)
}

impl Founding {
    /// The beginning of a cell of this topology, at this format level.
    #[must_use]
    pub(crate) fn of(topology: Topology, level: u16) -> Self {
        let mut founder = Founder::new();
        founder.genesis(level);
        let project = founder.project();
        let mut hosts = Vec::new();
        for place in 0..topology.hypervisors {
            hosts.push(founder.host(&format!("h{place}"), &[Role::Hypervisor, Role::Network]));
        }
        for place in 0..topology.storages {
            hosts.push(founder.host(&format!("s{place}"), &[Role::Storage]));
        }
        founder.catalog();
        let Founder { cell, tip, commits, stored, .. } = founder;
        let frame = Frame { commits: stored }.encode().expect("a founding is far below the bounds");
        Self { topology, frame, cell, tip, commits, hosts, project }
    }
}

/// Puts the first commits together.
struct Founder {
    cell: Cell,
    tip: Tip,
    commits: Vec<Commit>,
    stored: Vec<StoredCommit>,
    requests: u64,
    project: ProjectId,
}

impl Founder {
    fn new() -> Self {
        let tip = Tip { time: Time(EPOCH_US - 60_000_000), ..Tip::default() };
        let (commits, stored, project) = (Vec::new(), Vec::new(), ProjectId::default());
        Self { cell: Cell::new(), tip, commits, stored, requests: 0, project }
    }

    fn tell(&mut self, fact: Fact) {
        let time = self.tip.time.plus_ms(10);
        let events = decide(&self.cell, &fact, time).expect("what founds a cell is admitted");
        let position = self.cell.position.next();
        let term = Term::default();
        let header = Header { position, time, term, writer: WriterId([3; 16]), previous: self.tip.hash };
        let commit = Commit { header, cause: Cause::default(), fact, events };
        let stored = StoredCommit::of(&commit).expect("a commit of the founding is small");
        self.cell.fold(&commit);
        self.tip = Tip { position, hash: stored.hash(), time, term };
        self.commits.push(commit);
        self.stored.push(stored);
    }

    fn ask(&mut self, body: impl Into<Body>) -> SagaId {
        self.requests += 1;
        let id = request_id(self.tip.time.0 / 1000, self.requests);
        let saga = SagaId::of_request(CELL, self.project, id);
        self.tell(Fact::Request(Request { id, project: self.project, principal: ADMIN, body: body.into() }));
        saga
    }

    fn genesis(&mut self, level: u16) {
        self.tell(Fact::Report(Report::Genesis(Genesis {
            cell: CELL,
            name: "sim".into(),
            level,
            admin: PrincipalId([9; 16]),
            credential: CredentialId([8; 16]),
            secret_sha256: Hash([7; 32]),
        })));
    }

    fn project(&mut self) -> ProjectId {
        let saga = self.ask(CreateProject { name: "blue".into(), quota: None });
        self.project = ProjectId::derived(&saga.0, 0);
        self.project
    }

    fn host(&mut self, name: &str, roles: &[Role]) -> FoundHost {
        let number = u8::try_from(self.commits.len()).unwrap_or(u8::MAX);
        let (secret_sha256, expires) = (Hash([number; 32]), Time(EPOCH_US));
        let (host, zone) = (name.to_string(), "a".to_string());
        let token = self.ask(CreateJoinToken { host, roles: roles.to_vec(), zone, secret_sha256, expires });
        let token = JoinTokenId::derived(&token.0, 0);
        let address = Some(std::net::IpAddr::from([192, 0, 2, number]));
        let joined = self.ask(JoinHost { token, certificate_sha256: Hash([number; 32]), address });
        let id = HostId::derived(&joined.0, 0);
        let boot = BootId([number; 16]);
        let seen = HostSeen { host: id, boot, capacity: capacity(), traits: Vec::new() };
        self.tell(Fact::Report(Report::HostSeen(seen)));
        let mut ledgers = Vec::new();
        for role in roles {
            let mut bytes = [number; 16];
            bytes[0] = *role as u8;
            let incarnation = Incarnation(bytes);
            let (orphans, losses) = (Vec::new(), Vec::new());
            let ledger = LedgerReported { host: id, role: *role, incarnation, orphans, losses };
            self.tell(Fact::Report(Report::Ledger(ledger)));
            ledgers.push((*role, incarnation));
        }
        FoundHost { id, name: name.to_string(), boot, ledgers }
    }

    fn catalog(&mut self) {
        self.ask(CreateNetwork { name: "net".into(), mtu: None });
        self.ask(CreateSubnet {
            name: "sub".into(),
            network: "net".into(),
            cidr: Cidr { address: std::net::IpAddr::from([10, 0, 0, 0]), prefix_bits: 28 },
            gateway: None,
            pools: Vec::new(),
            dns: Vec::new(),
            dhcp: true,
        });
        let (name, vcpus, ram_mib, root_gib, traits) = ("small".into(), 1, 1024, 4, Vec::new());
        self.ask(CreateFlavor { name, vcpus, ram_mib, root_gib, traits });
        self.ask(RegisterImage {
            name: "debian".into(),
            sha256: Hash([3; 32]),
            size_bytes: 1 << 20,
            format: ImageFormat::Qcow2,
            min_disk_gib: 1,
            min_ram_mib: 64,
            evidence: Evidence::Runs,
            visibility: Visibility::Public,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_founded_the_same_way_twice_and_every_commit_is_valid() {
        let topology = Topology { orchestrators: 3, hypervisors: 2, storages: 1 };
        let founding = Founding::of(topology, FORMAT_LEVEL);
        assert_eq!(founding.frame, Founding::of(topology, FORMAT_LEVEL).frame);
        let mut tip = Tip::default();
        for stored in &Frame::decode(&founding.frame).expect("readable").commits {
            match tip.judge(stored).expect("readable") {
                Validity::Valid(_, next) => tip = next,
                Validity::Void(reason) => panic!("{reason}"),
            }
        }
        assert_eq!(tip, founding.tip);
        assert_eq!(founding.cell.ledgers().count(), 5);
    }
}
