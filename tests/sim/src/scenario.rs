//! What a world is made of: how many of what, who wants what, until when faults fire. Named ones, and random ones.

use windlass_sagas::record::*;

use crate::agenda::Instant;
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
    /// Wall clocks that jump.
    pub clock_jumps: Vec<ClockJump>,
    /// Guests that end by themselves.
    pub guest_ends: Vec<GuestEnd>,
    /// When an operator raises the format level of a cell that was founded one below, milliseconds, if he does.
    pub raise_format_ms: Option<u64>,
    /// Whether operators remove by hand what a stuck undo leaves, and skip it.
    pub skips: bool,
    /// Whether an operator clears what stands in quarantine, once the faults have stopped.
    pub clears_quarantine: bool,
    /// Laws that are not judged, to see what rests on them.
    pub unjudged: &'static [&'static str],
    /// Between which milliseconds singles and pairs strike.
    pub window_ms: (u64, u64),
    /// Whether every line of the trace is kept.
    pub keep_trace: bool,
    /// Whether the run is drawn.
    pub draw: bool,
}

/// The wall clock of an orchestrator jumps; once the faults have stopped it is right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockJump {
    /// When, milliseconds.
    pub at_ms: u64,
    /// Whose.
    pub node: usize,
    /// By how much, milliseconds.
    pub by_ms: i64,
}

/// Which faults random worlds have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Portfolio {
    /// Of eight worlds one is calm, four have a swarm of some kinds, three have all kinds at different rates.
    #[default]
    Mixed,
    /// None.
    Calm,
    /// About a third of the kinds, each at its own rate times a half, one, two or four.
    Swarm,
    /// All kinds.
    All,
}

/// A guest powers itself off, or its process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestEnd {
    /// When, milliseconds.
    pub at_ms: u64,
    /// On which host; none ends where none runs.
    pub host: usize,
    /// Which of those that run there, by the remainder.
    pub pick: u64,
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
        Self {
            name,
            topology,
            wishes,
            faults_ms: 30_000,
            one_replica: false,
            gives_up: false,
            tail_loss: None,
            clock_jumps: Vec::new(),
            guest_ends: Vec::new(),
            raise_format_ms: None,
            skips: false,
            clears_quarantine: false,
            unjudged: &[],
            window_ms: (0, u64::MAX),
            keep_trace: false,
            draw: false,
        }
    }

    /// Whether singles and pairs strike at this time.
    pub(crate) const fn has_in_window(&self, at: Instant) -> bool {
        at.ms() >= self.window_ms.0 && at.ms() < self.window_ms.1
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
            Self::server_delete(),
            Self::life(),
        ]
    }

    /// The scenarios whose every pair of faults is run: both strike while `server.create`, `server.delete` or
    /// `volume.attach` runs, or behind it.
    #[must_use]
    pub fn pairs() -> Vec<Self> {
        let within = |mut it: Self, from_ms| {
            it.window_ms.0 = from_ms;
            it
        };
        vec![
            within(Self::server_create(), 1_500),
            Self::server_delete(),
            within(Self::volume_attach(), 3_000),
        ]
    }

    /// `server.delete` of a server that runs, with its own root and port.
    #[must_use]
    pub fn server_delete() -> Self {
        let server = Wish::ask(200, create_server("web", &[]));
        let delete = Wish::ask(1_500, DeleteServer { server: "web".into() }).insisting(6);
        let mut it = Self::scripted("server.delete", vec![server, delete]);
        it.window_ms.0 = 1_500;
        it
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
        let mut scenario = Self::scripted(RANDOM, workload::random(&mut rng));
        scenario.topology = topology;
        scenario.faults_ms = rng.between(FAULTS_MS.0, FAULTS_MS.1);
        scenario.one_replica = rng.chance(300);
        scenario.gives_up = rng.chance(250);
        scenario.draw_more(&mut Rng::of(seed, 0x5cf), plan == Plan::Calm);
        workload::power(&mut Rng::of(seed, 0x5d1), &mut scenario.wishes);
        scenario.draw_ends(&mut Rng::of(seed, 0x5d2));
        (scenario, plan)
    }

    /// The scenario that a seed draws, with the faults of a portfolio.
    #[must_use]
    pub fn random_of(seed: u64, portfolio: Portfolio) -> (Self, Plan) {
        let (scenario, plan) = Self::random(seed);
        let mut rng = Rng::of(seed, 0x5d0);
        let plan = match portfolio {
            Portfolio::Mixed => plan,
            Portfolio::Calm => Plan::Calm,
            Portfolio::Swarm => Plan::Rates(Rates::swarm(&mut rng)),
            Portfolio::All => Plan::Rates(Rates::all(rng.pick(&[25, 60, 120]).copied().unwrap_or(60))),
        };
        (scenario, plan)
    }

    /// Guests that end by themselves, in some worlds; not where a tail is lost.
    fn draw_ends(&mut self, rng: &mut Rng) {
        if self.tail_loss.is_some() || !rng.chance(250) {
            return;
        }
        for _ in 0..rng.between(1, 4) {
            let host = usize::try_from(rng.below(self.topology.hypervisors as u64)).unwrap_or(0);
            self.guest_ends.push(GuestEnd {
                at_ms: rng.between(1_500, 20_000),
                host,
                pick: rng.below(1 << 16),
            });
        }
    }

    /// What a seed draws besides, from a stream of its own: clocks that jump, a format level that is raised, a tail that
    /// is lost, an operator who clears quarantine, and wishes that few worlds have.
    fn draw_more(&mut self, rng: &mut Rng, calm: bool) {
        workload::more(rng, &mut self.wishes);
        self.clears_quarantine = rng.chance(700);
        self.skips = !self.gives_up && rng.chance(400);
        self.raise_format_ms = rng.chance(200).then(|| rng.between(500, 15_000));
        for _ in 0..if rng.chance(250) { rng.between(1, 3) } else { 0 } {
            let most = *rng.pick(&[400, 3_000, 3_000, 20_000]).unwrap_or(&400);
            let by_ms = rng.between(0, 2 * most).cast_signed() - most.cast_signed();
            let node = usize::try_from(rng.below(self.topology.orchestrators as u64)).unwrap_or(0);
            self.clock_jumps.push(ClockJump { at_ms: rng.between(500, 20_000), node, by_ms });
        }
        // The tail is lost of worlds that are calm otherwise: what is expected of others after that can't be said in general.
        let touches_hosts = self.wishes.iter().any(|wish| matches!(wish.want, Want::Join(_)));
        if rng.chance(400) && calm && !touches_hosts && self.topology.orchestrators > 1 {
            let at_ms = rng.between(1_000, 12_000);
            let frames = usize::try_from(rng.between(1, 3)).unwrap_or(1);
            self.tail_loss = Some(TailLoss { at_ms, frames, recover_ms: at_ms + rng.between(8_000, 20_000) });
        }
    }
}
