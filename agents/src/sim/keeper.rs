//! The thread that keeps the world: small steps are made in memory, written to disk as one new file, and only then
//! answered. So a killed agent finds all that it was told of, and the file is never half a world.
//!
//! Invariant: what the disk refused has not happened: the world goes back to what was written last.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;
use windlass_sagas::ids::ServerId;
use windlass_sagas::protocol::{InventoryItem, PlacedView};
use windlass_sagas::record::{Capacity, Refusal, RefusalCode, Role};
use windlass_world::{Operation, Progress, World};

use crate::AgentError;
use crate::driver::driver_failed;
use crate::files::{Lock, PRIVATE, make_directory, replace};
use crate::limits::{FLUSH_TIME_MAX, WORLD_GROUP_MAX};
use crate::strike::Power;

const FILE: &str = "world.bin";

type Stepped = Result<(Operation, Progress), Refusal>;

enum Request {
    Step { operation: Box<Operation>, answer: oneshot::Sender<Stepped> },
    Inventory { role: Role, answer: oneshot::Sender<Vec<InventoryItem>> },
    Console { server: ServerId, answer: oneshot::Sender<Option<String>> },
    Apply { view: Box<PlacedView>, answer: oneshot::Sender<Result<(), Refusal>> },
    Power { power: Power, done: oneshot::Sender<()> },
}

/// The handle of the world's thread. Its queue is bounded by the driver work that runs at a time.
pub(super) struct Keeper {
    requests: Mutex<Option<Sender<Request>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// The world in a state directory, as it was written last; for tests, demonstrations and audits of a host that stands.
///
/// # Errors
/// `File`, or `World` where the bytes are none.
pub fn read_world(state: &Path) -> Result<World, AgentError> {
    read(&state.join("world").join(FILE))
}

fn read(path: &Path) -> Result<World, AgentError> {
    let bytes = std::fs::read(path).map_err(|error| AgentError::File { path: path.to_path_buf(), error })?;
    World::decode(&bytes)
        .map_err(|error| AgentError::World { path: path.to_path_buf(), message: error.to_string() })
}

impl Keeper {
    /// Claims the directory and reads the world in it, or makes an empty one.
    pub(super) fn open(
        directory: &Path,
        name: &str,
        capacity: Capacity,
    ) -> Result<(Self, World), AgentError> {
        make_directory(directory)?;
        let lock = Lock::take(directory)?;
        let path = directory.join(FILE);
        let world = if path.exists() {
            read(&path)?
        } else {
            let world = World::new(name, capacity);
            let written = replace(&path, PRIVATE, &world.encode());
            written.map_err(|error| AgentError::File { path: path.clone(), error })?;
            world
        };
        let (requests, queue) = channel();
        let (end, ended) = oneshot::channel();
        let thread = Thread { path, written: world.clone(), world: world.clone(), queue };
        let started = std::thread::Builder::new().name("world".into()).spawn(move || {
            thread.run();
            drop(lock);
            // Whoever waited for the end may have given up waiting.
            end.send(()).ok();
        });
        started.map_err(|_| AgentError::Thread("world"))?;
        let (requests, ended) = (Mutex::new(Some(requests)), Mutex::new(Some(ended)));
        Ok((Self { requests, ended }, world))
    }

