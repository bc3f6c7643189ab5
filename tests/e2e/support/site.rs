//! Three machines, each with a NATS server and an orchestrator of one cell, and wires between all of them and to the
//! hosts: any machine can be cut off, as when its network fails while everything on it runs on.

use std::fs;

use tempfile::TempDir;
use windlass_journal::jetstream::local::{Plan, Program, Server, free_ports};
use windlass_journal::jetstream::{Connection, Settings};

use super::{Cell, HostSetup, Weather, Wire};

const MACHINES: usize = 3;

/// The machines. Those of the hosts are elsewhere, and are never cut off.
pub(crate) struct Site {
    pub(crate) cell: Cell,
    servers: Vec<Server>,
    /// From the machine of the first number to the NATS server of the second: routes and clients.
    wires: Vec<(usize, usize, Wire)>,
    _directory: TempDir,
}

impl Site {
    /// A site with these hosts, all of them up.
    pub(crate) async fn with(hosts: Vec<HostSetup>) -> Self {
        let program =
            Program::find().expect("nats-server 2.11 or newer is on the PATH (ops/test.sh installs it)");
        let directory = tempfile::tempdir().unwrap();
        let ports = free_ports(3 * MACHINES).unwrap();
        let (clients, rest) = ports.split_at(MACHINES);
        let (monitors, routes) = rest.split_at(MACHINES);
        let (mut wires, mut servers, mut arguments) = (Vec::new(), Vec::new(), Vec::new());
        for own in 0..MACHINES {
            let (mut own_routes, mut own_clients) = (Vec::new(), Vec::new());
            for other in 0..MACHINES {
                if own == other {
                    own_clients.push(format!("nats://127.0.0.1:{}", clients[own]));
                    continue;
                }
                let route = Wire::to(format!("127.0.0.1:{}", routes[other])).await;
                own_routes.push(format!("nats://{}", route.address));
                let client = Wire::to(format!("127.0.0.1:{}", clients[other])).await;
                own_clients.push(format!("nats://{}", client.address));
                wires.extend([(own, other, route), (own, other, client)]);
            }
            // Its own server first.
            own_clients.rotate_left(own);
            let monitors: Vec<String> =
                monitors.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
            let told = ["--nats", &own_clients.join(","), "--nats-monitor", &monitors.join(",")];
            arguments.push(told.map(str::to_owned).into_iter().chain(["--require-durable".into()]).collect());
            let plan = Plan {
                directory: directory.path().join(format!("n{own}")),
                port: clients[own],
                monitor_port: ports[MACHINES + own],
                sync_always: true,
                cluster: None,
            };
            // What it tells of itself leads nowhere, so that every way to it is a wire that was laid here.
            let text = format!(
                "listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\nserver_name: n{own}\n\
                 jetstream {{ store_dir: {:?}, sync_interval: always }}\n\
                 cluster {{ name: site, listen: 127.0.0.1:{}, no_advertise: true, advertise: \"127.0.0.1:1\", \
                 routes: [{}] }}\n",
                plan.port,
                plan.monitor_port,
                plan.directory.join("store"),
                routes[own],
                own_routes.join(", ")
            );
            fs::create_dir_all(&plan.directory).unwrap();
            fs::write(plan.directory.join("nats.conf"), text).unwrap();
            servers.push(Server::start_configured(&program, plan).unwrap());
        }
        let cell = Cell::wired(hosts, arguments).await;
        Self { cell, servers, wires, _directory: directory }
    }

    /// Cuts a machine off from the others and from the hosts, or connects it again.
    pub(crate) fn set(&self, machine: usize, weather: Weather) {
        let touched = |(from, to, _): &&(usize, usize, Wire)| *from == machine || *to == machine;
        self.wires.iter().filter(touched).for_each(|(_, _, wire)| wire.set(weather));
        self.cell.nodes[machine].weather(weather);
    }

    /// The machine whose NATS server leads the journal's stream; waits, bounded, until one does.
    pub(crate) async fn stream_leader(&self) -> usize {
        let servers = self.servers.iter().map(|server| server.plan.url()).collect();
        let settings = Settings { servers, cell: "test".into(), replicas: 3, ..Settings::default() };
        let connection = Connection::existing(&settings).await.unwrap();
        for _ in 0..3_000 {
            if let Some(name) = connection.stream_leader().await {
                return name.trim_start_matches('n').parse().unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("no server leads the stream");
    }
}
