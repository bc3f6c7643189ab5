//! The leader's task: takes whatever wakes it, steps the machines, and does what they say, in their order. It decides
//! nothing; one closed `select!` lists everything that can wake it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use windlass_journal::{Append, Read};
use windlass_sagas::cell::{Effect, reconcile};
use windlass_sagas::ids::{CellId, Hash, HostId, Position, Time};
use windlass_sagas::protocol::dispatcher::{self, Dispatcher, LinkId};
use windlass_sagas::protocol::orchestrator::{self as lead, Config, Input, Lease, Led, Orchestrator, Output};
use windlass_sagas::protocol::{Down, Fold, Inventory, Poisoned, Up};
use windlass_sagas::record::{Cause, Commit, Fact, FaultPoint, LedgerId, Report};
use windlass_store::{Image, Store};

use super::alarms;
use super::handle::{Durable, Leaves, ReadFold, Receipt, Refused, Wake};
use super::images::Images;
use super::lease::Holding;
use super::poison;
use super::pump::{Pump, Told};
use super::recovery::Before;
use super::seen::{Seen, SeenFile};
use super::views::Views;
use crate::dispatch::{AgentEvent, Link};
use crate::faults::OwnFaults;
use crate::{clock, metrics};

/// The longest that the task sleeps: machines are told the time at least so often.
const TICK: Duration = Duration::from_millis(500);
/// The answer to facts that want none.
const NO_TOKEN: u64 = 0;

/// What the task is made from.
pub struct Setup<A, R> {
    /// The machine's configuration.
    pub config: Config,
    /// Where frames are appended.
    pub journal: A,
    /// Where they are read.
    pub reader: R,
    /// Who should try to lead; where several may, the journal is followed.
    pub lease: Holding,
    /// What was seen before, and where it is noted; `None`: nowhere.
    pub seen: Option<SeenFile>,
    /// The cell that the journal must be of.
    pub cell: CellId,
    /// Where images and the index are kept, with the image that is there; `None`: nowhere.
    pub store: Option<(Store, Option<Image>)>,
    /// Proposals and reads.
    pub wakes: mpsc::Receiver<Wake>,
    /// What agents do and say.
    pub agents: mpsc::Receiver<AgentEvent>,
    /// Where durable commits go.
    pub commits: broadcast::Sender<Durable>,
    /// The faults that are armed at this process.
    pub faults: Arc<OwnFaults>,
    /// Whether it leads, for who works beside the leader.
    pub leads: watch::Sender<bool>,
}

/// Why the task ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The journal can't be read: nothing may be skipped.
    #[error("the journal can't be read")]
    Journal(#[source] windlass_journal::ReadError),
    /// The fold stops at a position.
    #[error("the fold can't go on")]
    Poisoned(#[source] Poisoned),
}

/// Runs until told to stop.
///
/// # Errors
/// As `Ended` says; nothing acknowledged is lost by it.
pub async fn run<A, R>(setup: Setup<A, R>, stop: CancellationToken) -> Result<(), Ended>
where
    A: Append + 'static,
    R: Read + 'static,
{
    let Setup { config, journal, reader, mut lease, seen, cell, store, .. } = setup;
    let Setup { mut wakes, mut agents, commits, faults, leads, .. } = setup;
    let (store, image) = store.unzip();
    let (images, fold) = Images::begin(store, image.flatten(), Some(cell));
    let (pump, mut told) = Pump::start(journal, reader, lease.is_shared());
    let mut shell = Shell {
        machine: Orchestrator::new(config).deciding_by(poison::decide),
        dispatcher: Dispatcher::new(cell),
        images,
        folded: 0,
        work: VecDeque::new(),
        renewal: None,
        seen,
        reached: None,
        before: Before::default(),
        pump,
        commits,
        faults,
        leads,
        links: BTreeMap::new(),
        inventories_asked: BTreeMap::new(),
        replies: BTreeMap::new(),
        reads: BTreeMap::new(),
        answers: BTreeMap::new(),
        views: Views::default(),
        token: NO_TOKEN,
        wake_at: [None, None],
        started: Instant::now(),
        ended: None,
    };
    shell.begin(fold, lease.at_first());
    loop {
        shell.drain();
        if let Some(asked) = shell.renewal.take()
            && let Some(renewed) = lease.renew(asked)
        {
            shell.work.push_back(Work::Lead(Input::Lease(renewed)));
            continue;
        }
        if let Some(ended) = shell.ended {
            return Err(ended);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                shell.close();
                return Ok(());
            }
            word = lease.next() => shell.work.push_back(Work::Lead(Input::Lease(word))),
            Some(told) = told.recv() => shell.told(told),
            Some(event) = agents.recv() => shell.agent(event),
            Some(wake) = wakes.recv() => shell.wake(wake),
            () = tokio::time::sleep(shell.pause()) => shell.tick(),
        }
    }
}

