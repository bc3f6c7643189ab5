//! Moves of a random history: everything that a client, an operator, an agent or time may do, most of it refused or
//! stale at most moments, which is fine: what is refused is not in the journal.

use proptest::prelude::*;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::{World, create_server, done, flavor, image, refusal, subnet};

/// What, and on which of a few things.
pub(crate) type Op = (u8, u8, u8);

/// Histories of up to `moves_max` moves.
pub(crate) fn ops(moves_max: usize) -> impl Strategy<Value = Vec<Op>> {
    let answers = (100..120_u8, any::<u8>(), any::<u8>());
    let others = (0..48_u8, any::<u8>(), any::<u8>());
    let well = (Just(47_u8), any::<u8>(), Just(0_u8));
    let scenes = (120..127_u8, any::<u8>(), any::<u8>());
    let repair = (33..38_u8, any::<u8>(), any::<u8>());
    prop::collection::vec(
        prop_oneof![8 => answers, 12 => others, 2 => well, 3 => repair, 1 => scenes],
        1..moves_max,
    )
}

/// Makes one move; now and then a frame ends.
pub(crate) fn play(world: &mut World, op: Op) {
    let (what, a, b) = op;
    match what {
        0..=31 => request(world, what, a, b),
        32..=47 => happening(world, what, a, b),
        100..=119 => answer(world, a, b),
        _ => scene(world, what, a, b),
    }
    match b % 8 {
        0 => world.seal(),
        1 if a.is_multiple_of(16) => world.void_frame(usize::from(a / 16 % 3) + 1),
        2 if a.is_multiple_of(16) => world.seal_with_void(),
        _ => {}
    }
}

fn request(world: &mut World, what: u8, a: u8, b: u8) {
    let n = a % 4;
    let server = format!("s{n}");
    let volume = format!("v{}", b % 3);
    let body: Body = match what {
        0 => with_port(&server, &format!("p{n}")).into(),
        1..=3 if b.is_multiple_of(2) => create_server(&server, &["v0", "v1"]).into(),
        1..=3 => create_server(&server, &[]).into(),
        4 | 5 => DeleteServer { server }.into(),
        6 | 7 => CreateVolume { name: volume, size_gib: 10, image: None, zone: None }.into(),
        8 => DeleteVolume { volume }.into(),
        9 | 10 => AttachVolume { volume, server }.into(),
        11 | 12 => DetachVolume { volume }.into(),
        13 => CreateNetwork { name: format!("n{n}"), mtu: Some(1400) }.into(),
        14 => DeleteNetwork { network: format!("n{n}") }.into(),
        15 => subnet(&format!("sub{n}"), &format!("n{n}"), &format!("10.1.{n}.0")).into(),
        16 => DeleteSubnet { subnet: format!("sub{n}") }.into(),
        17 => port(&format!("p{n}"), if b.is_multiple_of(2) { "net" } else { "n1" }).into(),
        18 => DeletePort { port: format!("p{n}") }.into(),
        19 => CreateSecurityGroup { name: format!("g{n}"), rules: vec![rule(b)] }.into(),
        20 => SetSecurityRules { group: format!("g{n}"), rules: vec![rule(a), rule(b)] }.into(),
        21 => DeleteSecurityGroup { group: format!("g{n}") }.into(),
        22 if b.is_multiple_of(2) => flavor(&format!("f{n}")).into(),
        22 => DeleteFlavor { flavor: format!("f{n}") }.into(),
        23 if b.is_multiple_of(2) => {
            image(&format!("i{n}"), if a % 8 > 3 { Visibility::Public } else { Visibility::Private }).into()
        }
        23 if b % 4 == 1 => SetImageBoot {
            image: format!("i{n}"),
            kernel: "debian".into(),
            initrd: None,
            cmdline: "quiet".into(),
        }
        .into(),
        23 => DeleteImage { image: format!("i{n}") }.into(),
        24 if b.is_multiple_of(2) => CreateKeyPair {
            name: format!("k{n}"),
            public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA a".into(),
        }
        .into(),
        24 => DeleteKeyPair { key_pair: format!("k{n}") }.into(),
        25 if b.is_multiple_of(2) => CreateProject { name: format!("t{n}"), quota: None }.into(),
        25 => DeleteProject { project: format!("t{n}") }.into(),
        26 => SetQuota {
            project: "blue".into(),
            quota: Amounts {
                servers: u64::from(a),
                ports: 400,
                networks: 20,
                volumes: 200,
                gib: 10_000,
                vcpus: 400,
                ram_mib: 1 << 20,
            },
        }
        .into(),
        27 if b.is_multiple_of(2) => CreatePrincipal { name: format!("u{n}") }.into(),
        27 => DeletePrincipal { principal: format!("u{n}") }.into(),
        28 => CreateCredential {
            principal: format!("u{n}"),
            name: "token".into(),
            secret_sha256: Hash([b; 32]),
            expires: None,
        }
        .into(),
        29 => match world.cell.credentials.keys().find(|id| id.0 != [8; 16]) {
            Some(credential) => RevokeCredential { credential: *credential }.into(),
            None => return,
        },
        30 | 31 => return role(world, a, b),
        _ => return,
    };
    drop(world.ask(body));
}