    /// Makes one small step; it is on disk when this answers. Dropped before it began, it does not begin.
    pub(super) async fn step(&self, operation: Operation) -> Stepped {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Step { operation: Box::new(operation), answer });
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// What the role holds.
    pub(super) async fn inventory(&self, role: Role) -> Result<Vec<InventoryItem>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Inventory { role, answer });
        answered.await.map_err(|_| closed())
    }

    /// What a guest's console shows.
    pub(super) async fn console(&self, server: ServerId) -> Result<String, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Console { server, answer });
        let missing = || {
            let message = "the host has no such guest".into();
            Refusal { code: RefusalCode::Missing, retryable: false, message }
        };
        answered.await.map_err(|_| closed())?.ok_or_else(missing)
    }

    /// Puts a view in force; it is on disk when this answers.
    pub(super) async fn apply(&self, view: PlacedView) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Apply { view: Box::new(view), answer });
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The power goes, or the kernel starts anew; on disk when this answers.
    pub(super) async fn power(&self, power: Power) {
        let (done, answered) = oneshot::channel();
        self.ask(Request::Power { power, done });
        if answered.await.is_err() {
            tracing::error!(?power, "the world is closed, and keeps its power");
        }
    }

    /// Ends the thread and gives the directory free; bounded.
    pub(super) async fn close(&self) {
        drop(self.requests.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(FLUSH_TIME_MAX, ended).await.is_err()
        {
            tracing::warn!("the world's thread did not end in time");
        }
    }

    /// Puts a request; where the thread is gone the answer's channel is dropped with it.
    fn ask(&self, request: Request) {
        if let Some(requests) = &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            requests.send(request).ok();
        }
    }
}

struct Thread {
    path: PathBuf,
    world: World,
    /// The world that is on disk.
    written: World,
    queue: Receiver<Request>,
}

impl Thread {
    fn run(mut self) {
        let mut stepped = Vec::new();
        while let Ok(first) = self.queue.recv() {
            let mut next = Some(first);
            while let Some(request) = next.take() {
                match request {
                    Request::Step { operation, answer } => self.step(*operation, answer, &mut stepped),
                    Request::Inventory { role, answer } => {
                        // Whoever asked may have given up waiting; here and below nobody then misses the answer.
                        answer.send(self.world.inventory(role)).ok();
                    }
                    Request::Console { server, answer } => {
                        answer.send(self.world.console(server)).ok();
                    }
                    Request::Apply { view, answer } => {
                        self.settle(&mut stepped);
                        self.world.apply_view(&view);
                        answer.send(self.write()).ok();
                    }
                    Request::Power { power, done } => {
                        self.settle(&mut stepped);
                        self.power(power);
                        done.send(()).ok();
                    }
                }
                if stepped.len() < WORLD_GROUP_MAX {
                    next = self.queue.try_recv().ok();
                }
            }
            self.settle(&mut stepped);
        }
    }

    fn step(
        &mut self,
        mut operation: Operation,
        answer: oneshot::Sender<Stepped>,
        stepped: &mut Vec<(oneshot::Sender<Stepped>, Operation, Progress)>,
    ) {
        if !answer.is_closed() {
            let progress = operation.step(&mut self.world);
            stepped.push((answer, operation, progress));
        }
    }

    /// Writes what the group changed, and answers it.
    fn settle(&mut self, stepped: &mut Vec<(oneshot::Sender<Stepped>, Operation, Progress)>) {
        let refusal = self.write().err();
        for (answer, operation, progress) in stepped.drain(..) {
            let result = match &refusal {
                None => Ok((operation, progress)),
                Some(refusal) => Err(refusal.clone()),
            };
            answer.send(result).ok();
        }
    }

    fn write(&mut self) -> Result<(), Refusal> {
        if self.world == self.written {
            return Ok(());
        }
        let Err(error) = replace(&self.path, PRIVATE, &self.world.encode()) else {
            self.written.clone_from(&self.world);
            return Ok(());
        };
        tracing::error!(%error, "the world can't be written; its last steps have not happened");
        self.world.clone_from(&self.written);
        Err(match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Refusal { code: RefusalCode::DiskFull, retryable: true, message: error.to_string() }
            }
            _ => driver_failed(&error.to_string()),
        })
    }

    fn power(&mut self, power: Power) {
        match power {
            Power::Cut => self.world.power_cut(),
            Power::Reboot => self.world.reboot(),
        }
        // A power cut that the disk does not take has not happened, as every other step; it is logged.
        self.write().ok();
    }
}

fn closed() -> Refusal {
    driver_failed("the agent ends")
}
