//! The operator of a cell, who looks after what is stuck and what stands in quarantine, raises the format level, and
//! wipes a machine that is to join again; and what the journal says of all that, counted for the report.
//!
//! He knows what people know: the fold as it is acknowledged, and what he sees on the hosts.

use windlass_sagas::cell::state::{Cell, HostLife, Lock, SagaState, Server, ServerState};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::orchestrator::Input;
use windlass_sagas::record::*;
use windlass_world::World;

use crate::check::Item;
use crate::limits::*;
use crate::orchestrator::{Node, Work};
use crate::sim::{Event as Happening, Sim};
use crate::workload::{Want, Wish};

impl Sim {
    /// An operator looks after what is stuck: tried again twice, then skipped where that is allowed, else given up; or
    /// given up at once, where the scenario says so.
    pub(crate) fn operator_looks(&mut self) {
        let stuck: Vec<_> = self
            .chain
            .cell
            .sagas
            .values()
            .filter(|saga| matches!(saga.state, SagaState::Stuck(_)))
            .map(|saga| (saga.id, saga.stuck.as_ref().and_then(|(step, _)| *step), saga.direction()))
            .collect();
        for (saga, step, direction) in stuck {
            let visits = self.visits.entry(saga).or_default();
            *visits += 1;
            if let (true, Direction::Undo, Some(step)) = (self.skips, direction, step)
                && *visits <= SKIP_VISITS
            {
                // What the undo should have removed is removed by hand, once no call can be under way any more.
                if *visits == SKIP_VISITS {
                    self.remove_by_hand(saga);
                    let want = Want::Skip(saga, step);
                    self.wishes(Wish { at_ms: 0, want, insist: 0, again: false });
                }
                continue;
            }
            let visit = *visits + if self.gives_up { 3 } else { 0 };
            let want = match (visit, step) {
                (0..=2, _) => Want::Retry(saga),
                (3, Some(step)) if direction == Direction::Undo => Want::Skip(saga, step),
                _ => Want::Abandon(saga),
            };
            self.wishes(Wish { at_ms: 0, want, insist: 0, again: false });
        }
        self.clear_quarantine();
        self.give_up_hosts();
        self.later_ms(OPERATOR_PAUSE_MS, Happening::OperatorLooks);
    }

    /// A host that was let join again, and whose machine never did, is declared gone once more when all else is done: what
    /// waits for it would wait for ever.
    fn give_up_hosts(&mut self) {
        if !self.settling || self.clients.waiting().next().is_some() {
            return;
        }
        let hosts = self.chain.cell.hosts.values();
        let never = hosts.filter(|host| host.life == HostLife::Joined && host.certificate_sha256.is_none());
        for host in never.map(|host| host.name.clone()).collect::<Vec<_>>() {
            self.wishes(Wish::ask(0, DeclareHostGone { host, reason: "it never joined".to_string() }));
        }
    }

    /// Removes what a saga left on hosts and the fold does not have there.
    fn remove_by_hand(&mut self, saga: SagaId) {
        let cell = &self.chain.cell;
        let Some(saga) = cell.sagas.get(&saga) else { return };
        for host in &mut self.hosts {
            let expected = Item::expected(cell, host.id);
            let left = Item::all(&host.world).into_iter().filter(|item| !expected.contains(item));
            // What is left of a guest that has ended is its server's, where that is more than an attempt.
            let is_had =
                |server: &Server| !matches!(server.state, ServerState::Building | ServerState::Failed(_));
            let owned =
                |item: &Item| matches!(item, Item::Ended(id) if cell.servers.get(id).is_some_and(is_had));
            let left = left.filter(|item| !owned(item));
            let left = left.filter(|item| saga.holds.iter().any(|held| item.is_about(*held)));
            left.collect::<Vec<_>>().iter().for_each(|item| remove(&mut host.world, item));
        }
    }

    /// What stands in quarantine is looked at on its hosts, once nothing of its saga can be under way any more: adopted
    /// where all of it is there, else what is left of it is removed by hand and it is discarded.
    fn clear_quarantine(&mut self) {
        if !self.clears_quarantine || !self.settling {
            return;
        }
        let now = self.agenda.now();
        for resource in quarantined(&self.chain.cell) {
            let (since, visits) = self.quarantine.entry(resource).or_insert((now, 0));
            if now < since.plus_ms(QUARANTINE_MS) || *visits >= QUARANTINE_VISITS_MAX {
                continue;
            }
            *visits += 1;
            let adopts = *visits == 1 && self.is_whole(resource);
            let kept = |cell: &Cell, host: HostId, item: &Item| adopts && cell_has(cell, host, item);
            for host in &mut self.hosts {
                let left: Vec<Item> = Item::all(&host.world)
                    .into_iter()
                    .filter(|item| item.is_about(resource) && !kept(&self.chain.cell, host.id, item))
                    .collect();
                left.iter().for_each(|item| remove(&mut host.world, item));
            }
            let want = if adopts { Want::Adopt(resource) } else { Want::Discard(resource) };
            self.wishes(Wish { at_ms: 0, want, insist: 0, again: false });
        }
    }

    /// Whether everything that the fold has of a resource is on its hosts.
    fn is_whole(&self, resource: ResourceRef) -> bool {
        self.hosts.iter().all(|host| {
            if Item::is_half_made(&host.world, resource) {
                return false;
            }
            let held = Item::all(&host.world);
            let expected = Item::expected(&self.chain.cell, host.id);
            expected.iter().filter(|item| item.is_about(resource)).all(|item| held.contains(item))
        })
    }