fn role(world: &mut World, a: u8, b: u8) {
    let principal = format!("u{}", a % 4);
    let projects: Vec<ProjectId> = world.cell.projects.keys().copied().collect();
    let scope = pick(&projects, b).map_or(Scope::Cell, Scope::Project);
    let role = AccessRole::Member;
    if b.is_multiple_of(4) {
        drop(world.ask(RevokeRole { principal, role, scope }));
    } else {
        drop(world.ask(GrantRole { principal, role, scope }));
    }
}

/// Orders about sagas, hosts and what happens to them, leaders, time.
fn happening(world: &mut World, what: u8, a: u8, b: u8) {
    let name = format!("h{}", a % 3);
    let host = world.host_named(&name);
    let saga = pick(&world.cell.sagas.keys().copied().collect::<Vec<_>>(), a);
    match what {
        32 => drop(saga.map(|saga| world.ask(CancelSaga { saga }))),
        33..=35 => stuck(world, what),
        36 => quarantine(world, a, b),
        37 => {
            world.boots = world.boots.wrapping_add(1);
            let boot = world.boots;
            host.into_iter().for_each(|host| world.seen(host, boot));
        }
        38 => {
            if let Some(host) = host {
                drop(world.tell(Report::HostSilent(HostSilent { host }).into()));
            }
        }
        39 if b.is_multiple_of(2) => drop(world.ask(DrainHost { host: name })),
        39 => drop(world.ask(UndrainHost { host: name })),
        40 if a % 8 == 7 => drop(world.ask(DeclareHostGone { host: name, reason: "burnt".into() })),
        40 => drop(world.ask(AffirmHostOff { host: name })),
        41 => rejoin(world, &name, a),
        42 if a % 8 == 7 => world.recover("0.2.0"),
        42 => world.lead(if a.is_multiple_of(2) { "0.1.0" } else { "0.2.0" }),
        43 => inventory(world, host, b),
        44 => drop(saga.map(|saga| world.tell(Report::Overdue(SagaOverdue { saga }).into()))),
        45 => world.now = world.now.plus_ms(u64::from(a) * 10_000),
        46 if a == 1 => world.now = world.now.plus_ms(8 * 24 * 3600 * 1000),
        46 => drop(world.ask(CreateJoinToken {
            host: format!("j{}", a % 4),
            roles: vec![Role::Storage],
            zone: "b".into(),
            secret_sha256: Hash([b; 32]),
            expires: world.now.plus_ms(1000),
        })),
        47 if b.is_multiple_of(2) => well(world, 24),
        47 if b % 4 == 1 => fault(world, a),
        _ => {
            if let Some(token) = world.cell.join_tokens.keys().next().copied() {
                drop(world.ask(RevokeJoinToken { token }));
            }
        }
    }
}

/// A fault of the leader's is armed, and now and then all are disarmed.
fn fault(world: &mut World, a: u8) {
    let fault = FaultAsked::of(FaultKind::OrchestratorPause);
    drop(world.ask(ArmFault { fault, host: None, lease_ms: 30_000, reason: "a drill".into() }));
    if a.is_multiple_of(3) {
        drop(world.ask(DisarmFault { fault: None }));
    }
}

fn stuck(world: &mut World, what: u8) {
    let stuck = world.cell.sagas.values().find(|saga| saga.stuck.is_some());
    let Some((saga, Some((step, _)))) = stuck.map(|saga| (saga.id, saga.stuck.clone())) else { return };
    let reason = String::from("by hand");
    match (what, step) {
        (33, _) => drop(world.ask(RetrySaga { saga })),
        (34, Some(step)) => drop(world.ask(SkipStep { saga, step, reason })),
        _ => drop(world.ask(AbandonSaga { saga, reason })),
    }
}

