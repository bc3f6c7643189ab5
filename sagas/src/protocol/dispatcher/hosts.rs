//! Hosts and their streams: who is connected, which ledger it shows, how long it has been silent.
//!
//! A host has one stream, the newest. A ledger that shows another incarnation than the admitted one gets no call: its
//! inventory is asked for until a commit admits it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::orchestrator::Stop;
use super::super::{Down, Hello, Up};
use super::{Alarm, Dispatcher, LinkId, Output, Timer};
use crate::ids::*;
use crate::limits::{HOST_GRACE_MS, INVENTORY_AGAIN_MS, SEEN_PAUSE_MS};
use crate::record::{HostSeen, HostSilent, LedgerId, Report};

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) hello: Hello,
}

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    pub(super) link: Option<LinkId>,
    /// When it last said anything.
    heard: Time,
    /// Whether this lead expects to hear from it, and since when.
    expected: Option<Time>,
    /// Whether its silence was reported.
    silent: bool,
    /// Declared gone: nothing more goes to it.
    pub(super) retired: bool,
}

impl Host {
    pub(super) const fn forget_lead(&mut self) {
        self.expected = None;
        self.silent = false;
        self.retired = false;
    }
}

impl Dispatcher {
    pub(super) fn up(&mut self, link: LinkId, up: Up, now: Time, out: &mut Vec<Output>) {
        match up {
            Up::Hello(hello) => return self.hello(link, hello, now, out),
            Up::Reply(reply) => self.replied(link, &reply, now, out),
            Up::FencedLead { highest } => {
                if self.lead.as_ref().is_some_and(|lead| highest > lead.term) {
                    out.push(Output::StopLeading(Stop::Fenced(highest)));
                }
            }
            Up::Inventory(inventory) => {
                let known = self.links.get(&link).map(|link| link.hello.host);
                if self.lead.is_some() && inventory.ledger.map(|ledger| ledger.host) == known {
                    out.push(Output::Reconcile(inventory));
                }
            }
            Up::ViewApplied(applied) => self.view_applied(link, &applied, now, out),
            Up::FaultsHeld(held) => self.faults_held(link, &held, out),
            Up::Heartbeat { .. } => {}
        }
        self.heard(link, now, out);
    }

    fn hello(&mut self, link: LinkId, hello: Hello, now: Time, out: &mut Vec<Output>) {
        if hello.cell != self.cell {
            out.push(Output::Alarm(Alarm::ForeignCell { host: hello.host, cell: hello.cell }));
            out.push(Output::Close { link });
            return;
        }
        let (host, seen, highest) = (hello.host, hello.seen, hello.highest);
        let place = self.hosts.entry(host).or_default();
        place.heard = now;
        let before = place.link.replace(link).filter(|before| *before != link);
        if let Some(before) = before {
            let twice = self
                .links
                .get(&before)
                .is_some_and(|other| other.hello.boot == hello.boot && other.hello.ledgers != hello.ledgers);
            out.extend(twice.then_some(Output::Alarm(Alarm::HostClaimedTwice { host })));
            self.drop_link(before, now);
            out.push(Output::Close { link: before });
        }
        self.links.insert(link, Link { hello });
        out.push(Output::Seen { host, seen, highest });
        self.greet(link, out);
        self.introduce(link, now, out);
    }

    /// Tells an agent who leads; before anything else on its stream.
    pub(super) fn greet(&self, link: LinkId, out: &mut Vec<Output>) {
        if let Some(lead) = &self.lead {
            let (position, hash) = lead.durable;
            out.push(Output::Send { link, down: Down::Lead { term: lead.term, position, hash } });
        }
    }

    /// Reports a connected host, asks for the inventories of ledgers that are not admitted, and sends what waited.
    pub(super) fn introduce(&mut self, link: LinkId, now: Time, out: &mut Vec<Output>) {
        let Some(hello) = self.links.get(&link).map(|link| &link.hello) else { return };
        if self.lead.is_none() {
            return;
        }
        let (host, ledgers) = (hello.host, hello.ledgers.clone());
        out.push(seen(hello));
        self.expect(host, now);
        for (ledger, _) in ledgers {
            self.take_inventory(ledger, now, out);
            self.pump(ledger, now, out);
        }
        self.push_faults(link, now, out);
        self.begin_view(host, now, out);
    }

    pub(super) fn link_down(&mut self, link: LinkId, now: Time) {
        let Some(host) = self.links.get(&link).map(|link| link.hello.host) else { return };
        self.drop_link(link, now);
        if let Some(place) = self.hosts.get_mut(&host).filter(|place| place.link == Some(link)) {
            place.link = None;
        }
    }

    fn drop_link(&mut self, link: LinkId, now: Time) {
        let Some(gone) = self.links.remove(&link) else { return };
        let ledgers: Vec<LedgerId> = gone.hello.ledgers.iter().map(|(ledger, _)| *ledger).collect();
        self.recall(link, &ledgers, now);
    }

    /// A host said something.
    fn heard(&mut self, link: LinkId, now: Time, out: &mut Vec<Output>) {
        let Some(hello) = self.links.get(&link).map(|link| &link.hello) else { return };
        let Some(place) = self.hosts.get_mut(&hello.host) else { return };
        place.heard = now;
        if core::mem::take(&mut place.silent) {
            out.push(seen(hello));
        }
    }

    /// From now on this lead waits for words of a host.
    pub(super) fn expect(&mut self, host: HostId, now: Time) {
        let Some(lead) = &mut self.lead else { return };
        let place = self.hosts.entry(host).or_default();
        if place.expected.is_none() && !place.retired {
            place.expected = Some(now);
            lead.timers.insert((now.plus_ms(HOST_GRACE_MS), Timer::Host(host)));
        }
    }

