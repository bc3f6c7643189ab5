//! Samples of what a client may ask for.

use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Body> {
    let mut all = servers_and_volumes();
    all.extend(networks());
    all.extend(catalogue());
    all
}

fn servers_and_volumes() -> Vec<Body> {
    vec![
        Body::CreateServer(create_server()),
        Body::DeleteServer(DeleteServer { server: "web-1".into() }),
        Body::StartServer(StartServer { server: "web-1".into() }),
        Body::StopServer(StopServer { server: "web-1".into(), grace_ms: 60_000 }),
        Body::RebootServer(RebootServer { server: "web-1".into(), grace_ms: 60_000 }),
        Body::CreateVolume(CreateVolume {
            name: "data-1".into(),
            size_gib: 300,
            image: Some("debian-13".into()),
            zone: Some("zone-b".into()),
        }),
        Body::DeleteVolume(DeleteVolume { volume: "data-1".into() }),
        Body::AttachVolume(AttachVolume { volume: "data-1".into(), server: "web-1".into() }),
        Body::DetachVolume(DetachVolume { volume: "data-1".into() }),
    ]
}

fn create_server() -> CreateServer {
    CreateServer {
        name: "web-1".into(),
        flavor: "m1.small".into(),
        image: "debian-13".into(),
        nics: vec![
            Nic::Network { network: "front".into(), ip: Some(v4(10)), groups: texts(&["web", "ssh"]) },
            Nic::Port("port-7".into()),
        ],
        volumes: texts(&["data-1", "data-2"]),
        key_pair: Some("laptop".into()),
        user_data: Some(hash(1)),
        metadata: vec![("role".into(), "web".into()), ("tier".into(), "front".into())],
        root_gib: Some(40),
        keep_root: true,
        placement: PlacementHints {
            zone: Some("zone-a".into()),
            host: Some("rack-4-7".into()),
            same_host_as: texts(&["cache-1"]),
            different_host_from: texts(&["web-2", "web-3"]),
            traits: texts(&["kvm"]),
        },
    }
}

fn networks() -> Vec<Body> {
    vec![
        Body::CreateNetwork(CreateNetwork { name: "front".into(), mtu: Some(1400) }),
        Body::DeleteNetwork(DeleteNetwork { network: "front".into() }),
        Body::CreateSubnet(CreateSubnet {
            name: "front-v4".into(),
            network: "front".into(),
            cidr: cidr(100, 24),
            gateway: Some(v4(1)),
            pools: vec![(v4(10), v4(99)), (v6(0x10), v6(0x99))],
            dns: vec![v4(53), v6(53)],
            dhcp: true,
        }),
        Body::DeleteSubnet(DeleteSubnet { subnet: "front-v4".into() }),
        Body::CreatePort(CreatePort {
            name: "port-7".into(),
            network: "front".into(),
            ips: vec![v4(17)],
            mac: Some(Mac([2, 0, 0, 0x12, 0x34, 0x56])),
            groups: texts(&["web"]),
        }),
        Body::DeletePort(DeletePort { port: "port-7".into() }),
        Body::CreateSecurityGroup(CreateSecurityGroup { name: "web".into(), rules: rules() }),
        Body::DeleteSecurityGroup(DeleteSecurityGroup { group: "web".into() }),
        Body::SetSecurityRules(SetSecurityRules { group: "web".into(), rules: rules() }),
    ]
}

fn rules() -> Vec<RuleAsked> {
    vec![
        RuleAsked {
            direction: RuleDirection::Ingress,
            protocol: Protocol::Tcp,
            ports: Some((443, 8443)),
            remote: Some(cidr(7, 25)),
            remote_group: None,
        },
        RuleAsked {
            direction: RuleDirection::Egress,
            protocol: Protocol::Any,
            ports: None,
            remote: None,
            remote_group: Some("self".into()),
        },
    ]
}

fn catalogue() -> Vec<Body> {
    vec![
        Body::CreateFlavor(CreateFlavor {
            name: "m1.small".into(),
            vcpus: 2,
            ram_mib: 4096,
            root_gib: 20,
            traits: texts(&["kvm", "ssd"]),
        }),
        Body::DeleteFlavor(DeleteFlavor { flavor: "m1.small".into() }),
        Body::RegisterImage(RegisterImage {
            name: "debian-13".into(),
            sha256: hash(1),
            size_bytes: 400_000_000,
            format: ImageFormat::Qcow2,
            min_disk_gib: 5,
            min_ram_mib: 512,
            evidence: Evidence::Lease,
            visibility: Visibility::Public,
        }),
        Body::DeleteImage(DeleteImage { image: "debian-13".into() }),
        Body::SetImageBoot(SetImageBoot {
            image: "debian-13".into(),
            kernel: "kernel-6".into(),
            initrd: Some("initrd-6".into()),
            cmdline: "root=/dev/vda quiet".into(),
        }),
        Body::CreateKeyPair(CreateKeyPair {
            name: "laptop".into(),
            public_key: "ssh-ed25519 AAAA me".into(),
        }),
        Body::DeleteKeyPair(DeleteKeyPair { key_pair: "laptop".into() }),
    ]
}
