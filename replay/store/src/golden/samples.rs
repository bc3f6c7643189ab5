//! One cell with every shape that a row can have: each variant of each state, each field filled.

use std::collections::{BTreeMap, BTreeSet};

use windlass_sagas::cell::state::*;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::summary::{SagaStanding, Summary};

const T: Time = Time(1_790_000_000_123_456);
const PROJECT: ProjectId = ProjectId([10; 16]);
const HOST: HostId = HostId([11; 16]);
const NETWORK: NetworkId = NetworkId([40; 16]);
const SUBNET: SubnetId = SubnetId([50; 16]);
const GROUP: SecurityGroupId = SecurityGroupId([60; 16]);
const SAGA: SagaId = SagaId([120; 16]);
const MAKER: Maker = Maker { saga: SAGA, step: StepIndex(3), dispatched: Position(77) };
const ENDPOINT: &str = "s0.example";

pub(super) fn cell() -> Cell {
    let mut cell = Cell {
        id: CellId([1; 16]),
        name: "north-1".into(),
        level: 1,
        position: Position(4711),
        time: T,
        term: Term { generation: 2, elected: Position(4000) },
        leader_build: "0.1.0".into(),
        next_vni: 5000,
        ..Cell::new()
    };
    servers(&mut cell);
    volumes(&mut cell);
    networks(&mut cell);
    catalogue(&mut cell);
    access(&mut cell);
    hosts(&mut cell);
    sagas(&mut cell);
    let memo = RequestMemo { fingerprint: 0x0123_4567_89ab_cdef, time: T };
    cell.requests.remember(SAGA, memo);
    cell
}

pub(super) fn sample_summary() -> Summary {
    Summary {
        saga: SAGA,
        kind: SagaKind::ServerCreate,
        project: PROJECT,
        subject: ResourceRef::Server(ServerId([1; 16])),
        standing: SagaStanding::RolledBack,
        late: true,
        started: T,
        ended: Some(Time(T.0 + 5)),
        reason: "prepare_port: no room".into(),
        first: Position(4000),
        changed: Position(4010),
    }
}

fn name(cell: &mut Cell, project: ProjectId, noun: &str, name: &str, id: [u8; 16]) {
    cell.names.insert((project, noun.into(), name.into()), id);
}

fn servers(cell: &mut Cell) {
    let states = [
        (ServerState::Building, Lock::Held(SAGA)),
        (ServerState::Active(MAKER), Lock::Free),
        (ServerState::Lost(MAKER), Lock::Free),
        (ServerState::Stopped(MAKER), Lock::Quarantined(SAGA)),
        (ServerState::Failed("no room".into()), Lock::Free),
    ];
    for (n, (state, lock)) in (1_u8..).zip(states) {
        let id = ServerId([n; 16]);
        let spec = ServerSpec {
            id,
            project: PROJECT,
            name: format!("web-{n}"),
            flavor: FlavorId([70; 16]),
            vcpus: 2,
            ram_mib: 2048,
            image: ImageId([80; 16]),
            host: HOST,
            root: VolumeId([21; 16]),
            keep_root: true,
            ports: vec![PortId([30; 16])],
            key_pair: Some(KeyPairId([90; 16])),
            user_data: Some(Hash([5; 32])),
            metadata: vec![("role".into(), "web".into())],
            evidence: Evidence::Hello,
        };
        name(cell, PROJECT, "server", &spec.name, id.0);
        match state {
            ServerState::Building => drop(cell.building.insert((HOST, id))),
            ServerState::Lost(_) => drop(cell.lost_servers.insert((HOST, id))),
            _ => {}
        }
        let attached = vec![VolumeId([21; 16])];
        cell.servers.insert(id, Server { spec, state, attached, lock, created: T, updated: T });
    }
}

fn volumes(cell: &mut Cell) {
    let states = [
        (VolumeState::Creating, Lock::Held(SAGA)),
        (VolumeState::Ready(MAKER), Lock::Free),
        (VolumeState::Failed("no room".into()), Lock::Free),
    ];
    for (n, (state, lock)) in (20_u8..).zip(states) {
        let id = VolumeId([n; 16]);
        let spec = VolumeSpec {
            id,
            project: PROJECT,
            name: format!("data-{n}"),
            size_gib: 40,
            image: Some(ImageId([80; 16])),
            host: HOST,
            root_of: Some(ServerId([2; 16])),
        };
        name(cell, PROJECT, "volume", &spec.name, id.0);
        let attachment = AttachmentSpec {
            id: AttachmentId([25; 16]),
            volume: id,
            server: ServerId([2; 16]),
            device: 1,
            export: Endpoint { host: ENDPOINT.into(), port: 10_809 },
            exported_by: MAKER,
            plugged_by: MAKER,
        };
        let attachments = vec![attachment];
        cell.volumes.insert(id, Volume { spec, state, attachments, lock, created: T, updated: T });
    }
}

