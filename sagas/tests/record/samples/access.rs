//! Samples of the events of the catalogue, of projects and of access.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Event> {
    let mut all = catalogue();
    all.extend(projects());
    all.extend(credentials());
    all
}

fn catalogue() -> Vec<Event> {
    vec![
        Event::FlavorCreated(FlavorCreated {
            id: FlavorId(hex(1)),
            name: "m1.small".into(),
            vcpus: 2,
            ram_mib: 4096,
            root_gib: 20,
            traits: texts(&["kvm", "ssd"]),
        }),
        Event::FlavorDeleted(FlavorDeleted { flavor: FlavorId(hex(1)) }),
        Event::ImageRegistered(ImageRegistered {
            id: ImageId(hex(1)),
            project: ProjectId(hex(2)),
            name: "debian-13".into(),
            sha256: hash(3),
            size_bytes: 400_000_000,
            format: ImageFormat::Raw,
            min_disk_gib: 5,
            min_ram_mib: 512,
            evidence: Evidence::Lease,
            visibility: Visibility::Private,
        }),
        Event::ImageDeleted(ImageDeleted { image: ImageId(hex(1)) }),
        Event::ImageBootSet(ImageBootSet {
            image: ImageId(hex(1)),
            kernel: ImageId(hex(2)),
            kernel_sha256: hash(3),
            initrd: Some((ImageId(hex(4)), hash(5))),
            cmdline: "root=/dev/vda quiet".into(),
        }),
        Event::KeyPairCreated(KeyPairCreated {
            id: KeyPairId(hex(1)),
            project: ProjectId(hex(2)),
            name: "laptop".into(),
            public_key: "ssh-ed25519 AAAA me".into(),
        }),
        Event::KeyPairDeleted(KeyPairDeleted { key_pair: KeyPairId(hex(1)) }),
    ]
}

fn projects() -> Vec<Event> {
    let project = ProjectId(hex(1));
    vec![
        Event::ProjectCreated(ProjectCreated {
            id: project,
            name: "shop".into(),
            quota: amounts(),
            default_group: SecurityGroupId(hex(2)),
        }),
        Event::ProjectDeleted(ProjectDeleted { project }),
        Event::QuotaSet(QuotaSet { project, quota: amounts() }),
    ]
}

fn credentials() -> Vec<Event> {
    let principal = PrincipalId(hex(1));
    let scope = Scope::Project(ProjectId(hex(2)));
    vec![
        Event::PrincipalCreated(PrincipalCreated { id: principal, name: "kim".into() }),
        Event::PrincipalDeleted(PrincipalDeleted { principal }),
        Event::CredentialCreated(CredentialCreated {
            id: CredentialId(hex(2)),
            principal,
            name: "deploy".into(),
            secret_sha256: hash(3),
            expires: Some(Time(1_900_000_000_000_000)),
        }),
        Event::CredentialRevoked(CredentialRevoked { credential: CredentialId(hex(2)) }),
        Event::RoleGranted(RoleGranted { principal, role: AccessRole::Reader, scope }),
        Event::RoleRevoked(RoleRevoked { principal, role: AccessRole::DrillOperator, scope: Scope::Cell }),
    ]
}
