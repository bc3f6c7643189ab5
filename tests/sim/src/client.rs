//! Clients and operators: each wish becomes a request with an id, sent until it is answered, to whichever orchestrator
//! answers; and each answer is checked against the valid chain.

use std::collections::BTreeMap;

use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::orchestrator::{Input, Receipt, Refused};
use windlass_sagas::record::*;

use crate::fault::{Fault, Lane, Place};
use crate::founding::{ADMIN, CELL, request_id};
use crate::limits::*;
use crate::net::End;
use crate::orchestrator::Work;
use crate::rng::Rng;
use crate::sim::{Event, Sim};
use crate::workload::{Want, Wish, is_fought_for, may_pass};

const MESSAGE: &[FaultKind] = &[FaultKind::Drop, FaultKind::Delay, FaultKind::Duplicate];

/// One wish on its way.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) wish: Wish,
    request: Option<Request>,
    /// The orchestrator that is asked next.
    target: usize,
    attempts: u64,
    insists: u32,
    receipt: Option<Receipt>,
    over: bool,
}

/// All clients.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) asking: Vec<Asking>,
    /// What each token was sent for.
    sent: BTreeMap<u64, Request>,
    requests: u64,
    /// The orchestrator that granted the last request: new ones go there first.
    favourite: usize,
    project: ProjectId,
    dice: Rng,
}

impl Clients {
    pub(crate) fn new(wishes: Vec<Wish>, project: ProjectId, seed: u64) -> Self {
        let asking = wishes.into_iter().map(Asking::of).collect();
        Self {
            asking,
            sent: BTreeMap::new(),
            requests: 0,
            favourite: 0,
            project,
            dice: Rng::of(seed, 0xc11e),
        }
    }

    /// Whether every wish has its answer.
    pub(crate) fn are_content(&self) -> bool {
        self.asking.iter().all(|asking| asking.over)
    }

    /// The wishes without an answer.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Wish> {
        self.asking.iter().filter(|asking| !asking.over).map(|asking| &asking.wish)
    }

    /// Whether what a wish rests on is still being asked for: a token is waited for, a saga to cancel is not.
    fn waits_for_another(&self, place: usize) -> bool {
        let of = self.asking.get(place).and_then(|asking| match asking.wish.want {
            Want::Join(of) => self.asking.get(of),
            _ => None,
        });
        of.is_some_and(|of| !of.over)
    }

    fn request(&mut self, place: usize, ms: i64) -> Option<Request> {
        self.requests += 1;
        let body = match &self.asking.get(place)?.wish.want {
            Want::Ask(body) => (**body).clone(),
            Want::Cancel(of) => CancelSaga { saga: self.asking.get(*of)?.receipt?.saga? }.into(),
            Want::Retry(saga) => RetrySaga { saga: *saga }.into(),
            Want::Skip(saga, step) => {
                SkipStep { saga: *saga, step: *step, reason: "by hand".to_string() }.into()
            }
            Want::Abandon(saga) => AbandonSaga { saga: *saga, reason: "given up".to_string() }.into(),
            Want::Adopt(resource) => {
                AdoptResource { resource: *resource, reason: "it is well".to_string() }.into()
            }
            Want::Discard(resource) => {
                DiscardResource { resource: *resource, reason: "it is gone".to_string() }.into()
            }
            Want::Join(of) => {
                let token = self.asking.get(*of)?.receipt?.saga?;
                let token = JoinTokenId::derived(&token.0, 0);
                JoinHost { token, certificate_sha256: Hash([5; 32]), address: None }.into()
            }
        };
        let id = request_id(ms, self.requests);
        Some(Request { id, project: self.project, principal: ADMIN, body })
    }
}

impl Asking {
    const fn of(wish: Wish) -> Self {
        let insists = wish.insist;
        Self { wish, request: None, target: 0, attempts: 0, insists, receipt: None, over: false }
    }
}

/// The wish and the attempt that a token stands for.
fn place_of(token: u64) -> (usize, u64) {
    (usize::try_from(token >> 16).unwrap_or(usize::MAX), token & 0xffff)
}

impl Sim {
    /// One more wish, said now.
    pub(crate) fn wishes(&mut self, wish: Wish) {
        let place = self.clients.asking.len();
        self.clients.asking.push(Asking::of(wish));
        self.later_us(1, Event::ClientAsks { place });
    }

