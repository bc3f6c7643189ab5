//! Generated journals: a cell driven by `decide` alone, its commits chained into frames as a leader would, void frames
//! of deposed writers between them. The same moves give the same bytes.

mod moves;

pub(crate) use moves::{ops, play};

use windlass_sagas::cell::{Cell, Decline, Effect, decide, pending};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;

pub(crate) const ADMIN: Principal = Principal::User(PrincipalId([9; 16]));
pub(crate) const CELL: CellId = CellId([1; 16]);

/// A cell with its journal.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) cell: Cell,
    pub(crate) tip: Tip,
    /// Every valid commit, with the frame that holds it.
    pub(crate) commits: Vec<(Cursor, Commit)>,
    /// Every frame's bytes; the first is at cursor 1.
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) now: Time,
    pub(crate) project: ProjectId,
    /// How many commits are void.
    pub(crate) void: u64,
    frame: Vec<StoredCommit>,
    requests: u64,
    boots: u8,
}

impl World {
    /// Genesis and a first leader, nothing else.
    pub(crate) fn begun(build: &str) -> Self {
        let mut world = Self {
            cell: Cell::new(),
            tip: Tip::default(),
            commits: Vec::new(),
            frames: Vec::new(),
            now: Time(1_790_000_000_000_000),
            project: ProjectId([0; 16]),
            void: 0,
            frame: Vec::new(),
            requests: 0,
            boots: 1,
        };
        let genesis = Genesis {
            cell: CELL,
            name: "test".into(),
            level: FORMAT_LEVEL,
            admin: PrincipalId([9; 16]),
            credential: CredentialId([8; 16]),
            secret_sha256: Hash([7; 32]),
        };
        world.tell(Report::Genesis(genesis).into()).expect("genesis");
        world.lead(build);
        world.seal();
        world
    }

    /// With a project, hosts, a network, a flavor and an image: servers can be made.
    pub(crate) fn ready(hypervisors: u8) -> Self {
        let mut world = Self::begun("0.1.0");
        world.ask(CreateProject { name: "blue".into(), quota: None }).expect("project");
        world.project = *world.cell.projects.keys().next().expect("the project");
        for index in 0..hypervisors {
            world.host(&format!("h{index}"), &[Role::Hypervisor, Role::Network], index);
        }
        world.host("s0", &[Role::Storage], 200);
        world.ask(CreateNetwork { name: "net".into(), mtu: None }).expect("network");
        world.ask(subnet("sub", "net", "10.0.0.0")).expect("subnet");
        world.ask(flavor("small")).expect("flavor");
        world.ask(image("debian", Visibility::Public)).expect("image");
        world.seal();
        world
    }

    /// A new leader's campaign.
    pub(crate) fn lead(&mut self, build: &str) {
        self.campaign(build, None);
    }

    /// The same by an operator's order, which raises the generation.
    pub(crate) fn recover(&mut self, build: &str) {
        self.campaign(build, Some("the tail is gone".into()));
    }

    fn campaign(&mut self, build: &str, recover: Option<String>) {
        let generation = self.tip.term.generation + u32::from(recover.is_some());
        let term = Term { generation, elected: self.cell.position.next() };
        let campaign = Campaign { term, build: build.into(), recover };
        self.tell(Report::Campaign(campaign).into()).expect("elected");
    }

    pub(crate) fn host(&mut self, name: &str, roles: &[Role], number: u8) {
        let (host, zone, roles) = (name.into(), "a".into(), roles.to_vec());
        let secret_sha256 = Hash([number; 32]);
        let expires = self.now.plus_ms(60_000);
        let made = CreateJoinToken { host, roles: roles.clone(), zone, secret_sha256, expires };
        let token = self.ask(made).expect("token");
        let token = JoinTokenId::derived(&token.0, 0);
        let address = Some(format!("192.0.2.{number}").parse().expect("an address"));
        let join = JoinHost { token, certificate_sha256: Hash([number; 32]), address };
        let saga = self.ask(join).expect("join");
        let host = HostId::derived(&saga.0, 0);
        self.seen(host, 1);
        for role in roles {
            self.ledger(host, role, u128::from(number) * 8 + role as u128);
        }
    }

