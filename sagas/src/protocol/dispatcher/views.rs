//! What hosts should know beside steps (A9): each host's view is sent, and sent again, until it is in force.
//!
//! Invariant: what is in force is believed of the stream that said so alone: a new stream may be a rebooted host. A late
//! view only delays, so that nothing here stops a lead or a call.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::{Down, PlacedView, ViewApplied};
use super::{Alarm, Dispatcher, LinkId, Output, Timer};
use crate::ids::*;
use crate::limits::{VIEW_AGAIN_MS, VIEW_PAUSE_MS, VIEW_PAUSE_PORT_MS};
use crate::record::Role;

/// The view of one host.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// The last position that may have changed it.
    position: Position,
    /// Up to where it is in force, and which stream said so.
    applied: Option<(LinkId, Position)>,
    /// For which stream and position it was asked for and is not in force, and when it is asked for again.
    asked: Option<(LinkId, Position, Time)>,
    /// Not before this time on this stream: a host takes all that changed in a while as one view.
    next: Option<(LinkId, Time)>,
}

impl Dispatcher {
    /// Up to which position the host's view is known to be in force, by the stream that stands.
    #[must_use]
    pub fn view_applied_at(&self, host: HostId) -> Option<Position> {
        let (on, position) = self.lead.as_ref()?.views.get(&host)?.applied?;
        (self.link(host) == Some(on)).then_some(position)
    }

    /// What the host should know may have changed.
    pub(super) fn view_changed(&mut self, host: HostId, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        lead.views.entry(host).or_default().position = lead.durable.0;
        self.push_view(host, now, out);
    }

    /// A host has come: it gets its view, whether or not that ever changed under this lead.
    pub(super) fn begin_view(&mut self, host: HostId, now: Time, out: &mut Vec<Output>) {
        let Some(lead) = &mut self.lead else { return };
        let position = lead.durable.0;
        lead.views.entry(host).or_insert(Wanted { position, ..Wanted::default() });
        self.push_view(host, now, out);
    }

    /// Wants the view computed and sent, where it is not in force and not on its way.
    pub(super) fn push_view(&mut self, host: HostId, now: Time, out: &mut Vec<Output>) {
        let Some(link) = self.way_of_views(host) else { return };
        let Some(lead) = &mut self.lead else { return };
        let Some(wanted) = lead.views.get_mut(&host) else { return };
        if wanted.applied.is_some_and(|(on, at)| on == link && at >= wanted.position) {
            return;
        }
        // One on its way: whatever changed since goes when that one is in force.
        if wanted.asked.is_some_and(|(on, _, again)| on == link && again > now) {
            return;
        }
        if let Some((_, next)) = wanted.next.filter(|(on, next)| *on == link && *next > now) {
            lead.timers.insert((next, Timer::View(host)));
            return;
        }
        let again = now.plus_ms(VIEW_AGAIN_MS);
        wanted.asked = Some((link, wanted.position, again));
        wanted.next = Some((link, now.plus_ms(VIEW_PAUSE_MS)));
        lead.timers.insert((again, Timer::View(host)));
        out.push(Output::PushView { host });
    }

    /// The view was computed, from durable positions.
    pub(super) fn send_view(
        &mut self,
        host: HostId,
        view: Box<PlacedView>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.way_of_views(host) else { return };
        let Some(lead) = &mut self.lead else { return };
        if let Some(wanted) = lead.views.get_mut(&host) {
            wanted.next = Some((link, now.plus_ms(pause_ms(&view))));
        }
        out.push(Output::Send { link, down: Down::View { term: lead.term, view } });
    }

    /// An agent says what is in force. What it could not apply is sent again in time.
    pub(super) fn view_applied(
        &mut self,
        link: LinkId,
        applied: &ViewApplied,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(host) = self.links.get(&link).map(|link| link.hello.host) else { return };
        if host != applied.host {
            return;
        }
        if applied.failure.is_some() {
            out.push(Output::Alarm(Alarm::ViewNotApplied { host }));
        }
        let Some(lead) = &mut self.lead else { return };
        let Some(wanted) = lead.views.get_mut(&host) else { return };
        wanted.applied = Some((link, applied.position));
        let answers = |asked: &mut (LinkId, Position, Time)| asked.0 == link && asked.1 <= applied.position;
        if let Some((_, _, again)) = wanted.asked.take_if(answers) {
            lead.timers.remove(&(again, Timer::View(host)));
        }
        self.push_view(host, now, out);
    }

    /// The stream of a host that takes views: only the network role applies them.
    fn way_of_views(&self, host: HostId) -> Option<LinkId> {
        let place = self.hosts.get(&host).filter(|place| !place.retired)?;
        let link = place.link?;
        let mut ledgers = self.links.get(&link)?.hello.ledgers.iter();
        ledgers.any(|(ledger, _)| ledger.role == Role::Network).then_some(link)
    }
}

/// The larger a view, the longer the pause behind it: views take a bounded share of everybody's time, however large.
fn pause_ms(view: &PlacedView) -> u64 {
    let ports = u64::try_from(view.content.ports.len()).unwrap_or(u64::MAX);
    VIEW_PAUSE_MS.saturating_add(ports.saturating_mul(VIEW_PAUSE_PORT_MS)).min(VIEW_AGAIN_MS)
}
