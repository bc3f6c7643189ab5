//! The checker's own fold of the journal: it reads the broker's frames, judges every commit, and checks the cell and the
//! books after each valid one. It knows of no orchestrator.

use std::collections::BTreeMap;

use windlass_sagas::cell::{Cell, decide};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;

use super::books::Books;
use super::{Findings, Tale, Violation, cell};
use crate::founding::Founding;

/// The journal, as it really is.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The fold of the valid commits.
    pub(crate) cell: Cell,
    /// The last valid one.
    pub(crate) tip: Tip,
    /// What they add up to.
    pub(crate) books: Books,
    /// The last frame read.
    pub(crate) cursor: Cursor,
    /// How many commits were void.
    pub(crate) void: u64,
    /// How many were valid, the founding's apart.
    pub(crate) valid: u64,
    hashes: BTreeMap<Position, Hash>,
    /// Who was elected in each term.
    elected: BTreeMap<Term, WriterId>,
    /// The last valid commits taken in.
    pub(crate) fresh: Vec<Commit>,
    /// What happened to each saga, where it is told.
    pub(crate) tale: Option<Tale>,
}

impl Chain {
    /// The chain of a founding, its one frame read.
    #[must_use]
    pub(crate) fn new(founding: &Founding) -> Self {
        let mut books = Books::default();
        let mut cell = Cell::new();
        let mut found = Findings::default();
        let mut hashes = BTreeMap::new();
        for (place, commit) in founding.commits.iter().enumerate() {
            books.note(&cell, commit, &mut found);
            cell.fold(commit);
            let next = founding.commits.get(place + 1).map_or(founding.tip.hash, |next| next.header.previous);
            hashes.insert(commit.header.position, next);
        }
        books.founded();
        Self {
            cell,
            tip: founding.tip,
            books,
            cursor: Cursor(1),
            void: 0,
            valid: 0,
            hashes,
            elected: BTreeMap::new(),
            fresh: Vec::new(),
            tale: None,
        }
    }

    /// The hash of the valid commit at a position.
    #[must_use]
    pub(crate) fn hash_at(&self, position: Position) -> Option<Hash> {
        self.hashes.get(&position).copied()
    }

    /// Who was elected in a term.
    #[must_use]
    pub(crate) fn leader_of(&self, term: Term) -> Option<WriterId> {
        self.elected.get(&term).copied()
    }

    /// Takes in the next frame; the first violation of its commits. `fresh` holds its valid ones afterwards.
    pub(crate) fn read(&mut self, cursor: Cursor, bytes: &[u8]) -> Option<Violation> {
        self.cursor = cursor;
        self.fresh.clear();
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => return Some(self.unreadable(&error)),
        };
        let mut first = None;
        for (place, stored) in frame.commits.iter().enumerate() {
            match self.tip.judge(stored) {
                Ok(Validity::Valid(commit, tip)) => {
                    let violation = self.take(*commit, tip);
                    first = first.or(violation);
                }
                Ok(Validity::Void(_)) => {
                    self.void += u64::try_from(frame.commits.len() - place).unwrap_or(u64::MAX);
                    break;
                }
                Err(error) => return first.or_else(|| Some(self.unreadable(&error))),
            }
        }
        first
    }

    fn unreadable(&self, error: &DecodeError) -> Violation {
        Violation { law: "invariant 8", what: error.to_string(), position: self.tip.position }
    }

    fn take(&mut self, commit: Commit, tip: Tip) -> Option<Violation> {
        let mut found = Findings::default();
        let header = commit.header;
        let follows = header.position == self.tip.position.next() && header.previous == self.tip.hash;
        found.require(follows, "invariant 8", || {
            format!("the commit of position {} does not follow {}", header.position, self.tip.position)
        });
        let decided = decide(&self.cell, &commit.fact, commit.header.time);
        found.require(decided.as_ref() == Ok(&commit.events), "property P9", || {
            format!("{} was not decided from the valid chain: {decided:?}", commit.fact.name())
        });
        self.books.note(&self.cell, &commit, &mut found);
        if let Some(tale) = &mut self.tale {
            tale.note(&commit);
        }
        self.cell.fold(&commit);
        self.tip = tip;
        self.hashes.insert(tip.position, tip.hash);
        self.valid += 1;
        if commit.events.iter().any(|event| matches!(event, Event::LeaderElected(_))) {
            self.elected.insert(tip.term, commit.header.writer);
        }
        self.books.quarantine_holds(&self.cell, &mut found);
        cell::check(&self.cell, &mut found);
        self.fresh.push(commit);
        found.first(tip.position)
    }
}
