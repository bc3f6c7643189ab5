//! The publisher against a stream that loses answers, messages and itself, and beside publishers that were deposed: what
//! is read is always the journal's events, each once, in order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;
use crate::api::finished::{Ask, Finished, Summary, Unread};
use crate::lead::handle::Durable;

const CELL: CellId = CellId([9; 16]);

/// A journal of so many commits, of none to three events each.
struct Journal(Mutex<Vec<Durable>>);

fn commit(position: u64, generation: u32) -> Durable {
    let header = Header {
        position: Position(position),
        time: Time(i64::try_from(position).unwrap() * 1_000 + i64::from(generation)),
        term: Term { generation, elected: Position(1) },
        writer: WriterId([0; 16]),
        previous: Hash([0; 32]),
    };
    let event = |ordinal: u64| {
        let project = ProjectId([u8::try_from(position % 200).unwrap(); 16]);
        let name = format!("p{ordinal}");
        Event::ProjectCreated(ProjectCreated {
            id: project,
            name,
            quota: Amounts::default(),
            default_group: SecurityGroupId([1; 16]),
        })
    };
    let fact = Fact::Report(Report::RaiseFormat(RaiseFormat { level: 1 }));
    let events = (0..position % 4).map(event).collect();
    Durable::new(Commit { header, cause: Cause::default(), fact, events })
}

#[tonic::async_trait]
impl Finished for Journal {
    async fn reach(&self, _: Position) -> Result<(), Unread> {
        Ok(())
    }
    async fn summary(&self, _: SagaId) -> Result<Option<Summary>, Unread> {
        Ok(None)
    }
    async fn list(&self, _: Ask) -> Result<Vec<Summary>, Unread> {
        Ok(Vec::new())
    }
    async fn commits_of(&self, _: SagaId, _: Position) -> Result<Vec<Durable>, Unread> {
        Ok(Vec::new())
    }
    async fn commits_of_resource(&self, _: ResourceRef, _: Position) -> Result<Vec<Durable>, Unread> {
        Ok(Vec::new())
    }
    async fn commits_after(&self, after: Position, max: usize) -> Result<Vec<Durable>, Unread> {
        let skip = usize::try_from(after.0).unwrap();
        Ok(self.0.lock().unwrap().iter().skip(skip).take(max).cloned().collect())
    }
}

/// What goes wrong with a window, at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// It lands, and its answer is lost.
    AnswerLost,
    /// Its first half lands, and its answer is lost.
    HalfLands,
    /// Nothing of it lands.
    NothingLands,
    /// Somebody deletes the stream before it comes.
    StreamDeleted,
    /// The server loses the newest half of the stream before it comes.
    TailLost,
    /// Everything in the stream is too old before it comes.
    AllAgedOut,
}

const MISHAPS: [Mishap; 6] = [
    Mishap::AnswerLost,
    Mishap::HalfLands,
    Mishap::NothingLands,
    Mishap::StreamDeleted,
    Mishap::TailLost,
    Mishap::AllAgedOut,
];

/// A stream: what it ever had, and how many of its first ones are gone.
#[derive(Default)]
struct Stream {
    messages: Mutex<(Vec<Message>, usize)>,
    mishaps: Mutex<Vec<(u64, Mishap)>>,
    windows: AtomicU64,
    /// Windows that were sent, to be sent again by nobody who leads.
    sent: Mutex<Vec<(u64, Vec<Message>)>>,
    /// How long a window takes.
    takes: Duration,
}

impl Stream {
    fn land(&self, after: u64, messages: &[Message]) -> Result<(), SinkError> {
        let (all, _) = &mut *self.messages.lock().unwrap();
        let mut landed = Ok(());
        for (place, message) in (after..).zip(messages) {
            // Each message has its own fence.
            if all.len() as u64 == place {
                all.push(message.clone());
            } else {
                landed = Err(SinkError::Elsewhere);
            }
        }
        landed
    }

    fn ids(&self) -> Vec<String> {
        self.messages.lock().unwrap().0.iter().map(Message::id).collect()
    }
}

#[derive(Clone)]
struct To(Arc<Stream>);

impl Sink for To {
    async fn end(&self) -> Result<End, SinkError> {
        let (all, gone) = &*self.0.messages.lock().unwrap();
        let last = all.last().filter(|_| all.len() > *gone).map(|message| publisher::Last {
            position: message.position,
            ordinal: message.ordinal,
            payload: message.payload.clone(),
        });
        Ok(End { number: all.len() as u64, last })
    }

