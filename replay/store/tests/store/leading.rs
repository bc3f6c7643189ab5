//! Images beside the product's own leader, while a frame is always in flight: its fold runs ahead of what is durable,
//! and still every image is the fold of what the journal holds.

use windlass_sagas::ids::*;
use windlass_sagas::protocol::orchestrator::{Config, Input, Lease, Orchestrator, Output, Standing};
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::*;
use windlass_store::{Delta, Store, Tracker};

use crate::images::store;
use crate::support::{ADMIN, CELL, flavor};

/// One orchestrator, its store, and a journal that acknowledges when it is told to.
struct Node {
    machine: Orchestrator,
    tracker: Tracker,
    store: Store,
    waiting: Option<Delta>,
    frames: Vec<Vec<u8>>,
    in_flight: Option<(u64, Vec<u8>)>,
    /// Images written, and how many of them while another frame was in flight.
    images: (u32, u32),
    now: Time,
}

impl Node {
    fn tell(&mut self, input: Input) {
        self.now = self.now.plus_ms(1);
        let outputs = self.machine.step(input, self.now);
        for output in outputs {
            self.act(output);
        }
        if let Some(fold) = self.machine.fold().filter(|_| self.waiting.is_none()) {
            self.waiting = self.tracker.capture(fold.cell(), fold.tip());
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Append { append, after, frame } => {
                assert_eq!(after.0, self.frames.len() as u64, "one frame in flight");
                if let Some((commits, hash)) = self.machine.in_flight(append) {
                    self.tracker.note(after.next(), commits, hash);
                }
                self.in_flight = Some((append, frame));
            }
            Output::ReadAfter { cursor, read } => {
                let behind = self.frames.clone().into_iter().enumerate().skip(cursor.0 as usize);
                for (index, bytes) in behind {
                    self.tell(Input::Tail { cursor: Cursor(index as u64 + 1), bytes });
                }
                self.tell(Input::TailEnd { cursor: Cursor(self.frames.len() as u64), read });
            }
            Output::Durable { cursor, commits, hash, .. } => {
                self.tracker.note(cursor, &commits, hash);
                if let Some(delta) = self.waiting.take_if(|delta| delta.cursor() <= cursor) {
                    self.store.write(&delta).expect("written");
                    self.tracker.written(delta.position());
                    self.same_as_the_journal();
                    let ahead = self.machine.durable_fold().is_none();
                    self.images = (self.images.0 + 1, self.images.1 + u32::from(ahead));
                }
            }
            Output::RenewLease { asked } => self.tell(Input::Lease(Lease::Renewed { asked })),
            Output::Reload { .. } => self.tell(Input::Loaded(Box::new(Fold::new(Some(CELL))))),
            Output::Reply { reply, .. } => drop(reply.expect("accepted")),
            _ => {}
        }
    }

    /// The frame in flight lands.
    fn acknowledge(&mut self) {
        if let Some((append, frame)) = self.in_flight.take() {
            self.frames.push(frame);
            let result = Ok(Cursor(self.frames.len() as u64));
            self.tell(Input::Appended { append, result });
        }
    }

    fn same_as_the_journal(&self) {
        let image = self.store.load().expect("sound").expect("an image");
        let mut fold = Fold::new(Some(CELL));
        for (index, frame) in self.frames.iter().enumerate().take(image.cursor.0 as usize) {
            fold.absorb(Cursor(index as u64 + 1), frame).expect("readable");
        }
        assert_eq!((&image.cell, &image.tip), (fold.cell(), fold.tip()));
    }

    fn ask(&mut self, n: u64) {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&(self.now.0 / 1000).to_be_bytes()[2..]);
        id[6] = 0x70;
        id[8..].copy_from_slice(&n.to_be_bytes());
        id[8] = 0x80;
        let body = flavor(&format!("f{n}")).into();
        let request = Request { id: RequestId(id), project: ProjectId([0; 16]), principal: ADMIN, body };
        let fact = Box::new(Fact::Request(request));
        self.tell(Input::Fact { token: n, cause: Cause::default(), fact });
    }
}

#[test]
fn images_of_a_leader_that_is_never_idle_are_what_its_journal_says() {
    let (_directory, store) = store();
    let genesis = Genesis {
        cell: CELL,
        name: "test".into(),
        level: FORMAT_LEVEL,
        admin: PrincipalId([9; 16]),
        credential: CredentialId([8; 16]),
        secret_sha256: Hash([7; 32]),
    };
    let (writer, build) = (WriterId([1; 16]), "0.1.0".to_owned());
    let machine = Orchestrator::new(Config { writer, build, genesis: Some(genesis), recover: None });
    let mut node = Node {
        machine,
        tracker: Tracker::new(),
        store,
        waiting: None,
        frames: vec![],
        in_flight: None,
        images: (0, 0),
        now: Time(1_790_000_000_000_000),
    };
    node.tell(Input::Loaded(Box::new(Fold::new(Some(CELL)))));
    node.tell(Input::Lease(Lease::Granted));
    node.tell(Input::Tick { up_ms: 1 });
    node.acknowledge();
    assert!(matches!(node.machine.standing(), Standing::Leading(_)), "{:?}", node.machine.standing());
    for n in 1..400 {
        node.ask(n);
        if n % 7 == 0 {
            node.acknowledge();
        }
    }
    assert!(node.images.1 > 20, "images were written while the fold ran ahead: {:?}", node.images);
    node.acknowledge();
    node.acknowledge();
    node.same_as_the_journal();
}
