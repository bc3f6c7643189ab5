//! Keeps what commits touched since the last image, on the thread that folds them, and encodes just that.
//!
//! Invariant: the images written from what it marks equal the fold, row for row. It hears of every frame with valid
//! commits once, in order, when the frame is folded; a leader's own when it is sent. It dies with its fold.

mod noting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use windlass_sagas::cell::Cell;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::*;

use crate::delta::Delta;
use crate::index::{Additions, Sparse};
use crate::limits::{IMAGE_COMMITS, LIST_ROWS_MAX, TRACKED_COMMITS_MAX};
use crate::query::{List, Place};
use crate::requests::{chunk_bytes, chunk_of};
use crate::row::{CellRow, bytes, encode, key};
use crate::summary::{Open, Summary, open_sagas};
use crate::touch::touch;
use noting::Noting;

/// What one fold has touched since its last image, and the index of what is not stored yet.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    /// The last image's position; 0: none.
    base: Position,
    /// The last commit that was noted.
    position: Position,
    /// Its hash.
    hash: Hash,
    /// The frame that holds it.
    cursor: Cursor,
    touched: BTreeSet<ResourceRef>,
    /// What a few rare events touch, found by a walk when it is captured.
    walks: Walks,
    links: Links,
    open: BTreeMap<SagaId, Open>,
    /// What was claimed on hosts and used by projects at the last image: whatever gives it back is compared, not followed.
    claims: BTreeMap<HostId, Capacity>,
    usage: BTreeMap<ProjectId, Amounts>,
    /// Requests of this number or later may not be stored yet.
    requests_from: u64,
    index: Additions,
    /// Captured, not known to be written.
    captured: VecDeque<(Position, Arc<Additions>)>,
    places: Sparse,
    /// It has given up: too much was noted without a capture.
    spent: bool,
}

#[derive(Clone, Debug, Default)]
struct Walks {
    hosts: bool,
    networks: bool,
    principals: bool,
    guests_of: BTreeSet<HostId>,
}

/// What the fold no longer says once a thing is gone.
#[derive(Clone, Debug, Default)]
struct Links {
    ports: BTreeMap<PortId, NetworkId>,
    attachments: BTreeSet<(VolumeId, AttachmentId, ServerId)>,
    credentials: BTreeMap<CredentialId, PrincipalId>,
}

impl Tracker {
    /// Of a fold that begins before genesis, onto an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a fold that begins with a stored image.
    #[must_use]
    pub fn resume(image: &crate::Image) -> Self {
        let Cell { position, hosts, projects, ports, volumes, credentials, sagas, requests, .. } =
            &image.cell;
        let attachments = volumes.values().flat_map(|volume| &volume.attachments);
        Self {
            base: *position,
            position: *position,
            hash: image.tip.hash,
            cursor: image.cursor,
            links: Links {
                ports: ports.iter().map(|(id, port)| (*id, port.spec.network)).collect(),
                attachments: attachments.map(|it| (it.volume, it.id, it.server)).collect(),
                credentials: credentials.iter().map(|(id, it)| (*id, it.principal)).collect(),
            },
            open: open_sagas(sagas, *position),
            claims: hosts.iter().map(|(id, host)| (*id, host.claimed)).collect(),
            usage: projects.iter().map(|(id, project)| (*id, project.usage)).collect(),
            requests_from: requests.numbers().end,
            ..Self::default()
        }
    }

    /// Notes the valid commits of the frame at `cursor`, all of them, in order, and the last one's hash: when the frame
    /// is known to be durable, or earlier, when a leader sends a frame that its fold holds already. A frame that was
    /// noted before is ignored; another one in its place ends the images, since the tracker is not of that fold.
    pub fn note(&mut self, cursor: Cursor, commits: &[Commit], hash: Hash) {
        let Some((first, last)) = commits.first().zip(commits.last()) else { return };
        let (first, last) = (first.header, last.header.position);
        if first.position <= self.position {
            if last > self.position || (last == self.position && hash != self.hash) {
                self.give_up("other commits were noted at these positions");
            }
            return;
        }
        if self.position.0.saturating_sub(self.base.0) >= TRACKED_COMMITS_MAX {
            self.give_up("too many commits without an image");
        }
        (self.cursor, self.position, self.hash) = (cursor, last, hash);
        if self.spent {
            return;
        }
        if self.places.wants(first.position, first.time) {
            self.index.places.insert(first.position, (cursor, first.time));
        }
        for commit in commits {
            let (position, time) = (commit.header.position, commit.header.time);
            for event in &commit.events {
                touch(event, &mut Noting { tracker: &mut *self, position, time, cursor });
            }
        }
    }

    /// The stored image stays as it is and grows old; a restart folds more. Nothing else is lost.
    fn give_up(&mut self, why: &str) {
        if !self.spent {
            tracing::warn!(
                why,
                image = self.base.0,
                position = self.position.0,
                "no more images until a restart"
            );
            let (base, position, hash, cursor) = (self.base, self.position, self.hash, self.cursor);
            *self = Self { spent: true, base, position, hash, cursor, ..Self::default() };
        }
    }

