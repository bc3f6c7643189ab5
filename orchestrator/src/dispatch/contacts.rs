//! Who is connected and when it was last heard, for people; and what hosts hold, asked for now. No rule rests on this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use windlass_sagas::ids::{FaultId, HostId, Position, ServerId};
use windlass_sagas::protocol::Inventory;
use windlass_sagas::protocol::dispatcher::LinkId;
use windlass_sagas::record::{LedgerId, Refusal, Role};

use super::consoles::Consoles;
use super::strikes::Strikes;
use crate::api::inventories::{Contact, Inventories, Taken};
use crate::faults::OwnFaults;
use crate::lead::handle::Leader;
use crate::{clock, metrics};

/// Inventories that may wait for who asked; one of every ledger that is asked fits.
const TAKEN_QUEUE: usize = 4096;

/// The open streams, as people ask for them.
#[derive(Debug, Default)]
pub struct Contacts {
    open: Mutex<BTreeMap<HostId, (LinkId, Contact)>>,
    /// How often planned faults have struck on hosts.
    pub(super) strikes: Strikes,
    /// Consoles that are asked for on the streams.
    pub(super) consoles: Consoles,
}

impl Contacts {
    fn look(&self) -> MutexGuard<'_, BTreeMap<HostId, (LinkId, Contact)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, host: HostId, change: impl FnOnce(&mut Contact)) {
        if let Some((_, contact)) = self.look().get_mut(&host) {
            change(contact);
        }
    }

    /// A host's stream is open; it takes the place of an older one.
    pub(super) fn opened(&self, host: HostId, link: LinkId) {
        let contact = Contact { last_seen: clock::now(), ..Contact::default() };
        let mut all = self.look();
        all.insert(host, (link, contact));
        metrics::agents(all.len());
    }

    /// A stream is gone; a newer one of the host stays.
    pub(super) fn closed(&self, host: HostId, link: LinkId) {
        let mut all = self.look();
        if all.get(&host).is_some_and(|(open, _)| *open == link) {
            all.remove(&host);
        }
        metrics::agents(all.len());
    }

    pub(super) fn heard(&self, host: HostId) {
        self.of(host, |contact| contact.last_seen = clock::now());
    }

    pub(super) fn introduced(&self, host: HostId, build: String) {
        self.of(host, |contact| contact.build = build);
    }

    pub(super) fn called(&self, host: HostId, role: Role) {
        self.of(host, |contact| *contact.calls_in_flight.entry(role).or_default() += 1);
    }

    pub(super) fn replied(&self, host: HostId, role: Role) {
        self.of(host, |contact| {
            let calls = contact.calls_in_flight.entry(role).or_default();
            *calls = calls.saturating_sub(1);
        });
    }
}

/// The agents' side of the process, for the API.
pub struct Agents {
    leader: Leader,
    contacts: Arc<Contacts>,
    faults: Arc<OwnFaults>,
}

impl Agents {
    /// The agents that this leader's task and these streams know, and the faults of this process.
    #[must_use]
    pub const fn new(leader: Leader, contacts: Arc<Contacts>, faults: Arc<OwnFaults>) -> Self {
        Self { leader, contacts, faults }
    }

    /// The roles of these hosts, as the fold has them.
    async fn expected(&self, hosts: Vec<HostId>) -> BTreeSet<LedgerId> {
        let look = move |cell: &windlass_sagas::cell::Cell| {
            let hosts = hosts.iter().filter_map(|id| cell.hosts.get(id));
            let ledgers = hosts.flat_map(|host| host.roles.iter().map(|role| (host.id, *role)));
            ledgers.map(|(host, role)| LedgerId { host, role }).collect()
        };
        // Where nothing can be read, nothing can be asked: nobody answers.
        self.leader.read(Position(0), look).await.map(|(_, ledgers)| ledgers).unwrap_or_default()
    }
}

#[tonic::async_trait]
impl Inventories for Agents {
    async fn take(&self, hosts: Vec<HostId>, wait: Duration) -> Vec<Taken> {
        let until = Instant::now() + wait;
        let expected = self.expected(hosts.clone()).await;
        let (told, mut heard) = mpsc::channel(TAKEN_QUEUE);
        if self.leader.take_inventories(hosts, told).is_err() {
            return Vec::new();
        }
        let mut taken: BTreeMap<LedgerId, Inventory> = BTreeMap::new();
        while taken.len() < expected.len() {
            // Nobody is left to answer, or time is up.
            let Ok(Some(inventory)) = timeout_at(until, heard.recv()).await else { break };
            if let Some(ledger) = inventory.ledger.filter(|ledger| expected.contains(ledger)) {
                taken.insert(ledger, inventory);
            }
        }
        by_host(&expected, taken)
    }

    async fn console(
        &self,
        host: HostId,
        server: ServerId,
        bytes_max: u32,
    ) -> Option<Result<Vec<u8>, Refusal>> {
        self.contacts.consoles.ask(host, server, bytes_max).await
    }

    fn contact(&self, host: HostId) -> Option<Contact> {
        self.contacts.look().get(&host).map(|(_, contact)| contact.clone())
    }

    fn strikes(&self, fault: FaultId) -> (Vec<(HostId, u64)>, u64) {
        (self.contacts.strikes.of(fault), self.faults.strikes(fault))
    }

    fn refuses_faults(&self) -> bool {
        self.faults.refuses()
    }
}

/// The hosts of which every role answered.
fn by_host(expected: &BTreeSet<LedgerId>, mut taken: BTreeMap<LedgerId, Inventory>) -> Vec<Taken> {
    let mut hosts: BTreeMap<HostId, Taken> = BTreeMap::new();
    let missing: BTreeSet<HostId> =
        expected.iter().filter(|ledger| !taken.contains_key(ledger)).map(|ledger| ledger.host).collect();
    for ledger in expected.iter().filter(|ledger| !missing.contains(&ledger.host)) {
        let empty = || Taken { host: ledger.host, ..Taken::default() };
        hosts.entry(ledger.host).or_insert_with(empty).inventories.extend(taken.remove(ledger));
    }
    hosts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_counts_only_with_all_of_its_roles() {
        let ledger = |host, role| LedgerId { host: HostId([host; 16]), role };
        let expected = BTreeSet::from([
            ledger(1, Role::Hypervisor),
            ledger(1, Role::Network),
            ledger(2, Role::Storage),
            ledger(3, Role::Storage),
        ]);
        let of = |ledger| (ledger, Inventory { ledger: Some(ledger), ..Inventory::default() });
        let taken = BTreeMap::from([of(ledger(1, Role::Network)), of(ledger(2, Role::Storage))]);
        let hosts: Vec<HostId> = by_host(&expected, taken).iter().map(|taken| taken.host).collect();
        assert_eq!(hosts, [HostId([2; 16])]);
    }

    #[test]
    fn an_older_streams_end_does_not_end_the_newer_one() {
        let contacts = Contacts::default();
        let host = HostId([1; 16]);
        contacts.opened(host, LinkId(1));
        contacts.opened(host, LinkId(2));
        contacts.closed(host, LinkId(1));
        assert!(contacts.look().contains_key(&host));
        contacts.closed(host, LinkId(2));
        assert!(!contacts.look().contains_key(&host));
    }
}
