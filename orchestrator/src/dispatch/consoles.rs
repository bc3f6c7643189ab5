//! Guests' consoles, asked of hosts on the streams that stand here, whoever leads. No rule rests on them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tonic::Status;
use windlass_agent_wire::{ConsoleAsked, ConsoleTold};
use windlass_proto::agent::v1::OrchestratorMessage;
use windlass_sagas::ids::{HostId, ServerId};
use windlass_sagas::protocol::dispatcher::LinkId;
use windlass_sagas::record::Refusal;

/// Where messages for one agent go.
pub(super) type Out = mpsc::Sender<Result<OrchestratorMessage, Status>>;
type Known = mpsc::WeakSender<Result<OrchestratorMessage, Status>>;
type Answer = oneshot::Sender<Result<Vec<u8>, Refusal>>;

/// The streams by host, and who waits for an answer on them. A stream is not held open by being known here.
#[derive(Debug, Default)]
pub(super) struct Consoles {
    next: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    streams: BTreeMap<HostId, (LinkId, Known)>,
    waiting: BTreeMap<u64, (LinkId, Answer)>,
}

impl Consoles {
    fn look(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host's stream is open; it takes the place of an older one.
    pub(super) fn opened(&self, host: HostId, link: LinkId, out: &Out) {
        self.look().streams.insert(host, (link, out.downgrade()));
    }

    /// A stream is gone, and with it every answer that was to come on it; a newer one of the host stays.
    pub(super) fn closed(&self, host: HostId, link: LinkId) {
        let mut inner = self.look();
        if inner.streams.get(&host).is_some_and(|(open, _)| *open == link) {
            inner.streams.remove(&host);
        }
        inner.waiting.retain(|_, (on, _)| *on != link);
    }

    /// An answer came. Only the stream that was asked is believed; nobody may wait for it any more.
    pub(super) fn told(&self, link: LinkId, told: ConsoleTold) {
        let answer = {
            let mut inner = self.look();
            let ours = inner.waiting.get(&told.id).is_some_and(|(on, _)| *on == link);
            ours.then(|| inner.waiting.remove(&told.id)).flatten()
        };
        if let Some((_, answer)) = answer {
            // Who asked may have given up.
            answer.send(told.result).ok();
        }
    }

    /// Asks a host; `None` where it has no stream here, or loses it before it answers. Dropped, nobody waits any more.
    pub(super) async fn ask(
        &self,
        host: HostId,
        server: ServerId,
        bytes_max: u32,
    ) -> Option<Result<Vec<u8>, Refusal>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let _waits = Waits { all: self, id };
        {
            let mut inner = self.look();
            let (link, out) = inner.streams.get(&host)?;
            let (link, asked) = (*link, ConsoleAsked { id, server, bytes_max });
            out.upgrade()?.try_send(Ok(asked.encode())).ok()?;
            inner.waiting.insert(id, (link, answer));
        }
        answered.await.ok()
    }
}

/// One that waits.
struct Waits<'a> {
    all: &'a Consoles,
    id: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.all.look().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::record::RefusalCode;

    use super::*;

    const HOST: HostId = HostId([1; 16]);
    const SERVER: ServerId = ServerId([2; 16]);

    type Messages = mpsc::Receiver<Result<OrchestratorMessage, Status>>;

    fn stream(consoles: &Consoles, link: u64) -> (Messages, Out) {
        let (out, messages) = mpsc::channel(4);
        consoles.opened(HOST, LinkId(link), &out);
        (messages, out)
    }

    #[tokio::test]
    async fn a_stream_that_is_known_here_ends_all_the_same() {
        let consoles = Consoles::default();
        let (mut messages, out) = stream(&consoles, 1);
        drop(out);
        assert!(messages.recv().await.is_none(), "an orchestrator that stops would wait for it");
        assert_eq!(consoles.ask(HOST, SERVER, 64).await, None);
    }

    fn asked(message: Result<OrchestratorMessage, Status>) -> ConsoleAsked {
        ConsoleAsked::decode(&message.expect("a message")).expect("well formed").expect("it asks for one")
    }

    #[tokio::test]
    async fn an_answer_reaches_who_asked_and_only_from_the_stream_that_was_asked() {
        let consoles = Consoles::default();
        let (mut messages, _out) = stream(&consoles, 1);
        let answer = async {
            let ConsoleAsked { id, server, bytes_max } = asked(messages.recv().await.expect("asked"));
            assert_eq!((server, bytes_max), (SERVER, 64));
            consoles.told(LinkId(2), ConsoleTold { id, result: Ok(b"another's".to_vec()) });
            consoles.told(LinkId(1), ConsoleTold { id: id + 1, result: Ok(b"another".to_vec()) });
            consoles.told(LinkId(1), ConsoleTold { id, result: Ok(b"login: ".to_vec()) });
        };
        let (told, ()) = tokio::join!(consoles.ask(HOST, SERVER, 64), answer);
        assert_eq!(told, Some(Ok(b"login: ".to_vec())));
        assert!(consoles.look().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let consoles = Consoles::default();
        let (mut messages, _out) = stream(&consoles, 1);
        let refusal = Refusal { code: RefusalCode::Missing, retryable: false, message: "none".into() };
        let answer = async {
            let ConsoleAsked { id, .. } = asked(messages.recv().await.expect("asked"));
            consoles.told(LinkId(1), ConsoleTold { id, result: Err(refusal.clone()) });
        };
        let (told, ()) = tokio::join!(consoles.ask(HOST, SERVER, 64), answer);
        assert_eq!(told, Some(Err(refusal)));
    }

    #[tokio::test]
    async fn without_a_stream_or_with_one_that_ends_there_is_no_answer() {
        let consoles = Consoles::default();
        assert_eq!(consoles.ask(HOST, SERVER, 64).await, None);
        let (mut messages, _out) = stream(&consoles, 1);
        let end = async {
            messages.recv().await.expect("asked").expect("a message");
            let newer = stream(&consoles, 2);
            consoles.closed(HOST, LinkId(1));
            newer
        };
        let (told, newer) = tokio::join!(consoles.ask(HOST, SERVER, 64), end);
        assert_eq!(told, None);
        assert!(consoles.look().streams.contains_key(&HOST), "the newer stream stays");
        drop(newer);
        assert_eq!(consoles.ask(HOST, SERVER, 64).await, None, "its reader is gone");
        assert!(consoles.look().waiting.is_empty());
    }
}
