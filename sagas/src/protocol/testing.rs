//! Values that the protocol's tests share: a cell with its genesis, facts that need no host, frames put together by hand.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::cell::{self, Cell};
use crate::ids::*;
use crate::record::*;

pub(crate) const CELL: CellId = CellId([7; 16]);
const ADMIN: PrincipalId = PrincipalId([1; 16]);

pub(crate) fn genesis(level: u16) -> Genesis {
    Genesis {
        cell: CELL,
        name: "test".to_string(),
        level,
        admin: ADMIN,
        credential: CredentialId([2; 16]),
        secret_sha256: Hash([3; 32]),
    }
}

/// A request of zero steps, made at 1970 plus `number` milliseconds.
pub(crate) fn create_project(number: u64, name: &str) -> Fact {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&number.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    Fact::Request(Request {
        id: RequestId(id),
        project: ProjectId::default(),
        principal: Principal::User(ADMIN),
        body: CreateProject { name: name.to_string(), quota: None }.into(),
    })
}

/// Commits behind a tip, as some writer puts them together.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) cell: Cell,
    pub(crate) tip: Tip,
    pub(crate) writer: WriterId,
}

/// A frame and the tip behind it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tip: Tip,
}

impl Writer {
    pub(crate) fn new(writer: u8) -> Self {
        Self { cell: Cell::new(), tip: Tip::default(), writer: WriterId([writer; 16]) }
    }

    /// One frame of these facts at `time`; a campaign gets its own term.
    pub(crate) fn frame(&mut self, facts: Vec<Fact>, time: Time) -> Made {
        let commits = facts.into_iter().map(|fact| self.commit(fact, time)).collect();
        Made { bytes: Frame { commits }.encode().expect("within bounds"), tip: self.tip }
    }

    fn commit(&mut self, fact: Fact, time: Time) -> StoredCommit {
        let events = cell::decide(&self.cell, &fact, time).expect("decided");
        let term = match &fact {
            Fact::Report(Report::Campaign(campaign)) => campaign.term,
            Fact::Report(_) | Fact::Request(_) => self.tip.term,
        };
        let position = self.tip.position.next();
        let header = Header { position, time, term, writer: self.writer, previous: self.tip.hash };
        let commit = Commit { header, cause: Cause::default(), fact, events };
        let stored = StoredCommit::of(&commit).expect("within bounds");
        self.cell.fold(&commit);
        self.tip = Tip { position, hash: stored.hash(), time, term };
        stored
    }

    pub(crate) fn campaign(&self, recover: Option<String>) -> Fact {
        let generation = self.tip.term.generation + u32::from(recover.is_some());
        let term = Term { generation, elected: self.tip.position.next() };
        Report::Campaign(Campaign { term, build: "test".to_string(), recover }).into()
    }
}

/// Genesis alone.
pub(crate) fn genesis_frame(level: u16) -> Vec<u8> {
    Writer::new(1).frame(alloc::vec![Report::Genesis(genesis(level)).into()], Time(1)).bytes
}

/// Genesis and a campaign, as `writer` writes them.
pub(crate) fn first_frame(writer: u8) -> Made {
    let term = Term { generation: 0, elected: Position(2) };
    let campaign = Campaign { term, build: "test".to_string(), recover: None };
    let facts = alloc::vec![Report::Genesis(genesis(FORMAT_LEVEL)).into(), Report::Campaign(campaign).into()];
    Writer::new(writer).frame(facts, Time(1))
}
