//! A tiny world around a few orchestrators: one journal, sendings that land late, twice or never, answers that are lost,
//! doubled and reordered, leases that lie, crashes. Every choice comes from outside, so a run is its list of choices.
//!
//! It checks as it goes: what leaves a node is in the valid chain of the journal at that moment, and nowhere else.

use std::collections::BTreeMap;

use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::orchestrator::*;
use windlass_sagas::protocol::{AppendError, Cursor, Fold};
use windlass_sagas::record::*;

const CELL: CellId = CellId([7; 16]);
const ADMIN: PrincipalId = PrincipalId([1; 16]);
const START_MS: u64 = 3_600_000;

/// What a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An acknowledged request is not in the valid chain (P4).
    RequestLost(Position),
    /// A commit was released as durable that is not in the valid chain there (P5, P7).
    NotInChain(Position),
    /// Two nodes lead in one term (P8).
    TwoLeaders(Term),
    /// The leader's fold differs from the journal's.
    FoldDiffers(Position),
    /// Nobody leads, or nothing is acknowledged, although all is well again.
    Dead,
}

#[derive(Clone)]
struct Sending {
    /// Which start of a process sent it: its successor never hears of it.
    start: u64,
    node: usize,
    append: u64,
    after: Cursor,
    frame: Vec<u8>,
}

struct Node {
    machine: Orchestrator,
    /// Of the current read: what was delivered, and its number.
    read: (Cursor, u64),
    image: Fold,
    skew_ms: i64,
    started_ms: u64,
    start: u64,
}

/// The world.
pub(crate) struct World {
    nodes: Vec<Node>,
    frames: Vec<Vec<u8>>,
    /// The journal folded, and its valid commits.
    reference: Fold,
    chain: BTreeMap<Position, Commit>,
    sendings: Vec<Sending>,
    answers: Vec<(usize, u64, Result<Cursor, AppendError>)>,
    leaders: BTreeMap<Term, u64>,
    starts: u64,
    now_ms: u64,
    tokens: u64,
    asked: BTreeMap<u64, SagaId>,
    /// How many requests were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) broken: Option<Broken>,
}

impl World {
    pub(crate) fn new(nodes: usize) -> Self {
        let mut world = Self {
            nodes: Vec::new(),
            frames: Vec::new(),
            reference: Fold::new(Some(CELL)),
            chain: BTreeMap::new(),
            sendings: Vec::new(),
            answers: Vec::new(),
            leaders: BTreeMap::new(),
            starts: 0,
            now_ms: START_MS,
            tokens: 0,
            asked: BTreeMap::new(),
            acknowledged: 0,
            broken: None,
        };
        for index in 0..nodes {
            let skew_ms = i64::try_from(index).expect("small") * 700;
            let node = world.start(skew_ms);
            world.nodes.push(node);
            world.tell(index, Input::Loaded(Box::new(Fold::new(Some(CELL)))));
        }
        world
    }

    fn start(&mut self, skew_ms: i64) -> Node {
        self.starts += 1;
        let mut writer = [0; 16];
        writer[8..].copy_from_slice(&self.starts.to_be_bytes());
        let genesis = Genesis {
            cell: CELL,
            name: "test".into(),
            level: FORMAT_LEVEL,
            admin: ADMIN,
            credential: CredentialId([2; 16]),
            secret_sha256: Hash([3; 32]),
        };
        let config =
            Config { writer: WriterId(writer), build: "test".into(), genesis: Some(genesis), recover: None };
        let machine = Orchestrator::new(config);
        let image = Fold::new(Some(CELL));
        let (started_ms, start) = (self.now_ms, self.starts);
        Node { machine, read: (Cursor::START, 0), image, skew_ms, started_ms, start }
    }

    /// One thing happens, as `choice` says.
    pub(crate) fn happen(&mut self, choice: u16) {
        let node = usize::from(choice >> 4) % self.nodes.len();
        let which = usize::from(choice >> 6);
        match choice % 16 {
            0 => self.tell(node, Input::Lease(Lease::Granted)),
            1 if which.is_multiple_of(4) => self.tell(node, Input::Lease(Lease::Lost)),
            1..=3 => self.ask(node, which),
            4 | 5 => self.land(which, false),
            6 => self.land(which, true),
            7 | 8 => self.answer(which, false),
            9 if which.is_multiple_of(3) => self.answer(which, true),
            9..=11 => self.deliver(node),
            12 => self.end(node),
            13 if which.is_multiple_of(5) => self.crash(node),
            13 => self.drop_one(which),
            14 => self.unknown(which),
            _ => self.tick(u64::from(choice >> 4) % 700),
        }
    }

