//! A ledger's machine on a simulated host: what it asks for is begun, written or sent, and a crash or a power cut may
//! come on either side of every sync.

use windlass_sagas::fault::FaultKind;
use windlass_sagas::protocol::ledger::{Backward, BatchId, Input, Output, Row};
use windlass_sagas::record::{Direction, Role};

use super::Fall;
use crate::about::About;
use crate::fault::{Fault, Lane, Place};
use crate::limits::*;
use crate::sim::{Event, Sim};

const UNSYNCED: &[FaultKind] = &[FaultKind::PowerCut, FaultKind::CrashAfter];
const SYNCED: &[FaultKind] = &[FaultKind::PowerCut, FaultKind::LedgerLost, FaultKind::HostReboot];

/// The steps whose records are among these rows.
fn about(rows: &[Row]) -> Vec<About> {
    let step = |row: &Row| match row {
        Row::Entry(key, entry) if entry.undo == Backward::Open => Some(About::step(*key, Direction::Forward)),
        Row::Entry(key, _) => Some(About::step(*key, Direction::Undo)),
        Row::Identity(..)
        | Row::Highest(_)
        | Row::Seen(_)
        | Row::LowWater(_)
        | Row::View(_)
        | Row::Dropped(_) => None,
    };
    rows.iter().filter_map(step).collect()
}

impl Sim {
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

    fn persist(&mut self, host: usize, life: u32, role: Role, batch: BatchId, rows: &[Row]) {
        let now = self.agenda.now();
        let stored = rows.iter().map(|row| (row.key_bytes(), row.value_bytes())).collect::<Vec<_>>();
        for (key, value) in &stored {
            self.trace.bytes(key);
            self.trace.bytes(value.as_deref().unwrap_or_default());
        }
        let about = self.faults.lists().then(|| about(rows));
        let Some(it) = self.hosts.get_mut(host) else { return };
        if let Some(slot) = it.slots.get_mut(&role) {
            slot.about.extend(about.map(|about| (batch, about)));
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
        let slot = self.hosts.get_mut(host).and_then(|it| it.slots.get_mut(&role));
        let about = slot.and_then(|slot| slot.about.remove(&batch)).unwrap_or_default();
        let (lane, before) = (Lane::Host(host), Place::plain("before a sync of the ledger"));
        if let Some(fault) = self.ask_about(lane, before, UNSYNCED, || about.clone()) {
            return self.strike(host, fault);
        }
        if let Some(slot) = self.hosts.get_mut(host).and_then(|it| it.slots.get_mut(&role)) {
            slot.disk.sync(batch.0);
        }
        let after = Place::plain("after a sync of the ledger");
        if let Some(fault) = self.ask_about(lane, after, SYNCED, || about) {
            return self.strike(host, fault);
        }
        self.ledger(host, role, Input::Synced { batch });
    }

    /// A fault that takes the agent down.
    pub(super) fn strike(&mut self, host: usize, fault: Fault) {
        let mut dice = fault.dice;
        let how = match fault.kind {
            FaultKind::PowerCut => Fall::PowerCut,
            FaultKind::HostReboot => Fall::Reboot,
            FaultKind::LedgerLost => Fall::LedgerLost,
            _ => Fall::Crash,
        };
        self.host_falls(host, how, &mut dice);
    }
}
