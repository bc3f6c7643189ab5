//! The API over a journal that nobody leads here: a stopped one, an exported file, or one on NATS. It runs inside the
//! process that reads the journal, answers every read with the code that answers live, and changes nothing.
//!
//! Invariant: nothing is appended and nobody is led; the fold is that of the journal's end when it was opened.

mod told;

use std::io;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use windlass_journal::Read;
use windlass_replay::{Metered, ReplayError, Until, Voids, fold_by};
use windlass_sagas::cell::Cell;
use windlass_sagas::ids::WriterId;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_store::{Store, Tracker};

use crate::api::inventories::NoAgents;
use crate::api::{About, Access, Parts, Roles, routes};
use crate::history::Folds;
use crate::history::whole::Journal;
use crate::lead::handle::{Leader, Leaves, READ_TIME_MAX, Refused, Wake};
use crate::process::BUILD;
use told::{Moments, Told};

/// Connections that may wait to be taken; a client makes one.
const CONNECTIONS_QUEUE: usize = 4;
/// The bytes that one direction of a connection holds.
const PIPE_BYTES: usize = 256 * 1024;
/// Reads that may wait for the fold.
const WAKES_QUEUE: usize = 256;

/// Folds `journal` to its end and gives what the API stands on. Who can call may what `roles` say; `store`: where images
/// of its past are, if anywhere; `progress` is told how far the reading has come. `kind` is the journal's, for people.
///
/// # Errors
/// Where the journal can't be read or folded: nothing is served of a part.
pub async fn open<R: Read + Clone + 'static>(
    journal: R,
    (kind, store): (&'static str, Option<Store>),
    roles: Roles,
    progress: impl Fn(Cursor) + Send + Sync,
) -> Result<Parts, ReplayError> {
    let mut told = Told::new();
    let folded =
        fold_by(&Metered::new(&journal, progress), Fold::new(None), Until::End, |cursor, absorbed| {
            told.take(cursor, absorbed);
        })
        .await?;
    let mut warnings = left_behind(&folded.voids);
    warnings.extend(part_of(&journal)?);
    let (wakes, woken) = mpsc::channel(WAKES_QUEUE);
    let (commits, _) = broadcast::channel(1);
    let leader = Leader::new(wakes, commits, READ_TIME_MAX);
    // Ends with the last handle.
    let cell = folded.fold.into_cell();
    let (end, times) = (cell.position, told.times());
    tokio::spawn(answer(cell, woken));
    Ok(Parts {
        leader,
        finished: Arc::new(told.over(journal.clone(), end)),
        whole: Arc::new(Journal::new(journal.clone(), store.clone())),
        past: Arc::new(Moments { folds: Folds::new(journal, store, None), times }),
        access: Access::Holder(roles),
        inventories: Arc::new(NoAgents),
        blobs: None,
        about: About {
            build: BUILD.to_owned(),
            writer: WriterId([0; 16]),
            address: String::new(),
            journal: kind,
            ca_certificate_der: Vec::new(),
            warnings: Arc::new(move || warnings.clone()),
        },
    })
}

/// Serves what stands on these parts inside this process: what it gives makes connections to it, in place of sockets. It
/// ends with that.
///
/// # Errors
/// Where the API can't describe itself, which is a bug.
pub async fn serve(
    parts: Parts,
) -> io::Result<impl Fn() -> io::Result<DuplexStream> + Send + Sync + 'static> {
    let (routes, _health) = routes(parts).await.map_err(io::Error::other)?;
    let (connect, connections) = mpsc::channel(CONNECTIONS_QUEUE);
    let connections = ReceiverStream::new(connections);
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(connections));
    Ok(move || {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let sent = connect.try_send(Ok::<_, io::Error>(theirs));
        sent.map(|()| ours).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    })
}

/// What a copy that is a part of a journal lacks.
fn part_of<R: Read>(journal: &R) -> Result<Option<String>, ReplayError> {
    let Some(part) = journal.part() else { return Ok(None) };
    Ok(match (part.base()?.is_some(), part.has_gaps()) {
        (false, false) => None,
        (true, false) => Some("this copy begins later than the journal".to_owned()),
        (false, true) => Some("this copy leaves commits out".to_owned()),
        (true, true) => Some("this copy begins later than the journal and leaves commits out".to_owned()),
    })
}

fn left_behind(voids: &Voids) -> Vec<String> {
    let count: u64 = voids.values().sum();
    if count == 0 { Vec::new() } else { vec![format!("{count} void commits, which nobody applied")] }
}

/// Answers reads of a fold that stands still.
async fn answer(cell: Cell, mut woken: mpsc::Receiver<Wake>) {
    let nothing = Tracker::new();
    while let Some(wake) = woken.recv().await {
        match wake {
            Wake::Read { min_position, read } => {
                // A position that is not there will not come: whoever waits for it is told so by the dropped reply.
                if min_position <= cell.position {
                    match read(&cell, &nothing) {
                        Leaves::WhenDurable(send) | Leaves::Now(send) => send(),
                    }
                }
            }
            // Nobody hears these answers only where the caller has gone.
            Wake::Propose { reply, .. } => drop(reply.send(Err(Refused::ReadOnly))),
            Wake::Recovery { reply } | Wake::Recover { reply, .. } => {
                drop(reply.send(Err(Refused::ReadOnly)));
            }
            Wake::TakeInventories { .. } => {}
        }
    }
}