/// An input on its way to a machine.
enum Work {
    Lead(Input),
    Dispatch(dispatcher::Input),
}

struct Shell {
    machine: Orchestrator,
    dispatcher: Dispatcher,
    work: VecDeque<Work>,
    pump: Pump,
    commits: broadcast::Sender<Durable>,
    faults: Arc<OwnFaults>,
    leads: watch::Sender<bool>,
    images: Images,
    /// Commits folded since the last load.
    folded: u64,
    links: BTreeMap<LinkId, Link>,
    /// Who waits for a ledger's inventory.
    inventories_asked: BTreeMap<LedgerId, Vec<mpsc::Sender<Inventory>>>,
    replies: BTreeMap<u64, oneshot::Sender<Result<Receipt, Refused>>>,
    reads: BTreeMap<u64, ReadFold>,
    answers: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
    /// The reads that are views of hosts.
    views: Views,
    token: u64,
    /// When the leader's and the dispatcher's machine want to be woken.
    wake_at: [Option<Time>; 2],
    /// The renewal of the lease that is to be asked for.
    renewal: Option<u64>,
    seen: Option<SeenFile>,
    /// The last durable commit that was folded here.
    reached: Option<Seen>,
    /// What was seen of the journal before this fold, here and on hosts.
    before: Before,
    started: Instant,
    ended: Option<Ended>,
}

impl Shell {
    /// What was seen before comes first: it speaks against a journal that has it no longer.
    fn begin(&mut self, fold: Fold, lease: Option<Lease>) {
        let noted = self.seen.as_ref().and_then(SeenFile::noted);
        let tip = fold.tip();
        let image = Seen { position: tip.position, hash: tip.hash, term: tip.term };
        let image = Some(image).filter(|image| image.position > Position(0));
        noted.into_iter().chain(image).for_each(|seen| self.before.own(seen));
        let seen = noted.map(|it| Input::Seen { seen: (it.position, it.hash), highest: it.term });
        let first = seen.into_iter().chain([Input::Loaded(Box::new(fold))]);
        self.work.extend(first.chain(lease.map(Input::Lease)).map(Work::Lead));
        self.tick();
    }

    /// Steps machines until nothing is left to do.
    fn drain(&mut self) {
        while let Some(work) = self.work.pop_front() {
            let now = clock::now();
            match work {
                Work::Lead(input) => {
                    for output in self.machine.step(input, now) {
                        self.lead(output);
                    }
                    if let Some(fold) = self.machine.fold() {
                        self.images.capture(fold, false);
                    }
                }
                Work::Dispatch(input) => {
                    for output in self.dispatcher.step(input, now) {
                        self.dispatch(output);
                    }
                }
            }
        }
    }

    fn lead(&mut self, output: Output) {
        match output {
            Output::Append { append, after, frame } => {
                if let Some((commits, hash)) = self.machine.in_flight(append) {
                    self.images.sent(after, commits, hash);
                }
                self.faults.stand_still(FaultPoint::Before);
                if !self.pump.append(append, after, frame) {
                    tracing::debug!(append, "the append before is still under way");
                }
            }
            Output::ReadAfter { cursor, read } => self.pump.read(cursor, read),
            Output::Reply { token, reply } => self.reply(token, reply),
            Output::Durable { cursor, commits, hash, effects } => {
                self.images.durable(cursor, &commits, hash);
                self.durable(commits, hash, effects);
            }
            Output::Lead(led) => self.leads(led),
            Output::SteppedDown(reason) => {
                tracing::warn!(?reason, "no longer leading");
                metrics::leading(false);
                self.faults.lead(false);
                self.leads.send_replace(false);
                self.pump.go_on();
                self.work.push_back(Work::Dispatch(dispatcher::Input::SteppedDown));
            }
            Output::ReadNow { token, position } => {
                let cell = self.machine.fold().map(Fold::cell);
                if self.views.compute(token, position, cell) {
                    return;
                }
                if let (Some(read), Some(fold)) = (self.reads.remove(&token), self.machine.fold()) {
                    match read(fold.cell(), self.images.recent()) {
                        Leaves::Now(send) => send(),
                        Leaves::WhenDurable(send) => drop(self.answers.insert(token, send)),
                    }
                }
            }
            Output::ReadReady { token, .. } => {
                for (host, view) in self.views.take(token) {
                    self.work.push_back(Work::Dispatch(dispatcher::Input::View { host, view }));
                }
                if let Some(answer) = self.answers.remove(&token) {
                    answer();
                }
            }
            Output::Reload { from_start } => {
                self.drop_fold(from_start);
                let fold = Box::new(self.images.reload(from_start));
                self.folded = 0;
                self.work.push_back(Work::Lead(Input::Loaded(fold)));
            }
            Output::RenewLease { asked } => self.renewal = Some(asked),
            Output::LowWater { ledger, incarnation, position } => {
                let input = dispatcher::Input::LowWater { ledger, incarnation, position };
                self.work.push_back(Work::Dispatch(input));
            }
            Output::WakeAt(time) => self.wake_at[0] = Some(time),
            Output::Alarm(lead::Alarm::Poisoned(poisoned)) => self.ended = Some(Ended::Poisoned(poisoned)),
            Output::Alarm(alarm) => alarms::tell(&alarm),
        }
    }