    fn tell(&mut self, node: usize, input: Input) {
        let place = &self.nodes[node];
        let now = Time((i64::try_from(self.now_ms).expect("small") + place.skew_ms) * 1000);
        let mut outputs = self.nodes[node].machine.step(input, now);
        // What must be answered at once is told after the rest of this answer is done.
        let mut next = Vec::new();
        for output in outputs.drain(..) {
            next.extend(self.perform(node, output));
        }
        self.check_fold(node);
        for input in next {
            self.tell(node, input);
        }
    }

    fn perform(&mut self, node: usize, output: Output) -> Option<Input> {
        match output {
            Output::Append { append, after, frame } => {
                let start = self.nodes[node].start;
                self.sendings.push(Sending { start, node, append, after, frame });
            }
            Output::ReadAfter { cursor, read } => self.nodes[node].read = (cursor, read),
            Output::Reply { token, reply: Ok(receipt) } => self.check_receipt(token, receipt),
            Output::Durable { commits, .. } => {
                for commit in commits {
                    self.check_durable(&commit);
                }
            }
            Output::Lead(led) => {
                let writer = self.nodes[node].start;
                if *self.leaders.entry(led.term).or_insert(writer) != writer {
                    self.broken.get_or_insert(Broken::TwoLeaders(led.term));
                }
            }
            Output::Reload { from_start } => {
                let image = self.nodes[node].image.clone();
                let fold = if from_start { Fold::new(Some(CELL)) } else { image };
                return Some(Input::Loaded(Box::new(fold)));
            }
            Output::RenewLease { asked } => return Some(Input::Lease(Lease::Renewed { asked })),
            Output::Reply { .. }
            | Output::SteppedDown(_)
            | Output::ReadNow { .. }
            | Output::ReadReady { .. }
            | Output::LowWater { .. }
            | Output::WakeAt(_)
            | Output::Alarm(_) => {}
        }
        None
    }

    fn check_receipt(&mut self, token: u64, receipt: Receipt) {
        let known = |cell: &Cell, saga: &SagaId| cell.requests.contains_key(saga);
        let there = receipt.position <= self.reference.tip().position
            && self.asked.get(&token).is_none_or(|saga| known(self.reference.cell(), saga));
        if there {
            self.acknowledged += 1;
        } else {
            self.broken.get_or_insert(Broken::RequestLost(receipt.position));
        }
    }

    fn check_durable(&mut self, commit: &Commit) {
        let position = commit.header.position;
        if self.chain.get(&position) != Some(commit) {
            self.broken.get_or_insert(Broken::NotInChain(position));
        }
    }

    /// Everything that is durable for a node is the journal's fold at that frame; images are taken of it.
    fn check_fold(&mut self, node: usize) {
        let Some(fold) = self.nodes[node].machine.durable_fold().cloned() else { return };
        let at = self.chain.get(&fold.tip().position).map(|commit| commit.header.time);
        let same_tip = fold.cursor() != self.reference.cursor() || fold == self.reference;
        if !same_tip || (fold.tip().position != Position(0) && at != Some(fold.tip().time)) {
            self.broken.get_or_insert(Broken::FoldDiffers(fold.tip().position));
        }
        if self.now_ms.is_multiple_of(5) {
            self.nodes[node].image = fold;
        }
    }

    fn ask(&mut self, node: usize, which: usize) {
        self.tokens += 1;
        let made_ms = self.now_ms + self.tokens % 3;
        let mut id = [0; 16];
        id[..6].copy_from_slice(&made_ms.to_be_bytes()[2..]);
        (id[6], id[8]) = (0x70, 0x80);
        id[9..].copy_from_slice(&self.tokens.to_be_bytes()[1..]);
        let project = ProjectId::default();
        let body = CreateProject { name: format!("p{}", which % 40), quota: None }.into();
        let request = Request { id: RequestId(id), project, principal: Principal::User(ADMIN), body };
        self.asked.insert(self.tokens, SagaId::of_request(CELL, project, request.id));
        let fact = Box::new(Fact::Request(request));
        self.tell(node, Input::Fact { token: self.tokens, cause: Cause::default(), fact });
    }

