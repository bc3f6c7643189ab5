//! A cell under test: facts in, commits folded, every invariant checked after each of them.

use std::collections::BTreeMap;

use windlass_sagas::cell::views::{self, HostView};
use windlass_sagas::cell::{Cell, Decline, Effect, Reason, Rejection, decide, effects, pending};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::checks;

/// A cell with its history.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cell: Cell,
    pub(crate) commits: Vec<Commit>,
    /// Effects that are not settled.
    pub(crate) open: Vec<Effect>,
    requests: u64,
    pub(crate) now: Time,
    pub(crate) project: ProjectId,
}

pub(crate) const ADMIN: Principal = Principal::User(PrincipalId([9; 16]));

impl World {
    /// A cell with a project, a network with a subnet, an image, a flavor, `hypervisors` and one storage host.
    pub(crate) fn ready(hypervisors: u8) -> Self {
        let mut world = Self {
            cell: Cell::new(),
            commits: Vec::new(),
            open: Vec::new(),
            requests: 0,
            now: Time(1_790_000_000_000_000),
            project: ProjectId([0; 16]),
        };
        let genesis = Genesis {
            cell: CellId([1; 16]),
            name: "test".into(),
            level: FORMAT_LEVEL,
            admin: PrincipalId([9; 16]),
            credential: CredentialId([8; 16]),
            secret_sha256: Hash([7; 32]),
        };
        world.tell(Report::Genesis(genesis).into()).expect("genesis");
        let project = world.ask(CreateProject { name: "blue".into(), quota: None }).expect("project");
        world.project = world
            .commits
            .last()
            .and_then(|commit| {
                commit.events.iter().find_map(|event| match event {
                    Event::ProjectCreated(e) => Some(e.id),
                    _ => None,
                })
            })
            .expect("the commit makes the project");
        assert_eq!(project, world.last_saga());
        for index in 0..hypervisors {
            world.host(&format!("h{index}"), &[Role::Hypervisor, Role::Network], index);
        }
        world.host("s0", &[Role::Storage], 200);
        world.ask(CreateNetwork { name: "net".into(), mtu: None }).expect("network");
        let cidr = Cidr { address: "10.0.0.0".parse().expect("an address"), prefix_bits: 24 };
        let (name, network) = ("sub".into(), "net".into());
        let subnet =
            CreateSubnet { name, network, cidr, gateway: None, pools: vec![], dns: vec![], dhcp: true };
        world.ask(subnet).expect("subnet");
        let (name, vcpus, ram_mib, root_gib, traits) = ("small".into(), 2, 1024, 4, vec![]);
        world.ask(CreateFlavor { name, vcpus, ram_mib, root_gib, traits }).expect("flavor");
        world
            .ask(RegisterImage {
                name: "debian".into(),
                sha256: Hash([3; 32]),
                size_bytes: 1 << 20,
                format: ImageFormat::Qcow2,
                min_disk_gib: 1,
                min_ram_mib: 64,
                evidence: Evidence::Hello,
                visibility: Visibility::Public,
            })
            .expect("image");
        world
    }

    /// Joins a host and admits its ledgers.
    pub(crate) fn host(&mut self, name: &str, roles: &[Role], number: u8) {
        let secret_sha256 = Hash([number; 32]);
        let expires = self.now.plus_ms(60_000);
        let (host, zone) = (name.into(), "a".into());
        let token = self
            .ask(CreateJoinToken { host, roles: roles.to_vec(), zone, secret_sha256, expires })
            .expect("token");
        let token = JoinTokenId::derived(&token.0, 0);
        let address = Some(format!("192.0.2.{number}").parse().expect("an address"));
        let saga =
            self.ask(JoinHost { token, certificate_sha256: Hash([number; 32]), address }).expect("join");
        let host = HostId::derived(&saga.0, 0);
        self.seen(host, 1);
        for role in roles {
            self.admit(host, *role, u128::from(number) * 8 + *role as u128);
        }
    }

    pub(crate) fn host_named(&self, name: &str) -> HostId {
        self.cell
            .hosts
            .values()
            .find(|host| host.name == name)
            .map(|host| host.id)
            .expect("a host of that name")
    }

    pub(crate) fn seen(&mut self, host: HostId, boot: u8) {
        self.seen_with(host, boot, &[]);
    }

