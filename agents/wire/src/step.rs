//! The typed inputs of steps.

use std::ops::RangeInclusive;

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::step_input::Kind;
use windlass_sagas::limits::{
    CMDLINE_BYTES_MAX, FLAVOR_RAM_MIB_MAX, FLAVOR_VCPUS_MAX, GUEST_GRACE_MS_MAX, NAME_BYTES_MAX,
    PORT_ADDRESSES_MAX, PUBLIC_KEY_BYTES_MAX, SERVER_PORTS_MAX, SERVER_VOLUMES_MAX, TAGS_MAX, VNI_MAX,
    VOLUME_GIB_MAX,
};
use windlass_sagas::record::{
    DirectBoot, Evidence, GuestSetup, ImageFormat, ImageSource, Mac, PortAddress, PortSetup, StepInput,
};

use crate::{WireError, address, address_out, at_most, bad, hash, id, id_or_none, within};

/// The places of a guest's volumes behind its root.
const DEVICES: RangeInclusive<u64> = 1..=SERVER_VOLUMES_MAX as u64 - 1;
/// The MTU inside a tunnel, bytes.
const MTU: RangeInclusive<u64> = 1_280..=9_000;

pub(crate) fn input(input: Option<&v1::StepInput>) -> Result<StepInput, WireError> {
    let kind = input.and_then(|input| input.kind.as_ref()).ok_or(bad("input"))?;
    Ok(match kind {
        Kind::ReserveVolume(m) => StepInput::ReserveVolume {
            volume: id(&m.volume, "volume")?,
            size_gib: within(m.size_gib, 1..=VOLUME_GIB_MAX, "size_gib")?,
            image: m.image.as_ref().map(image).transpose()?,
            made_here: m.made_here,
            export_to: id_or_none(&m.export_to, "export_to")?,
        },
        Kind::ReleaseVolume(m) => StepInput::ReleaseVolume {
            volume: id(&m.volume, "volume")?,
            export_to: id_or_none(&m.export_to, "export_to")?,
            delete: m.delete_bytes,
        },
        Kind::PreparePort(m) => StepInput::PreparePort(port(m)?),
        Kind::RemovePort(m) => {
            StepInput::RemovePort { port: id(&m.port, "port")?, network: id(&m.network, "network")? }
        }
        Kind::BootVm(m) => StepInput::boot(guest(m)?, m.direct_boot.as_ref().map(direct_boot).transpose()?),
        Kind::DestroyVm(m) => StepInput::DestroyGuest { server: id(&m.server, "server")? },
        Kind::AttachVolume(m) => StepInput::PlugVolume {
            attachment: id(&m.attachment, "attachment")?,
            server: id(&m.server, "server")?,
            volume: id(&m.volume, "volume")?,
            device: within(m.device_index, DEVICES, "device_index")?,
        },
        Kind::DetachVolume(m) => StepInput::UnplugVolume {
            attachment: id(&m.attachment, "attachment")?,
            server: id(&m.server, "server")?,
            volume: id(&m.volume, "volume")?,
            device: within(m.device_index, DEVICES, "device_index")?,
        },
        Kind::ConfirmServer(m) => {
            StepInput::ConfirmGuest { server: id(&m.server, "server")?, evidence: evidence(m.evidence)? }
        }
        Kind::StopVm(m) => StepInput::StopGuest {
            server: id(&m.server, "server")?,
            grace_ms: within(m.grace_ms, 0..=GUEST_GRACE_MS_MAX.into(), "grace_ms")?,
        },
    })
}

