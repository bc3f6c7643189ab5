//! A host and its agent: ledgers over disks, one world, driver work step by small step, streams to the orchestrators.
//!
//! It only carries what the ledger's machine asks for; crashes, power cuts and driver failures come between its steps.

use std::collections::BTreeMap;

use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::ledger::{
    BatchId, Input, Ledger, LinkId, Op, Output, Row, Work, WorkId, WorkResult,
};
use windlass_sagas::protocol::{Down, Hello, Inventory, Up};
use windlass_sagas::record::{Direction, LedgerId, Refusal, RefusalCode, Role};
use windlass_world::{Operation, Progress, World};

use crate::disk::Disk;
use crate::fault::{Dice, Fault, Lane, Place};
use crate::founding::{CELL, FoundHost, capacity};
use crate::limits::*;
use crate::net::End;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::trace::word;

const BEGIN: &[FaultKind] = &[
    FaultKind::ErrorBefore,
    FaultKind::CrashBefore,
    FaultKind::Hang,
    FaultKind::DiskFull,
    FaultKind::PowerCut,
    FaultKind::HostReboot,
];
const LOOK: &[FaultKind] = &[FaultKind::ErrorBefore, FaultKind::CrashBefore];
const BETWEEN: &[FaultKind] =
    &[FaultKind::CrashBetween, FaultKind::PowerCut, FaultKind::HostReboot, FaultKind::Hang];
const AFTER: &[FaultKind] =
    &[FaultKind::CrashAfter, FaultKind::ErrorAfter, FaultKind::PowerCut, FaultKind::HostReboot];
const UNSYNCED: &[FaultKind] = &[FaultKind::PowerCut, FaultKind::CrashAfter];
const SYNCED: &[FaultKind] = &[FaultKind::PowerCut, FaultKind::LedgerLost, FaultKind::HostReboot];

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
    full_until: crate::agenda::Instant,
    dice: Rng,
}

/// One role's ledger.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) ledger: Option<Ledger>,
    disk: Disk,
    jobs: BTreeMap<WorkId, Job>,
}

/// A stream that stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    /// Whether a `Lead` came on it.
    led: bool,
}

#[derive(Clone, Debug)]
struct Job {
    operation: Operation,
    op: Op,
    name: &'static str,
    begun: bool,
    deadline: crate::agenda::Instant,
    hangs: bool,
    fails: bool,
}

impl Host {
    pub(crate) fn new(found: &FoundHost, seed: u64) -> Self {
        let slot = |(role, incarnation): &(Role, Incarnation)| {
            let row = Row::Identity(LedgerId { host: found.id, role: *role }, *incarnation);
            let disk = Disk::new([(row.key_bytes(), row.value_bytes())]);
            (*role, Slot { ledger: None, disk, jobs: BTreeMap::new() })
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
            full_until: crate::agenda::Instant::default(),
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
            slot.jobs.clear();
        }
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
    }