    fn durable(&mut self, commits: Vec<Commit>, hash: Hash, effects: Vec<Effect>) {
        let Some(last) = commits.last() else { return };
        let (position, term) = (last.header.position, last.header.term);
        self.reached = Some(Seen { position, hash, term });
        let count = commits.len() as u64;
        self.folded = self.folded.saturating_add(count);
        self.faults.take(&effects, clock::now());
        self.work.push_back(Work::Dispatch(dispatcher::Input::Durable { effects, position, hash }));
        metrics::position(position, count);
        if let Some(fold) = self.machine.fold() {
            metrics::resident(fold.cell());
        }
        for commit in commits {
            // Nobody may be listening; that is no error.
            drop(self.commits.send(Durable::new(commit)));
        }
    }

    /// The fold is gone; where the journal does not bear it out, what it knew is kept for who asks what is lost.
    fn drop_fold(&mut self, from_start: bool) {
        let reached = self.reached.map_or(Position(0), |reached| reached.position);
        self.reached.into_iter().for_each(|reached| self.before.own(reached));
        if from_start && let Some(dropped) = self.images.known(reached) {
            self.before.dropped(dropped);
        }
    }

    fn leads(&mut self, led: Box<Led>) {
        tracing::info!(
            term = %led.term,
            pending = led.pending.len(),
            image = %self.images.written(),
            folded = self.folded,
            "leading"
        );
        metrics::leading(true);
        self.faults.lead(true);
        self.leads.send_replace(true);
        self.before.led(&self.machine);
        self.pump.rest();
        // A new lead counts its renewals anew.
        self.renewal = Some(0);
        self.work.push_back(Work::Dispatch(dispatcher::Input::TakeOver(led)));
    }

    fn dispatch(&mut self, output: dispatcher::Output) {
        match output {
            dispatcher::Output::Send { link, down } => self.send(link, &down),
            dispatcher::Output::Close { link } => self.lost(link),
            dispatcher::Output::Fact(fact) => self.fact(*fact),
            dispatcher::Output::StopLeading(stop) => {
                self.work.push_back(Work::Lead(Input::StopLeading(stop)));
            }
            dispatcher::Output::Reconcile(inventory) => self.reconcile(&inventory),
            dispatcher::Output::Seen { host, seen, highest } => {
                self.before.host(host, Seen { position: seen.0, hash: seen.1, term: highest });
                self.work.push_back(Work::Lead(Input::Seen { seen, highest }));
            }
            dispatcher::Output::PushView { host } => self.push_view(host),
            dispatcher::Output::WakeAt(time) => self.wake_at[1] = Some(time),
            dispatcher::Output::Alarm(alarm) => tracing::error!(?alarm, "an agent needs a look"),
        }
    }

    fn reconcile(&mut self, inventory: &Inventory) {
        if let Some(found) = self.machine.fold().and_then(|fold| reconcile(fold.cell(), inventory)) {
            self.fact(Report::Ledger(found).into());
        }
    }

    fn send(&mut self, link: LinkId, down: &Down) {
        if self.links.get(&link).is_some_and(|link| !link.send(down)) {
            tracing::warn!(link = link.0, "an agent does not read; its stream is cut");
            self.lost(link);
        }
    }

    /// Asks the agents of these hosts what they hold; who is not connected says nothing.
    fn take_inventories(&mut self, hosts: &[HostId], told: &mpsc::Sender<Inventory>) {
        for host in hosts {
            let Some(link) = self.dispatcher.link(*host) else { continue };
            let roles = self.links.get(&link).map(|link| link.roles.clone()).unwrap_or_default();
            for role in roles {
                let ledger = LedgerId { host: *host, role };
                let asked = self.inventories_asked.entry(ledger).or_default();
                asked.retain(|asker| !asker.is_closed());
                asked.push(told.clone());
                self.send(link, &Down::TakeInventory { ledger });
            }
        }
    }