pub(crate) fn input_out(input: &StepInput) -> v1::StepInput {
    let kind = match input {
        StepInput::ReserveVolume { volume, size_gib, image, made_here, export_to } => {
            Kind::ReserveVolume(v1::ReserveVolume {
                volume: volume.0.to_vec().into(),
                size_gib: *size_gib,
                image: image.as_ref().map(image_out),
                made_here: *made_here,
                export_to: export_to.map(|host| host.0.to_vec()).unwrap_or_default().into(),
            })
        }
        StepInput::ReleaseVolume { volume, export_to, delete } => Kind::ReleaseVolume(v1::ReleaseVolume {
            volume: volume.0.to_vec().into(),
            export_to: export_to.map(|host| host.0.to_vec()).unwrap_or_default().into(),
            delete_bytes: *delete,
        }),
        StepInput::PreparePort(setup) => Kind::PreparePort(port_out(setup)),
        StepInput::RemovePort { port, network } => Kind::RemovePort(v1::RemovePort {
            port: port.0.to_vec().into(),
            network: network.0.to_vec().into(),
        }),
        StepInput::BootGuest(setup) => Kind::BootVm(guest_out(setup, None)),
        StepInput::BootKernel(setup, boot) => Kind::BootVm(guest_out(setup, Some(boot))),
        StepInput::StopGuest { server, grace_ms } => {
            Kind::StopVm(v1::StopVm { server: server.0.to_vec().into(), grace_ms: *grace_ms })
        }
        StepInput::DestroyGuest { server } => {
            Kind::DestroyVm(v1::DestroyVm { server: server.0.to_vec().into() })
        }
        StepInput::PlugVolume { attachment, server, volume, device } => {
            Kind::AttachVolume(v1::AttachVolume {
                attachment: attachment.0.to_vec().into(),
                server: server.0.to_vec().into(),
                volume: volume.0.to_vec().into(),
                device_index: u32::from(*device),
            })
        }
        StepInput::UnplugVolume { attachment, server, volume, device } => {
            Kind::DetachVolume(v1::DetachVolume {
                attachment: attachment.0.to_vec().into(),
                server: server.0.to_vec().into(),
                volume: volume.0.to_vec().into(),
                device_index: u32::from(*device),
            })
        }
        StepInput::ConfirmGuest { server, evidence } => Kind::ConfirmServer(v1::ConfirmServer {
            server: server.0.to_vec().into(),
            evidence: evidence_out(*evidence),
        }),
    };
    v1::StepInput { kind: Some(kind) }
}

fn image(m: &v1::ImageSource) -> Result<ImageSource, WireError> {
    let format = match v1::ImageFormat::try_from(m.format) {
        Ok(v1::ImageFormat::Raw) => ImageFormat::Raw,
        Ok(v1::ImageFormat::Qcow2) => ImageFormat::Qcow2,
        Ok(v1::ImageFormat::Unspecified) | Err(_) => return Err(bad("image.format")),
    };
    Ok(ImageSource { image: id(&m.id, "image.id")?, sha256: hash(&m.sha256, "image.sha256")?, format })
}

fn image_out(image: &ImageSource) -> v1::ImageSource {
    let format = match image.format {
        ImageFormat::Raw => v1::ImageFormat::Raw,
        ImageFormat::Qcow2 => v1::ImageFormat::Qcow2,
    };
    v1::ImageSource {
        id: image.image.0.to_vec().into(),
        sha256: image.sha256.0.to_vec().into(),
        format: format as i32,
    }
}

fn port(m: &v1::PreparePort) -> Result<PortSetup, WireError> {
    let one = |m: &v1::FixedIp| {
        let gateway =
            m.gateway.as_ref().map(|gateway| address(Some(gateway), "fixed_ips.gateway")).transpose()?;
        let ip = address(m.address.as_ref(), "fixed_ips.address")?;
        let bits_max = if ip.is_ipv4() { 32 } else { 128 };
        let prefix_bits = within(m.prefix_bits, 0..=bits_max, "fixed_ips.prefix_bits")?;
        Ok(PortAddress { ip, prefix_bits, gateway })
    };
    at_most(m.fixed_ips.len(), PORT_ADDRESSES_MAX, "fixed_ips")?;
    Ok(PortSetup {
        port: id(&m.port, "port")?,
        network: id(&m.network, "network")?,
        vni: within(m.vni, 1..=VNI_MAX.into(), "vni")?,
        mtu: within(m.mtu, MTU, "mtu")?,
        mac: Mac(m.mac.as_ref().try_into().map_err(|_| bad("mac"))?),
        addresses: m.fixed_ips.iter().map(one).collect::<Result<_, _>>()?,
    })
}

fn port_out(setup: &PortSetup) -> v1::PreparePort {
    let one = |address: &PortAddress| v1::FixedIp {
        address: Some(address_out(address.ip)),
        prefix_bits: u32::from(address.prefix_bits),
        gateway: address.gateway.map(address_out),
    };
    v1::PreparePort {
        port: setup.port.0.to_vec().into(),
        network: setup.network.0.to_vec().into(),
        vni: setup.vni,
        mtu: u32::from(setup.mtu),
        mac: setup.mac.0.to_vec().into(),
        fixed_ips: setup.addresses.iter().map(one).collect(),
    }
}

