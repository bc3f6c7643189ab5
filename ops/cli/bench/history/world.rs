//! The cell whose history is measured: facts are decided and folded as a leader does it, agents answer at once, and the
//! commits go into frames. No process, no clock, no randomness: the same numbers give the same bytes.

use std::collections::{BTreeSet, VecDeque};

use anyhow::Context as _;
use windlass_sagas::cell::{Effect, OpenCall, decide, effects};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;

use super::store::Beside;

const ADMIN: PrincipalId = PrincipalId([9; 16]);
const BEGINNING: Time = Time(1_790_000_000_000_000);
/// Commit time from one commit to the next, µs: ten million finished sagas stay within the memory of requests.
const COMMIT_US: i64 = 5_000;
/// Commits of a frame, as under load.
const FRAME_COMMITS: usize = 128;
/// Room for whatever is measured.
const CAPACITY: Capacity = Capacity { vcpus: 65_536, ram_mib: 16_777_216, disk_gib: 1_073_741_824 };
const PLENTY: u64 = 1 << 40;
pub(super) const HOSTS: usize = 12;
pub(super) const PROJECTS: usize = 8;
/// Servers of a project that are there at a time: each new one ends the oldest.
const SERVERS: usize = 125;

/// The cell, its journal's end, and what its agents are asked.
#[derive(Debug, Default)]
pub(super) struct World {
    cell: windlass_sagas::cell::Cell,
    tip: Tip,
    frame: Vec<StoredCommit>,
    commits: Vec<Commit>,
    requests: u64,
    project: ProjectId,
    projects: Vec<ProjectId>,
    servers: Vec<VecDeque<String>>,
    asked: VecDeque<OpenCall>,
    /// Sagas that ended.
    pub(super) finished: u64,
}

/// What a frame is to be given to.
pub(super) trait Frames {
    /// Takes a frame's bytes; the cursor at which it stands.
    async fn take(&mut self, bytes: Vec<u8>) -> anyhow::Result<Cursor>;
}

impl World {
    /// Genesis, a leader, hosts, projects with a network each: servers can be made.
    pub(super) fn ready() -> anyhow::Result<Self> {
        let mut world = Self::default();
        let name = "history".to_owned();
        let (credential, secret_sha256) = (CredentialId([8; 16]), Hash([7; 32]));
        let cell = CellId([1; 16]);
        let genesis = Genesis { cell, name, level: FORMAT_LEVEL, admin: ADMIN, credential, secret_sha256 };
        world.tell(Report::Genesis(genesis).into())?;
        let term = Term { generation: 0, elected: world.cell.position.next() };
        let build = env!("CARGO_PKG_VERSION").to_owned();
        world.tell(Report::Campaign(Campaign { term, build, recover: None }).into())?;
        for number in 0..HOSTS as u8 {
            world.host(number)?;
        }
        let quota = Some(Amounts {
            servers: PLENTY,
            vcpus: PLENTY,
            ram_mib: PLENTY,
            volumes: PLENTY,
            gib: PLENTY,
            networks: PLENTY,
            ports: PLENTY,
        });
        world.ask(CreateFlavor {
            name: "small".into(),
            vcpus: 1,
            ram_mib: 64,
            root_gib: 1,
            traits: vec![],
        })?;
        for number in 0..PROJECTS {
            world.project = ProjectId([0; 16]);
            world.ask(CreateProject { name: format!("p{number}"), quota })?;
            let made = world.cell.projects.keys().find(|id| !world.projects.contains(id));
            world.project = *made.context("a project was made")?;
            world.projects.push(world.project);
            world.servers.push(VecDeque::new());
            world.ask(CreateNetwork { name: "net".into(), mtu: None })?;
            let cidr = Cidr { address: [10, 0, 0, 0].into(), prefix_bits: 8 };
            let (name, network) = ("sub".into(), "net".into());
            world.ask(CreateSubnet {
                name,
                network,
                cidr,
                gateway: None,
                pools: vec![],
                dns: vec![],
                dhcp: true,
            })?;
            world.ask(CreateSecurityGroup { name: "plain".into(), rules: vec![] })?;
            world.ask(image())?;
        }
        Ok(world)
    }