fn networks(cell: &mut Cell) {
    let ip = |n: u8| [10, 0, 0, n].into();
    let cidr = Cidr { address: ip(0), prefix_bits: 24 };
    let (server, id) = (ServerId([2; 16]), NETWORK);
    let mut network = Network {
        id,
        project: PROJECT,
        name: "front".into(),
        vni: 4096,
        mtu: 1450,
        subnets: BTreeSet::from([SUBNET]),
        addresses: BTreeMap::new(),
        macs: BTreeMap::new(),
        hosts: BTreeMap::from([(HOST, 2)]),
        resting: BTreeMap::from([(ip(9), Rest::Until(T)), (ip(8), Rest::WhileGone(HOST))]),
        resting_macs: BTreeMap::from([(Mac([2; 6]), Rest::Until(T))]),
        created: T,
    };
    let states = [PortState::Unbound, PortState::Bound(server, HOST), PortState::Ready(server, HOST, MAKER)];
    for (n, state) in (30_u8..).zip(states) {
        let id = PortId([n; 16]);
        let spec = PortSpec {
            id,
            project: PROJECT,
            name: format!("port-{n}"),
            network: NETWORK,
            mac: Mac([n; 6]),
            addresses: vec![FixedAddress { subnet: SUBNET, ip: ip(n) }],
            groups: vec![GROUP],
            server: Some(server),
        };
        name(cell, PROJECT, "port", &spec.name, id.0);
        network.addresses.insert(ip(n), id);
        network.macs.insert(spec.mac, id);
        cell.ports_in.insert((GROUP, id));
        if state != PortState::Unbound {
            cell.ports_on.insert((HOST, id));
        }
        cell.ports.insert(id, Port { spec, state, lock: Lock::Free, created: T, updated: T });
    }
    name(cell, PROJECT, "network", &network.name, id.0);
    cell.networks.insert(id, network);
    let (gateway, next) = (Some(ip(1)), Some(ip(33)));
    let (pools, dns) = (vec![(ip(2), ip(200))], vec![ip(53)]);
    let (id, project, network) = (SUBNET, PROJECT, NETWORK);
    let named = "front-v4".to_owned();
    name(cell, project, "subnet", &named, id.0);
    let subnet =
        Subnet { id, project, name: named, network, cidr, gateway, pools, dns, dhcp: true, next, created: T };
    cell.subnets.insert(id, subnet);
    let remotes = [Remote::Any, Remote::Range(cidr), Remote::Group(GROUP)];
    let (direction, protocol, ports) = (RuleDirection::Egress, Protocol::Tcp, Some((80, 443)));
    let rules = remotes.map(|remote| SecurityRule { direction, protocol, ports, remote }).to_vec();
    name(cell, PROJECT, "security group", "web", GROUP.0);
    let group = SecurityGroup { id: GROUP, project, name: "web".into(), rules, created: T };
    cell.security_groups.insert(GROUP, group);
    cell.groups_naming.insert((GROUP, GROUP));
}

fn catalogue(cell: &mut Cell) {
    let id = FlavorId([70; 16]);
    let (vcpus, ram_mib, root_gib, traits) = (2, 2048, 20, vec!["kvm".into()]);
    name(cell, ProjectId([0; 16]), "flavor", "small", id.0);
    cell.flavors.insert(id, Flavor { id, name: "small".into(), vcpus, ram_mib, root_gib, traits });
    let shown = [(Visibility::Private, PROJECT), (Visibility::Public, ProjectId([0; 16]))];
    for (n, (visibility, scope)) in (80_u8..).zip(shown) {
        let image = Image {
            id: ImageId([n; 16]),
            project: PROJECT,
            name: "debian".into(),
            sha256: Hash([6; 32]),
            size_bytes: 1 << 30,
            format: ImageFormat::Qcow2,
            min_disk_gib: 2,
            min_ram_mib: 256,
            evidence: Evidence::Lease,
            visibility,
            boot: (visibility == Visibility::Private).then(|| ImageBoot {
                kernel: ImageId([81; 16]),
                kernel_sha256: Hash([6; 32]),
                initrd: Some((ImageId([82; 16]), Hash([9; 32]))),
                cmdline: "quiet".into(),
            }),
            created: T,
        };
        name(cell, scope, "image", "debian", image.id.0);
        cell.images.insert(image.id, image);
    }
    let (id, public_key) = (KeyPairId([90; 16]), "ssh-ed25519 AAAA me".to_owned());
    name(cell, PROJECT, "key pair", "me", id.0);
    cell.key_pairs.insert(id, KeyPair { id, project: PROJECT, name: "me".into(), public_key, created: T });
}