    /// A sending reaches the journal; where it stays under way it may do so again.
    fn land(&mut self, which: usize, stays: bool) {
        if self.sendings.is_empty() {
            return;
        }
        let index = which % self.sendings.len();
        let sending = if stays { self.sendings[index].clone() } else { self.sendings.remove(index) };
        let end = Cursor(u64::try_from(self.frames.len()).expect("small"));
        let result = if end == sending.after {
            self.frames.push(sending.frame.clone());
            let absorbed = self.reference.absorb(end.next(), &sending.frame).expect("ours");
            for commit in absorbed.commits {
                self.chain.insert(commit.header.position, commit);
            }
            Ok(end.next())
        } else {
            Err(AppendError::Fenced)
        };
        if self.nodes[sending.node].start == sending.start {
            self.answers.push((sending.node, sending.append, result));
        }
    }

    fn answer(&mut self, which: usize, stays: bool) {
        if self.answers.is_empty() {
            return;
        }
        let index = which % self.answers.len();
        let (node, append, result) = if stays { self.answers[index] } else { self.answers.remove(index) };
        self.tell(node, Input::Appended { append, result });
    }

    /// A time-out: the sending is still under way, and nobody knows.
    fn unknown(&mut self, which: usize) {
        if !self.sendings.is_empty() {
            let Sending { start, node, append, .. } = self.sendings[which % self.sendings.len()];
            if self.nodes[node].start == start {
                self.tell(node, Input::Appended { append, result: Err(AppendError::Unknown) });
            }
        }
    }

    fn drop_one(&mut self, which: usize) {
        if which.is_multiple_of(2) && !self.sendings.is_empty() {
            self.sendings.remove(which % self.sendings.len());
        } else if !self.answers.is_empty() {
            let _dropped = self.answers.remove(which % self.answers.len());
        }
    }

    /// The next frame of the node's read.
    fn deliver(&mut self, node: usize) {
        let cursor = self.nodes[node].read.0.next();
        let Ok(index) = usize::try_from(cursor.0 - 1) else { return };
        if let Some(bytes) = self.frames.get(index).cloned() {
            self.nodes[node].read.0 = cursor;
            self.tell(node, Input::Tail { cursor, bytes });
        }
    }

    /// The whole rest of the node's read, and its end.
    fn end(&mut self, node: usize) {
        let read = self.nodes[node].read.1;
        let end = u64::try_from(self.frames.len()).expect("small");
        while self.nodes[node].read.0.0 < end {
            self.deliver(node);
        }
        self.tell(node, Input::TailEnd { cursor: Cursor(end), read });
    }

    fn crash(&mut self, node: usize) {
        self.now_ms += 1;
        let image = self.nodes[node].image.clone();
        let skew_ms = self.nodes[node].skew_ms;
        self.nodes[node] = self.start(skew_ms);
        self.answers.retain(|(to, ..)| *to != node);
        self.nodes[node].image = image.clone();
        self.tell(node, Input::Loaded(Box::new(image)));
    }

    fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        for node in 0..self.nodes.len() {
            let up_ms = self.now_ms - self.nodes[node].started_ms;
            self.tell(node, Input::Tick { up_ms });
        }
    }

    /// How many terms began.
    pub(crate) fn terms(&self) -> usize {
        self.leaders.len()
    }

    /// All is well again: one node holds the lease, everything arrives. Somebody must lead, and answer.
    pub(crate) fn heal(&mut self) {
        for node in 0..self.nodes.len() {
            let lease = if node == 0 { Lease::Granted } else { Lease::Lost };
            self.tell(node, Input::Lease(lease));
        }
        let before = self.acknowledged;
        for round in 0..200 {
            while !self.sendings.is_empty() || !self.answers.is_empty() {
                self.land(0, false);
                self.answer(0, false);
            }
            for node in 0..self.nodes.len() {
                self.end(node);
            }
            self.tick(300);
            if matches!(self.nodes[0].machine.standing(), Standing::Leading(_)) {
                self.ask(0, 1_000 + round);
            }
            if self.acknowledged > before + 3 {
                return;
            }
        }
        self.broken.get_or_insert(Broken::Dead);
    }
}