    /// A client says its wish, for the first time or again.
    pub(crate) fn client_asks(&mut self, place: usize) {
        let ms = self.wall(0).0 / 1000;
        let Some(asking) = self.clients.asking.get(place).filter(|asking| !asking.over) else { return };
        if asking.request.is_none() {
            let request = self.clients.request(place, ms);
            if request.is_none() && self.clients.waits_for_another(place) {
                return self.later_ms(CLIENT_PATIENCE_MS, Event::ClientAsks { place });
            }
            let target = self.clients.favourite;
            let Some(asking) = self.clients.asking.get_mut(place) else { return };
            asking.over = request.is_none();
            (asking.request, asking.target) = (request, target);
        }
        let nodes = self.nodes.len();
        let Some(asking) = self.clients.asking.get_mut(place) else { return };
        let Some(request) = asking.request.clone() else { return };
        asking.attempts = (asking.attempts + 1) & 0xffff;
        self.seen.retries += u64::from(asking.attempts > 1);
        let token = (place as u64) << 16 | asking.attempts;
        let node = asking.target % nodes.max(1);
        self.clients.sent.insert(token, request.clone());
        let fact = Box::new(Fact::Request(request));
        self.send_ask(node, Input::Fact { token, cause: Cause::default(), fact });
        self.later_ms(CLIENT_PATIENCE_MS, Event::ClientWaits { token });
    }

    fn send_ask(&mut self, node: usize, input: Input) {
        let now = self.agenda.now();
        let fault = self.ask(Lane::Client(node), Place::plain("a request"), MESSAGE);
        let Some(mut at) = self.net.arrival(End::Clients, End::Node(node), now) else { return };
        let life = self.nodes.get(node).map_or(0, |it| it.life);
        if let Some(Fault { kind, mut dice }) = fault {
            let late = at.plus_ms(dice.ms(DELAY_MS));
            match kind {
                FaultKind::Drop => return,
                FaultKind::Delay => at = late,
                _ => {
                    let copy = Box::new(self.another(&input));
                    self.put_node(node, life, late, Work::Machine(copy));
                }
            }
        }
        self.put_node(node, life, at, Work::Machine(Box::new(input)));
    }

    /// A second copy of what was asked: a read is a call of its own to whoever serves it.
    fn another(&mut self, input: &Input) -> Input {
        let mut copy = input.clone();
        if let Input::Read { token, .. } = &mut copy {
            self.readers += 1;
            *token = u64::MAX - self.readers;
        }
        copy
    }

    /// No answer came: the same request goes to another orchestrator.
    pub(crate) fn client_waits(&mut self, token: u64) {
        let (place, attempt) = place_of(token);
        let waits = |asking: &&mut Asking| !asking.over && asking.attempts == attempt;
        if let Some(asking) = self.clients.asking.get_mut(place).filter(waits) {
            asking.target += 1;
            self.client_asks(place);
        }
    }

    /// An orchestrator answers; what it grants must be in the valid chain.
    pub(crate) fn reply(&mut self, node: usize, token: u64, reply: Result<Receipt, Refused>) {
        let now = self.agenda.now();
        if let Some(drawing) = &mut self.drawing {
            let what = match &reply {
                Ok(receipt) => format!("granted at {}", receipt.position),
                Err(refused) => format!("{refused:?}").chars().take(100).collect(),
            };
            drawing.message(now, End::Node(node), End::Clients, what);
        }
        self.trace
            .note(now, "reply", &[node as u64, token, u64::from(reply.is_ok())], || format!("{reply:?}"));
        if let (Some(request), Ok(receipt)) = (self.clients.sent.get(&token).cloned(), &reply) {
            self.check_receipt(&request, *receipt);
        }
        let fault = self.ask(Lane::Client(node), Place::plain("a reply"), MESSAGE);
        let Some(mut at) = self.net.arrival(End::Node(node), End::Clients, now) else { return };
        if let Some(Fault { kind, mut dice }) = fault {
            let late = at.plus_ms(dice.ms(DELAY_MS));
            match kind {
                FaultKind::Drop => return,
                FaultKind::Delay => at = late,
                _ => self.agenda.put(late, Event::ClientHears { token, reply: reply.clone() }),
            }
        }
        self.agenda.put(at, Event::ClientHears { token, reply });
    }