    /// A host shows itself after this start of its kernel.
    pub(crate) fn seen(&mut self, host: HostId, boot: u8) {
        let capacity = Capacity { vcpus: 16, ram_mib: 32 * 1024, disk_gib: 1000 };
        let seen = HostSeen { host, boot: BootId([boot; 16]), capacity, traits: vec!["kvm".into()] };
        drop(self.tell(Report::HostSeen(seen).into()));
    }

    pub(crate) fn ledger(&mut self, host: HostId, role: Role, incarnation: u128) {
        let incarnation = Incarnation(incarnation.to_be_bytes());
        let ledger = LedgerReported { host, role, incarnation, orphans: vec![], losses: vec![] };
        drop(self.tell(Report::Ledger(ledger).into()));
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        self.cell.hosts.values().find(|host| host.name == name).map(|host| host.id)
    }

    /// A fresh request id, made now.
    fn request_id(&mut self) -> RequestId {
        self.requests += 1;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&(self.now.0 / 1000).to_be_bytes()[2..]);
        id[6] = 0x70;
        id[8..].copy_from_slice(&self.requests.to_be_bytes());
        id[8] = 0x80;
        RequestId(id)
    }

    /// Asks as the administrator; the saga that it starts.
    pub(crate) fn ask(&mut self, body: impl Into<Body>) -> Result<SagaId, Decline> {
        let id = self.request_id();
        let request = Request { id, project: self.project, principal: ADMIN, body: body.into() };
        let saga = SagaId::of_request(CELL, self.project, id);
        self.tell(Fact::Request(request)).map(|_| saga)
    }

    /// Commits a fact: decided, folded, chained into the frame that is being filled.
    pub(crate) fn tell(&mut self, fact: Fact) -> Result<Vec<Event>, Decline> {
        // Some commits share their time with the one before.
        self.now = self.now.plus_ms(self.cell.position.0 % 3);
        let events = decide(&self.cell, &fact, self.now)?;
        self.commit(fact, events.clone());
        Ok(events)
    }

    /// Commits a fact with these events, whatever `decide` says.
    pub(crate) fn commit(&mut self, fact: Fact, events: Vec<Event>) {
        let position = self.cell.position.next();
        let term = match &fact {
            Fact::Report(Report::Campaign(campaign)) => campaign.term,
            Fact::Report(_) | Fact::Request(_) => self.tip.term,
        };
        let previous = self.tip.hash;
        let header = Header { position, time: self.now, term, writer: WriterId([5; 16]), previous };
        let cause = Cause { credential: Some(CredentialId([8; 16])), ..Cause::default() };
        let commit = Commit { header, cause, fact, events };
        let stored = StoredCommit::of(&commit).expect("a commit within its bounds");
        self.tip = Tip { position, hash: stored.hash(), time: self.now, term };
        self.cell.fold(&commit);
        self.frame.push(stored);
        self.commits.push((Cursor(self.frames.len() as u64 + 1), commit));
        if self.frame.len() == 32 {
            self.seal();
        }
    }

    /// Ends the frame that is being filled, if anything is in it.
    pub(crate) fn seal(&mut self) {
        if !self.frame.is_empty() {
            let commits = std::mem::take(&mut self.frame);
            self.frames.push(Frame { commits }.encode().expect("a frame within its bounds"));
        }
    }

    /// A deposed leader's frame lands: every commit in it is void.
    pub(crate) fn void_frame(&mut self, commits: usize) {
        self.seal();
        let (_, old) = self.commits.last().expect("genesis").clone();
        // A broker takes the same bytes for a repetition, so no two of them are the same.
        let writer = WriterId((self.frames.len() as u128).to_be_bytes());
        let mut commits: Vec<StoredCommit> = (0..commits).map(|_| stored(&old)).collect();
        for (index, commit) in commits.iter_mut().enumerate() {
            let mut other = old.clone();
            other.header.writer = writer;
            other.header.position = Position(old.header.position.0 + index as u64);
            *commit = stored(&other);
        }
        self.void += commits.len() as u64;
        self.frames.push(Frame { commits }.encode().expect("a frame within its bounds"));
    }

    /// The same frame, with a void commit at its end.
    pub(crate) fn seal_with_void(&mut self) {
        if let Some(last) = self.frame.last().cloned() {
            self.void += 1;
            self.frame.push(last);
            self.seal();
        }
    }

    /// Open calls: key, direction, attempt, step name.
    pub(crate) fn calls(&self) -> Vec<(StepKey, Direction, Attempt, &'static str)> {
        let call = |effect: Effect| match effect {
            Effect::Call(call) => Some((call.key, call.direction, call.attempt, call.body.input.name())),
            _ => None,
        };
        pending(&self.cell).into_iter().filter_map(call).collect()
    }

    pub(crate) fn report(&mut self, call: (StepKey, Direction, Attempt), outcome: Outcome) {
        let (StepKey { saga, step }, direction, attempt) = call;
        let report = StepReport { saga, step, direction, attempt, outcome };
        drop(self.tell(Report::Step(report).into()));
    }

    /// Answers every open call with success until none is left.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            let Some((key, direction, attempt, name)) = self.calls().first().copied() else { return };
            self.report((key, direction, attempt), done(name, direction));
        }
        assert!(self.calls().is_empty(), "sagas that never end");
    }

    /// Answers the first open call with success.
    pub(crate) fn answer_first(&mut self) {
        let (key, direction, attempt, name) = *self.calls().first().expect("an open call");
        self.report((key, direction, attempt), done(name, direction));
    }

    /// Refuses the named open step for good.
    pub(crate) fn refuse(&mut self, step: &str) {
        let (key, direction, attempt, _) =
            *self.calls().iter().find(|(.., name)| *name == step).expect("the step is open");
        self.report((key, direction, attempt), refusal(false));
    }
}