fn access(cell: &mut Cell) {
    let amounts = Amounts { servers: 1, vcpus: 2, ram_mib: 3, volumes: 4, gib: 5, networks: 6, ports: 7 };
    let (id, default_group) = (PROJECT, GROUP);
    name(cell, ProjectId([0; 16]), "project", "blue", id.0);
    let project =
        Project { id, name: "blue".into(), quota: amounts, usage: amounts, default_group, created: T };
    cell.projects.insert(id, project);
    let id = PrincipalId([100; 16]);
    name(cell, ProjectId([0; 16]), "principal", "ann", id.0);
    let roles =
        BTreeSet::from([(Scope::Cell, AccessRole::Admin), (Scope::Project(PROJECT), AccessRole::Member)]);
    cell.principals.insert(id, PrincipalState { id, name: "ann".into(), roles });
    let (credential, secret_sha256, expires) = (CredentialId([101; 16]), Hash([8; 32]), Some(T));
    let made = Credential { id: credential, principal: id, name: "laptop".into(), secret_sha256, expires };
    cell.credentials.insert(credential, made);
    cell.credentials_by_secret.insert((secret_sha256, credential));
    let id = JoinTokenId([102; 16]);
    let (host, roles, zone) = ("h7".into(), vec![Role::Hypervisor, Role::Network], "b".into());
    cell.join_tokens.insert(
        id,
        JoinToken { id, host, again: Some(HostId([8; 16])), roles, zone, secret_sha256, expires: T },
    );
    faults(cell);
}

fn faults(cell: &mut Cell) {
    let whens = [FaultWhen::Nth(3), FaultWhen::Chance { ppm: 250_000 }];
    for (n, when) in (103_u8..).zip(whens) {
        let rule = FaultRule {
            kind: FaultKind::PowerCut,
            role: Some(Role::Storage),
            step: Some("attach".into()),
            direction: Some(Direction::Undo),
            when,
            seed: 7,
            times: Some(2),
            point: FaultPoint::Between,
            after_changes: 4,
            delay_ms: 1_500,
            retryable: true,
        };
        let (id, host, term) = (FaultId([n; 16]), Some(HOST), cell.term);
        let (by, reason) = (Principal::User(PrincipalId([100; 16])), "a drill".into());
        cell.faults.insert(id, Fault { id, rule, host, term, armed: T, expires: T, by, reason });
    }
}

fn hosts(cell: &mut Cell) {
    let lives = [
        HostLife::Up,
        HostLife::Joined,
        HostLife::Down,
        HostLife::Gone { off: false },
        HostLife::Gone { off: true },
    ];
    for (n, life) in (11_u8..).zip(lives) {
        let host = Host {
            id: HostId([n; 16]),
            name: format!("h{n}"),
            roles: BTreeSet::from([Role::Hypervisor, Role::Storage]),
            zone: "a".into(),
            address: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
            certificate_sha256: Some(Hash([9; 32])),
            life,
            draining: true,
            boot: Some(BootId([1; 16])),
            rebooted: Some(Position(9)),
            capacity: Capacity { vcpus: 16, ram_mib: 65_536, disk_gib: 1000 },
            claimed: Capacity { vcpus: 2, ram_mib: 2048, disk_gib: 40 },
            traits: vec!["kvm".into()],
            incarnations: BTreeMap::from([(Role::Hypervisor, Incarnation([3; 16]))]),
            unconfirmed: BTreeMap::from([(Role::Storage, Incarnation([5; 16]))]),
            retired: BTreeSet::from([Incarnation([4; 16])]),
            findings: BTreeMap::from([(
                Role::Storage,
                (vec![ResourceRef::Volume(VolumeId([77; 16]))], vec![ResourceRef::Port(PortId([78; 16]))]),
            )]),
        };
        name(cell, ProjectId([0; 16]), "host", &host.name, host.id.0);
        cell.hosts.insert(host.id, host);
    }
}

