//! The agent's task: one closed `select!` lists everything that can wake it; each input goes to a ledger's machine, and
//! what the machine wants is done in its order. It decides nothing.

mod console;
mod faults;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windlass_agent_wire::{ConsoleTold, encode_up};
use windlass_proto::agent::v1::AgentMessage;
use windlass_sagas::ids::{BootId, CellId, HostId, Position, Term};
use windlass_sagas::protocol::ledger::{
    BatchId, Input, Ledger, LinkId, Op, Output, Work, WorkId, WorkResult,
};
use windlass_sagas::protocol::{Answer, CallError, Down, Hello, Inventory, PlacedView, Up};
use windlass_sagas::record::{LedgerId, Refusal, Role};

use super::dial::{Dialers, Event};
use super::replies::Replies;
use super::{Ended, Inputs};
use crate::AgentError;
use crate::clock::Steady;
use crate::config::role_name;
use crate::driver::{Driver, driver_failed, refused};
use crate::faults::Faults;
use crate::identity::Identity;
use crate::limits::{DRAIN_TIME_MAX, HEARTBEAT_EVERY, INVENTORY_TIME_MAX, VIEW_TIME_MAX, WORK_TIME_MAX};
use crate::store::Writer;

/// What the agent says of its build.
const BUILD: &str = concat!("windlass ", env!("CARGO_PKG_VERSION"));

/// One role: its machine, and the thread under it.
pub(super) struct Slot {
    pub(super) ledger: Ledger,
    pub(super) writer: Writer,
}

/// What the task is made from.
pub(super) struct Setup<'a> {
    pub(super) identity: &'a Identity,
    pub(super) slots: BTreeMap<Role, Slot>,
    pub(super) driver: Arc<dyn Driver>,
    pub(super) faults: Arc<Faults>,
}

/// The task's state.
pub(super) struct Shell {
    cell: CellId,
    host: HostId,
    boot: BootId,
    slots: BTreeMap<Role, Slot>,
    driver: Arc<dyn Driver>,
    links: BTreeMap<LinkId, Link>,
    tasks: JoinSet<Finished>,
    /// The work that each task does, so that one that panics is answered for.
    working: HashMap<Id, (Role, WorkId, Op)>,
    replies: Replies,
    faults: Arc<Faults>,
    /// Consoles that are being read.
    consoles: usize,
    /// The highest term of the ledgers that fenced the Lead that is being told to all of them.
    fenced: Option<Term>,
    clock: Steady,
}

struct Link {
    out: mpsc::Sender<AgentMessage>,
    cut: CancellationToken,
}

enum Finished {
    Work(Role, WorkId, WorkResult),
    Inventory(Vec<LinkId>, Option<Inventory>),
    View(Role, Position, Result<(), Refusal>),
    Console(LinkId, ConsoleTold),
}

impl Shell {
    pub(super) fn new(setup: Setup<'_>) -> Result<Self, AgentError> {
        let Setup { identity, slots, driver, faults } = setup;
        Ok(Self {
            cell: identity.cell(),
            host: identity.host(),
            boot: driver.boot()?,
            slots,
            driver,
            links: BTreeMap::new(),
            tasks: JoinSet::new(),
            working: HashMap::new(),
            replies: Replies::new(Arc::clone(&faults)),
            faults,
            consoles: 0,
            fenced: None,
            clock: Steady::start(),
        })
    }

