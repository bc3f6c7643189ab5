//! What a finished saga costs in memory, counted at the system: a process of its own, with one test.

use windlass_sagas::cell::{Cell, decide};
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

/// Finished sagas after the warm-up.
const SAGAS: u64 = 200_000;
/// What the design allows each of them, bytes.
const BYTES_MAX: u64 = 64;

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
    let kib: u64 = line.split_whitespace().next().expect("a number").parse().expect("KiB");
    kib * 1024
}

struct World {
    cell: Cell,
    project: ProjectId,
    requests: u64,
}

impl World {
    fn fold(&mut self, fact: Fact) {
        let time = Time(1_790_000_000_000_000 + i64::try_from(self.requests).expect("few") * 100);
        let events = decide(&self.cell, &fact, time).expect("admitted");
        let term = Term { generation: 0, elected: Position(0) };
        let position = self.cell.position.next();
        let header = Header { position, time, term, writer: WriterId([0; 16]), previous: Hash([0; 32]) };
        self.cell.fold(&Commit { header, cause: Cause::default(), fact, events });
    }

    fn ask(&mut self, body: impl Into<Body>) {
        self.requests += 1;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&1_790_000_000_000_u64.to_be_bytes()[2..]);
        id[6] = 0x70;
        id[8..].copy_from_slice(&self.requests.to_be_bytes());
        id[8] = 0x80;
        let principal = Principal::User(PrincipalId([9; 16]));
        self.fold(((RequestId(id), self.project, principal), body.into()).into());
    }

    /// Sagas that leave nothing: what each makes is removed by the next.
    fn finish(&mut self, sagas: u64) {
        for _ in 0..sagas / 2 {
            let public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA".into();
            self.ask(CreateKeyPair { name: "key".into(), public_key });
            self.ask(DeleteKeyPair { key_pair: "key".into() });
        }
    }
}

#[test]
fn a_finished_saga_costs_under_64_bytes() {
    let mut world = World { cell: Cell::new(), project: ProjectId([0; 16]), requests: 0 };
    let genesis = Genesis {
        cell: CellId([1; 16]),
        name: "test".into(),
        level: FORMAT_LEVEL,
        admin: PrincipalId([9; 16]),
        credential: CredentialId([8; 16]),
        secret_sha256: Hash([7; 32]),
    };
    world.fold(Report::Genesis(genesis).into());
    world.ask(CreateProject { name: "blue".into(), quota: None });
    world.project = *world.cell.projects.keys().next().expect("the project");
    world.finish(10_000);
    let before = resident();
    world.finish(SAGAS);
    let each = (resident() - before) / SAGAS;
    assert_eq!(world.cell.requests.len() as u64, world.requests, "all of them are remembered");
    assert_eq!((world.cell.sagas.len(), world.cell.key_pairs.len()), (0, 0), "and nothing else");
    assert!(each >= 32, "an id, a time and a fingerprint are that large: {each}");
    assert!(each < BYTES_MAX, "{each} bytes");
}
