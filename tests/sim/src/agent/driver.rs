//! Driver work on a simulated host, one small step of the world at a time, with room for a fault before, between and
//! after any two of them. What a step is, only the world knows.

use windlass_sagas::fault::FaultKind;
use windlass_sagas::planted::{self, Bug};
use windlass_sagas::protocol::ledger::{Input, Op, Work, WorkId, WorkResult};
use windlass_sagas::record::{Direction, Refusal, RefusalCode, Role, StepKey};
use windlass_world::{Operation, Progress};

use crate::about::About;
use crate::agenda::Instant;
use crate::fault::{Fault, Lane, Place};
use crate::limits::*;
use crate::sim::{Event, Sim};

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

/// Driver work under way.
#[derive(Clone, Debug)]
pub(super) struct Job {
    operation: Operation,
    op: Op,
    name: &'static str,
    key: StepKey,
    /// Small steps made so far.
    changes: u32,
    begun: bool,
    deadline: Instant,
    hangs: bool,
}

impl Job {
    const fn about(&self) -> About {
        let direction = direction(self.op);
        About { key: self.key, direction, changes: self.changes }
    }
}

impl Sim {
    pub(super) fn begin_work(&mut self, host: usize, life: u32, role: Role, work: &Work) {
        let deadline = self.agenda.now().plus_ms(u64::from(work.remaining_ms));
        let job = Job {
            operation: Operation::of(work),
            op: work.op,
            name: work.input.name(),
            key: work.key,
            changes: 0,
            begun: false,
            deadline,
            hangs: false,
        };
        self.trace.add(work.id.0);
        let Some(it) = self.hosts.get_mut(host) else { return };
        if let Some(slot) = it.slots.get_mut(&role) {
            slot.jobs.insert((life, work.id), job);
        }
        let us = it.dice.between(CHANGE_US.0, CHANGE_US.1) / 4;
        self.later_us(us, Event::Work { host, life, role, work: work.id });
    }

    /// One small step of driver work.
    pub(crate) fn work(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let now = self.agenda.now();
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.runs(life)) else { return };
        let full = now < it.full_until;
        let Some(slot) = it.slots.get_mut(&role) else { return };
        let Some(job) = slot.jobs.get_mut(&(life, work)) else { return };
        if now >= job.deadline || job.hangs {
            return self.kill_at_deadline(host, life, role, work);
        }
        if !job.begun {
            job.begun = true;
            let (op, name, about) = (job.op, job.name, job.about());
            if full && op != Op::Observe {
                return self.worked(
                    host,
                    life,
                    role,
                    work,
                    failed(op, RefusalCode::DiskFull, "the disk is full"),
                );
            }
            let (what, kinds) =
                if op == Op::Observe { ("before a look", LOOK) } else { ("before the change", BEGIN) };
            if let Some(fault) =
                self.ask_about(Lane::Host(host), place(what, name, op), kinds, || vec![about])
            {
                return self.fails_before(host, life, role, work, op, fault);
            }
        }
        self.small_step(host, life, role, work);
    }

    fn small_step(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let us = it.dice.between(CHANGE_US.0, CHANGE_US.1);
        let Some(job) = it.slots.get_mut(&role).and_then(|slot| slot.jobs.get_mut(&(life, work))) else {
            return;
        };
        let (op, name) = (job.op, job.name);
        match job.operation.step(&mut it.world) {
            Progress::Changed(_) | Progress::Synced => {
                let changes = it.world.changes();
                job.changes += 1;
                let about = job.about();
                self.trace.add(changes);
                let here = place("between two sub-changes", name, op);
                match self.ask_about(Lane::Host(host), here, BETWEEN, || vec![about]) {
                    Some(fault) if fault.kind == FaultKind::Hang => self.hang(host, life, role, work),
                    Some(fault) => {
                        self.strike(host, fault);
                        if planted::on(Bug::WorkOutlivesAgent) {
                            self.later_ms(RESTART_MS.1 * 2, Event::Work { host, life, role, work });
                        }
                    }
                    None => self.later_us(us, Event::Work { host, life, role, work }),
                }
            }
            Progress::Finished(result) if op == Op::Observe => self.worked(host, life, role, work, result),
            Progress::Finished(result) => {
                let (here, about) = (place("after the change", name, op), job.about());
                match self.ask_about(Lane::Host(host), here, AFTER, || vec![about]) {
                    Some(fault) if fault.kind == FaultKind::ErrorAfter => {
                        let message = "the driver failed after its change";
                        let mut refusal = failed(op, RefusalCode::Injected, message);
                        let mut dice = fault.dice;
                        if dice.chance(300) {
                            refusal = for_good(refusal);
                        }
                        self.worked(host, life, role, work, refusal);
                    }
                    Some(fault) => self.strike(host, fault),
                    None => self.worked(host, life, role, work, result),
                }
            }
        }
    }

    fn fails_before(&mut self, host: usize, life: u32, role: Role, work: WorkId, op: Op, fault: Fault) {
        let mut dice = fault.dice.clone();
        match fault.kind {
            FaultKind::ErrorBefore => {
                let mut refusal = failed(op, RefusalCode::Injected, "the driver failed before its change");
                let permille = match op {
                    Op::Execute => Some(500),
                    Op::Undo => Some(300),
                    Op::Observe => None,
                };
                if permille.is_some_and(|permille| dice.chance(permille)) {
                    refusal = for_good(refusal);
                }
                self.worked(host, life, role, work, refusal);
            }
            FaultKind::Hang => self.hang(host, life, role, work),
            FaultKind::DiskFull => {
                let until = self.agenda.now().plus_ms(dice.ms(DISK_FULL_MS));
                if let Some(it) = self.hosts.get_mut(host) {
                    it.full_until = it.full_until.max(until);
                }
                self.worked(host, life, role, work, failed(op, RefusalCode::DiskFull, "the disk is full"));
            }
            _ => self.strike(host, fault),
        }
    }

    /// The driver does nothing more, until its deadline kills it.
    fn hang(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let Some(job) = it.slots.get_mut(&role).and_then(|slot| slot.jobs.get_mut(&(life, work))) else {
            return;
        };
        job.hangs = true;
        let at = job.deadline;
        self.agenda.put(at, Event::Work { host, life, role, work });
    }

    fn kill_at_deadline(&mut self, host: usize, life: u32, role: Role, work: WorkId) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        let Some(job) = it.slots.get_mut(&role).and_then(|slot| slot.jobs.get_mut(&(life, work))) else {
            return;
        };
        let (op, deadline) = (job.op, job.deadline);
        if self.agenda.now() < deadline {
            return self.agenda.put(deadline, Event::Work { host, life, role, work });
        }
        self.worked(
            host,
            life,
            role,
            work,
            failed(op, RefusalCode::DriverFailed, "the driver took too long"),
        );
    }

    fn worked(&mut self, host: usize, life: u32, role: Role, work: WorkId, result: WorkResult) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        if let Some(slot) = it.slots.get_mut(&role) {
            slot.jobs.remove(&(life, work));
        }
        if it.life != life {
            return;
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
    Place::step(what, name, direction(op))
}

const fn direction(op: Op) -> Direction {
    match op {
        Op::Observe | Op::Execute => Direction::Forward,
        Op::Undo => Direction::Undo,
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