    /// The grace period may be over; a host that is well is announced again, in case the word was lost.
    pub(super) fn host_due(&mut self, host: HostId, now: Time, out: &mut Vec<Output>) {
        let (Some(lead), Some(place)) = (&mut self.lead, self.hosts.get_mut(&host)) else { return };
        let Some(since) = place.expected else { return };
        let over = place.heard.max(since).plus_ms(HOST_GRACE_MS);
        let next = if over <= now {
            place.silent = true;
            out.push(Output::Fact(Box::new(Report::HostSilent(HostSilent { host }).into())));
            now.plus_ms(HOST_GRACE_MS)
        } else {
            let hello = place.link.and_then(|link| self.links.get(&link)).map(|link| &link.hello);
            out.extend(hello.map(seen));
            over
        };
        lead.timers.insert((next, Timer::Host(host)));
    }

    pub(super) fn admitted(
        &mut self,
        ledger: LedgerId,
        incarnation: Incarnation,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        lead.lanes.entry(ledger).or_default().incarnation = Some(incarnation);
        self.hosts.entry(ledger.host).or_default().retired = false;
        self.expect(ledger.host, now);
        self.pump(ledger, now, out);
    }

    /// A host has joined. One that was declared gone before is heard again: its ledgers are admitted once their inventories
    /// are compared, which nobody would ask for as long as it counts as retired.
    pub(super) fn joined(&mut self, host: HostId, now: Time, out: &mut Vec<Output>) {
        let place = self.hosts.entry(host).or_default();
        place.retired = false;
        if let Some(link) = place.link {
            self.introduce(link, now, out);
        }
    }

    /// A host was declared gone: nothing more goes there, and nothing is expected of it.
    pub(super) fn retired(&mut self, host: HostId, now: Time) {
        let Some(lead) = &mut self.lead else { return };
        // Nobody will ever answer there: what is open is overdue now, and the engine resolves it (S6).
        for (key, open) in lead.calls.iter_mut().filter(|(_, open)| open.call.ledger.host == host) {
            open.overdue = Some(now);
            lead.timers.insert((now, Timer::Overdue(*key)));
        }
        for (ledger, lane) in &mut lead.lanes {
            if ledger.host == host {
                lane.incarnation = None;
            }
        }
        let place = self.hosts.entry(host).or_default();
        place.retired = true;
        place.expected = None;
    }

    /// The stream to a ledger that shows its admitted id.
    pub(super) fn way(&self, ledger: LedgerId) -> Option<(LinkId, Incarnation)> {
        let admitted = self.lead.as_ref()?.lanes.get(&ledger)?.incarnation?;
        let link = self.link(ledger.host)?;
        self.links.get(&link)?.hello.ledgers.contains(&(ledger, admitted)).then_some((link, admitted))
    }

    /// A ledger showed its id in an answer.
    pub(super) fn shown(
        &mut self,
        link: LinkId,
        ledger: LedgerId,
        incarnation: Incarnation,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        if let Some(link) = self.links.get_mut(&link) {
            let shown = link.hello.ledgers.iter_mut().find(|(id, _)| *id == ledger);
            if let Some((_, shown)) = shown {
                *shown = incarnation;
            }
        }
        self.take_inventory(ledger, now, out);
    }

    /// Asks for the inventory of a ledger that shows another id than the admitted one, at most once a pause.
    pub(super) fn take_inventory(&mut self, ledger: LedgerId, now: Time, out: &mut Vec<Output>) {
        let Some(link) = self.link(ledger.host).filter(|_| self.way(ledger).is_none()) else { return };
        let shows = self
            .links
            .get(&link)
            .is_some_and(|link| link.hello.ledgers.iter().any(|(shown, _)| *shown == ledger));
        let retired = self.hosts.get(&ledger.host).is_none_or(|host| host.retired);
        let Some(lead) = self.lead.as_mut().filter(|_| shows && !retired) else { return };
        let lane = lead.lanes.entry(ledger).or_default();
        if lane.inventory_at.is_some_and(|(on, at)| on == link && at > now) {
            return;
        }
        let again = now.plus_ms(INVENTORY_AGAIN_MS);
        lane.inventory_at = Some((link, again));
        lead.timers.insert((again, Timer::Inventory(ledger)));
        out.push(Output::Send { link, down: Down::TakeInventory { ledger } });
    }

    pub(super) fn low_water(
        &self,
        ledger: LedgerId,
        incarnation: Incarnation,
        position: Position,
        out: &mut Vec<Output>,
    ) {
        let Some(lead) = &self.lead else { return };
        if let Some((link, _)) = self.way(ledger).filter(|(_, admitted)| *admitted == incarnation) {
            let down = Down::LowWater { ledger, incarnation, term: lead.term, position };
            out.push(Output::Send { link, down });
        }
    }

    /// Tells every agent the last durable commit, for it to remember (O6).
    pub(super) fn tell_durable(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        lead.timers.insert((now.plus_ms(SEEN_PAUSE_MS), Timer::Seen));
        let (position, hash) = lead.durable;
        if core::mem::replace(&mut lead.told, position) == position {
            return;
        }
        let term = lead.term;
        let tell = |link: &LinkId| Output::Send { link: *link, down: Down::Seen { term, position, hash } };
        out.extend(self.links.keys().map(tell));
    }
}

fn seen(hello: &Hello) -> Output {
    let Hello { host, boot, capacity, traits, .. } = hello.clone();
    Output::Fact(Box::new(Report::HostSeen(HostSeen { host, boot, capacity, traits }).into()))
}
