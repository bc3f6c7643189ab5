//! Samples of the events of servers and volumes.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Event> {
    let mut all = servers();
    all.extend(volumes());
    all
}

fn servers() -> Vec<Event> {
    let server = ServerId(hex(1));
    vec![
        Event::ServerClaimed(ServerSpec {
            id: server,
            project: ProjectId(hex(2)),
            name: "web-1".into(),
            flavor: FlavorId(hex(3)),
            vcpus: 2,
            ram_mib: 4096,
            image: ImageId(hex(4)),
            host: HostId(hex(5)),
            root: VolumeId(hex(6)),
            keep_root: true,
            ports: vec![PortId(hex(7)), PortId(hex(8))],
            key_pair: Some(KeyPairId(hex(9))),
            user_data: Some(hash(10)),
            metadata: vec![("role".into(), "web".into()), ("tier".into(), "front".into())],
            evidence: Evidence::Runs,
        }),
        Event::ServerActivated(ServerActivated { server, booted_by: maker(2) }),
        Event::ServerFailed(ServerFailed { server, reason: "no host could boot it".into() }),
        Event::ServerDeleted(ServerDeleted { server }),
        Event::ServerStopped(ServerStopped { server }),
    ]
}

fn volumes() -> Vec<Event> {
    let volume = VolumeId(hex(1));
    let attachment = AttachmentId(hex(2));
    vec![
        Event::VolumeClaimed(VolumeSpec {
            id: volume,
            project: ProjectId(hex(2)),
            name: "data-1".into(),
            size_gib: 300,
            image: Some(ImageId(hex(3))),
            host: HostId(hex(4)),
            root_of: Some(ServerId(hex(5))),
        }),
        Event::VolumeReady(VolumeReady { volume, made_by: maker(2) }),
        Event::VolumeFailed(VolumeFailed { volume, reason: "the image is not what its hash says".into() }),
        Event::VolumeAttached(AttachmentSpec {
            id: attachment,
            volume,
            server: ServerId(hex(3)),
            device: 4,
            export: Endpoint { host: "rack-4-8".into(), port: 10_809 },
            exported_by: maker(5),
            plugged_by: maker(6),
        }),
        Event::VolumeDetached(VolumeDetached { volume, attachment }),
        Event::VolumeDeleted(VolumeDeleted { volume }),
    ]
}