    /// Whether the operator has nothing left to do.
    pub(crate) fn operator_is_content(&self) -> bool {
        let cleared = |resource: &ResourceRef| {
            self.quarantine.get(resource).is_some_and(|(_, visits)| *visits >= QUARANTINE_VISITS_MAX)
        };
        let quarantine = !self.clears_quarantine || quarantined(&self.chain.cell).iter().all(cleared);
        quarantine && (!self.raise_format || self.chain.cell.level == FORMAT_LEVEL)
    }

    /// Somebody asks whoever leads to raise the format level; again wherever it is not raised, as after a lost tail.
    pub(crate) fn raise_format(&mut self) {
        let now = self.agenda.now();
        let raised = self.chain.cell.level == FORMAT_LEVEL;
        for node in 0..if raised { 0 } else { self.nodes.len() } {
            let Some(life) = self.nodes.get(node).filter(|it| it.is_up()).map(|it| it.life) else { continue };
            let fact = Box::new(Report::RaiseFormat(RaiseFormat { level: FORMAT_LEVEL }).into());
            let input = Input::Fact { token: 0, cause: Cause::default(), fact };
            self.put_node(node, life, now, Work::Machine(Box::new(input)));
        }
        self.later_ms(OPERATOR_PAUSE_MS, Happening::RaiseFormat);
    }

    /// A wall clock jumps.
    pub(crate) fn clock_jumps(&mut self, node: usize, by_ms: i64) {
        if let Some(it) = self.nodes.get_mut(node) {
            it.jump(by_ms);
            self.seen.clock_jumps += 1;
        }
    }

    /// Every wall clock is right again, but for its own skew.
    pub(crate) fn clocks_are_set(&mut self) {
        self.nodes.iter_mut().for_each(Node::set_clock);
    }

    /// Counts what the commits that were just read say of orders and hosts.
    pub(crate) fn count_commits(&mut self) {
        let (fresh, seen) = (&self.chain.fresh, &mut self.seen);
        let mut wipes = Vec::new();
        for event in fresh.iter().flat_map(|commit| &commit.events) {
            let count = match event {
                Event::LeaderElected(e) if e.recover.is_some() => &mut seen.recovered,
                Event::SagaUnwinding(SagaUnwinding { reason: Turn::Cancelled, .. }) => &mut seen.cancels,
                Event::SagaAbandoned(_) => &mut seen.abandoned,
                Event::ResourceAdopted(_) => &mut seen.adopted,
                Event::ResourceDiscarded(_) => &mut seen.discarded,
                Event::HostRebooted(_) => &mut seen.reboots,
                Event::HostGone(_) => &mut seen.gone,
                Event::HostRejoined(_) => &mut seen.rejoined,
                Event::FormatRaised(_) => &mut seen.formats_raised,
                Event::ServerStopped(_) => &mut seen.servers_stopped,
                _ => continue,
            };
            *count += 1;
        }
        for commit in fresh {
            let Fact::Request(request) = &commit.fact else { continue };
            match &request.body {
                Body::RetrySaga(_) => seen.retried += 1,
                Body::SkipStep(_) => seen.skipped += 1,
                // Whoever ordered it sees it in the cell, whatever became of his answer.
                Body::RejoinHost(order) if self.wiped_for.insert(request.id) => {
                    wipes.push(order.host.clone());
                }
                _ => {}
            }
        }
        for name in wipes {
            let host = self.hosts.iter().find(|it| it.name == name).map(|it| it.id);
            if let Some(host) = host {
                self.later_ms(1, Happening::HostWiped { host });
            }
        }
    }
}

fn cell_has(cell: &Cell, host: HostId, item: &Item) -> bool {
    Item::expected(cell, host).contains(item)
}

/// What stands in quarantine; ports first, since a server waits for its ports.
fn quarantined(cell: &Cell) -> Vec<ResourceRef> {
    let set_apart = |lock: Lock| matches!(lock, Lock::Quarantined(_));
    let ports = cell.ports.values().map(|it| (ResourceRef::Port(it.spec.id), it.lock));
    let volumes = cell.volumes.values().map(|it| (ResourceRef::Volume(it.spec.id), it.lock));
    let servers = cell.servers.values().map(|it| (ResourceRef::Server(it.spec.id), it.lock));
    let all = ports.chain(volumes).chain(servers);
    all.filter(|(_, lock)| set_apart(*lock)).map(|(resource, _)| resource).collect()
}

/// Removes a thing by hand.
fn remove(world: &mut World, item: &Item) {
    use windlass_world::Change;
    let changes = match *item {
        Item::Volume(volume, _) => vec![Change::DeleteVolume { volume }],
        Item::Export(volume, _) => vec![Change::CloseExport { volume }],
        Item::Port(port, _) => vec![Change::RemoveLink { port }],
        Item::Ended(server) => vec![Change::Undefine { server, stopped: false }],
        Item::Guest(server, ..) => vec![Change::Stop { server }, Change::Undefine { server, stopped: false }],
        Item::Device(server, volume) => {
            vec![Change::Unplug { server, volume }, Change::RemoveNode { server, volume }]
        }
    };
    changes.iter().for_each(|change| world.apply(change));
    world.sync();
}