fn quarantine(world: &mut World, a: u8, b: u8) {
    let cell = &world.cell;
    let quarantined = |lock: windlass_sagas::cell::state::Lock| {
        matches!(lock, windlass_sagas::cell::state::Lock::Quarantined(_))
    };
    let servers =
        cell.servers.values().filter(|it| quarantined(it.lock)).map(|it| ResourceRef::Server(it.spec.id));
    let volumes =
        cell.volumes.values().filter(|it| quarantined(it.lock)).map(|it| ResourceRef::Volume(it.spec.id));
    let ports = cell.ports.values().filter(|it| quarantined(it.lock)).map(|it| ResourceRef::Port(it.spec.id));
    let all: Vec<ResourceRef> = servers.chain(volumes).chain(ports).collect();
    let Some(resource) = pick(&all, a) else { return };
    let reason = String::from("looked at");
    if b.is_multiple_of(3) {
        drop(world.ask(AdoptResource { resource, reason }));
    } else {
        drop(world.ask(DiscardResource { resource, reason }));
    }
}

/// A wiped host comes back: allowed again, joined by a new token, its ledgers new.
fn rejoin(world: &mut World, host: &str, a: u8) {
    let Some(id) = world.host_named(host) else { return };
    if world.ask(RejoinHost { host: host.into() }).is_ok() {
        world.seen(id, a);
        world.ledger(id, Role::Hypervisor, 1000 + u128::from(a));
        world.ledger(id, Role::Network, 2000 + u128::from(a));
    }
}

fn inventory(world: &mut World, host: Option<HostId>, b: u8) {
    let known = host.and_then(|host| world.cell.hosts.get(&host));
    let Some((host, (role, incarnation))) =
        known.and_then(|it| Some((it.id, it.unconfirmed.iter().chain(&it.incarnations).next()?)))
    else {
        return;
    };
    let orphans = (0..b % 3).map(|n| ResourceRef::Server(ServerId([n; 16]))).collect();
    let (role, incarnation) = (*role, *incarnation);
    let ledger = LedgerReported { host, role, incarnation, orphans, losses: vec![] };
    drop(world.tell(Report::Ledger(ledger).into()));
}

/// What single moves seldom come to: one life from its begin to its end.
fn scene(world: &mut World, what: u8, a: u8, b: u8) {
    let (principal, project) = (format!("u{}", a % 4), format!("t{}", b % 4));
    match what {
        120 => {
            drop(world.ask(CreatePrincipal { name: principal.clone() }));
            drop(world.ask(CreateProject { name: project.clone(), quota: None }));
            let scope =
                world.cell.projects.values().find(|it| it.name == project).map(|it| Scope::Project(it.id));
            let (role, scope) = (AccessRole::Reader, scope.unwrap_or(Scope::Cell));
            drop(world.ask(GrantRole { principal: principal.clone(), role, scope }));
            world.seal();
            if b.is_multiple_of(3) {
                drop(world.ask(RevokeRole { principal, role, scope }));
            }
            drop(world.ask(DeleteProject { project }));
        }
        121 => {
            let secret_sha256 = Hash([a; 32]);
            drop(world.ask(CreatePrincipal { name: principal.clone() }));
            let (name, expires) = ("token".into(), None);
            drop(world.ask(CreateCredential { principal: principal.clone(), name, secret_sha256, expires }));
            world.seal();
            drop(world.ask(DeletePrincipal { principal }));
        }
        122 => {
            attached(world);
            well(world, 12);
            world.seal();
            drop(world.ask(DetachVolume { volume: "vx".into() }));
            well(world, 12);
        }
        123 => gone(world, a),
        124 if a.is_multiple_of(4) => recovered(world),
        124 => discarded(world),
        125 => rested(world),
        _ => rebooted(world),
    }
}

/// A server "sx" that runs, with a volume "vx" attached, unless their names stand for something else by now.
fn attached(world: &mut World) {
    drop(world.ask(CreateVolume { name: "vx".into(), size_gib: 1, image: None, zone: None }));
    drop(world.ask(create_server("sx", &[])));
    well(world, 24);
    drop(world.ask(AttachVolume { volume: "vx".into(), server: "sx".into() }));
}