    /// The last position noted.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether enough has happened for a new image.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        !self.spent && self.position.0.saturating_sub(self.base.0) >= IMAGE_COMMITS
    }

    /// Encodes the rows that were touched since the last capture. `None` where nothing was, where the fold stands behind
    /// or ahead of the last noted frame (an image ends with a frame), or where the tracker has given up.
    ///
    /// Costs the rows touched, and a look at each host and project. Write the delta once its cursor is durable; a delta
    /// that is never written makes all later ones worthless.
    pub fn capture(&mut self, cell: &Cell, tip: &Tip) -> Option<Delta> {
        let ends = (cell.position, tip.position, tip.hash) == (self.position, self.position, self.hash);
        if self.spent || !ends || self.position == self.base {
            return None;
        }
        self.walk(cell);
        self.compare(cell);
        let touched = std::mem::take(&mut self.touched);
        let rows = touched.into_iter().map(|it| (key(it), encode(cell, it))).collect();
        let fresh = cell.requests.chunks_from(self.requests_from);
        let requests = fresh.map(|(number, chunk)| (number, chunk_bytes(chunk))).collect();
        let numbers = cell.requests.numbers();
        let index = Arc::new(std::mem::take(&mut self.index));
        let delta = Delta {
            base: self.base,
            cursor: self.cursor,
            tip: *tip,
            cell: bytes(&CellRow::of(cell)),
            rows,
            requests,
            requests_from: chunk_of(numbers.start),
            index: Arc::clone(&index),
        };
        self.captured.push_back((self.position, index));
        (self.base, self.requests_from) = (self.position, numbers.end);
        Some(delta)
    }

    /// Everything up to `position` is written: the store answers for it from now on.
    pub fn written(&mut self, position: Position) {
        self.captured.retain(|(captured, _)| *captured > position);
    }

    fn walk(&mut self, cell: &Cell) {
        let Walks { hosts, networks, principals, guests_of } = std::mem::take(&mut self.walks);
        if hosts {
            self.touched.extend(cell.hosts.keys().map(|id| ResourceRef::Host(*id)));
        }
        if networks {
            self.touched.extend(cell.networks.keys().map(|id| ResourceRef::Network(*id)));
        }
        if principals {
            self.touched.extend(cell.principals.keys().map(|id| ResourceRef::Principal(*id)));
        }
        if !guests_of.is_empty() {
            let lost = cell.servers.values().filter(|server| guests_of.contains(&server.spec.host));
            self.touched.extend(lost.map(|server| ResourceRef::Server(server.spec.id)));
        }
    }

    fn compare(&mut self, cell: &Cell) {
        for (id, host) in &cell.hosts {
            if self.claims.insert(*id, host.claimed) != Some(host.claimed) {
                self.touched.insert(ResourceRef::Host(*id));
            }
        }
        for (id, project) in &cell.projects {
            if self.usage.insert(*id, project.usage) != Some(project.usage) {
                self.touched.insert(ResourceRef::Project(*id));
            }
        }
        if self.usage.len() != cell.projects.len() {
            self.usage.retain(|id, _| cell.projects.contains_key(id));
        }
    }

    /// What is not written yet, newest first.
    fn unwritten(&self) -> impl Iterator<Item = &Additions> {
        std::iter::once(&self.index).chain(self.captured.iter().rev().map(|(_, index)| &**index))
    }

    /// How a saga stands, if that is not in the store yet, or the saga is open.
    #[must_use]
    pub fn summary(&self, saga: SagaId) -> Option<&Summary> {
        let open = self.open.get(&saga).map(|open| &open.summary);
        open.or_else(|| self.unwritten().find_map(|index| index.summaries.get(&saga)))
    }

    /// The newest sagas of a list whose summaries may not be in the store yet: what `Store::list` is to be given.
    #[must_use]
    pub fn recent(&self, list: &List) -> Vec<Summary> {
        let mut newest: BTreeMap<(Position, SagaId), &Summary> = BTreeMap::new();
        for index in self.unwritten() {
            for summary in index.summaries.values().filter(|summary| list.wants(summary)) {
                newest.entry((summary.first, summary.saga)).or_insert(summary);
            }
        }
        newest.into_values().rev().take(list.rows_max.min(LIST_ROWS_MAX)).cloned().collect()
    }

    /// The commits of a saga that may not be in the store yet, oldest first.
    #[must_use]
    pub fn saga_commits(&self, saga: SagaId) -> Vec<Place> {
        let range = (saga, Position(0))..=(saga, Position(u64::MAX));
        let mut all: Vec<Place> = self
            .unwritten()
            .flat_map(|index| index.saga_commits.range(range.clone()))
            .map(|((_, position), cursor)| Place { position: *position, cursor: *cursor })
            .collect();
        all.sort_unstable();
        all
    }

    /// The commits that name a resource and may not be in the store yet, oldest first.
    #[must_use]
    pub fn resource_commits(&self, resource: ResourceRef) -> Vec<Place> {
        let row = key(resource);
        let range = (row, Position(0))..=(row, Position(u64::MAX));
        let mut all: Vec<Place> = self
            .unwritten()
            .flat_map(|index| index.resource_commits.range(range.clone()))
            .map(|((_, position), cursor)| Place { position: *position, cursor: *cursor })
            .collect();
        all.sort_unstable();
        all
    }
}