fn guest(m: &v1::BootVm) -> Result<GuestSetup, WireError> {
    at_most(m.name.len(), NAME_BYTES_MAX, "name")?;
    at_most(m.volumes.len(), SERVER_VOLUMES_MAX, "volumes")?;
    at_most(m.ports.len(), SERVER_PORTS_MAX, "ports")?;
    at_most(m.public_key.len(), PUBLIC_KEY_BYTES_MAX, "public_key")?;
    at_most(m.metadata.len(), TAGS_MAX, "metadata")?;
    for entry in &m.metadata {
        at_most(entry.key.len().max(entry.value.len()), NAME_BYTES_MAX, "metadata")?;
    }
    Ok(GuestSetup {
        server: id(&m.server, "server")?,
        name: m.name.clone(),
        vcpus: within(m.vcpus, 1..=FLAVOR_VCPUS_MAX.into(), "vcpus")?,
        ram_mib: within(m.ram_mib, 1..=FLAVOR_RAM_MIB_MAX, "ram_mib")?,
        volumes: m.volumes.iter().map(|volume| id(volume, "volumes")).collect::<Result<_, _>>()?,
        ports: m.ports.iter().map(|port| id(port, "ports")).collect::<Result<_, _>>()?,
        public_key: (!m.public_key.is_empty()).then(|| m.public_key.clone()),
        user_data: (!m.user_data_sha256.is_empty())
            .then(|| hash(&m.user_data_sha256, "user_data_sha256"))
            .transpose()?,
        metadata: m.metadata.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
    })
}

fn guest_out(setup: &GuestSetup, boot: Option<&DirectBoot>) -> v1::BootVm {
    let entry =
        |(key, value): &(String, String)| v1::MetadataEntry { key: key.clone(), value: value.clone() };
    v1::BootVm {
        server: setup.server.0.to_vec().into(),
        name: setup.name.clone(),
        vcpus: setup.vcpus,
        ram_mib: setup.ram_mib,
        volumes: setup.volumes.iter().map(|volume| volume.0.to_vec().into()).collect(),
        ports: setup.ports.iter().map(|port| port.0.to_vec().into()).collect(),
        public_key: setup.public_key.clone().unwrap_or_default(),
        user_data_sha256: setup.user_data.map(|hash| hash.0.to_vec()).unwrap_or_default().into(),
        metadata: setup.metadata.iter().map(entry).collect(),
        direct_boot: boot.map(|boot| v1::DirectBoot {
            kernel_sha256: boot.kernel.0.to_vec().into(),
            initrd_sha256: boot.initrd.map(|hash| hash.0.to_vec()).unwrap_or_default().into(),
            cmdline: boot.cmdline.clone(),
        }),
    }
}

fn direct_boot(m: &v1::DirectBoot) -> Result<DirectBoot, WireError> {
    at_most(m.cmdline.len(), CMDLINE_BYTES_MAX, "direct_boot.cmdline")?;
    let initrd = (!m.initrd_sha256.is_empty()).then(|| hash(&m.initrd_sha256, "direct_boot.initrd_sha256"));
    Ok(DirectBoot {
        kernel: hash(&m.kernel_sha256, "direct_boot.kernel_sha256")?,
        initrd: initrd.transpose()?,
        cmdline: m.cmdline.clone(),
    })
}

fn evidence(evidence: i32) -> Result<Evidence, WireError> {
    match v1::Evidence::try_from(evidence) {
        Ok(v1::Evidence::Hello) => Ok(Evidence::Hello),
        Ok(v1::Evidence::Lease) => Ok(Evidence::Lease),
        Ok(v1::Evidence::Runs) => Ok(Evidence::Runs),
        Ok(v1::Evidence::Unspecified) | Err(_) => Err(bad("evidence")),
    }
}

const fn evidence_out(evidence: Evidence) -> i32 {
    match evidence {
        Evidence::Hello => v1::Evidence::Hello as i32,
        Evidence::Lease => v1::Evidence::Lease as i32,
        Evidence::Runs => v1::Evidence::Runs as i32,
    }
}