    fn host(&mut self, number: u8) -> anyhow::Result<()> {
        let (host, zone) = (format!("h{number}"), "a".to_owned());
        let roles = vec![Role::Hypervisor, Role::Network, Role::Storage];
        let secret_sha256 = Hash([number; 32]);
        let expires = self.now().plus_ms(60_000);
        let saga = self.ask(CreateJoinToken { host, roles: roles.clone(), zone, secret_sha256, expires })?;
        let token = JoinTokenId::derived(&saga.0, 0);
        let saga = self.ask(JoinHost { token, certificate_sha256: secret_sha256, address: None })?;
        let host = HostId::derived(&saga.0, 0);
        let seen = HostSeen { host, boot: BootId([1; 16]), capacity: CAPACITY, traits: vec!["kvm".into()] };
        self.tell(Report::HostSeen(seen).into())?;
        for role in roles {
            let number = u128::from(number) * 8 + role as u128 + 1;
            let incarnation = Incarnation(number.to_be_bytes());
            let ledger = LedgerReported { host, role, incarnation, orphans: vec![], losses: vec![] };
            self.tell(Report::Ledger(ledger).into())?;
        }
        Ok(())
    }

    fn now(&self) -> Time {
        let passed = i64::try_from(self.cell.position.0).unwrap_or(i64::MAX).saturating_mul(COMMIT_US);
        Time(BEGINNING.0.saturating_add(passed))
    }

    /// The position of the last commit.
    pub(super) const fn position(&self) -> Position {
        self.cell.position
    }

    /// Asks as the administrator, in the current project; the saga that it starts.
    fn ask(&mut self, body: impl Into<Body>) -> anyhow::Result<SagaId> {
        self.requests += 1;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&(self.now().0 / 1000).to_be_bytes()[2..]);
        id[6] = 0x70;
        id[8..].copy_from_slice(&self.requests.to_be_bytes());
        id[8] = 0x80;
        let saga = SagaId::of_request(self.cell.id, self.project, RequestId(id));
        self.tell(((RequestId(id), self.project, Principal::User(ADMIN)), body.into()).into())?;
        Ok(saga)
    }

    /// Decides a fact, folds it, and chains its commit into the frame that is being filled.
    fn tell(&mut self, fact: Fact) -> anyhow::Result<()> {
        let time = self.now();
        let events = decide(&self.cell, &fact, time)
            .map_err(|declined| anyhow::anyhow!("{}: {declined:?}", fact.name()))?;
        let term = match &fact {
            Fact::Report(Report::Campaign(campaign)) => campaign.term,
            Fact::Report(_) | Fact::Request(_) => self.tip.term,
        };
        let (position, previous) = (self.cell.position.next(), self.tip.hash);
        let header = Header { position, time, term, writer: WriterId([5; 16]), previous };
        let cause = Cause { credential: Some(CredentialId([8; 16])), ..Cause::default() };
        let commit = Commit { header, cause, fact, events };
        let stored = StoredCommit::of(&commit)?;
        self.tip = Tip { position, hash: stored.hash(), time, term };
        self.cell.fold(&commit);
        for effect in effects(&self.cell, &commit, BTreeSet::new()) {
            match effect {
                Effect::Call(call) => self.asked.push_back(*call),
                Effect::SagaEnded { .. } => self.finished += 1,
                _ => {}
            }
        }
        self.frame.push(stored);
        self.commits.push(commit);
        Ok(())
    }

    /// Answers the oldest call with success; `false`: nothing is asked.
    fn answer(&mut self) -> anyhow::Result<bool> {
        let Some(call) = self.asked.pop_front() else { return Ok(false) };
        let OpenCall { key: StepKey { saga, step }, direction, attempt, .. } = call;
        let outcome = Outcome::Done(StepOutput::None);
        self.tell(Report::Step(StepReport { saga, step, direction, attempt, outcome }).into())?;
        Ok(true)
    }

    /// One saga with steps, to its end: a server of five steps, or the end of the oldest one.
    fn saga_of_steps(&mut self, number: u64) -> anyhow::Result<()> {
        let turn = usize::try_from(number).unwrap_or(0);
        let (place, host) = (turn / 2 % PROJECTS, turn / 2 % HOSTS);
        self.project = self.projects[place];
        let (oldest, name) = (&mut self.servers[place], format!("s{number}"));
        if turn % 2 == 1 && oldest.len() > SERVERS {
            if let Some(server) = oldest.pop_front() {
                self.ask(DeleteServer { server })?;
            }
        } else {
            oldest.push_back(name.clone());
            self.ask(server(name, format!("h{host}")))?;
        }
        while self.answer()? {}
        Ok(())
    }

    /// Two sagas without steps: a commit each, and nothing is left of them.
    fn sagas_of_no_steps(&mut self, number: u64) -> anyhow::Result<()> {
        self.project = self.projects[usize::try_from(number).unwrap_or(0) % PROJECTS];
        let public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGXk7d2v1q9m".into();
        self.ask(CreateKeyPair { name: "key".into(), public_key })?;
        self.ask(DeleteKeyPair { key_pair: "key".into() })?;
        Ok(())
    }

    /// Gives full frames, or the last one too, to the journal, and what was folded to the store beside it.
    async fn seal(
        &mut self,
        journal: &mut impl Frames,
        beside: &mut Beside,
        all: bool,
    ) -> anyhow::Result<()> {
        while self.frame.len() >= FRAME_COMMITS || (all && !self.frame.is_empty()) {
            let count = self.frame.len().min(FRAME_COMMITS);
            let rest = self.frame.split_off(count);
            let commits = std::mem::replace(&mut self.frame, rest);
            let hash = commits.last().map(StoredCommit::hash).unwrap_or_default();
            let cursor = journal.take(Frame { commits }.encode()?).await?;
            let rest = self.commits.split_off(count);
            beside.note(cursor, &std::mem::replace(&mut self.commits, rest), hash);
        }
        if self.frame.is_empty() {
            beside.capture(&self.cell, &self.tip)?;
        }
        Ok(())
    }

    /// Fills the journal until `enough`; `beside` is told of what is there, and captures at the ends of frames.
    pub(super) async fn fill(
        &mut self,
        journal: &mut impl Frames,
        beside: &mut Beside,
        short: bool,
        mut enough: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let mut number = 0;
        while !enough(self) {
            if short {
                self.sagas_of_no_steps(number)?;
            } else {
                self.saga_of_steps(number)?;
            }
            number += 1;
            // A capture needs a frame's end: now and then one is cut short, as a leader's are.
            let due = beside.is_due();
            if self.frame.len() >= FRAME_COMMITS || due {
                self.seal(journal, beside, due).await?;
            }
        }
        self.seal(journal, beside, true).await
    }
}