    /// A host shows itself, with these traits.
    pub(crate) fn seen_with(&mut self, host: HostId, boot: u8, traits: &[&str]) {
        let capacity = Capacity { vcpus: 8, ram_mib: 16 * 1024, disk_gib: 1000 };
        let traits = traits.iter().map(|word| (*word).to_owned()).collect();
        let seen = HostSeen { host, boot: BootId([boot; 16]), capacity, traits };
        self.tell(Report::HostSeen(seen).into()).expect("host seen");
    }

    pub(crate) fn admit(&mut self, host: HostId, role: Role, incarnation: u128) {
        let incarnation = Incarnation(incarnation.to_be_bytes());
        let ledger = LedgerReported { host, role, incarnation, orphans: vec![], losses: vec![] };
        self.tell(Report::Ledger(ledger).into()).expect("admitted");
    }

    /// Somebody leads; with a reason, by an operator's order that raises the generation.
    pub(crate) fn campaign(&mut self, recover: Option<&str>) {
        let generation = self.cell.term.generation + u32::from(recover.is_some());
        let term = Term { generation, elected: self.cell.position.next() };
        let campaign = Campaign { term, build: "test".into(), recover: recover.map(Into::into) };
        self.tell(Report::Campaign(campaign).into()).expect("elected");
    }