/// A detach is given up half-way; the volume is affirmed to be gone while the server still lists it.
fn discarded(world: &mut World) {
    attached(world);
    well(world, 12);
    if let Ok(saga) = world.ask(DetachVolume { volume: "vx".into() }) {
        for _ in 0..2 {
            let open = world.calls().into_iter().find(|call| call.0.saga == saga);
            let Some((key, direction, attempt, _)) = open else { return };
            world.report((key, direction, attempt), refusal(false));
        }
        let subject = world.cell.sagas.get(&saga).map(|saga| saga.subject);
        drop(world.ask(AbandonSaga { saga, reason: "half-way".into() }));
        world.seal();
        let reason = String::from("shredded");
        drop(subject.map(|resource| world.ask(DiscardResource { resource, reason })));
    }
}

/// The only address of a subnet is given again after its rest.
fn rested(world: &mut World) {
    drop(world.ask(CreateNetwork { name: "nx".into(), mtu: None }));
    let mut tiny = subnet("subx", "nx", "10.9.0.0");
    let only = "10.9.0.9".parse().expect("an address");
    tiny.pools = vec![(only, only)];
    drop(world.ask(tiny));
    drop(world.ask(port("px", "nx")));
    drop(world.ask(DeletePort { port: "px".into() }));
    world.seal();
    world.now = world.now.plus_ms(11 * 60 * 1000);
    drop(world.ask(port("px", "nx")));
}

/// A host's kernel starts anew under a server that a saga holds.
fn rebooted(world: &mut World) {
    attached(world);
    world.seal();
    let host = world.cell.servers.values().find(|it| it.spec.name == "sx").map(|it| it.spec.host);
    world.boots = world.boots.wrapping_add(1);
    let boot = world.boots;
    host.into_iter().for_each(|host| world.seen(host, boot));
}

/// A host burns with a server on it, whose addresses wait until it is known to be off, or back.
fn gone(world: &mut World, a: u8) {
    drop(world.ask(create_server("sg", &[])));
    well(world, 24);
    let host = world.cell.servers.values().find(|it| it.spec.name == "sg").map(|it| it.spec.host);
    let Some(host) = host.and_then(|host| world.cell.hosts.get(&host)).map(|it| it.name.clone()) else {
        return;
    };
    drop(world.ask(DeclareHostGone { host: host.clone(), reason: "burnt".into() }));
    drop(world.ask(DeleteServer { server: "sg".into() }));
    well(world, 12);
    world.seal();
    if a.is_multiple_of(2) {
        drop(world.ask(AffirmHostOff { host: host.clone() }));
    }
    rejoin(world, &host, a);
}

/// An operator's order to go on, and every ledger is compared anew.
fn recovered(world: &mut World) {
    world.recover("0.2.0");
    world.seal();
    let hosts = world.cell.hosts.values();
    let waiting = hosts.flat_map(|it| it.unconfirmed.iter().map(|(role, id)| (it.id, *role, *id)));
    for (host, role, incarnation) in waiting.collect::<Vec<_>>() {
        world.ledger(host, role, u128::from_be_bytes(incarnation.0));
    }
}

/// Agents answer a while, and all goes well.
fn well(world: &mut World, answers: usize) {
    for _ in 0..answers {
        let Some((key, direction, attempt, name)) = world.calls().first().copied() else { return };
        world.report((key, direction, attempt), done(name, direction));
    }
}

fn answer(world: &mut World, which: u8, how: u8) {
    let Some((key, direction, attempt, name)) = pick(&world.calls(), which) else { return };
    let outcome = match how / 8 % 16 {
        0 => refusal(false),
        1 | 2 => refusal(true),
        3 => Outcome::Overdue,
        4 => Outcome::Impossible("closed".into()),
        _ => done(name, direction),
    };
    world.report((key, direction, attempt), outcome);
}

fn with_port(server: &str, port: &str) -> CreateServer {
    CreateServer { nics: vec![Nic::Port(port.into())], ..create_server(server, &[]) }
}

fn port(name: &str, network: &str) -> CreatePort {
    CreatePort { name: name.into(), network: network.into(), ips: vec![], mac: None, groups: vec![] }
}

fn rule(n: u8) -> RuleAsked {
    RuleAsked {
        direction: RuleDirection::Ingress,
        protocol: Protocol::Tcp,
        ports: Some((u16::from(n), u16::from(n) + 1)),
        remote: None,
        remote_group: None,
    }
}

fn pick<T: Copy>(list: &[T], which: u8) -> Option<T> {
    list.get(usize::from(which) % list.len().max(1)).copied()
}
