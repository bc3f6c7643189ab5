//! What clients ask of a world, and when: a list of asks, scripted or drawn from a seed.
//!
//! Names come from small pools, so that asks meet each other: busy volumes, deletes of what is being made, full hosts.

use windlass_sagas::cell::Reason;
use windlass_sagas::ids::{Hash, SagaId, StepIndex, Time};
use windlass_sagas::record::*;

use crate::rng::Rng;

/// One thing that a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A request.
    Ask(Box<Body>),
    /// Turn back the saga of an earlier want, by its place in the list.
    Cancel(usize),
    /// Try a stuck saga again.
    Retry(SagaId),
    /// Count a stuck step as resolved.
    Skip(SagaId, StepIndex),
    /// Give a stuck saga up.
    Abandon(SagaId),
    /// Take a resource out of quarantine.
    Adopt(ResourceRef),
    /// Affirm that a resource in quarantine is gone.
    Discard(ResourceRef),
    /// Let a host join with the token of an earlier want, by its place in the list.
    Join(usize),
}

/// One want, with when and how it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// When it is first said, milliseconds.
    pub at_ms: u64,
    /// What.
    pub want: Want,
    /// How often a refusal that waiting may mend is answered by asking anew.
    pub insist: u32,
    /// Whether the same request is sent once more after its answer.
    pub again: bool,
}

impl Wish {
    /// A request, asked once.
    #[must_use]
    pub fn ask(at_ms: u64, body: impl Into<Body>) -> Self {
        Self { at_ms, want: Want::Ask(Box::new(body.into())), insist: 0, again: false }
    }

    /// Whether whoever has it sees it through: a host that is to join again is waited for by sagas.
    #[must_use]
    pub(crate) fn is_seen_through(&self) -> bool {
        match &self.want {
            Want::Ask(body) => matches!(**body, Body::CreateJoinToken(_) | Body::RejoinHost(_)),
            Want::Join(_) => true,
            _ => false,
        }
    }

    /// The same, asked anew while the cell says that it is busy.
    #[must_use]
    pub const fn insisting(mut self, insist: u32) -> Self {
        self.insist = insist;
        self
    }
}

/// Whether waiting may mend a refusal.
#[must_use]
pub(crate) const fn may_pass(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ResourceBusy
            | Reason::ResourceInUse
            | Reason::WrongState
            | Reason::NotFound
            | Reason::NameTaken
            | Reason::NoHostFits
            | Reason::AddressPoolExhausted
    )
}

/// Whether a refusal says that somebody else has what is wanted.
#[must_use]
pub(crate) const fn is_fought_for(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ResourceBusy | Reason::ResourceInUse | Reason::NoHostFits | Reason::AddressPoolExhausted
    )
}

/// Make a server of the founding's flavor, image and network, with these volumes.
#[must_use]
pub fn create_server(name: &str, volumes: &[&str]) -> CreateServer {
    CreateServer {
        name: name.into(),
        flavor: "small".into(),
        image: "debian".into(),
        nics: vec![Nic::Network { network: "net".into(), ip: None, groups: Vec::new() }],
        volumes: volumes.iter().map(|name| (*name).into()).collect(),
        key_pair: None,
        user_data: None,
        metadata: Vec::new(),
        root_gib: None,
        keep_root: false,
        placement: PlacementHints::default(),
    }
}

/// Make a blank volume.
#[must_use]
pub fn create_volume(name: &str) -> CreateVolume {
    CreateVolume { name: name.into(), size_gib: 10, image: None, zone: None }
}

/// Attach a volume.
#[must_use]
pub fn attach(volume: &str, server: &str) -> AttachVolume {
    AttachVolume { volume: volume.into(), server: server.into() }
}

const SERVERS: [&str; 3] = ["web", "db", "mail"];
const VOLUMES: [&str; 3] = ["red", "green", "grey"];

/// A random list of wishes: some volumes and servers, then whatever comes to mind about them.
#[must_use]
pub(crate) fn random(rng: &mut Rng) -> Vec<Wish> {
    if rng.chance(100) {
        return churn(rng);
    }
    let mut wishes = Vec::new();
    let volumes = rng.below(3);
    for name in VOLUMES.iter().take(usize::try_from(volumes).unwrap_or(0)) {
        let at = rng.below(2_000);
        wishes.push(Wish::ask(at, create_volume(name)).insisting(2));
    }
    for name in SERVERS.iter().take(usize::try_from(rng.between(1, 3)).unwrap_or(1)) {
        let with: Vec<&str> = VOLUMES
            .iter()
            .copied()
            .take(usize::try_from(volumes).unwrap_or(0))
            .filter(|_| rng.chance(250))
            .collect();
        let at = rng.below(5_000);
        wishes.push(Wish::ask(at, create_server(name, &with)).insisting(if with.is_empty() { 1 } else { 8 }));
    }
    for _ in 0..rng.below(5) {
        let at = rng.between(300, 15_000);
        let wish = later(rng, at, wishes.len());
        wishes.push(wish);
    }
    if rng.chance(60) {
        wishes.extend(hosts(rng));
    }
    for wish in &mut wishes {
        wish.again = rng.chance(150);
    }
    wishes
}

