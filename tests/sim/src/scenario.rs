//! What a world is made of: how many of what, who wants what, until when faults fire. Named ones, and random ones.

use windlass_sagas::record::*;

use crate::fault::{Plan, Rates};
use crate::founding::Topology;
use crate::limits::FAULTS_MS;
use crate::rng::Rng;
use crate::workload::{self, Want, Wish, attach, create_server, create_volume};

/// The name of what a seed draws.
pub(crate) const RANDOM: &str = "random";

/// One world, apart from its seed and its faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name, for reports.
    pub name: &'static str,
    /// How many of what.
    pub topology: Topology,
    /// What clients want.
    pub wishes: Vec<Wish>,
    /// When faults stop, milliseconds.
    pub faults_ms: u64,
    /// Whether the stream has one replica instead of three.
    pub one_replica: bool,
    /// Whether operators give stuck sagas up at once, instead of trying them again first.
    pub gives_up: bool,
    /// When the stream loses acknowledged frames, if it does.
    pub tail_loss: Option<TailLoss>,
    /// Whether every line of the trace is kept.
    pub keep_trace: bool,
}

/// The stream's servers lose power before they have synced what they acknowledged (O6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailLoss {
    /// When, milliseconds.
    pub at_ms: u64,
    /// How many frames.
    pub frames: usize,
    /// When an operator orders to go on with what is left, milliseconds.
    pub recover_ms: u64,
}

impl Scenario {
    /// A scripted world: one orchestrator unless changed, one host of each kind.
    #[must_use]
    pub const fn scripted(name: &'static str, wishes: Vec<Wish>) -> Self {
        let topology = Topology { orchestrators: 1, hypervisors: 1, storages: 1 };
        let (faults_ms, one_replica, gives_up, keep_trace) = (30_000, false, false, false);
        Self { name, topology, wishes, faults_ms, one_replica, gives_up, tail_loss: None, keep_trace }
    }

    /// A scripted scenario by its name; `None` for an unknown one.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::singles().into_iter().find(|scenario| scenario.name == name)
    }

    /// The scenarios whose every single fault is run.
    #[must_use]
    pub fn singles() -> Vec<Self> {
        vec![
            Self::server_create(),
            Self::server_create_cancelled(),
            Self::volume_attach(),
            Self::volume_attach_cancelled(),
            Self::life(),
        ]
    }

    /// `server.create` with a data volume that exists.
    #[must_use]
    pub fn server_create() -> Self {
        let server = Wish::ask(1_500, create_server("web", &["red"])).insisting(6);
        Self::scripted("server.create", vec![Wish::ask(200, create_volume("red")), server])
    }

    /// The same, turned back while the guest boots.
    #[must_use]
    pub fn server_create_cancelled() -> Self {
        let mut it = Self::server_create();
        it.name = "server.create-cancelled";
        it.wishes.push(Wish { at_ms: 1_900, want: Want::Cancel(1), insist: 0, again: false });
        it
    }

    /// `volume.attach` to a server that runs.
    #[must_use]
    pub fn volume_attach() -> Self {
        let server = Wish::ask(200, create_server("web", &[]));
        let plug = Wish::ask(3_000, attach("red", "web")).insisting(6);
        Self::scripted("volume.attach", vec![Wish::ask(200, create_volume("red")), server, plug])
    }

    /// The same, turned back on the way.
    #[must_use]
    pub fn volume_attach_cancelled() -> Self {
        let mut it = Self::volume_attach();
        it.name = "volume.attach-cancelled";
        it.wishes.push(Wish { at_ms: 3_100, want: Want::Cancel(2), insist: 0, again: false });
        it
    }

    /// Everything once: made, attached, detached, deleted.
    #[must_use]
    pub fn life() -> Self {
        let wishes = vec![
            Wish::ask(200, create_volume("red")),
            Wish::ask(300, create_server("web", &[])),
            Wish::ask(3_000, attach("red", "web")).insisting(12),
            Wish::ask(6_000, DetachVolume { volume: "red".into() }).insisting(12),
            Wish::ask(9_000, DeleteServer { server: "web".into() }).insisting(12),
            Wish::ask(12_000, DeleteVolume { volume: "red".into() }).insisting(12),
        ];
        Self::scripted("life", wishes)
    }

    /// The scenario that a seed draws, and how its faults fall: calm, a swarm of some kinds, or all of them.
    #[must_use]
    pub fn random(seed: u64) -> (Self, Plan) {
        let mut rng = Rng::of(seed, 0x5ce);
        let topology = Topology {
            orchestrators: [1, 2, 2, 3][usize::try_from(rng.below(4)).unwrap_or(0)],
            hypervisors: usize::try_from(rng.between(1, 2)).unwrap_or(1),
            storages: 1,
        };
        let plan = match rng.below(8) {
            0 => Plan::Calm,
            1..=4 => Plan::Rates(Rates::swarm(&mut rng)),
            5 => Plan::Rates(Rates::all(25)),
            6 => Plan::Rates(Rates::all(60)),
            _ => Plan::Rates(Rates::all(120)),
        };
        let scenario = Self {
            name: RANDOM,
            topology,
            wishes: workload::random(&mut rng),
            faults_ms: rng.between(FAULTS_MS.0, FAULTS_MS.1),
            one_replica: rng.chance(300),
            gives_up: rng.chance(250),
            tail_loss: None,
            keep_trace: false,
        };
        (scenario, plan)
    }
}