/// A step of each input and state, and a saga of each state.
fn sagas(cell: &mut Cell) {
    let ledger = LedgerId { host: HOST, role: Role::Hypervisor };
    let (attempt, dispatched, since) = (Attempt(2), Position(4001), T);
    let retry = Retry { attempts_max: 5, pause_first_ms: 100, pause_max_ms: 5000, call_ms: 10_000 };
    let refusal = Refusal { code: RefusalCode::NoRoom, retryable: true, message: "no room".into() };
    let output = StepOutput::Export(Endpoint { host: ENDPOINT.into(), port: 10_809 });
    let states = [
        StepState::Forward { dispatched, attempt, not_before: T, since, late: true },
        StepState::Done { dispatched, output },
        StepState::Done { dispatched, output: StepOutput::None },
        StepState::Refused { dispatched, attempt, refusal: refusal.clone(), since },
        StepState::Undoing { dispatched, attempt, not_before: T, late: false },
        StepState::UndoRefused { dispatched, attempt, refusal: refusal.clone() },
        StepState::Undone { dispatched, how: UndoneHow::ByAgent },
        StepState::Undone { dispatched, how: UndoneHow::Nothing },
        StepState::Undone { dispatched, how: UndoneHow::HostGone },
        StepState::Undone { dispatched, how: UndoneHow::Skipped("by hand".into()) },
        StepState::Waiting,
    ];
    let inputs = inputs().into_iter().cycle().take(states.len()).enumerate();
    let steps = inputs.map(|(n, input)| Step {
        ledger,
        input,
        after: vec![StepIndex(0)],
        retry,
        undo: if n % 2 == 0 { Undo::None } else { Undo::Call { retry, after: vec![StepIndex(1)] } },
        closes: vec![MAKER],
        deadline_ms: 60_000,
    });
    let steps: Vec<Step> = steps.collect();
    let turns = [
        Turn::Cancelled,
        Turn::Refused(StepIndex(1), refusal),
        Turn::StepOverdue(StepIndex(1)),
        Turn::SagaOverdue,
        Turn::HostGone(StepIndex(1)),
        Turn::HostRebooted(StepIndex(1)),
    ];
    let turns = std::iter::once(None).chain(turns.into_iter().map(Some));
    let stands = [
        SagaState::Running,
        SagaState::Unwinding,
        SagaState::Stuck(Direction::Forward),
        SagaState::Stuck(Direction::Undo),
    ];
    for ((n, turn), state) in (120_u8..).zip(turns).zip(stands.into_iter().cycle()) {
        let id = SagaId([n; 16]);
        let pivot = if n % 2 == 0 { Pivot::Done(StepIndex(4)) } else { Pivot::Dispatched(StepIndex(4)) };
        let saga = Saga {
            id,
            kind: SagaKind::ServerCreate,
            project: PROJECT,
            subject: ResourceRef::Server(ServerId([1; 16])),
            holds: vec![ResourceRef::Server(ServerId([1; 16]))],
            plan: Plan { steps: steps.clone(), pivot: Some(pivot), deadline_ms: 600_000 }.into(),
            steps: states.to_vec(),
            state,
            turn,
            stuck: Some((Some(StepIndex(5)), "no room".into())),
            late: true,
            position: Position(4000),
            started: T,
        };
        let held = cell.open_dispatches.entry(ledger).or_default();
        held.insert((dispatched, id, StepIndex(1)));
        cell.sagas.insert(id, saga);
    }
}

fn inputs() -> Vec<StepInput> {
    let (server, volume, port) = (ServerId([1; 16]), VolumeId([21; 16]), PortId([30; 16]));
    let (attachment, network, device) = (AttachmentId([25; 16]), NETWORK, 1);
    let image = ImageSource { image: ImageId([80; 16]), sha256: Hash([6; 32]), format: ImageFormat::Raw };
    let address =
        PortAddress { ip: [10, 0, 0, 30].into(), prefix_bits: 24, gateway: Some([10, 0, 0, 1].into()) };
    let setup =
        PortSetup { port, network, vni: 4096, mtu: 1450, mac: Mac([30; 6]), addresses: vec![address] };
    let guest = GuestSetup {
        server,
        name: "web-1".into(),
        vcpus: 2,
        ram_mib: 2048,
        volumes: vec![volume],
        ports: vec![port],
        public_key: Some("ssh-ed25519 AAAA me".into()),
        user_data: Some(Hash([5; 32])),
        metadata: vec![("role".into(), "web".into())],
    };
    let kernel = DirectBoot { kernel: Hash([7; 32]), initrd: Some(Hash([8; 32])), cmdline: "quiet".into() };
    vec![
        StepInput::ReserveVolume {
            volume,
            size_gib: 40,
            image: Some(image),
            made_here: true,
            export_to: Some(HOST),
        },
        StepInput::ReleaseVolume { volume, export_to: Some(HOST), delete: true },
        StepInput::PreparePort(setup),
        StepInput::RemovePort { port, network },
        StepInput::BootGuest(guest.clone()),
        StepInput::DestroyGuest { server },
        StepInput::PlugVolume { attachment, server, volume, device },
        StepInput::UnplugVolume { attachment, server, volume, device },
        StepInput::ConfirmGuest { server, evidence: Evidence::Runs },
        StepInput::BootKernel(guest, kernel),
        StepInput::StopGuest { server, grace_ms: 30_000 },
    ]
}