    /// A fresh request id, made now.
    pub(crate) fn request_id(&mut self) -> RequestId {
        self.requests += 1;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&(self.now.0 / 1000).to_be_bytes()[2..]);
        id[6] = 0x70;
        id[8..].copy_from_slice(&self.requests.to_be_bytes());
        id[8] = 0x80;
        RequestId(id)
    }

    pub(crate) fn request(&mut self, body: impl Into<Body>) -> Fact {
        let id = self.request_id();
        Fact::Request(Request { id, project: self.project, principal: ADMIN, body: body.into() })
    }

    /// Asks as the administrator; the saga that it starts.
    pub(crate) fn ask(&mut self, body: impl Into<Body>) -> Result<SagaId, Rejection> {
        let fact = self.request(body);
        match self.tell(fact) {
            Ok(_) => Ok(self.last_saga()),
            Err(Decline::Rejected(rejection)) => Err(*rejection),
            Err(other) => panic!("{other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, body: impl Into<Body>) -> Reason {
        let before = self.cell.clone();
        let reason = self.ask(body).expect_err("a refusal").reason;
        assert_eq!(self.cell, before, "a refusal changes nothing");
        reason
    }

    pub(crate) fn last_saga(&self) -> SagaId {
        let events = &self.commits.last().expect("a commit").events;
        let started = events.iter().find_map(|event| match event {
            Event::SagaStarted(e) => Some(e.saga),
            _ => None,
        });
        started.expect("the commit starts a saga")
    }

    /// Commits a fact: decided, folded, checked.
    pub(crate) fn tell(&mut self, fact: Fact) -> Result<Vec<Event>, Decline> {
        self.now = self.now.plus_ms(1);
        let events = decide(&self.cell, &fact, self.now)?;
        let term = match &fact {
            Fact::Report(Report::Campaign(campaign)) => campaign.term,
            _ => self.cell.term,
        };
        let header = Header {
            position: self.cell.position.next(),
            time: self.now,
            term,
            writer: WriterId([5; 16]),
            previous: Hash::default(),
        };
        let commit = Commit { header, cause: Cause::default(), fact, events: events.clone() };
        commit.encode().expect("a commit within its bounds");
        let (before, left) = (self.views(), views::left(&self.cell, &commit));
        self.cell.fold(&commit);
        let released = effects(&self.cell, &commit, left);
        self.check_views(&before, &released);
        self.settle(released);
        self.commits.push(commit);
        checks::all(&self.cell, &self.commits);
        checks::pending_is_what_is_open(&pending(&self.cell), &self.open);
        Ok(events)
    }

    fn views(&self) -> BTreeMap<HostId, HostView> {
        views::host_views(&self.cell, &self.cell.hosts.keys().copied().collect())
    }

    /// Every host whose view is another one than before is told.
    fn check_views(&self, before: &BTreeMap<HostId, HostView>, released: &[Effect]) {
        for (host, view) in self.views() {
            assert_eq!(HostView::decode(&view.encode()).as_ref(), Some(&view));
            assert_eq!(views::host_view(&self.cell, host), view);
            let same = before.get(&host).map_or(HostView::default() == view, |before| *before == view);
            let told = released.contains(&Effect::View { host });
            assert!(same || told, "the view of {host} changed, and nobody is told: {:?}", self.cell.position);
        }
    }

    /// Keeps the list of effects that no later one settled: the law that `pending` must equal.
    fn settle(&mut self, released: Vec<Effect>) {
        // A lease that runs out is told by nobody.
        let (now, term) = (self.cell.time, self.cell.term);
        self.open.retain(|old| !matches!(old, Effect::FaultArmed(old) if !old.in_force(now, term)));
        for effect in released {
            match &effect {
                Effect::Call(call) => {
                    let key = call.key;
                    self.open.retain(|old| !matches!(old, Effect::Call(old) if old.key == key));
                    self.open.push(effect);
                }
                Effect::Settled { key, direction } => self.open.retain(
                    |old| !matches!(old, Effect::Call(old) if old.key == *key && old.direction == *direction),
                ),
                Effect::SagaEnded { saga } => self.open.retain(|old| match old {
                    Effect::Call(call) => call.key.saga != *saga,
                    Effect::SagaOpen { saga: open, .. } => open != saga,
                    _ => true,
                }),
                Effect::SagaOpen { .. } => self.open.push(effect),
                Effect::FaultArmed(_) => self.open.push(effect),
                Effect::FaultEnded { fault } => {
                    self.open.retain(|old| !matches!(old, Effect::FaultArmed(old) if old.id == *fault));
                }
                Effect::Admitted { .. }
                | Effect::Joined { .. }
                | Effect::Retired { .. }
                | Effect::View { .. } => {}
            }
        }
    }

    /// Open calls: key, direction, attempt, step name.
    pub(crate) fn calls(&self) -> Vec<(StepKey, Direction, Attempt, &'static str)> {
        let call = |effect: &Effect| match effect {
            Effect::Call(call) => Some((call.key, call.direction, call.attempt, call.body.input.name())),
            _ => None,
        };
        self.open.iter().filter_map(call).collect()
    }

    pub(crate) fn report(&mut self, key: StepKey, direction: Direction, attempt: Attempt, outcome: Outcome) {
        let report = StepReport { saga: key.saga, step: key.step, direction, attempt, outcome };
        self.tell(Report::Step(report).into()).expect("an open step");
    }

    /// Answers the named open call.
    pub(crate) fn answer(&mut self, step: &str, outcome: Outcome) {
        let (key, direction, attempt, _) =
            *self.calls().iter().find(|(.., name)| *name == step).unwrap_or_else(|| panic!("no open {step}"));
        self.report(key, direction, attempt, outcome);
    }

    /// Answers every open call with success until none is left.
    pub(crate) fn run(&mut self) {
        for _ in 0..1000 {
            let Some((key, direction, attempt, name)) = self.calls().first().copied() else { return };
            self.report(key, direction, attempt, done(name, direction));
        }
        panic!("sagas that never end");
    }

    /// The plans of the sagas that the last commit began.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &Plan> {
        let events = self.commits.last().map(|commit| &*commit.events).unwrap_or_default();
        events.iter().filter_map(|event| match event {
            Event::SagaStarted(started) => Some(&*started.plan),
            _ => None,
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().iter().map(|(_, direction, _, name)| format!("{}{name}", sign(*direction))).collect()
    }

    pub(crate) fn server(&self, name: &str) -> &windlass_sagas::cell::state::Server {
        self.cell.servers.values().find(|server| server.spec.name == name).expect("a server of that name")
    }

    pub(crate) fn volume(&self, name: &str) -> &windlass_sagas::cell::state::Volume {
        self.cell.volumes.values().find(|volume| volume.spec.name == name).expect("a volume of that name")
    }
}

fn sign(direction: Direction) -> char {
    match direction {
        Direction::Forward => '+',
        Direction::Undo => '-',
    }
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

pub(crate) fn create_volume(name: &str) -> CreateVolume {
    CreateVolume { name: name.into(), size_gib: 10, image: None, zone: None }
}
