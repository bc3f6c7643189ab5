//! The host's view (A9): the newest one of who leads is applied, recorded, and only then told to be in force.
//!
//! Invariant: a view that is older than the recorded one is never applied; one view is applied at a time; what a process
//! before this one has applied is not taken to be in force, since a reboot may have taken it.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::{BatchId, Ledger, LinkId, Output, Row};
use crate::ids::*;
use crate::limits::{TEXT_BYTES_MAX, VIEW_BYTES_MAX};
use crate::protocol::{PlacedView, Up, ViewApplied};
use crate::record::Refusal;

/// What a ledger knows of its host's view.
#[derive(Clone, Debug, Default)]
pub(super) struct Views {
    /// The last one that was applied, by this process or one before.
    held: Option<Box<PlacedView>>,
    /// The batch that holds it.
    held_in: BatchId,
    /// Whether this process has applied it.
    in_force: bool,
    /// The one that the driver applies at this moment.
    applying: Option<Box<PlacedView>>,
    /// Whether that one is of a generation before: then its position says nothing any more.
    applying_old: bool,
    /// The newest that came meanwhile.
    next: Option<Box<PlacedView>>,
    /// The streams that are to be told.
    callers: BTreeSet<LinkId>,
}

impl Views {
    pub(super) fn restore(&mut self, view: Box<PlacedView>) {
        self.held = Some(view);
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        self.callers.remove(&link);
    }

    pub(super) const fn is_quiet(&self) -> bool {
        self.applying.is_none()
    }

    fn newest(&self) -> Position {
        let applying = self.applying.as_ref().filter(|_| !self.applying_old);
        let all = [self.held.as_ref(), applying, self.next.as_ref()];
        all.into_iter().flatten().map(|view| view.position).max().unwrap_or_default()
    }
}

impl Ledger {
    /// The last view that was applied.
    #[must_use]
    pub fn view(&self) -> Option<&PlacedView> {
        self.views.held.as_deref()
    }

    /// A view came.
    pub(super) fn take_view(
        &mut self,
        link: LinkId,
        term: Term,
        view: Box<PlacedView>,
        out: &mut Vec<Output>,
    ) {
        if self.draining || !self.leads(link, term) {
            return;
        }
        if view.content.encode().len() > VIEW_BYTES_MAX {
            return self.tell_view(link, Some("the view is over its bound of 1 MiB"), out);
        }
        let older = view.position < self.views.newest();
        if older && !self.views.in_force && self.views.applying.is_none() {
            // Nothing is in force: there is nothing to tell, and a newer one must come.
            return;
        }
        self.views.callers.insert(link);
        if self.views.applying.is_some() {
            if !older {
                self.views.next = Some(view);
            }
            return;
        }
        if older { self.tell_all(None, out) } else { self.apply_view(view, out) }
    }

    /// Lets the driver apply it, unless the same is in force: then only its position is new.
    fn apply_view(&mut self, view: Box<PlacedView>, out: &mut Vec<Output>) {
        match &self.views.held {
            Some(held) if self.views.in_force && held.hash == view.hash => {
                if held.position != view.position {
                    self.hold(view);
                }
                self.tell_all(None, out);
            }
            Some(_) | None => {
                self.views.applying = Some(view.clone());
                out.push(Output::Apply(view));
            }
        }
    }

    /// The driver has applied a view, or could not. One that is not being applied is of no concern.
    pub(super) fn applied(&mut self, position: Position, result: Result<(), Refusal>, out: &mut Vec<Output>) {
        let Some(mut view) = self.views.applying.take_if(|view| view.position == position) else { return };
        if core::mem::take(&mut self.views.applying_old) {
            view.position = Position::default();
        }
        let failure = match result {
            Ok(()) => {
                self.hold(view);
                self.views.in_force = true;
                None
            }
            Err(refusal) => Some(refusal.message),
        };
        match self.views.next.take() {
            Some(next) => self.apply_view(next, out),
            None => self.tell_all(failure.as_deref(), out),
        }
    }

    fn hold(&mut self, view: Box<PlacedView>) {
        self.views.held_in = self.durable.put(Row::View(view.clone()));
        self.views.held = Some(view);
    }

    /// A higher generation may begin at a lower position: what it sends is not older than what was before.
    pub(super) fn begin_generation(&mut self) {
        self.views.applying_old = self.views.applying.is_some();
        self.views.next = None;
        self.views.callers.clear();
        if let Some(mut held) = self.views.held.take().filter(|held| held.position > Position::default()) {
            held.position = Position::default();
            self.hold(held);
        }
    }

    fn tell_all(&mut self, failure: Option<&str>, out: &mut Vec<Output>) {
        for link in core::mem::take(&mut self.views.callers) {
            self.tell_view(link, failure, out);
        }
    }

    /// Says what is in force, once that is durable, and why nothing newer is.
    fn tell_view(&mut self, link: LinkId, failure: Option<&str>, out: &mut Vec<Output>) {
        let held = self.views.held.as_ref().filter(|_| self.views.in_force);
        let position = held.map(|held| held.position).unwrap_or_default();
        let failure = failure.map(|why| {
            let fits = why.len() <= TEXT_BYTES_MAX;
            String::from(if fits { why } else { "the driver's message is over its bound" })
        });
        let applied = ViewApplied { host: self.id.host, position, failure };
        self.durable.send(link, Up::ViewApplied(applied), self.views.held_in, out);
    }
}
