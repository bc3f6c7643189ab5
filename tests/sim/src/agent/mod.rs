//! A host and its agent: ledgers over disks, one world, driver work step by small step, streams to the orchestrators.
//!
//! It only carries what the ledger's machine asks for; crashes, power cuts and driver failures come between its steps.

mod driver;
mod ledger;

use std::collections::BTreeMap;

use windlass_sagas::ids::*;
use windlass_sagas::planted::{self, Bug};
use windlass_sagas::protocol::ledger::{BatchId, Input, Ledger, LinkId, Row, WorkId};
use windlass_sagas::protocol::{Down, Hello, Inventory, Up};
use windlass_sagas::record::{LedgerId, Role};
use windlass_world::World;

use self::driver::Job;
use crate::about::About;
use crate::agenda::Instant;
use crate::check::Item;
use crate::disk::Disk;
use crate::fault::Dice;
use crate::founding::{CELL, FoundHost, capacity};
use crate::limits::*;
use crate::net::End;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::trace::word;

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) name: String,
    pub(crate) boot: BootId,
    pub(crate) world: World,
    pub(crate) slots: BTreeMap<Role, Slot>,
    /// Starts of the agent's process; messages and work of an earlier one are nobody's.
    pub(crate) life: u32,
    pub(crate) up: bool,
    pub(crate) links: BTreeMap<usize, Link>,
    full_until: Instant,
    dice: Rng,
}

/// One role's ledger.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) ledger: Option<Ledger>,
    disk: Disk,
    /// Driver work, by the life of the process that began it.
    jobs: BTreeMap<(u32, WorkId), Job>,
    /// The steps that each batch under way is about, where decisions are listed.
    about: BTreeMap<BatchId, Vec<About>>,
}

/// A stream that stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    /// Whether a `Lead` came on it.
    led: bool,
}

impl Host {
    pub(crate) fn new(found: &FoundHost, seed: u64) -> Self {
        let slot = |(role, incarnation): &(Role, Incarnation)| {
            let row = Row::Identity(LedgerId { host: found.id, role: *role }, *incarnation);
            let disk = Disk::new([(row.key_bytes(), row.value_bytes())]);
            (*role, Slot { ledger: None, disk, jobs: BTreeMap::new(), about: BTreeMap::new() })
        };
        Self {
            id: found.id,
            name: found.name.clone(),
            boot: found.boot,
            world: World::new(found.name.clone(), capacity()),
            slots: found.ledgers.iter().map(slot).collect(),
            life: 0,
            up: false,
            links: BTreeMap::new(),
            full_until: Instant::default(),
            dice: Rng::of(seed, word(&found.id.0)),
        }
    }

    fn hello(&self) -> Hello {
        let ledgers = || self.slots.values().filter_map(|slot| slot.ledger.as_ref());
        let seen = ledgers().map(Ledger::seen).max_by_key(|seen| (seen.term.generation, seen.position));
        Hello {
            cell: CELL,
            host: self.id,
            boot: self.boot,
            ledgers: ledgers().map(|ledger| (ledger.id(), ledger.incarnation())).collect(),
            highest: ledgers().map(Ledger::highest).max().unwrap_or_default(),
            seen: seen.map_or((Position(0), Hash::default()), |seen| (seen.position, seen.hash)),
            capacity: capacity(),
            traits: Vec::new(),
        }
    }

    /// The process's ledgers, restored; a disk without one begins a new incarnation.
    fn restore(&mut self) {
        for (role, slot) in &mut self.slots {
            let ledger = Ledger::restore(slot.disk.rows()).unwrap_or_else(|_| {
                let id = LedgerId { host: self.id, role: *role };
                let ledger = Ledger::new(id, Incarnation(self.dice.bytes()));
                let row = ledger.first_row();
                slot.disk = Disk::new([(row.key_bytes(), row.value_bytes())]);
                ledger
            });
            slot.ledger = Some(ledger);
        }
    }

    /// The process is gone: its work dies with it, its streams break.
    fn stop(&mut self) {
        self.up = false;
        self.life += 1;
        self.links.clear();
        for slot in self.slots.values_mut() {
            slot.ledger = None;
            if !planted::on(Bug::WorkOutlivesAgent) {
                slot.jobs.clear();
            }
            slot.about.clear();
        }
    }

    /// Whether work that this life of the process began goes on: it dies with its agent.
    pub(super) fn runs(&self, life: u32) -> bool {
        self.life == life || planted::on(Bug::WorkOutlivesAgent)
    }
}

/// How an agent goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fall {
    /// Its process dies.
    Crash,
    /// The host loses power.
    PowerCut,
    /// The host starts anew in good order.
    Reboot,
    /// One ledger is lost, with the process.
    LedgerLost,
}