/// Volumes that are made and deleted at once, again and again, so that late copies of their calls meet what came after.
fn churn(rng: &mut Rng) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for name in VOLUMES {
        let mut at = rng.below(2_000);
        for _ in 0..rng.between(2, 3) {
            wishes.push(Wish::ask(at, create_volume(name)).insisting(6));
            at += rng.between(300, 3_000);
            wishes.push(Wish::ask(at, DeleteVolume { volume: name.into() }).insisting(6));
            at += rng.between(300, 3_000);
        }
    }
    wishes
}

/// A host is drained for a while, or declared gone and later affirmed to be powered off.
fn hosts(rng: &mut Rng) -> Vec<Wish> {
    let host = rng.pick(&["h0", "h1", "s0"]).map(|name| (*name).to_string()).unwrap_or_default();
    let (at, then) = (rng.between(200, 12_000), rng.between(500, 9_000));
    if rng.chance(500) {
        let drain = Wish::ask(at, DrainHost { host: host.clone() });
        return vec![drain, Wish::ask(at + then, UndrainHost { host })];
    }
    let gone = DeclareHostGone { host: host.clone(), reason: "it burns".to_string() };
    vec![Wish::ask(at, gone), Wish::ask(at + then, AffirmHostOff { host }).insisting(4)]
}

/// What few worlds have besides: servers on a port of their own making, and a host that is declared gone, wiped and joins
/// again. Drawn from a stream of its own, behind everything else.
pub(crate) fn more(rng: &mut Rng, wishes: &mut Vec<Wish>) {
    if rng.chance(200) {
        let (at, then) = (rng.below(2_000), rng.between(1_000, 9_000));
        let port = CreatePort {
            name: "eth".into(),
            network: "net".into(),
            ips: Vec::new(),
            mac: None,
            groups: Vec::new(),
        };
        wishes.push(Wish::ask(at, port));
        let nics = vec![Nic::Port("eth".into())];
        wishes.push(Wish::ask(at + 50, CreateServer { nics, ..create_server("www", &[]) }));
        wishes.push(Wish::ask(at + then, DeleteServer { server: "www".into() }).insisting(6));
        wishes.push(Wish::ask(at + then, DeletePort { port: "eth".into() }).insisting(9));
    }
    let untouched = |wish: &Wish| match &wish.want {
        Want::Ask(body) => !matches!(**body, Body::DeclareHostGone(_) | Body::DrainHost(_)),
        _ => true,
    };
    if rng.chance(60) && wishes.iter().all(untouched) {
        rejoins(rng, wishes);
    }
}

/// A host is declared gone, its machine wiped, and joins again.
fn rejoins(rng: &mut Rng, wishes: &mut Vec<Wish>) {
    let host = rng.pick(&["h0", "h1", "s0"]).map(|name| (*name).to_string()).unwrap_or_default();
    let roles = if host == "s0" { vec![Role::Storage] } else { vec![Role::Hypervisor, Role::Network] };
    let (at, then) = (rng.between(1_000, 12_000), rng.between(500, 9_000));
    let gone = DeclareHostGone { host: host.clone(), reason: "its mainboard burns".to_string() };
    wishes.push(Wish::ask(at, gone));
    wishes.push(Wish::ask(at + then, RejoinHost { host: host.clone() }).insisting(9));
    let token = CreateJoinToken {
        host,
        roles,
        zone: "a".to_string(),
        secret_sha256: Hash([6; 32]),
        expires: Time(i64::MAX / 2),
    };
    let of = wishes.len();
    wishes.push(Wish::ask(at + then + 3_000, token).insisting(9));
    wishes.push(Wish { at_ms: at + then + 6_000, want: Want::Join(of), insist: 9, again: false });
}

fn later(rng: &mut Rng, at: u64, before: usize) -> Wish {
    let server = SERVERS[usize::try_from(rng.below(3)).unwrap_or(0)];
    let volume = VOLUMES[usize::try_from(rng.below(3)).unwrap_or(0)];
    let wish = match rng.below(10) {
        0..=2 => Wish::ask(at, attach(volume, server)),
        3 => Wish::ask(at, DetachVolume { volume: volume.into() }),
        4 | 5 => Wish::ask(at, DeleteServer { server: server.into() }),
        6 => Wish::ask(at, DeleteVolume { volume: volume.into() }),
        7 => Wish::ask(at, create_server(server, &[volume])),
        _ => {
            let of = usize::try_from(rng.below(u64::try_from(before).unwrap_or(1))).unwrap_or(0);
            return Wish { at_ms: at, want: Want::Cancel(of), insist: 0, again: false };
        }
    };
    wish.insisting(if rng.chance(700) { 12 } else { 0 })
}

/// Guests that are stopped and started again, or rebooted. Drawn from a stream of its own, behind everything else.
pub(crate) fn power(rng: &mut Rng, wishes: &mut Vec<Wish>) {
    if !rng.chance(250) {
        return;
    }
    for _ in 0..rng.between(1, 3) {
        let server = rng.pick(&SERVERS).map(|name| (*name).to_string()).unwrap_or_default();
        let (at, then) = (rng.between(2_000, 14_000), rng.between(300, 6_000));
        let grace_ms = u32::try_from(rng.below(3)).unwrap_or(0) * 500;
        if rng.chance(400) {
            wishes.push(Wish::ask(at, RebootServer { server, grace_ms }).insisting(6));
        } else {
            wishes.push(Wish::ask(at, StopServer { server: server.clone(), grace_ms }).insisting(6));
            wishes.push(Wish::ask(at + then, StartServer { server }).insisting(9));
        }
    }
}