    /// Gives an inventory to who asked for it, so that it is not the dispatcher's: that one asks for its own.
    fn told_inventory(&mut self, inventory: &Inventory) -> bool {
        let asked = inventory.ledger.and_then(|ledger| self.inventories_asked.remove(&ledger));
        let Some(askers) = asked else { return false };
        for asker in askers {
            // Who asked may have given up, which is no error; the queue has room for all that was asked.
            drop(asker.try_send(inventory.clone()));
        }
        true
    }

    fn push_view(&mut self, host: HostId) {
        if self.views.join(host) {
            return;
        }
        self.token += 1;
        let token = self.token;
        self.views.begin(token, host);
        self.work.push_back(Work::Lead(Input::Read { token, min_position: Position(0) }));
    }

    fn fact(&mut self, fact: Fact) {
        let (token, cause, fact) = (NO_TOKEN, Cause::default(), Box::new(fact));
        self.work.push_back(Work::Lead(Input::Fact { token, cause, fact }));
    }

    fn told(&mut self, told: Told) {
        let input = match told {
            Told::Appended { append, result } => {
                self.faults.stand_still(FaultPoint::After);
                Input::Appended { append, result }
            }
            Told::Tail { cursor, bytes } => Input::Tail { cursor, bytes },
            Told::TailEnd { cursor, read } => Input::TailEnd { cursor, read },
            Told::ReadFailed(error @ windlass_journal::ReadError::Damaged { .. }) => {
                self.ended = Some(Ended::Journal(error));
                return;
            }
            Told::ReadFailed(error) => {
                tracing::warn!(%error, "the journal can't be read now");
                return;
            }
        };
        self.work.push_back(Work::Lead(input));
    }

    fn agent(&mut self, event: AgentEvent) {
        match event {
            AgentEvent::Connected(link) => {
                self.links.insert(link.id, link);
            }
            AgentEvent::Said { up: Up::Inventory(inventory), .. } if self.told_inventory(&inventory) => {}
            AgentEvent::Said { link, up, .. } if self.links.contains_key(&link) => {
                self.work.push_back(Work::Dispatch(dispatcher::Input::Up { link, up: Box::new(up) }));
            }
            AgentEvent::Said { .. } => {}
            AgentEvent::Lost { link, .. } => self.lost(link),
        }
    }

    /// Dropping the link's sender ends its stream.
    fn lost(&mut self, link: LinkId) {
        if self.links.remove(&link).is_some() {
            self.work.push_back(Work::Dispatch(dispatcher::Input::LinkDown { link }));
        }
    }

    fn wake(&mut self, wake: Wake) {
        self.token += 1;
        let token = self.token;
        let input = match wake {
            Wake::TakeInventories { hosts, told } => return self.take_inventories(&hosts, &told),
            Wake::Recovery { reply } => return drop(reply.send(self.before.ask(&self.machine))),
            Wake::Recover { tip, order, reply } => {
                let Some(recover) = self.before.order(&self.machine, tip, order, reply) else { return };
                Input::Recover(recover)
            }
            Wake::Propose { cause, fact, reply } => {
                self.replies.insert(token, reply);
                Input::Fact { token, cause, fact }
            }
            Wake::Read { min_position, read } => {
                self.reads.insert(token, read);
                Input::Read { token, min_position }
            }
        };
        self.work.push_back(Work::Lead(input));
    }

    fn reply(&mut self, token: u64, reply: Result<lead::Receipt, lead::Refused>) {
        // An answer on a read's token: what it would have rested on is gone, so its reader is told nothing.
        drop((self.reads.remove(&token), self.answers.remove(&token), self.views.take(token)));
        let Some(sender) = self.replies.remove(&token) else { return };
        // The asker may have given up; that is no error.
        drop(sender.send(reply.map(Receipt::from).map_err(Refused::from)));
    }

    /// A last image, so that the next start has little to fold.
    fn close(mut self) {
        self.note_seen();
        metrics::leading(false);
        self.images.close(self.machine.durable_fold());
    }

    /// Notes what is durable, for the next start.
    fn note_seen(&mut self) {
        if let (Some(file), Some(reached)) = (&mut self.seen, self.reached) {
            file.note(reached);
        }
    }

    fn tick(&mut self) {
        self.note_seen();
        let up_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.wake_at = [None, None];
        if let Some(fold) = self.machine.fold() {
            metrics::stuck(fold.cell());
        }
        self.work.extend([Work::Lead(Input::Tick { up_ms }), Work::Dispatch(dispatcher::Input::Tick)]);
    }

    /// Until somebody wants to be woken; at most `TICK`.
    fn pause(&self) -> Duration {
        let now = clock::now();
        let wanted = self.wake_at.iter().flatten().map(|time| Duration::from_millis(time.ms_since(now)));
        wanted.min().unwrap_or(TICK).min(TICK)
    }
}