    /// Runs until told to stop, or until a planned fault strikes. New addresses of the cell are dialled as they come.
    pub(super) async fn serve(
        &mut self,
        inputs: Inputs,
        mut events: mpsc::Receiver<Event>,
        mut identities: watch::Receiver<Arc<Identity>>,
        dialers: &mut Dialers,
        follow_cell: bool,
        shutdown: CancellationToken,
    ) -> Result<Ended, AgentError> {
        let Inputs { mut falls, mut synced } = inputs;
        let mut heartbeat = tokio::time::interval(HEARTBEAT_EVERY);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop_at = None;
        let (faults, ended) = (Arc::clone(&self.faults), self.driver.ended());
        loop {
            if stop_at.is_some() && self.is_quiet() {
                return Ok(Ended::Stopped);
            }
            tokio::select! {
                biased;
                Some(fall) = falls.recv() => return Ok(Ended::Fell(fall)),
                () = shutdown.cancelled(), if stop_at.is_none() => {
                    stop_at = Some(Instant::now() + DRAIN_TIME_MAX);
                    self.drain()?;
                }
                () = sleep_until(stop_at) => {
                    tracing::warn!(works = self.working.len(), "work still runs; the agent ends all the same");
                    return Ok(Ended::Stopped);
                }
                Some((role, batch)) = synced.recv() => self.synced(role, batch)?,
                Some(ended) = self.tasks.join_next_with_id() => self.finished(ended)?,
                () = sleep_until(self.replies.due()) => self.send_late(),
                Some(event) = events.recv() => self.event(event)?,
                Ok(()) = identities.changed(), if follow_cell => {
                    let identity = Arc::clone(&identities.borrow_and_update());
                    dialers.set(identity.orchestrators());
                }
                () = struck(&faults) => self.tell_faults(),
                () = sleep_until(faults.next_end()) => {
                    faults.end();
                    self.tell_faults();
                }
                _ = heartbeat.tick() => self.heartbeat(),
                () = woken(ended.as_deref()) => self.tell_inventory(Role::Hypervisor),
            }
        }
    }

    /// Lets the last messages leave, and the ledgers' threads write what waits where the end is in good order.
    pub(super) async fn close(self, in_order: bool) {
        let Self { slots, links, mut tasks, .. } = self;
        tasks.abort_all();
        if !in_order {
            links.values().for_each(|link| link.cut.cancel());
        }
        drop(links);
        for slot in slots.into_values() {
            slot.writer.close().await;
        }
    }

    fn is_quiet(&self) -> bool {
        self.slots.values().all(|slot| slot.ledger.is_quiet()) && self.replies.due().is_none()
    }

    fn drain(&mut self) -> Result<(), AgentError> {
        tracing::info!(works = self.working.len(), "the agent takes no more calls and ends");
        self.every_role(&Input::Drain)
    }

    fn every_role(&mut self, input: &Input) -> Result<(), AgentError> {
        let roles: Vec<Role> = self.slots.keys().copied().collect();
        roles.into_iter().try_for_each(|role| self.step(role, input.clone()))
    }

    fn synced(&mut self, role: Role, batch: BatchId) -> Result<(), AgentError> {
        self.step(role, Input::Synced { batch })
    }

    /// One step of a role's machine, and what it wants done.
    fn step(&mut self, role: Role, input: Input) -> Result<(), AgentError> {
        let now = self.clock.now();
        let Some(slot) = self.slots.get_mut(&role) else {
            tracing::warn!(role = role_name(role), "a message is for a role that this agent does not serve");
            return Ok(());
        };
        let mut out = Vec::new();
        slot.ledger.step(input, now, &mut out);
        for output in out {
            match output {
                Output::Begin(work) => self.begin(role, *work),
                Output::Apply(view) => self.apply(role, *view),
                Output::Persist { batch, rows } => {
                    if let Some(slot) = self.slots.get(&role) {
                        slot.writer.write(batch, rows)?;
                    }
                }
                Output::Send { up: Up::FencedLead { highest }, .. } => {
                    self.fenced = self.fenced.max(Some(highest));
                }
                Output::Send { link, up } => {
                    if let Some(up) = self.replies.pass(link, up) {
                        self.send(link, &up);
                    }
                }
            }
        }
        Ok(())
    }

