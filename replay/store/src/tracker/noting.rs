//! How one event enters a tracker: rows to encode, commits to index, links to remember.

use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::ResourceRef;

use super::Tracker;
use crate::row::key;
use crate::summary::{Open, SagaStanding};
use crate::touch::{Moves, Touched};

/// One event of one commit on its way into a tracker.
pub(super) struct Noting<'a> {
    pub(super) tracker: &'a mut Tracker,
    pub(super) position: Position,
    pub(super) time: Time,
    pub(super) cursor: Cursor,
}

impl Touched for Noting<'_> {
    fn names(&mut self, resource: ResourceRef) {
        let Self { tracker, position, cursor, .. } = self;
        tracker.touched.insert(resource);
        match resource {
            ResourceRef::Saga(saga) => drop(tracker.index.saga_commits.insert((saga, *position), *cursor)),
            ResourceRef::Server(_)
            | ResourceRef::Volume(_)
            | ResourceRef::Port(_)
            | ResourceRef::Network(_)
            | ResourceRef::Subnet(_)
            | ResourceRef::SecurityGroup(_)
            | ResourceRef::Flavor(_)
            | ResourceRef::Image(_)
            | ResourceRef::KeyPair(_)
            | ResourceRef::Project(_)
            | ResourceRef::Host(_)
            | ResourceRef::Credential(_)
            | ResourceRef::Principal(_)
            | ResourceRef::JoinToken(_)
            | ResourceRef::Fault(_) => {
                tracker.index.resource_commits.insert((key(resource), *position), *cursor);
            }
        }
    }

    fn moves(&mut self, moves: &Moves<'_>) {
        let tracker = &mut *self.tracker;
        match *moves {
            Moves::PortMade(spec) => {
                tracker.links.ports.insert(spec.id, spec.network);
                tracker.touched.insert(ResourceRef::Network(spec.network));
                tracker.touched.extend(spec.addresses.iter().map(|it| ResourceRef::Subnet(it.subnet)));
            }
            Moves::PortGone(port) => {
                let network = tracker.links.ports.remove(&port);
                tracker.touched.extend(network.map(ResourceRef::Network));
            }
            Moves::Attached(it) => drop(tracker.links.attachments.insert((it.volume, it.id, it.server))),
            Moves::Detached(volume, attachment) => tracker.detach(volume, |it| it == attachment),
            Moves::VolumeGone(volume) => tracker.detach(volume, |_| true),
            Moves::CredentialOf(credential, principal) => {
                tracker.links.credentials.insert(credential, principal);
            }
            Moves::PrincipalGone(principal) => {
                let gone = tracker.links.credentials.iter().filter(|(_, of)| **of == principal);
                tracker.touched.extend(gone.map(|(id, _)| ResourceRef::Credential(*id)));
                tracker.links.credentials.retain(|_, of| *of != principal);
            }
            Moves::AllPrincipals => tracker.walks.principals = true,
            Moves::Elected(it) => tracker.walks.hosts |= it.recover.is_some(),
            Moves::AllNetworks => tracker.walks.networks = true,
            Moves::GuestsOf(host) => drop(tracker.walks.guests_of.insert(host)),
            Moves::Discarded(resource) => self.discarded(resource),
            Moves::Begun(started) => {
                let open = Open::begun(started, self.position, self.time);
                tracker.index.summaries.insert(started.saga, open.summary.clone());
                tracker.open.insert(started.saga, open);
                started.holds.iter().for_each(|held| self.names(*held));
            }
            Moves::Turned(saga, turn) => self.change(saga, |open| open.turned(turn)),
            Moves::Stuck(saga, reason) => self.change(saga, |open| open.stuck(reason)),
            Moves::Resumed(saga) => self.change(saga, Open::resumed),
            Moves::Late(saga) => self.change(saga, |open| open.summary.late = true),
            Moves::Ended(saga, standing, reason) => self.end(saga, standing, reason),
        }
    }
}

impl Noting<'_> {
    /// Of all but these nothing but their own row is gone.
    fn discarded(&mut self, resource: ResourceRef) {
        match resource {
            ResourceRef::Volume(volume) => self.moves(&Moves::VolumeGone(volume)),
            ResourceRef::Port(port) => self.moves(&Moves::PortGone(port)),
            ResourceRef::Server(_)
            | ResourceRef::Network(_)
            | ResourceRef::Subnet(_)
            | ResourceRef::SecurityGroup(_)
            | ResourceRef::Flavor(_)
            | ResourceRef::Image(_)
            | ResourceRef::KeyPair(_)
            | ResourceRef::Project(_)
            | ResourceRef::Host(_)
            | ResourceRef::Saga(_)
            | ResourceRef::Credential(_)
            | ResourceRef::Principal(_)
            | ResourceRef::JoinToken(_)
            | ResourceRef::Fault(_) => {}
        }
    }

    fn change(&mut self, saga: SagaId, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.tracker.open.get_mut(&saga) {
            change(open);
            open.summary.changed = self.position;
            self.tracker.index.summaries.insert(saga, open.summary.clone());
        }
    }

    /// What it held changes with it.
    fn end(&mut self, saga: SagaId, standing: SagaStanding, reason: &str) {
        let time = self.time;
        self.change(saga, |open| open.ended(standing, reason, time));
        if let Some(open) = self.tracker.open.remove(&saga) {
            open.holds.iter().for_each(|held| self.names(*held));
        }
    }
}

impl Tracker {
    /// Some attachments of a volume end: their servers' lists change.
    fn detach(&mut self, volume: VolumeId, which: impl Fn(AttachmentId) -> bool) {
        let least = (volume, AttachmentId([0; 16]), ServerId([0; 16]));
        let most = (volume, AttachmentId([0xff; 16]), ServerId([0xff; 16]));
        let ended: Vec<_> =
            self.links.attachments.range(least..=most).filter(|it| which(it.1)).copied().collect();
        for it in ended {
            self.touched.insert(ResourceRef::Server(it.2));
            self.links.attachments.remove(&it);
        }
    }
}
