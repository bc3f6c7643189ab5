//! A pair of hosts that takes squares from the list: it brings about what the square's saga needs, starts the struck agent
//! with its plan of faults, asks, starts it again where it falls, and hands what it saw to the proof.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use windlass_client::{Client, v1};
use windlass_sagas::cell::state::Ended;
use windlass_sagas::record::{AttachVolume, Body, CreateVolume, DeleteServer, DeleteVolume, DetachVolume};

use crate::proof::{self, Seen};
use crate::square::Square;
use crate::support::*;

/// How long an agent may take to fall, or a saga to end; a bound against hanging, not a claim.
const PATIENCE: Duration = Duration::from_secs(100);

/// One host and its agent.
struct Host {
    name: &'static str,
    agent: Option<Child>,
}

/// What the lane's project holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Things {
    volume: bool,
    server: bool,
    attached: bool,
    /// The server's making was undone; it holds nothing, and its name is taken.
    failed: bool,
}

/// A pair of hosts: for guests, and for volumes.
pub(crate) struct Lane {
    hosts: [Host; 2],
    zone: &'static str,
    home: PathBuf,
    client: Client,
    things: Things,
    /// Squares struck so far.
    pub(crate) struck: usize,
    found: Vec<String>,
}

impl Lane {
    pub(crate) fn new(
        cell: &mut Cell,
        guests: &'static str,
        volumes: &'static str,
        zone: &'static str,
    ) -> Self {
        let mut host = |name| Host { name, agent: cell.agents.remove(name) };
        let hosts = [host(guests), host(volumes)];
        let (home, client) = (cell.home.path().to_path_buf(), cell.client.clone());
        Self { hosts, zone, home, client, things: Things::default(), struck: 0, found: Vec::new() }
    }

    /// Its agents go back to the cell; what it found is told.
    pub(crate) fn give_back(self, cell: &mut Cell) -> Vec<String> {
        for host in self.hosts {
            if let Some(agent) = host.agent {
                cell.agents.insert(host.name, agent);
            }
        }
        self.found
    }