    /// Lets the driver begin; its deadline kills it.
    fn begin(&mut self, role: Role, work: Work) {
        let (id, op, step, saga) = (work.id, work.op, work.input.name(), work.key.saga);
        let limit = WORK_TIME_MAX.min(std::time::Duration::from_millis(work.remaining_ms.into()));
        tracing::debug!(role = role_name(role), ?op, step, %saga, "driver work begins");
        let driver = Arc::clone(&self.driver);
        let task = self.tasks.spawn(async move {
            let ended = tokio::time::timeout(limit, driver.work(role, work)).await;
            let result = ended.unwrap_or_else(|_| {
                tracing::warn!(role = role_name(role), ?op, step, %saga, "driver work took too long and is killed");
                refused(op, driver_failed("the driver took too long"))
            });
            Finished::Work(role, id, result)
        });
        self.working.insert(task.id(), (role, id, op));
    }

    /// Lets the driver put a view in force; its deadline kills it. A panic is an answer too: none may stay out.
    fn apply(&mut self, role: Role, view: PlacedView) {
        let position = view.position;
        tracing::debug!(%position, hash = %view.hash, "a view is put in force");
        let applying = AbortOnDropHandle::new(tokio::spawn(self.driver.apply(view)));
        self.tasks.spawn(async move {
            let result = match tokio::time::timeout(VIEW_TIME_MAX, applying).await {
                Ok(Ok(result)) => result,
                Ok(Err(error)) => Err(driver_failed(&format!("the driver panicked: {error}"))),
                Err(_) => Err(driver_failed("the driver took too long")),
            };
            if let Err(refusal) = &result {
                tracing::warn!(%position, why = refusal.message, "a view can't be put in force");
            }
            Finished::View(role, position, result)
        });
    }

