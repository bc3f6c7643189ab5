//! One message of every kind, with every optional part there and missing.

use windlass_sagas::cell::views::{HostView, NetworkView, PortView, SubnetView};
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::*;
use windlass_sagas::record::*;

pub(crate) const HOST: HostId = HostId([2; 16]);
pub(crate) const CELL: CellId = CellId([1; 16]);
pub(crate) const LEDGER: LedgerId = LedgerId { host: HOST, role: Role::Hypervisor };
pub(crate) const INCARNATION: Incarnation = Incarnation([6; 16]);
pub(crate) const TERM: Term = Term { generation: 1, elected: Position(7) };

pub(crate) fn inputs() -> Vec<StepInput> {
    let (server, volume, port, network) =
        (ServerId([3; 16]), VolumeId([4; 16]), PortId([5; 16]), NetworkId([6; 16]));
    let attachment = AttachmentId([7; 16]);
    let ip = "10.0.0.2".parse().expect("an address");
    let image = ImageSource { image: ImageId([8; 16]), sha256: Hash([9; 32]), format: ImageFormat::Qcow2 };
    let guest = GuestSetup {
        server,
        name: "web".into(),
        vcpus: 2,
        ram_mib: 1024,
        volumes: vec![volume],
        ports: vec![port],
        public_key: Some("ssh-ed25519 AAAA".into()),
        user_data: Some(Hash([5; 32])),
        metadata: vec![("a".into(), "b".into())],
    };
    let kernel = |initrd| DirectBoot { kernel: Hash([6; 32]), initrd, cmdline: "quiet".into() };
    vec![
        StepInput::ReserveVolume {
            volume,
            size_gib: 4,
            image: Some(image),
            made_here: true,
            export_to: Some(HOST),
        },
        StepInput::ReserveVolume { volume, size_gib: 4, image: None, made_here: false, export_to: None },
        StepInput::ReleaseVolume { volume, export_to: Some(HOST), delete: true },
        StepInput::PreparePort(PortSetup {
            port,
            network,
            vni: 4096,
            mtu: 1450,
            mac: Mac([1, 2, 3, 4, 5, 6]),
            addresses: vec![
                PortAddress { ip, prefix_bits: 24, gateway: Some(ip) },
                PortAddress { ip: "fd00::2".parse().expect("an address"), prefix_bits: 64, gateway: None },
            ],
        }),
        StepInput::RemovePort { port, network },
        StepInput::BootGuest(guest.clone()),
        StepInput::DestroyGuest { server },
        StepInput::PlugVolume { attachment, server, volume, device: 1 },
        StepInput::UnplugVolume { attachment, server, volume, device: 1 },
        StepInput::ConfirmGuest { server, evidence: Evidence::Hello },
        StepInput::BootKernel(guest.clone(), kernel(Some(Hash([7; 32])))),
        StepInput::BootKernel(guest, kernel(None)),
        StepInput::StopGuest { server, grace_ms: 60_000 },
    ]
}

pub(crate) fn call(input: StepInput, verb: Verb, direction: Direction) -> Down {
    let key = StepKey { saga: SagaId([4; 16]), step: StepIndex(3) };
    let maker = Maker { saga: SagaId([5; 16]), step: StepIndex(1), dispatched: Position(9) };
    let endpoint = Endpoint { host: "s0".into(), port: 10_809 };
    Down::Call(Box::new(Call {
        term: TERM,
        key,
        verb,
        direction,
        attempt: Attempt(2),
        dispatched: Position(11),
        ledger: LEDGER,
        incarnation: INCARNATION,
        remaining_ms: 30_000,
        owner: Owner { cell: CELL, project: ProjectId([8; 16]) },
        body: CallBody {
            input,
            exports: vec![BoundExport { volume: VolumeId([4; 16]), endpoint }],
            closes: vec![maker],
        },
    }))
}

pub(crate) fn answers() -> Vec<Answer> {
    let refusal =
        |code: &RefusalCode| Answer::Refused(Refusal { code: *code, retryable: true, message: "m".into() });
    let mut all: Vec<Answer> = RefusalCode::ALL.iter().map(refusal).collect();
    all.extend([
        Answer::Done(StepOutput::None),
        Answer::Done(StepOutput::Export(Endpoint { host: "s0".into(), port: 1 })),
        Answer::Undone,
        Answer::Running,
        Answer::Absent,
    ]);
    let errors = [
        CallError::Fenced(TERM),
        CallError::Tombstoned,
        CallError::KeyConflict,
        CallError::Busy,
        CallError::WrongIncarnation(INCARNATION),
        CallError::BelowLowWater(Position(4)),
        CallError::Draining,
        CallError::Unsupported,
    ];
    all.extend(errors.map(Answer::Error));
    all
}

/// A view with a rule of every kind.
/// A bare fault, and one with every optional part.
fn faults() -> Vec<LeasedFault> {
    let bare = FaultRule::of(&FaultAsked::of(FaultKind::Delay)).expect("a rule");
    let full = FaultRule {
        kind: FaultKind::PowerCut,
        role: Some(Role::Storage),
        step: Some("attach".into()),
        direction: Some(Direction::Undo),
        when: FaultWhen::Chance { ppm: 250_000 },
        seed: 7,
        times: None,
        point: FaultPoint::Between,
        after_changes: 3,
        delay_ms: 20,
        retryable: false,
    };
    let leased = |(number, rule)| LeasedFault { id: FaultId([number; 16]), rule, remaining_ms: 60_000 };
    [(1, bare), (2, full)].into_iter().map(leased).collect()
}

