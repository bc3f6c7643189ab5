//! What a watch of events tells: all that happens in the cell, or in projects, as far as the caller may read it.

use windlass_proto::v1;
use windlass_sagas::ids::*;
use windlass_sagas::record::Commit;

use super::Api;
use super::call::Call;
use super::convert::Audience;
use super::errors::Problem;
use super::events::{FILTERS, Sieve, Teller};
use super::limits::WATCH_EVENTS_OF_ONE_ANSWER;
use super::list::Filter;
use super::names;
use super::operation::Readable;
use super::view::{Place, View};
use super::visit::{Point, point};
use super::watch::{Snapshot, Tale};

/// Whose events are told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    /// All that happens, whoever's it is.
    Cell,
    /// What belongs to operations of these projects.
    Of(Readable),
}

impl Scope {
    fn of(view: &View<'_>, place: &Place) -> Self {
        if *place == Place::Cell { Self::Cell } else { Self::Of(Readable::of(view)) }
    }

    fn holds(&self, project: &str) -> bool {
        let id = project.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(names::NO_PROJECT);
        match self {
            Self::Cell => true,
            Self::Of(readable) => id != names::NO_PROJECT && readable.holds(id),
        }
    }
}

pub(super) struct Events {
    api: Api,
    call: Call,
    place: Place,
    /// Where it ends.
    until: Option<Position>,
    /// It begins with where it begins, so that who comes back before the first event misses none.
    from_now: bool,
    scope: Scope,
    audience: Audience,
    sieve: Sieve,
    teller: Teller,
    events: Vec<v1::Event>,
}

impl Events {
    /// The watch that a call asks for, and where the journal ended when the caller was let in.
    pub(super) async fn of(
        api: &Api,
        call: Call,
        asked: &v1::WatchEventsRequest,
    ) -> Result<(Self, Position), Problem> {
        let place = match asked.parent.as_str() {
            "cell" => Ok(Place::Cell),
            parent => Place::parent_or_every(parent),
        };
        let (filter, of) = (asked.filter.clone(), place.clone().unwrap_or(Place::Cell));
        let look = move |view: &View<'_>| {
            let sieve = Sieve::of(Filter::parse(&filter, &FILTERS)?, view);
            Ok((sieve, Scope::of(view, &of), view.cell.position))
        };
        let (sieve, scope, end) = api.visit(call, point!(asked), place.clone(), look).await?;
        let events = Self {
            api: api.clone(),
            call,
            place: place?,
            until: (asked.until_end || asked.read_at.is_some()).then_some(end),
            from_now: asked.after_position.is_none(),
            scope,
            audience: Audience::Readers,
            sieve,
            teller: Teller::default(),
            events: Vec::new(),
        };
        Ok((events, end))
    }
}

#[tonic::async_trait]
impl Tale for Events {
    type Answer = v1::WatchEventsResponse;

    fn only(&self) -> Option<SagaId> {
        None
    }

    fn until(&self) -> Option<Position> {
        self.until
    }

    async fn let_in(&mut self) -> Result<(), Problem> {
        let (place, mut sieve) = (self.place.clone(), self.sieve.clone());
        let of = place.clone();
        let look = move |view: &View<'_>| {
            sieve.know(view);
            Ok((sieve, Scope::of(view, &of), view.audience()))
        };
        (self.sieve, self.scope, self.audience) =
            self.api.visit(self.call, Point::default(), Ok(place), look).await?;
        Ok(())
    }

    async fn begin(&mut self, from: Position) -> Result<Option<Snapshot<Self::Answer>>, Problem> {
        let bookmark = |answer| Snapshot { position: from, answer, ended: false };
        Ok(self.from_now.then(|| bookmark(self.answer(from))))
    }

    async fn note(&mut self, commit: &Commit) -> Result<bool, Problem> {
        self.sieve.learn(commit);
        let events = self.teller.tell(&self.api, commit, self.audience).await?;
        let wanted = |event: &v1::Event| self.scope.holds(&event.project) && self.sieve.takes(event);
        self.events.extend(events.into_iter().filter(wanted));
        Ok(false)
    }

    fn is_full(&self) -> bool {
        self.events.len() >= WATCH_EVENTS_OF_ONE_ANSWER
    }

    fn has_news(&self) -> bool {
        !self.events.is_empty()
    }

    fn answer(&mut self, position: Position) -> Self::Answer {
        let events = std::mem::take(&mut self.events);
        v1::WatchEventsResponse { position: position.0, events, ended: false }
    }

    fn last(&mut self, position: Position) -> Self::Answer {
        v1::WatchEventsResponse { ended: true, ..self.answer(position) }
    }
}
