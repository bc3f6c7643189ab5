//! Samples of what kinds nest: each variant of each enum that carries data, under its postcard index, and each number
//! of the plain enums. A variant that is missing here does not compile; an enum that is missing fails `golden`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

/// One variant with its bytes.
pub(crate) struct Shape {
    /// The enum.
    pub of: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// The number in front of it: the postcard index, or the plain enum's number.
    pub index: u8,
    /// The encoded sample.
    pub bytes: Vec<u8>,
    /// Whether bytes read as exactly the sample.
    pub reads: Reads,
}

type Reads = Box<dyn Fn(&[u8]) -> bool>;

fn shape<T>(of: &'static str, variant: &'static str, index: u8, sample: T) -> Shape
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let bytes = postcard::to_allocvec(&sample).expect("a sample is small");
    Shape {
        of,
        variant,
        index,
        bytes,
        reads: Box::new(move |bytes| whole::<T>(bytes).as_ref() == Ok(&sample)),
    }
}

macro_rules! shapes {
    ($($type:ident { $($variant:ident = $index:literal: $sample:expr),* $(,)? })*) => {
        /// Every variant of every nested enum that carries data.
        pub(crate) fn shapes() -> Vec<Shape> {
            let mut all = Vec::new();
            $({
                let index = |sample: &$type| match sample { $($type::$variant { .. } => $index),* };
                $(
                    let sample: $type = $sample;
                    assert_eq!(index(&sample), $index, "the sample of {}", stringify!($variant));
                    all.push(shape(stringify!($type), stringify!($variant), $index, sample));
                )*
            })*
            all
        }
    };
}

macro_rules! numbers {
    ($($type:ident)*) => {
        /// Every number of every plain enum.
        pub(crate) fn numbers() -> Vec<Shape> {
            let mut all = Vec::new();
            $(all.extend($type::ALL.iter().map(|it| shape(stringify!($type), it.name(), *it as u8, *it)));)*
            all
        }
    };
}

numbers! {
    AccessRole Direction Evidence FaultKind FaultPoint ImageFormat Protocol RefusalCode Role RuleDirection SagaKind Visibility
}

