//! What an orchestrator should not have sent, through the whole agent without its sockets: decoded, taken by the
//! ledgers, worked on by the simulated world. Nothing panics, and no ledger is left with work that never ends.

use std::collections::VecDeque;

use prost::Message as _;
use windlass_agent_wire::{decode_down, encode_down};
use windlass_proto::agent::v1::OrchestratorMessage;
use windlass_sagas::cell::views::{HostView, NetworkView};
use windlass_sagas::ids::*;
use windlass_sagas::limits::FAULTS_MAX;
use windlass_sagas::protocol::ledger::{Input, Ledger, LinkId, Output};
use windlass_sagas::protocol::{Answer, Call, CallBody, Down, Owner, PlacedView, Verb};
use windlass_sagas::record::*;
use windlass_world::{Operation, Progress, World};

use crate::authority::{CELL, HOST};
use crate::session::{Step, term};
use crate::steps::*;

const ROUNDS: u32 = 10_000;
const LINK: LinkId = LinkId(1);
const INCARNATION: Incarnation = Incarnation([3; 16]);

/// Seeded draws (SplitMix64).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) >> 32).expect("32 bits") % bound.max(1)
    }
}

fn call(step: &Step, verb: Verb, direction: Direction) -> Down {
    Down::Call(Box::new(Call {
        term: term(5),
        key: step.key,
        verb,
        direction,
        attempt: Attempt(1),
        dispatched: step.dispatched,
        ledger: LedgerId { host: HOST, role: step.role },
        incarnation: INCARNATION,
        remaining_ms: step.remaining_ms,
        owner: Owner { cell: CELL, project: ProjectId([8; 16]) },
        body: CallBody {
            input: step.input.clone(),
            exports: step.exports.clone(),
            closes: step.closes.clone(),
        },
    }))
}

fn samples() -> Vec<Vec<u8>> {
    let endpoint = Endpoint { host: "host-1".into(), port: 10_809 };
    let guest = guest(1, &Answer::Done(StepOutput::Export(endpoint)));
    let mut downs = vec![Down::Lead { term: term(5), position: Position(5), hash: Hash([1; 32]) }];
    let network = NetworkView {
        vni: 1,
        mtu: 1450,
        peers: ["192.0.2.1".parse().expect("an address")].into(),
        subnets: Vec::new(),
    };
    let view = HostView { networks: [(NetworkId([7; 16]), network)].into(), ..HostView::default() };
    downs.push(Down::View { term: term(5), view: Box::new(PlacedView::new(Position(20), view)) });
    for role in Role::ALL {
        let ledger = LedgerId { host: HOST, role: *role };
        let position = Position(12);
        downs.push(Down::LowWater { ledger, incarnation: INCARNATION, term: term(5), position });
    }
    for step in [volume(1), volume(2), volume_deleted(1), port(), guest] {
        downs.push(call(&step, Verb::Execute, Direction::Forward));
        downs.push(call(&step, Verb::Undo, Direction::Undo));
        downs.push(call(&step, Verb::Lookup, Direction::Forward));
        downs.push(call(&step, Verb::Lookup, Direction::Undo));
    }
    downs.iter().map(|down| encode_down(down).encode_to_vec()).collect()
}

/// A host without sockets and threads.
struct Bare {
    ledgers: Vec<Ledger>,
    world: World,
    answers: u32,
}

impl Bare {
    fn new() -> Self {
        let ledger = |role: &Role| Ledger::new(LedgerId { host: HOST, role: *role }, INCARNATION);
        let capacity = Capacity { vcpus: 4, ram_mib: 4096, disk_gib: 64 };
        let ledgers = Role::ALL.iter().map(ledger).collect();
        Self { ledgers, world: World::new("host-1", capacity), answers: 0 }
    }