    async fn publish(&self, after: u64, messages: &[Message]) -> Result<(), SinkError> {
        let stream = &self.0;
        let window = stream.windows.fetch_add(1, Ordering::Relaxed);
        stream.sent.lock().unwrap().push((after, messages.to_vec()));
        if !stream.takes.is_zero() {
            tokio::time::sleep(stream.takes).await;
        }
        let mishap =
            stream.mishaps.lock().unwrap().iter().find(|(at, _)| *at == window).map(|(_, what)| *what);
        let lost = Err(SinkError::Unavailable("no answer in time".into()));
        match mishap {
            None => stream.land(after, messages),
            Some(Mishap::AnswerLost) => stream.land(after, messages).and(lost),
            Some(Mishap::HalfLands) => stream.land(after, &messages[..messages.len() / 2]).and(lost),
            Some(Mishap::NothingLands) => lost,
            Some(Mishap::StreamDeleted) => {
                *stream.messages.lock().unwrap() = (Vec::new(), 0);
                Err(SinkError::Elsewhere)
            }
            Some(Mishap::TailLost) => {
                let (all, gone) = &mut *stream.messages.lock().unwrap();
                all.truncate((all.len() / 2).max(*gone));
                Err(SinkError::Elsewhere)
            }
            Some(Mishap::AllAgedOut) => {
                let (all, gone) = &mut *stream.messages.lock().unwrap();
                *gone = all.len();
                Err(SinkError::Unavailable("the server starts".into()))
            }
        }
    }
}