    /// The agent goes down, and comes back later.
    pub(crate) fn host_falls(&mut self, host: usize, how: Fall, dice: &mut Dice) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let links: Vec<(usize, u64)> = it.links.iter().map(|(node, link)| (*node, link.id)).collect();
        it.stop();
        for slot in it.slots.values_mut() {
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
            self.to_node_later(host, node, link);
        }
        self.later_ms(rest_ms, Event::HostStarts { host, life });
    }

    /// The orchestrator's end of a broken stream learns it.
    fn to_node_later(&mut self, host: usize, node: usize, link: u64) {
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
        let up = self.nodes.get(node).is_some_and(crate::orchestrator::Node::is_up);
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
        }
    }

    fn inventory(&mut self, host: usize, link: LinkId, ledger: LedgerId) {
        let Some(it) = self.hosts.get(host) else { return };
        let Some(own) = it.slots.get(&ledger.role).and_then(|slot| slot.ledger.as_ref()) else { return };
        let incarnation = Some(own.incarnation());
        let inventory =
            Inventory { ledger: Some(ledger), incarnation, items: it.world.inventory(ledger.role) };
        self.send_up(host, link, Up::Inventory(inventory));
    }

    /// One step of a ledger's machine, and what it asks for.
    pub(crate) fn ledger(&mut self, host: usize, role: Role, input: Input) {
        let now = self.wall(0);
        let Some(it) = self.hosts.get_mut(host) else { return };
        let life = it.life;
        let Some(slot) = it.slots.get_mut(&role) else { return };
        let Some(ledger) = slot.ledger.as_mut() else { return };
        let mut out = Vec::new();
        ledger.step(input, now, &mut out);
        for output in out {
            match output {
                Output::Begin(work) => self.begin_work(host, life, role, &work),
                Output::Apply(view) => {
                    let position = view.position;
                    if let Some(it) = self.hosts.get_mut(host) {
                        it.world.apply_view(&view);
                    }
                    self.ledger(host, role, Input::Applied { position, result: Ok(()) });
                }
                Output::Persist { batch, rows } => self.persist(host, life, role, batch, &rows),
                Output::Send { link, up } => self.send_up(host, link, up),
            }
        }
    }

    fn begin_work(&mut self, host: usize, life: u32, role: Role, work: &Work) {
        let deadline = self.agenda.now().plus_ms(u64::from(work.remaining_ms));
        let job = Job {
            operation: Operation::of(work),
            op: work.op,
            name: work.input.name(),
            begun: false,
            deadline,
            hangs: false,
            fails: false,
        };
        self.trace.add(work.id.0);
        let Some(it) = self.hosts.get_mut(host) else { return };
        if let Some(slot) = it.slots.get_mut(&role) {
            slot.jobs.insert(work.id, job);
        }
        let us = it.dice.between(CHANGE_US.0, CHANGE_US.1) / 4;
        self.later_us(us, Event::Work { host, life, role, work: work.id });
    }

    fn persist(&mut self, host: usize, life: u32, role: Role, batch: BatchId, rows: &[Row]) {
        let now = self.agenda.now();
        let stored = rows.iter().map(|row| (row.key_bytes(), row.value_bytes())).collect::<Vec<_>>();
        for (key, value) in &stored {
            self.trace.bytes(key);
            self.trace.bytes(value.as_deref().unwrap_or_default());
        }
        let Some(it) = self.hosts.get_mut(host) else { return };
        if let Some(slot) = it.slots.get_mut(&role) {
            slot.disk.write(batch.0, stored);
        }
        let us = it.dice.between(SYNC_US.0, SYNC_US.1);
        let at = now.max(it.full_until).plus_us(us);
        self.agenda.put(at, Event::Sync { host, life, role, batch });
    }

    /// A batch's way to the disk ends, if nothing happens to it.
    pub(crate) fn sync(&mut self, host: usize, life: u32, role: Role, batch: BatchId) {
        if self.hosts.get(host).is_none_or(|it| it.life != life) {
            return;
        }
        if let Some(fault) = self.ask(Lane::Host(host), Place::plain("before a sync of the ledger"), UNSYNCED)
        {
            return self.strike(host, fault);
        }
        if let Some(slot) = self.hosts.get_mut(host).and_then(|it| it.slots.get_mut(&role)) {
            slot.disk.sync(batch.0);
        }
        if let Some(fault) = self.ask(Lane::Host(host), Place::plain("after a sync of the ledger"), SYNCED) {
            return self.strike(host, fault);
        }
        self.ledger(host, role, Input::Synced { batch });
    }

    /// A fault that takes the agent down.
    fn strike(&mut self, host: usize, fault: Fault) {
        let mut dice = fault.dice;
        let how = match fault.kind {
            FaultKind::PowerCut => Fall::PowerCut,
            FaultKind::HostReboot => Fall::Reboot,
            FaultKind::LedgerLost => Fall::LedgerLost,
            _ => Fall::Crash,
        };
        self.host_falls(host, how, &mut dice);
    }

    /// One small step of driver work.
    pub(crate) fn work(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let now = self.agenda.now();
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.life == life) else { return };
        let full = now < it.full_until;
        let Some(slot) = it.slots.get_mut(&role) else { return };
        let Some(job) = slot.jobs.get_mut(&work) else { return };
        if now >= job.deadline || job.hangs {
            return self.kill_at_deadline(host, life, role, work);
        }
        if !job.begun {
            job.begun = true;
            let (op, name) = (job.op, job.name);
            if full && op != Op::Observe {
                return self.worked(host, role, work, failed(op, RefusalCode::DiskFull, "the disk is full"));
            }
            let (what, kinds) =
                if op == Op::Observe { ("before a look", LOOK) } else { ("before the change", BEGIN) };
            if let Some(fault) = self.ask(Lane::Host(host), place(what, name, op), kinds) {
                return self.fails_before(host, life, role, work, op, fault);
            }
        }
        self.small_step(host, life, role, work);
    }

    fn small_step(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let us = it.dice.between(CHANGE_US.0, CHANGE_US.1);
        let Some(job) = it.slots.get_mut(&role).and_then(|slot| slot.jobs.get_mut(&work)) else { return };
        let (op, name) = (job.op, job.name);
        match job.operation.step(&mut it.world) {
            Progress::Changed(_) | Progress::Synced => {
                let changes = it.world.changes();
                self.trace.add(changes);
                let here = place("between two sub-changes", name, op);
                match self.ask(Lane::Host(host), here, BETWEEN) {
                    Some(fault) if fault.kind == FaultKind::Hang => self.hang(host, life, role, work),
                    Some(fault) => self.strike(host, fault),
                    None => self.later_us(us, Event::Work { host, life, role, work }),
                }
            }
            Progress::Finished(result) if op == Op::Observe => self.worked(host, role, work, result),
            Progress::Finished(result) => {
                match self.ask(Lane::Host(host), place("after the change", name, op), AFTER) {
                    Some(fault) if fault.kind == FaultKind::ErrorAfter => {
                        let message = "the driver failed after its change";
                        let mut refusal = failed(op, RefusalCode::Injected, message);
                        let mut dice = fault.dice;
                        if dice.chance(300) {
                            refusal = for_good(refusal);
                        }
                        self.worked(host, role, work, refusal);
                    }
                    Some(fault) => self.strike(host, fault),
                    None => self.worked(host, role, work, result),
                }
            }
        }
    }

    fn fails_before(&mut self, host: usize, life: u32, role: Role, work: WorkId, op: Op, fault: Fault) {
        let mut dice = fault.dice.clone();
        match fault.kind {
            FaultKind::ErrorBefore => {
                let mut refusal = failed(op, RefusalCode::Injected, "the driver failed before its change");
                if op == Op::Execute && dice.chance(500) {
                    refusal = for_good(refusal);
                } else if op == Op::Undo && dice.chance(150) {
                    refusal = for_good(refusal);
                }
                self.worked(host, role, work, refusal);
            }
            FaultKind::Hang => self.hang(host, life, role, work),
            FaultKind::DiskFull => {
                let until = self.agenda.now().plus_ms(dice.ms(DISK_FULL_MS));
                if let Some(it) = self.hosts.get_mut(host) {
                    it.full_until = it.full_until.max(until);
                }
                self.worked(host, role, work, failed(op, RefusalCode::DiskFull, "the disk is full"));
            }
            _ => self.strike(host, fault),
        }
    }

    /// The driver does nothing more, until its deadline kills it.
    fn hang(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let Some(job) = it.slots.get_mut(&role).and_then(|slot| slot.jobs.get_mut(&work)) else { return };
        job.hangs = true;
        let at = job.deadline;
        self.agenda.put(at, Event::Work { host, life, role, work });
    }

    fn kill_at_deadline(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let Some(job) = it.slots.get_mut(&role).and_then(|slot| slot.jobs.get_mut(&work)) else { return };
        let (op, deadline) = (job.op, job.deadline);
        if self.agenda.now() < deadline {
            return self.agenda.put(deadline, Event::Work { host, life, role, work });
        }
        job.fails = true;
        self.worked(host, role, work, failed(op, RefusalCode::DriverFailed, "the driver took too long"));
    }

    fn worked(&mut self, host: usize, role: Role, work: WorkId, result: WorkResult) {
        if let Some(slot) = self.hosts.get_mut(host).and_then(|it| it.slots.get_mut(&role)) {
            slot.jobs.remove(&work);
        }
        self.ledger(host, role, Input::Worked { work, result });
    }

    /// The disk of every host has space again, for the time without faults.
    pub(crate) fn disks_have_space(&mut self) {
        let now = self.agenda.now();
        for it in &mut self.hosts {
            it.full_until = it.full_until.min(now);
        }
    }
}

const fn place(what: &'static str, name: &'static str, op: Op) -> Place {
    match op {
        Op::Observe | Op::Execute => Place::step(what, name, Direction::Forward),
        Op::Undo => Place::step(what, name, Direction::Undo),
    }
}

fn failed(op: Op, code: RefusalCode, message: &str) -> WorkResult {
    let refusal = Refusal { code, retryable: true, message: message.to_string() };
    match op {
        Op::Observe => WorkResult::Observed(Err(refusal)),
        Op::Execute => WorkResult::Executed(Err(refusal)),
        Op::Undo => WorkResult::Undone(Err(refusal)),
    }
}

/// The same failure, said to be permanent.
fn for_good(result: WorkResult) -> WorkResult {
    let permanent = |refusal| Refusal { retryable: false, ..refusal };
    match result {
        WorkResult::Observed(seen) => WorkResult::Observed(seen.map_err(permanent)),
        WorkResult::Executed(done) => WorkResult::Executed(done.map_err(permanent)),
        WorkResult::Undone(done) => WorkResult::Undone(done.map_err(permanent)),
    }
}