impl Sim {
    /// The agent's process starts.
    pub(crate) fn host_starts(&mut self, host: usize, life: u32) {
        let node_count = self.nodes.len();
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.life == life && !it.up) else { return };
        it.restore();
        it.up = true;
        for node in 0..node_count {
            self.later_us(1, Event::Dial { host, life, node });
        }
        self.later_ms(HEARTBEAT_MS, Event::Heartbeat { host, life });
        self.look_for_ended(host);
    }

    /// The agent goes down, and comes back later.
    pub(crate) fn host_falls(&mut self, host: usize, how: Fall, dice: &mut Dice) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let links: Vec<(usize, u64)> = it.links.iter().map(|(node, link)| (*node, link.id)).collect();
        it.stop();
        for slot in it.slots.values_mut() {
            if matches!(how, Fall::PowerCut | Fall::Reboot) {
                slot.jobs.clear();
            }
            match how {
                Fall::Reboot => slot.disk.sync(u64::MAX),
                Fall::Crash | Fall::PowerCut | Fall::LedgerLost => slot.disk.cut(|all| dice.branch(all + 1)),
            }
        }
        match how {
            Fall::Crash => it.world.process_crash(),
            Fall::LedgerLost => {
                let place = usize::try_from(dice.branch(8)).unwrap_or(0) % it.slots.len().max(1);
                if let Some(slot) = it.slots.values_mut().nth(place) {
                    slot.disk = Disk::default();
                }
            }
            Fall::PowerCut => it.world.power_cut(),
            Fall::Reboot => it.world.reboot(),
        }
        let rest_ms = match how {
            Fall::Crash | Fall::LedgerLost => dice.ms(RESTART_MS),
            Fall::PowerCut | Fall::Reboot => {
                it.boot = BootId(dice.bytes());
                dice.ms(BOOT_MS)
            }
        };
        let life = it.life;
        for (node, link) in links {
            self.tell_node_later(host, node, link);
        }
        self.later_ms(rest_ms, Event::HostStarts { host, life });
    }

    /// The machine is wiped, with everything that it held, to join again.
    pub(crate) fn host_wiped(&mut self, id: HostId) {
        let Some(host) = self.hosts.iter().position(|it| it.id == id) else { return };
        let Some(it) = self.hosts.get_mut(host) else { return };
        let links: Vec<(usize, u64)> = it.links.iter().map(|(node, link)| (*node, link.id)).collect();
        it.stop();
        let mut lost = Item::expected(&self.chain.cell, id);
        lost.extend(Item::all(&it.world));
        self.wiped.entry(id).or_default().append(&mut lost);
        it.world.wipe();
        for slot in it.slots.values_mut() {
            (slot.disk, slot.jobs) = (Disk::default(), BTreeMap::new());
        }
        it.boot = BootId(it.dice.bytes());
        let life = it.life;
        for (node, link) in links {
            self.tell_node_later(host, node, link);
        }
        self.later_ms(BOOT_MS.0, Event::HostStarts { host, life });
    }

    /// The orchestrator's end of a broken stream learns it.
    fn tell_node_later(&mut self, host: usize, node: usize, link: u64) {
        let at = self.net.arrival(End::Host(host), End::Node(node), self.agenda.now());
        let at = at.unwrap_or_else(|| self.agenda.now().plus_ms(DIAL_MS));
        self.agenda.put(at, Event::StreamBroken { host, node, link });
    }

    /// The agent dials an orchestrator.
    pub(crate) fn dial(&mut self, host: usize, life: u32, node: usize) {
        let now = self.agenda.now();
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.life == life && it.up) else { return };
        if it.links.contains_key(&node) {
            return;
        }
        // An orchestrator lets no host in whose certificate is revoked.
        let known = self.chain.cell.hosts.get(&it.id).is_some_and(|host| host.certificate_sha256.is_some());
        let up = known && self.nodes.get(node).is_some_and(crate::orchestrator::Node::is_up);
        let there = self.net.arrival(End::Node(node), End::Host(host), now);
        let way = self.net.arrival(End::Host(host), End::Node(node), now);
        let (true, Some(_), Some(at)) = (up, there, way) else {
            return self.later_ms(DIAL_MS, Event::Dial { host, life, node });
        };
        self.last_link += 1;
        let link = self.last_link;
        it.links.insert(node, Link { id: link, led: false });
        let hello = Box::new(it.hello());
        self.agenda.put(at, Event::StreamOpen { host, node, link, hello });
    }

    /// The agent's end of a stream is lost; it dials again.
    pub(crate) fn host_loses_link(&mut self, host: usize, node: usize, link: u64) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        if it.links.get(&node).is_none_or(|standing| standing.id != link) {
            return;
        }
        it.links.remove(&node);
        let life = it.life;
        let roles: Vec<Role> = it.slots.keys().copied().collect();
        for role in roles {
            self.ledger(host, role, Input::LinkLost { link: LinkId(link) });
        }
        self.later_ms(DIAL_MS, Event::Dial { host, life, node });
    }

    pub(crate) fn heartbeat(&mut self, host: usize, life: u32) {
        let Some(it) = self.hosts.get(host).filter(|it| it.life == life && it.up) else { return };
        let (id, links): (HostId, Vec<u64>) = (it.id, it.links.values().map(|link| link.id).collect());
        for link in links {
            self.send_up(host, LinkId(link), Up::Heartbeat { host: id });
        }
        self.later_ms(HEARTBEAT_MS, Event::Heartbeat { host, life });
    }

    /// A message from an orchestrator arrives. A late one comes on whatever stream to that orchestrator stands now.
    pub(crate) fn host_hears(&mut self, host: usize, node: usize, link: u64, late: bool, down: Down) {
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.up) else { return };
        let Some(standing) = it.links.get_mut(&node) else { return };
        if standing.id != link && !(late && standing.led) {
            return;
        }
        let link = LinkId(standing.id);
        match down {
            Down::Lead { term, position, hash } => {
                standing.led = true;
                let roles: Vec<Role> = it.slots.keys().copied().collect();
                for role in roles {
                    self.ledger(host, role, Input::Lead { link, term, position, hash });
                }
            }
            Down::Seen { term, position, hash } => {
                let roles: Vec<Role> = it.slots.keys().copied().collect();
                for role in roles {
                    self.ledger(host, role, Input::Seen { link, term, position, hash });
                }
            }
            Down::Call(call) => {
                let role = call.ledger.role;
                self.ledger(host, role, Input::Call { link, call });
            }
            Down::LowWater { ledger, incarnation, term, position } => {
                self.ledger(host, ledger.role, Input::LowWater { link, incarnation, term, position });
            }
            Down::View { term, view } => self.ledger(host, Role::Network, Input::View { link, term, view }),
            Down::TakeInventory { ledger } => self.inventory(host, link, ledger),
            // The simulated agents allow none: their faults are the simulation's own.
            Down::Faults { .. } => {}
        }
    }

    /// A guest ends by itself, where one runs.
    pub(crate) fn guest_ends(&mut self, host: usize, pick: u64) {
        let Some(it) = self.hosts.get_mut(host).filter(|_| !self.settling) else { return };
        let running: Vec<ServerId> = it.world.running().collect();
        let Some(place) = usize::try_from(pick).ok().and_then(|pick| pick.checked_rem(running.len())) else {
            return;
        };
        if let Some(server) = running.get(place) {
            it.world.end_guest(*server);
            self.seen.guests_ended += 1;
            self.look_for_ended(host);
        }
    }

    /// The agent will look, and tell what has ended.
    fn look_for_ended(&mut self, host: usize) {
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.up && it.world.ended().next().is_some())
        else {
            return;
        };
        let (life, ms) = (it.life, it.dice.between(ENDED_SEEN_MS.0, ENDED_SEEN_MS.1));
        self.later_ms(ms, Event::EndedTold { host, life });
    }

    /// The agent tells every orchestrator what it holds, unasked, and again while something is left of a guest that ended.
    pub(crate) fn tell_ended(&mut self, host: usize, life: u32) {
        let Some(it) = self.hosts.get(host).filter(|it| it.up && it.life == life) else { return };
        if it.world.ended().next().is_none() {
            return;
        }
        let ledger = LedgerId { host: it.id, role: Role::Hypervisor };
        let links: Vec<u64> = it.links.values().map(|link| link.id).collect();
        for link in links {
            self.inventory(host, LinkId(link), ledger);
        }
        self.later_ms(ENDED_AGAIN_MS, Event::EndedTold { host, life });
    }

    fn inventory(&mut self, host: usize, link: LinkId, ledger: LedgerId) {
        let Some(it) = self.hosts.get(host) else { return };
        let Some(own) = it.slots.get(&ledger.role).and_then(|slot| slot.ledger.as_ref()) else { return };
        if own.works_for_lower_generation() {
            return;
        }
        let incarnation = Some(own.incarnation());
        let inventory =
            Inventory { ledger: Some(ledger), incarnation, items: it.world.inventory(ledger.role) };
        self.send_up(host, link, Up::Inventory(inventory));
    }
}