/// An orchestrator that publishes while it leads.
struct Node {
    leads: watch::Sender<bool>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn node(journal: &Arc<Journal>, reached: &watch::Receiver<Position>, stream: &Arc<Stream>) -> Node {
    let source = Source { finished: Arc::clone(journal) as Arc<dyn Finished>, reached: reached.clone() };
    let publisher = Publisher { cell: CELL, source, sink: To(Arc::clone(stream)) };
    let ((leads, led), stop) = (watch::channel(false), CancellationToken::new());
    let task = tokio::spawn(publisher.run(led, stop.clone()));
    Node { leads, stop, task }
}

fn journal(commits: u64) -> (Arc<Journal>, watch::Sender<Position>, watch::Receiver<Position>) {
    let all = (1..=commits).map(|position| commit(position, 0)).collect();
    let (reach, reached) = watch::channel(Position(commits));
    (Arc::new(Journal(Mutex::new(all))), reach, reached)
}

/// The ids of all events of these commits.
fn wanted(commits: u64) -> Vec<String> {
    (1..=commits)
        .flat_map(|position| (0..position % 4).map(move |ordinal| format!("{position}.{ordinal}")))
        .collect()
}

async fn until_told(stream: &Stream, wanted: &[String]) {
    for _ in 0..10_000 {
        if stream.ids().len() >= wanted.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stream.ids(), wanted);
}

async fn end(node: Node) {
    node.stop.cancel();
    node.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_event_is_told_once_and_in_order_whatever_happens_to_a_window() {
    for mishap in MISHAPS {
        for at in 0..4 {
            let ((journal, _reach, reached), stream) = (journal(2200), Arc::new(Stream::default()));
            *stream.mishaps.lock().unwrap() = vec![(at, mishap), (at + 1, Mishap::AnswerLost)];
            let node = node(&journal, &reached, &stream);
            node.leads.send_replace(true);
            until_told(&stream, &wanted(2200)).await;
            assert!(stream.windows.load(Ordering::Relaxed) > at, "{mishap:?} at {at} was met");
            end(node).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deposed_publisher_stops_and_what_it_had_on_its_way_changes_nothing() {
    let ((journal, _reach, reached), stream) = (journal(2000), Arc::new(Stream::default()));
    let nodes = [node(&journal, &reached, &stream), node(&journal, &reached, &stream)];
    for turn in 0..6 {
        let (old, new) = (&nodes[turn % 2], &nodes[(turn + 1) % 2]);
        old.leads.send_replace(false);
        new.leads.send_replace(true);
        tokio::time::sleep(Duration::from_millis(5)).await;
        // Every window that anybody ever sent comes once more, oldest last.
        let sent = stream.sent.lock().unwrap().clone();
        for (after, messages) in sent.iter().rev() {
            drop(stream.land(*after, messages));
        }
    }
    until_told(&stream, &wanted(2000)).await;
    for node in &nodes {
        node.leads.send_replace(false);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let windows = stream.windows.load(Ordering::Relaxed);
    *stream.messages.lock().unwrap() = (Vec::new(), 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stream.windows.load(Ordering::Relaxed), windows, "who does not lead sends nothing");
    for node in nodes {
        end(node).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_cell_commits_the_feed_takes_its_share_and_then_it_catches_up() {
    let takes = Duration::from_millis(10);
    let stream = Arc::new(Stream { takes, ..Stream::default() });
    let (journal, reach, reached) = journal(20_000);
    let node = node(&journal, &reached, &stream);
    node.leads.send_replace(true);
    for position in 20_001..=20_600 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        journal.0.lock().unwrap().push(commit(position, 0));
        reach.send_replace(Position(position));
    }
    let windows = stream.windows.load(Ordering::Relaxed);
    assert!((9..=11).contains(&windows), "one of 10 ms in 120 ms: {windows}");
    // 30,900 events: twenty windows more, and none waits.
    tokio::time::sleep(takes * 22 + GATHER_PAUSE).await;
    assert_eq!(stream.ids().len(), wanted(20_600).len());
    end(node).await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_feed_that_is_deleted_or_cut_is_made_again_as_it_was() {
    let ((journal, reach, reached), stream) = (journal(300), Arc::new(Stream::default()));
    let node = node(&journal, &reached, &stream);
    node.leads.send_replace(true);
    until_told(&stream, &wanted(300)).await;
    let before = stream.messages.lock().unwrap().0.clone();
    for left in [0, 17] {
        stream.messages.lock().unwrap().0.truncate(left);
        until_told(&stream, &wanted(300)).await;
        assert_eq!(stream.messages.lock().unwrap().0, before, "the same bytes");
    }
    journal.0.lock().unwrap().push(commit(301, 0));
    reach.send_replace(Position(301));
    until_told(&stream, &wanted(301)).await;
    end(node).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_this_journals_feed_is_left_alone() {
    let foreign: [fn(&mut Vec<Message>); 3] = [
        // Of a history whose tail was lost.
        |all| {
            let mut teller = Teller::new(CELL);
            *all.last_mut().unwrap() = teller.tell(&commit(99, 1)).pop().unwrap();
        },
        // Ahead of the journal.
        |all| all.push(Teller::new(CELL).tell(&commit(150, 0)).remove(0)),
        // An event that the journal does not have.
        |all| all.last_mut().unwrap().ordinal = 3,
    ];
    for change in foreign {
        let ((journal, _reach, reached), stream) = (journal(99), Arc::new(Stream::default()));
        let mut teller = Teller::new(CELL);
        let mut all: Vec<Message> = (1..=99).flat_map(|position| teller.tell(&commit(position, 0))).collect();
        change(&mut all);
        stream.messages.lock().unwrap().0.clone_from(&all);
        let node = node(&journal, &reached, &stream);
        node.leads.send_replace(true);
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(stream.windows.load(Ordering::Relaxed), 0);
        assert_eq!(stream.messages.lock().unwrap().0, all);
        // An operator deletes it.
        *stream.messages.lock().unwrap() = (Vec::new(), 0);
        until_told(&stream, &wanted(99)).await;
        end(node).await;
    }
}

#[test]
fn a_message_is_a_cloud_event_and_its_subject_has_three_tokens() {
    let trace = Some(([0xab; 16], [0xcd; 8]));
    let mut commit = (*commit(3, 0)).clone();
    commit.cause = Cause { trace, ..Cause::default() };
    let messages = Teller::new(CELL).tell(&commit);
    let ids: Vec<String> = messages.iter().map(Message::id).collect();
    assert_eq!(ids, ["3.0", "3.1", "3.2"]);
    let project = ProjectId([3; 16]);
    assert_eq!(messages[1].subject, format!("project.{project}.project-created"));
    assert_eq!(place(&messages[1].id()), Some((Position(3), 1)));
    for bad in ["", "3", "3.", ".1", "x.1", "3.-1", "3.1.1"] {
        assert_eq!(place(bad), None, "{bad}");
    }
    let event: serde_json::Value = serde_json::from_slice(&messages[1].payload).unwrap();
    let data = event["data"].clone();
    let told: windlass_proto::v1::Event = windlass_proto::from_json(data).unwrap();
    assert_eq!((told.position, told.ordinal, told.kind.as_str()), (3, 1, "project.created"));
    let source = format!("/cells/{CELL}");
    let attributes = [
        ("specversion", "1.0"),
        ("id", "3.1"),
        ("source", &source),
        ("type", "windlass.project.created"),
        ("subject", &format!("projects/{project}")),
        ("time", "1970-01-01T00:00:00.003Z"),
        ("datacontenttype", "application/json"),
        ("dataschema", "urn:windlass:v1.Event"),
        ("traceparent", "00-abababababababababababababababab-cdcdcdcdcdcdcdcd-01"),
    ];
    for (name, value) in attributes {
        assert_eq!(event[name], value, "{name}");
    }
    assert_eq!(event.as_object().unwrap().len(), attributes.len() + 1, "and its data");
}