    /// Takes one message, and does all that comes of it.
    fn take(&mut self, down: Down, now: Time) {
        match down {
            Down::Lead { term, position, hash } => {
                for index in 0..self.ledgers.len() {
                    self.step(index, Input::Lead { link: LINK, term, position, hash }, now);
                }
            }
            Down::Seen { term, position, hash } => {
                for index in 0..self.ledgers.len() {
                    self.step(index, Input::Seen { link: LINK, term, position, hash }, now);
                }
            }
            Down::View { term, view } => {
                self.step(index(Role::Network), Input::View { link: LINK, term, view }, now);
            }
            Down::Faults { faults, .. } => {
                // The ledgers know nothing of them; what got through the wire is in its bounds.
                assert!(faults.len() <= FAULTS_MAX);
            }
            Down::Call(call) => self.step(index(call.ledger.role), Input::Call { link: LINK, call }, now),
            Down::LowWater { ledger, incarnation, term, position } => {
                self.step(
                    index(ledger.role),
                    Input::LowWater { link: LINK, incarnation, term, position },
                    now,
                );
            }
            Down::TakeInventory { ledger } => {
                assert!(self.world.inventory(ledger.role).len() < 10_000);
            }
        }
    }

    fn step(&mut self, ledger: usize, input: Input, now: Time) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.ledgers[ledger].step(input, now, &mut out);
            for output in out {
                match output {
                    Output::Begin(work) => {
                        let mut operation = Operation::of(&work);
                        let mut steps = 0;
                        let result = loop {
                            steps += 1;
                            assert!(steps < 10_000, "work that never ends: {work:?}");
                            if let Progress::Finished(result) = operation.step(&mut self.world) {
                                break result;
                            }
                        };
                        inputs.push_back(Input::Worked { work: work.id, result });
                    }
                    Output::Apply(view) => {
                        self.world.apply_view(&view);
                        inputs.push_back(Input::Applied { position: view.position, result: Ok(()) });
                    }
                    Output::Persist { batch, rows } => {
                        for row in rows {
                            assert!(row.key_bytes().len() < 64);
                            assert!(row.value_bytes().is_none_or(|bytes| bytes.len() < 16 * 1024));
                        }
                        inputs.push_back(Input::Synced { batch });
                    }
                    Output::Send { .. } => self.answers += 1,
                }
            }
        }
    }
}

fn index(role: Role) -> usize {
    Role::ALL.iter().position(|other| *other == role).expect("all roles are served")
}

#[test]
fn no_bytes_of_an_orchestrator_panic_an_agent() {
    let (samples, mut draws, mut bare) = (samples(), Draws(11), Bare::new());
    let (mut bytes_passed, mut passed) = (0, 0);
    for round in 0..ROUNDS {
        let mut bytes = samples[draws.below(samples.len())].clone();
        let kinds = [2, 4][draws.below(2)];
        for _ in 0..draws.below(4) {
            let at = draws.below(bytes.len());
            match draws.below(kinds) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << draws.below(8),
                1 if !bytes.is_empty() => bytes[at] = u8::try_from(draws.below(256)).expect("a byte"),
                2 => bytes.truncate(at),
                _ => bytes.insert(at, u8::try_from(draws.below(256)).expect("a byte")),
            }
        }
        let Ok(message) = OrchestratorMessage::decode(bytes.as_slice()) else { continue };
        bytes_passed += 1;
        // A high term would fence all that follows: from time to time the host is a new one.
        if round % 50 == 0 {
            let answers = bare.answers;
            bare = Bare { answers, ..Bare::new() };
            bare.take(Down::Lead { term: term(5), position: Position(5), hash: Hash([1; 32]) }, Time(0));
        }
        let Ok(Some(down)) = decode_down(HOST, &message) else { continue };
        passed += 1;
        bare.take(down, Time(i64::from(round)));
        assert!(bare.ledgers.iter().all(Ledger::is_quiet));
        let stored = bare.world.encode();
        assert_eq!(World::decode(&stored).as_ref(), Ok(&bare.world));
    }
    let enough = bytes_passed > ROUNDS / 2 && passed > ROUNDS / 10 && bare.answers > ROUNDS / 20;
    assert!(enough, "{bytes_passed} {passed} {}", bare.answers);
}