fn view() -> HostView {
    let (network, group) = (NetworkId([6; 16]), SecurityGroupId([7; 16]));
    let ip = |text: &str| text.parse().expect("an address");
    let range = Cidr { address: ip("10.0.0.0"), prefix_bits: 8 };
    let rule =
        |protocol, ports, remote| SecurityRule { direction: RuleDirection::Ingress, protocol, ports, remote };
    let rules = vec![
        rule(Protocol::Tcp, Some((80, 443)), Remote::Range(range)),
        rule(Protocol::Udp, None, Remote::Group(group)),
        SecurityRule { direction: RuleDirection::Egress, ..rule(Protocol::Any, None, Remote::Any) },
        rule(Protocol::Icmp, None, Remote::Any),
    ];
    let port = PortView { network, mac: Mac([1; 6]), addresses: vec![ip("10.0.0.2"), ip("fd00::2")], rules };
    let peers = [ip("192.0.2.1"), ip("192.0.2.2")].into();
    let subnets = vec![
        SubnetView {
            cidr: range,
            gateway: Some(ip("10.0.0.1")),
            dns: vec![ip("10.0.0.53"), ip("fd00::53")],
            dhcp: true,
        },
        SubnetView { cidr: range, gateway: None, dns: Vec::new(), dhcp: false },
    ];
    HostView {
        networks: [(network, NetworkView { vni: 4096, mtu: 1450, peers, subnets })].into(),
        ports: [(PortId([5; 16]), port)].into(),
        groups: [(group, [ip("10.0.0.9")].into())].into(),
    }
}

/// Everything that goes down.
pub(crate) fn downs() -> Vec<Down> {
    let (position, hash) = (Position(5), Hash([3; 32]));
    let mut all = vec![
        Down::Lead { term: TERM, position, hash },
        Down::LowWater { ledger: LEDGER, incarnation: INCARNATION, term: TERM, position },
        Down::TakeInventory { ledger: LEDGER },
        Down::Seen { term: TERM, position, hash },
        Down::View { term: TERM, view: Box::new(PlacedView::new(position, view())) },
        Down::Faults { term: TERM, faults: Vec::new() },
        Down::Faults { term: TERM, faults: faults() },
    ];
    for input in inputs() {
        all.push(call(input.clone(), Verb::Execute, Direction::Forward));
        all.push(call(input.clone(), Verb::Undo, Direction::Undo));
        all.push(call(input.clone(), Verb::Lookup, Direction::Forward));
        all.push(call(input, Verb::Lookup, Direction::Undo));
    }
    all
}

/// Everything that goes up in one message.
pub(crate) fn ups() -> Vec<Up> {
    let key = StepKey { saga: SagaId([4; 16]), step: StepIndex(3) };
    let mut all = vec![
        Up::Hello(Hello {
            cell: CELL,
            host: HOST,
            boot: BootId([4; 16]),
            ledgers: vec![(LEDGER, INCARNATION)],
            highest: TERM,
            seen: (Position(3), Hash([2; 32])),
            capacity: Capacity { vcpus: 1, ram_mib: 2, disk_gib: 3 },
            traits: vec!["fast".into()],
        }),
        Up::FencedLead { highest: TERM },
        Up::FaultsHeld(FaultsHeld {
            host: HOST,
            faults: vec![FaultHeld { id: FaultId([1; 16]), kind: FaultKind::HostReboot, strikes: 2 }],
            refusal: None,
        }),
        Up::FaultsHeld(FaultsHeld { host: HOST, faults: vec![], refusal: Some("not allowed".into()) }),
        Up::ViewApplied(ViewApplied { host: HOST, position: Position(4), failure: None }),
        Up::ViewApplied(ViewApplied { host: HOST, position: Position(0), failure: Some("full".into()) }),
        Up::Heartbeat { host: HOST },
    ];
    for answer in answers() {
        for verb in [Verb::Execute, Verb::Undo, Verb::Lookup] {
            let answer = answer.clone();
            all.push(Up::Reply(Reply {
                ledger: LEDGER,
                incarnation: INCARNATION,
                key,
                verb,
                attempt: Attempt(2),
                answer,
            }));
        }
    }
    all
}

/// An inventory of so many items, of every kind.
pub(crate) fn inventory(count: u32) -> Inventory {
    let items = (0..count).map(|n| match n % 6 {
        0 => InventoryItem::Volume { volume: VolumeId::derived(&[1; 16], n), size_gib: u64::from(n) },
        1 => InventoryItem::Export { volume: VolumeId::derived(&[1; 16], n), host: HOST },
        2 => InventoryItem::Port { port: PortId::derived(&[1; 16], n), mac: Mac([1; 6]) },
        5 => {
            let (server, step) = (ServerId::derived(&[1; 16], n), StepIndex(u16::MAX));
            InventoryItem::Ended { server, booted_by: StepKey { saga: SagaId([9; 16]), step } }
        }
        3 => InventoryItem::Guest { server: ServerId::derived(&[1; 16], n), vcpus: 1, ram_mib: 2 },
        _ => InventoryItem::Device { attachment: None, server: ServerId([1; 16]), volume: VolumeId([2; 16]) },
    });
    Inventory { ledger: Some(LEDGER), incarnation: Some(INCARNATION), items: items.collect() }
}