shapes! {
    Principal {
        User = 0: Principal::User(PrincipalId(hex(1))),
        Host = 1: Principal::Host(HostId(hex(1))),
        Cell = 2: Principal::Cell,
    }
    Scope { Cell = 0: Scope::Cell, Project = 1: Scope::Project(ProjectId(hex(1))) }
    Nic {
        Network = 0: Nic::Network { network: "front".into(), ip: None, groups: texts(&["web"]) },
        Port = 1: Nic::Port("port-7".into()),
    }
    Remote {
        Any = 0: Remote::Any,
        Range = 1: Remote::Range(cidr(7, 25)),
        Group = 2: Remote::Group(SecurityGroupId(hex(1))),
    }
    ResourceRef {
        Server = 0: ResourceRef::Server(ServerId(hex(1))),
        Volume = 1: ResourceRef::Volume(VolumeId(hex(1))),
        Port = 2: ResourceRef::Port(PortId(hex(1))),
        Network = 3: ResourceRef::Network(NetworkId(hex(1))),
        Subnet = 4: ResourceRef::Subnet(SubnetId(hex(1))),
        SecurityGroup = 5: ResourceRef::SecurityGroup(SecurityGroupId(hex(1))),
        Flavor = 6: ResourceRef::Flavor(FlavorId(hex(1))),
        Image = 7: ResourceRef::Image(ImageId(hex(1))),
        KeyPair = 8: ResourceRef::KeyPair(KeyPairId(hex(1))),
        Project = 9: ResourceRef::Project(ProjectId(hex(1))),
        Host = 10: ResourceRef::Host(HostId(hex(1))),
        Saga = 11: ResourceRef::Saga(SagaId(hex(1))),
        Credential = 12: ResourceRef::Credential(CredentialId(hex(1))),
        Principal = 13: ResourceRef::Principal(PrincipalId(hex(1))),
        JoinToken = 14: ResourceRef::JoinToken(JoinTokenId(hex(1))),
        Fault = 15: ResourceRef::Fault(FaultId(hex(1))),
    }
    FaultWhen { Nth = 0: FaultWhen::Nth(300), Chance = 1: FaultWhen::Chance { ppm: 300 } }
    Pivot { Done = 0: Pivot::Done(StepIndex(300)), Dispatched = 1: Pivot::Dispatched(StepIndex(300)) }
    Undo { None = 0: Undo::None, Call = 1: Undo::Call { retry: retry(), after: vec![StepIndex(300)] } }
    StepInput {
        ReserveVolume = 0: StepInput::ReserveVolume {
            volume: VolumeId(hex(1)),
            size_gib: 300,
            image: Some(ImageSource { image: ImageId(hex(2)), sha256: hash(3), format: ImageFormat::Qcow2 }),
            made_here: true,
            export_to: Some(HostId(hex(4))),
        },
        ReleaseVolume = 1: StepInput::ReleaseVolume {
            volume: VolumeId(hex(1)),
            export_to: Some(HostId(hex(2))),
            delete: true,
        },
        PreparePort = 2: StepInput::PreparePort(port_setup()),
        RemovePort = 3: StepInput::RemovePort { port: PortId(hex(1)), network: NetworkId(hex(2)) },
        BootGuest = 4: StepInput::BootGuest(guest_setup()),
        DestroyGuest = 5: StepInput::DestroyGuest { server: ServerId(hex(1)) },
        PlugVolume = 6: StepInput::PlugVolume {
            attachment: AttachmentId(hex(1)),
            server: ServerId(hex(2)),
            volume: VolumeId(hex(3)),
            device: 4,
        },
        UnplugVolume = 7: StepInput::UnplugVolume {
            attachment: AttachmentId(hex(1)),
            server: ServerId(hex(2)),
            volume: VolumeId(hex(3)),
            device: 4,
        },
        ConfirmGuest = 8: StepInput::ConfirmGuest { server: ServerId(hex(1)), evidence: Evidence::Runs },
        BootKernel = 9: StepInput::BootKernel(guest_setup(), DirectBoot {
            kernel: hash(6),
            initrd: Some(hash(7)),
            cmdline: "root=/dev/vda quiet".into(),
        }),
        StopGuest = 10: StepInput::StopGuest { server: ServerId(hex(1)), grace_ms: 60_000 },
    }
    StepOutput {
        None = 0: StepOutput::None,
        Export = 1: StepOutput::Export(Endpoint { host: "rack-4-8".into(), port: 10_809 }),
    }
    Outcome {
        Done = 0: Outcome::Done(StepOutput::None),
        Refused = 1: Outcome::Refused(refusal()),
        Impossible = 2: Outcome::Impossible("the key is closed".into()),
        Overdue = 3: Outcome::Overdue,
    }
    UndoneHow {
        ByAgent = 0: UndoneHow::ByAgent,
        Nothing = 1: UndoneHow::Nothing,
        HostGone = 2: UndoneHow::HostGone,
        Skipped = 3: UndoneHow::Skipped("seen by hand".into()),
    }
    Turn {
        Cancelled = 0: Turn::Cancelled,
        Refused = 1: Turn::Refused(StepIndex(300), refusal()),
        StepOverdue = 2: Turn::StepOverdue(StepIndex(300)),
        SagaOverdue = 3: Turn::SagaOverdue,
        HostGone = 4: Turn::HostGone(StepIndex(300)),
        HostRebooted = 5: Turn::HostRebooted(StepIndex(300)),
    }
}

fn retry() -> Retry {
    Retry { attempts_max: 5, pause_first_ms: 200, pause_max_ms: 30_000, call_ms: 10_000 }
}

fn port_setup() -> PortSetup {
    let address = |ip, prefix_bits, gateway| PortAddress { ip, prefix_bits, gateway };
    PortSetup {
        port: PortId(hex(1)),
        network: NetworkId(hex(2)),
        vni: 70_001,
        mtu: 1400,
        mac: Mac([2, 0, 0, 0x12, 0x34, 0x56]),
        addresses: vec![address(v4(17), 24, Some(v4(1))), address(v6(0x17), 64, None)],
    }
}

fn guest_setup() -> GuestSetup {
    GuestSetup {
        server: ServerId(hex(1)),
        name: "web-1".into(),
        vcpus: 2,
        ram_mib: 4096,
        volumes: vec![VolumeId(hex(2)), VolumeId(hex(3))],
        ports: vec![PortId(hex(4))],
        public_key: Some("ssh-ed25519 AAAA me".into()),
        user_data: Some(hash(5)),
        metadata: vec![("role".into(), "web".into())],
    }
}