    /// Takes squares until there are none, then removes what is left.
    pub(crate) async fn works(mut self, queue: Arc<Mutex<VecDeque<Square>>>) -> Self {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(square) = next else { break };
            self.strike(&square).await;
        }
        self.reach(Things::default()).await;
        self
    }

    async fn strike(&mut self, square: &Square) {
        let mut wanted = Things::default();
        (square.saga.example)().before.iter().for_each(|body| wanted.take(body));
        self.reach(wanted).await;
        let before = [self.directory(0), self.directory(1)].map(|it| proof::look(&it));
        for (place, (text, strikes)) in square.faults().into_iter().enumerate() {
            self.arm(place, (strikes > 0).then_some(text)).await;
        }
        let begins = square.begins();
        let operation = self.asks(&begins).await;
        if square.falls() {
            let place = usize::from(square.on_storage());
            let fallen = self.hosts[place].agent.as_mut().unwrap().ends_within(PATIENCE).await;
            assert!(!fallen.success(), "{}: the agent ended in good order", square.name());
            self.hosts[place].agent =
                Some(agent(Path::new(PROGRAM), &self.home, self.hosts[place].name, false));
        }
        let ended = tokio::time::timeout(PATIENCE, self.client.wait(&operation)).await;
        let operation = ended.unwrap_or_else(|_| panic!("{} does not end", square.name())).unwrap();
        match (proof::ended(&operation), &begins) {
            (Some(Ended::Completed), body) => self.things.take(body),
            (_, Body::CreateServer(_)) => self.things.failed = true,
            (_, _) => {}
        }
        self.is_settled().await;
        let after = [self.directory(0), self.directory(1)].map(|it| proof::look(&it));
        let events =
            v1::ListEventsRequest { parent: operation.name.clone(), page_size: 1000, ..Default::default() };
        let events = self.client.call(events).await.unwrap().events;
        let seen = Seen { operation, events, before, after };
        let found = proof::judge(square, &seen);
        self.found.extend(found.into_iter().map(|what| format!("{}: {what}", square.name())));
        self.struck += 1;
    }

    fn directory(&self, place: usize) -> PathBuf {
        self.home.join("hosts").join(self.hosts[place].name)
    }

    /// Starts a host's agent anew with this plan of faults; one that needs none goes on as it is.
    async fn arm(&mut self, place: usize, faults: Option<String>) {
        let Some(text) = faults else { return };
        let file = self.directory(place).join("faults.toml");
        let host = &mut self.hosts[place];
        if let Some(agent) = host.agent.take() {
            agent.kill().await;
        }
        std::fs::write(file, text).unwrap();
        host.agent = Some(agent(Path::new(PROGRAM), &self.home, host.name, false));
    }

    /// Brings about what a saga needs, with as few requests as will do.
    async fn reach(&mut self, wanted: Things) {
        let web = || format!("web-{}", self.zone);
        let (red, web) = (format!("red-{}", self.zone), web());
        if self.things.failed || (self.things.server && !wanted.server) {
            self.completes(&DeleteServer { server: web.clone() }.into()).await;
            (self.things.failed, self.things.server, self.things.attached) = (false, false, false);
        }
        if self.things.attached && !wanted.attached {
            self.completes(&DetachVolume { volume: red.clone() }.into()).await;
        }
        if self.things.volume && !wanted.volume {
            self.completes(&DeleteVolume { volume: red.clone() }.into()).await;
        }
        if wanted.volume && !self.things.volume {
            let (name, size_gib, image, zone) = (red.clone(), 2, None, None);
            self.completes(&CreateVolume { name, size_gib, image, zone }.into()).await;
        }
        if wanted.server && !self.things.server {
            let volumes: &[&str] = if wanted.attached { &["red"] } else { &[] };
            self.completes(&windlass_sim::workload::create_server("web", volumes).into()).await;
        }
        if wanted.attached && !self.things.attached {
            self.completes(&AttachVolume { volume: red, server: web }.into()).await;
        }
    }

    async fn completes(&mut self, body: &Body) {
        let operation = self.asks(body).await;
        let ended = tokio::time::timeout(PATIENCE, self.client.wait(&operation)).await;
        let operation = ended.unwrap_or_else(|_| panic!("{body:?} in {} does not end", self.zone)).unwrap();
        assert_eq!(proof::ended(&operation), Some(Ended::Completed), "{operation:#?}");
        self.things.take(body);
    }

    /// Asks what an example says, with the lane's own names.
    async fn asks(&self, body: &Body) -> v1::Operation {
        let (zone, host) = (self.zone, self.hosts[0].name);
        let volume_of = |_: &str| format!("{PROJECT}/volumes/red-{zone}");
        let asked = match body {
            Body::CreateVolume(_) => {
                let mut request = volume(&format!("red-{zone}"));
                if let Some(volume) = &mut request.volume {
                    volume.zone = zone.into();
                }
                self.client.call(request).await
            }
            Body::CreateServer(body) => {
                let red = format!("red-{zone}");
                let volumes: Vec<&str> = body.volumes.iter().map(|_| red.as_str()).collect();
                let mut request = server(&format!("web-{zone}"), host, &volumes);
                if let Some(placement) = request.server.as_mut().and_then(|it| it.placement.as_mut()) {
                    placement.zone = zone.into();
                }
                self.client.call(request).await
            }
            Body::DeleteServer(_) => self.client.call(delete_server(&format!("web-{zone}"))).await,
            Body::DeleteVolume(_) => self.client.call(delete_volume(&format!("red-{zone}"))).await,
            Body::AttachVolume(body) => {
                let (name, server) = (volume_of(&body.volume), format!("{PROJECT}/servers/web-{zone}"));
                self.client.call(v1::AttachVolumeRequest { name, server, ..Default::default() }).await
            }
            Body::DetachVolume(body) => {
                let name = volume_of(&body.volume);
                self.client.call(v1::DetachVolumeRequest { name, ..Default::default() }).await
            }
            other => panic!("no call is known for {other:?}"),
        };
        asked.unwrap_or_else(|error| panic!("{body:?} in {zone}: {error}"))
    }

    /// Waits until a server that its host's reboot took is made again.
    async fn is_settled(&self) {
        if !self.things.server {
            return;
        }
        for _ in 0..2_000 {
            let web = self.client.call(get_server(&format!("web-{}", self.zone))).await.unwrap();
            if web.state() == v1::server::State::Active {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server of {} does not come back", self.zone);
    }
}

impl Things {
    /// What a request that ended well changed.
    fn take(&mut self, body: &Body) {
        match body {
            Body::CreateVolume(_) => self.volume = true,
            Body::DeleteVolume(_) => self.volume = false,
            Body::CreateServer(body) => (self.server, self.attached) = (true, !body.volumes.is_empty()),
            Body::DeleteServer(_) => (self.server, self.attached) = (false, false),
            Body::AttachVolume(_) => self.attached = true,
            Body::DetachVolume(_) => self.attached = false,
            other => panic!("nothing is known of {other:?}"),
        }
    }
}
