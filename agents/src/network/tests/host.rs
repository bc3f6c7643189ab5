//! A host: the network role in a thread that lives in the host's namespace, so that all that it starts does, too.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use std::os::fd::AsFd as _;
use windlass_sagas::cell::views::HostView;
use windlass_sagas::ids::{CellId, HostId, PortId, Position, ProjectId, SagaId, StepIndex};
use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkId};
use windlass_sagas::protocol::{InventoryItem, Owner, PlacedView};
use windlass_sagas::record::{Direction, Refusal, StepInput, StepKey};

use super::place::{inside, run};
use crate::linux::{Hand as _, Host as Facts, Run};
use crate::network::Network;

type Job =
    Box<dyn for<'a> FnOnce(&'a mut Option<Network>, Facts) -> Pin<Box<dyn Future<Output = ()> + 'a>> + Send>;

/// A host with the network role.
pub(super) struct Host {
    pub(super) space: String,
    pub(super) run: PathBuf,
    jobs: Option<tokio::sync::mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts the role in the namespace, at this address of the underlay.
    pub(super) fn start(space: &str, directory: &Path, number: u8) -> Self {
        let run = directory.join(format!("run-{number}"));
        let facts = Facts {
            id: HostId([number; 16]),
            address: Ipv4Addr::new(192, 0, 2, number).into(),
            state: directory.join(format!("state-{number}")),
            run: Run::open(&run).unwrap(),
        };
        let (jobs, mut queue) = tokio::sync::mpsc::unbounded_channel::<Job>();
        let place = File::open(format!("/run/netns/{space}")).unwrap();
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut network = Some(Network::open(facts.clone()).await.unwrap());
                while let Some(job) = queue.recv().await {
                    job(&mut network, facts.clone()).await;
                }
            });
        });
        Self { space: space.to_owned(), run, jobs: Some(jobs), thread: Some(thread) }
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl for<'a> FnOnce(&'a mut Option<Network>, Facts) -> Pin<Box<dyn Future<Output = T> + 'a>>
        + Send
        + 'static,
    ) -> T {
        let (answer, answered) = mpsc::channel();
        let job: Job = Box::new(move |network, facts| {
            let work = job(network, facts);
            Box::pin(async move { answer.send(work.await).unwrap() })
        });
        assert!(self.jobs.as_ref().unwrap().send(job).is_ok(), "the host's thread goes on");
        answered.recv().expect("the host answers")
    }

    /// Makes one sub-change.
    pub(super) fn advance(
        &self,
        input: &StepInput,
        direction: Direction,
    ) -> Result<Option<&'static str>, Refusal> {
        let work = work(input);
        self.ask(move |network, _| {
            Box::pin(async move { network.as_ref().unwrap().advance(&work, direction).await })
        })
    }

    /// Makes all sub-changes, and says which.
    pub(super) fn to_end(&self, input: &StepInput, direction: Direction) -> Vec<&'static str> {
        let mut made = Vec::new();
        while let Some(change) = self.advance(input, direction).unwrap() {
            made.push(change);
            assert!(made.len() < 40, "it comes to no end: {made:?}");
        }
        made
    }

    pub(super) fn observe(&self, input: &StepInput) -> Observed {
        let work = work(input);
        self.ask(move |network, _| {
            Box::pin(async move { network.as_ref().unwrap().observe(&work).await.unwrap() })
        })
    }

    pub(super) fn inventory(&self) -> Vec<InventoryItem> {
        self.ask(|network, _| Box::pin(async move { network.as_ref().unwrap().inventory().await.unwrap() }))
    }

    pub(super) fn apply(&self, view: &HostView) {
        let view = PlacedView::new(Position(1), view.clone());
        self.ask(|network, _| Box::pin(async move { network.as_ref().unwrap().apply(view).await.unwrap() }));
    }

    /// The agent is gone, and another one comes.
    pub(super) fn restart(&self) {
        self.ask(|network, facts| {
            Box::pin(async move {
                drop(network.take());
                *network = Some(Network::open(facts).await.unwrap());
            })
        });
    }

    pub(super) fn leased_since(&self, port: PortId, since_unix_s: i64) -> bool {
        self.ask(move |_, facts| {
            Box::pin(
                async move { crate::network::leased_since(&facts.run, port, since_unix_s).await.unwrap() },
            )
        })
    }

    pub(super) fn tap(&self, port: PortId) -> Option<crate::network::Tap> {
        self.ask(move |_, facts| Box::pin(async move { crate::network::tap(&facts.run, port).unwrap() }))
    }

    /// Runs a command on the host.
    pub(super) fn sh(&self, arguments: &[&str]) -> String {
        let all = [&["netns", "exec", &self.space], arguments].concat();
        run("ip", &all)
    }

    /// How many packets the counters of this comment have seen.
    pub(super) fn counted(&self, comment: &str) -> u64 {
        let output = inside(&self.space, &["nft", "-j", "list", "ruleset"]);
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let rules = listed["nftables"].as_array().unwrap().iter().filter_map(|item| item.get("rule"));
        let ours = rules.filter(|rule| rule["comment"] == format!("wl:{comment}"));
        let counters =
            ours.flat_map(|rule| rule["expr"].as_array().unwrap()).filter_map(|it| it.get("counter"));
        counters.map(|counter| counter["packets"].as_u64().unwrap()).sum()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn work(input: &StepInput) -> Work {
    Work {
        id: WorkId(1),
        key: StepKey { saga: SagaId([9; 16]), step: StepIndex(3) },
        op: Op::Execute,
        input: input.clone(),
        exports: Vec::new(),
        owner: Owner { cell: CellId([1; 16]), project: ProjectId([2; 16]) },
        remaining_ms: 60_000,
    }
}