    /// 10, P4: an acknowledged request is in the valid log, once, at or before the position that the answer names.
    fn check_receipt(&mut self, request: &Request, receipt: Receipt) {
        self.seen.acknowledged += 1;
        if self.tail_is_lost {
            // A leader who has written nothing since can't know that what it repeats is gone.
            return;
        }
        let saga = SagaId::of_request(CELL, request.project, request.id);
        let at = self.chain.books.committed(request.project, request.id);
        let there =
            at.is_some_and(|at| at <= receipt.position) && receipt.position <= self.chain.tip.position;
        self.require(there, "invariant 10 (property P4)", || {
            format!("request {} was acknowledged at {}, it stands at {at:?}", request.id, receipt.position)
        });
        self.require(receipt.saga == Some(saga), "request R1", || {
            format!("request {} was answered with saga {:?}", request.id, receipt.saga)
        });
    }

    /// A client hears an answer.
    pub(crate) fn client_hears(&mut self, token: u64, reply: Result<Receipt, Refused>) {
        let (place, attempt) = place_of(token);
        let Some(asking) = self.clients.asking.get(place).filter(|asking| !asking.over) else { return };
        let stale = asking.attempts != attempt;
        let request = self.clients.sent.get(&token).cloned();
        let current = asking.request.as_ref().map(|request| request.id) == request.as_ref().map(|it| it.id);
        match reply {
            Ok(receipt) if current => self.granted(place, receipt),
            // A request that the client had given up was granted after all; its names are taken, that is all.
            Ok(_) => {}
            Err(Refused::Rejected { rejection, position }) => {
                let at = request.and_then(|it| self.chain.books.committed(it.project, it.id));
                let committed = at.is_some_and(|at| at <= position);
                self.require(!committed, "request R1", || {
                    format!("a request that stands at {at:?} was refused at {position}: {rejection}")
                });
                if !stale {
                    self.seen.fought += u64::from(is_fought_for(rejection.reason));
                    self.refused(place, may_pass(rejection.reason));
                }
            }
            Err(Refused::Stale { .. } | Refused::Poisonous) => self.refused(place, false),
            Err(
                Refused::NotLeader | Refused::Overloaded | Refused::JournalUnavailable | Refused::SteppedDown,
            ) if !stale => self.later_ms(150, Event::ClientWaits { token }),
            Err(
                Refused::NotLeader | Refused::Overloaded | Refused::JournalUnavailable | Refused::SteppedDown,
            ) => {}
        }
    }

    fn granted(&mut self, place: usize, receipt: Receipt) {
        let nodes = self.nodes.len();
        let (reader, wait_ms) = (self.clients.dice.chance(200), self.clients.dice.between(200, 6_000));
        let node = usize::try_from(self.clients.dice.below(nodes as u64)).unwrap_or(0);
        let Some(asking) = self.clients.asking.get_mut(place) else { return };
        let before = asking.receipt.replace(receipt);
        let again = asking.wish.again && before.is_none();
        asking.over = !again;
        self.clients.favourite = asking.target;
        // What was answered before may be lost with the tail.
        let same = self.tail_was_lost || before.is_none_or(|before| before.saga == receipt.saga);
        self.require(same, "request R1", || format!("one request was answered {before:?} and {receipt:?}"));
        if again {
            self.later_ms(wait_ms, Event::ClientAsks { place });
        }
        if reader {
            self.readers += 1;
            let token = u64::MAX - self.readers;
            self.send_ask(node, Input::Read { token, min_position: receipt.position });
        }
    }

    /// A refusal that waiting may mend is answered by a new request, while the client insists; with the time of the faults
    /// most wishes have had theirs.
    fn refused(&mut self, place: usize, may_pass: bool) {
        let wait_ms = self.clients.dice.between(400, 1_800);
        let Some(asking) = self.clients.asking.get_mut(place) else { return };
        if may_pass && asking.insists > 0 && (!self.settling || asking.wish.is_seen_through()) {
            asking.insists -= 1;
            asking.request = None;
            self.later_ms(wait_ms, Event::ClientAsks { place });
        } else {
            asking.over = true;
        }
    }
}