fn stored(commit: &Commit) -> StoredCommit {
    StoredCommit::of(commit).expect("a commit within its bounds")
}

/// The success that an agent reports for a step.
pub(crate) fn done(step: &str, direction: Direction) -> Outcome {
    match (step, direction) {
        ("reserve_volume", Direction::Forward) => {
            Outcome::Done(StepOutput::Export(Endpoint { host: "s0".into(), port: 10_809 }))
        }
        _ => Outcome::Done(StepOutput::None),
    }
}

pub(crate) fn refusal(retryable: bool) -> Outcome {
    Outcome::Refused(Refusal { code: RefusalCode::NoRoom, retryable, message: "no room".into() })
}

pub(crate) fn create_server(name: &str, volumes: &[&str]) -> CreateServer {
    CreateServer {
        name: name.into(),
        flavor: "small".into(),
        image: "debian".into(),
        nics: vec![Nic::Network { network: "net".into(), ip: None, groups: vec![] }],
        volumes: volumes.iter().map(|name| (*name).into()).collect(),
        key_pair: None,
        user_data: None,
        metadata: vec![],
        root_gib: None,
        keep_root: false,
        placement: PlacementHints::default(),
    }
}

pub(crate) fn subnet(name: &str, network: &str, address: &str) -> CreateSubnet {
    let cidr = Cidr { address: address.parse().expect("an address"), prefix_bits: 24 };
    let (name, network) = (name.into(), network.into());
    CreateSubnet { name, network, cidr, gateway: None, pools: vec![], dns: vec![], dhcp: true }
}

pub(crate) fn flavor(name: &str) -> CreateFlavor {
    CreateFlavor { name: name.into(), vcpus: 2, ram_mib: 1024, root_gib: 4, traits: vec![] }
}

pub(crate) fn image(name: &str, visibility: Visibility) -> RegisterImage {
    RegisterImage {
        name: name.into(),
        sha256: Hash([3; 32]),
        size_bytes: 1 << 20,
        format: ImageFormat::Raw,
        min_disk_gib: 1,
        min_ram_mib: 64,
        evidence: Evidence::Hello,
        visibility,
    }
}