fn image() -> RegisterImage {
    RegisterImage {
        name: "debian".into(),
        sha256: Hash([3; 32]),
        size_bytes: 1 << 20,
        format: ImageFormat::Raw,
        min_disk_gib: 1,
        min_ram_mib: 64,
        evidence: Evidence::Hello,
        visibility: Visibility::Private,
    }
}

fn server(name: String, host: String) -> CreateServer {
    let nic = Nic::Network { network: "net".into(), ip: None, groups: vec!["plain".into()] };
    CreateServer {
        name,
        flavor: "small".into(),
        image: "debian".into(),
        nics: vec![nic.clone(), nic],
        volumes: vec![],
        key_pair: None,
        user_data: None,
        metadata: vec![],
        root_gib: None,
        keep_root: false,
        placement: PlacementHints { host: Some(host), ..PlacementHints::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Vec<Vec<u8>>);

    impl Frames for Kept {
        async fn take(&mut self, bytes: Vec<u8>) -> anyhow::Result<Cursor> {
            self.0.push(bytes);
            Ok(Cursor(self.0.len() as u64))
        }
    }

    #[tokio::test]
    async fn the_same_number_of_commits_gives_the_same_journal_whose_sagas_end() {
        let mut journals = Vec::new();
        for _ in 0..2 {
            let (mut world, mut kept) = (World::ready().unwrap(), Kept::default());
            world
                .fill(&mut kept, &mut Beside::default(), false, |world| world.position().0 >= 20_000)
                .await
                .unwrap();
            assert!(world.finished > 2_000 && world.cell.sagas.is_empty());
            assert!(world.cell.servers.len() <= PROJECTS * (SERVERS + 1), "some are deleted");
            let mut fold = windlass_sagas::protocol::Fold::new(None);
            for (cursor, frame) in (1..).map(Cursor).zip(&kept.0) {
                assert_eq!(fold.absorb(cursor, frame).unwrap().void, None);
            }
            assert_eq!((fold.cell(), fold.tip()), (&world.cell, &world.tip));
            journals.push(kept.0);
        }
        assert_eq!(journals[0], journals[1]);
    }
}