    fn finished(&mut self, ended: Result<(Id, Finished), JoinError>) -> Result<(), AgentError> {
        match ended {
            Ok((task, Finished::Work(role, work, result))) => {
                self.working.remove(&task);
                self.step(role, Input::Worked { work, result })
            }
            Ok((_, Finished::Inventory(links, inventory))) => {
                if let Some(up) = inventory.map(Up::Inventory) {
                    links.into_iter().for_each(|link| self.send(link, &up));
                }
                Ok(())
            }
            Ok((_, Finished::View(role, position, result))) => {
                self.step(role, Input::Applied { position, result })
            }
            Ok((_, Finished::Console(link, told))) => {
                self.console_read(link, told);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a driver panicked");
                let Some((role, work, op)) = self.working.remove(&error.id()) else { return Ok(()) };
                let result = refused(op, driver_failed("the driver panicked"));
                self.step(role, Input::Worked { work, result })
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), AgentError> {
        match event {
            Event::Opened { link, out, cut } => {
                self.links.insert(link, Link { out, cut });
                let hello = Up::Hello(self.hello());
                self.send(link, &hello);
                self.tell_faults_to(link);
                Ok(())
            }
            Event::Lost { link } => {
                self.links.remove(&link);
                self.every_role(&Input::LinkLost { link })
            }
            // What was read before the stream was cut is no longer heard.
            Event::Said { link, .. } | Event::Console { link, .. } if !self.links.contains_key(&link) => {
                Ok(())
            }
            Event::Answered { link, answer } => {
                self.pass(link, [answer]);
                Ok(())
            }
            Event::Console { link, asked } => {
                self.read_console(link, asked);
                Ok(())
            }
            Event::Said { link, down } => self.hear(link, down),
        }
    }

    fn hear(&mut self, link: LinkId, down: Down) -> Result<(), AgentError> {
        match down {
            Down::Lead { term, position, hash } => {
                tracing::info!(%term, %position, link = link.0, "an orchestrator leads");
                self.every_role(&Input::Lead { link, term, position, hash })?;
                if let Some(highest) = self.fenced.take() {
                    self.send(link, &Up::FencedLead { highest });
                }
                Ok(())
            }
            Down::Seen { term, position, hash } => {
                self.every_role(&Input::Seen { link, term, position, hash })
            }
            Down::View { term, view } => self.step(Role::Network, Input::View { link, term, view }),
            Down::Faults { term, faults } => {
                self.hold_faults(link, term, faults);
                Ok(())
            }
            Down::Call(mut call) => {
                self.replies.note(&call);
                self.age(&mut call);
                if !self.slots.contains_key(&call.ledger.role) {
                    let role = role_name(call.ledger.role);
                    tracing::warn!(role, "a call is for a role that this agent does not serve");
                    let error = Answer::Error(CallError::Unsupported);
                    self.send(link, &Up::Reply(call.answered(error)));
                    return Ok(());
                }
                self.step(call.ledger.role, Input::Call { link, call })
            }
            Down::LowWater { ledger, incarnation, term, position } => {
                self.step(ledger.role, Input::LowWater { link, incarnation, term, position })
            }
            Down::TakeInventory { ledger } => {
                self.take_inventory(vec![link], ledger);
                Ok(())
            }
        }
    }

    /// Lists what a role holds, once, for all of these streams.
    fn take_inventory(&mut self, links: Vec<LinkId>, ledger: LedgerId) {
        let Some(slot) = self.slots.get(&ledger.role) else { return };
        if slot.ledger.works_for_lower_generation() {
            tracing::info!(
                role = role_name(ledger.role),
                "no inventory before the work of the old generation ends"
            );
            return;
        }
        let incarnation = Some(slot.ledger.incarnation());
        let listing = self.driver.inventory(ledger.role);
        self.tasks.spawn(async move {
            let listed = tokio::time::timeout(INVENTORY_TIME_MAX, listing).await;
            let items = match listed {
                Ok(Ok(items)) => Some(items),
                Ok(Err(refusal)) => {
                    tracing::warn!(role = role_name(ledger.role), why = refusal.message, "no inventory");
                    None
                }
                Err(_) => {
                    tracing::warn!(role = role_name(ledger.role), "the inventory took too long");
                    None
                }
            };
            let inventory = items.map(|items| Inventory { ledger: Some(ledger), incarnation, items });
            Finished::Inventory(links, inventory)
        });
    }

    /// Tells what a role holds, unasked, to whoever leads.
    fn tell_inventory(&mut self, role: Role) {
        let Some(ledger) = self.slots.get(&role).map(|slot| slot.ledger.id()) else { return };
        self.take_inventory(self.links.keys().copied().collect(), ledger);
    }

    fn hello(&self) -> Hello {
        let ledgers = || self.slots.values().map(|slot| &slot.ledger);
        let seen = ledgers().map(Ledger::seen).max_by_key(|seen| (seen.term.generation, seen.position));
        Hello {
            cell: self.cell,
            host: self.host,
            boot: self.boot,
            ledgers: ledgers().map(|ledger| (ledger.id(), ledger.incarnation())).collect(),
            highest: ledgers().map(Ledger::highest).max().unwrap_or_default(),
            seen: seen.map(|seen| (seen.position, seen.hash)).unwrap_or_default(),
            capacity: self.driver.capacity(),
            traits: self.traits(),
        }
    }

    fn heartbeat(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.send(link, &Up::Heartbeat { host: self.host });
        }
    }

    fn send_late(&mut self) {
        while let Some((link, up)) = self.replies.next(Instant::now()) {
            self.send(link, &up);
        }
    }

    /// Sends, if the stream still stands; one that takes no more is cut.
    fn send(&mut self, link: LinkId, up: &Up) {
        self.pass(link, encode_up(self.cell, BUILD, up));
    }

    fn pass(&self, link: LinkId, messages: impl IntoIterator<Item = AgentMessage>) {
        let Some(stream) = self.links.get(&link) else { return };
        let mut messages = messages.into_iter();
        if !messages.all(|message| stream.out.try_send(message).is_ok()) {
            tracing::warn!(link = link.0, "an orchestrator does not read; its stream is cut");
            stream.cut.cancel();
        }
    }
}

/// Returns once an armed fault has struck; never where none may be.
async fn struck(faults: &Faults) {
    if faults.allowed() { faults.struck().await } else { std::future::pending().await }
}

/// Waits until it wakes; for ever where there is nothing that could.
async fn woken(wakes: Option<&Notify>) {
    match wakes {
        Some(wakes) => wakes.notified().await,
        None => std::future::pending().await,
    }
}

/// Sleeps until then; for ever where there is no such time.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
