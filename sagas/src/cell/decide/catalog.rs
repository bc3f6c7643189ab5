//! Flavors, images and key pairs: what servers are made from. What was made keeps what it was made from.

use alloc::format;

use super::{Asked, Preview, at_most};
use crate::cell::authorize::{Permission, authorize};
use crate::cell::lookup::{self, NO_PROJECT};
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::{Cell, Image, Server, ServerState};
use crate::ids::*;
use crate::limits::*;
use crate::record::*;

pub(super) fn create_flavor(asked: Asked<'_>, body: &CreateFlavor) -> Result<Preview, Decline> {
    lookup::new_name(asked.cell, NO_PROJECT, "flavor", &body.name)?;
    at_most("traits", body.traits.len(), TRAITS_MAX)?;
    if body.vcpus == 0 || body.vcpus > FLAVOR_VCPUS_MAX {
        return Err(
            Rejection::field("vcpus", format!("1 to {FLAVOR_VCPUS_MAX} vCPUs, got {}", body.vcpus)).into()
        );
    }
    if body.ram_mib == 0 || body.ram_mib > FLAVOR_RAM_MIB_MAX {
        return Err(Rejection::field(
            "ram_mib",
            format!("1 to {FLAVOR_RAM_MIB_MAX} MiB, got {}", body.ram_mib),
        )
        .into());
    }
    if body.root_gib > VOLUME_GIB_MAX {
        return Err(Rejection::field(
            "root_gib",
            format!("at most {VOLUME_GIB_MAX} GiB, got {}", body.root_gib),
        )
        .into());
    }
    let id = FlavorId::derived(asked.id(), 0);
    let CreateFlavor { name, vcpus, ram_mib, root_gib, traits } = body.clone();
    let event = FlavorCreated { id, name, vcpus, ram_mib, root_gib, traits };
    asked.at_once(SagaKind::FlavorCreate, ResourceRef::Flavor(id), alloc::vec![event.into()])
}

pub(super) fn delete_flavor(asked: Asked<'_>, body: &DeleteFlavor) -> Result<Preview, Decline> {
    let flavor = lookup::flavor(asked.cell, "flavor", &body.flavor)?.id;
    let event = FlavorDeleted { flavor };
    asked.at_once(SagaKind::FlavorDelete, ResourceRef::Flavor(flavor), alloc::vec![event.into()])
}

pub(super) fn register_image(asked: Asked<'_>, body: &RegisterImage) -> Result<Preview, Decline> {
    let scope = crate::cell::apply::image_scope(asked.project, body.visibility);
    lookup::new_name(asked.cell, scope, "image", &body.name)?;
    lookup::own_project(asked.cell, asked.project)?;
    if body.visibility == Visibility::Public {
        // Every project would see it.
        authorize(asked.cell, asked.principal, Permission::Operate, asked.project)?;
    }
    if body.size_bytes == 0 {
        return Err(Rejection::field("size_bytes", "an image has at least one byte").into());
    }
    let least_gib = if body.format == ImageFormat::Raw { body.size_bytes.div_ceil(1 << 30) } else { 0 };
    // 0: whatever its bytes need.
    let min_disk_gib = if body.min_disk_gib == 0 { least_gib } else { body.min_disk_gib };
    if min_disk_gib < least_gib || min_disk_gib > VOLUME_GIB_MAX {
        let message = format!("{least_gib} to {VOLUME_GIB_MAX} GiB, got {min_disk_gib}");
        return Err(Rejection::field("min_disk_gib", message).into());
    }
    let id = ImageId::derived(asked.id(), 0);
    let event = ImageRegistered {
        id,
        project: asked.project,
        name: body.name.clone(),
        sha256: body.sha256,
        size_bytes: body.size_bytes,
        format: body.format,
        min_disk_gib,
        min_ram_mib: body.min_ram_mib,
        evidence: body.evidence,
        visibility: body.visibility,
    };
    asked.at_once(SagaKind::ImageRegister, ResourceRef::Image(id), alloc::vec![event.into()])
}

pub(super) fn delete_image(asked: Asked<'_>, body: &DeleteImage) -> Result<Preview, Decline> {
    let image = own_image(asked, &body.image)?;
    let boots = |other: &&Image| other.boot.as_ref().is_some_and(|boot| boot.uses(image.id));
    if let Some(other) = asked.cell.images.values().find(boots) {
        let message = format!("image {} is what guests of image {} boot with", image.name, other.id);
        return Err(in_use(image, message, "delete that image first").into());
    }
    if image.boot.is_some() {
        without_servers(asked.cell, image)?;
    }
    let event = ImageDeleted { image: image.id };
    asked.at_once(SagaKind::ImageDelete, ResourceRef::Image(image.id), alloc::vec![event.into()])
}

/// Only while no server is made from it: a server is started again with what it was made with, which is looked up here.
pub(super) fn set_image_boot(asked: Asked<'_>, body: &SetImageBoot) -> Result<Preview, Decline> {
    let image = own_image(asked, &body.image)?;
    let part = |field: &str, name: &str| {
        let part = lookup::image(asked.cell, asked.project, field, name)?;
        if part.format != ImageFormat::Raw {
            return Err(Rejection::field(field, format!("image {} is not raw", part.name)));
        }
        if part.id == image.id {
            return Err(Rejection::field(field, "an image does not boot itself"));
        }
        Ok(part)
    };
    let kernel = part("kernel", &body.kernel)?;
    let initrd = body.initrd.as_deref().map(|name| part("initrd", name)).transpose()?;
    let cmdline = &body.cmdline;
    if cmdline.len() > CMDLINE_BYTES_MAX || !cmdline.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let message = format!("a command line is at most {CMDLINE_BYTES_MAX} bytes of printable ASCII");
        return Err(Rejection::field("cmdline", message).into());
    }
    without_servers(asked.cell, image)?;
    let event = ImageBootSet {
        image: image.id,
        kernel: kernel.id,
        kernel_sha256: kernel.sha256,
        initrd: initrd.map(|initrd| (initrd.id, initrd.sha256)),
        cmdline: cmdline.clone(),
    };
    asked.at_once(SagaKind::ImageSetBoot, ResourceRef::Image(image.id), alloc::vec![event.into()])
}

/// An image that the caller's project may change.
fn own_image<'a>(asked: Asked<'a>, name: &str) -> Result<&'a Image, Rejection> {
    let image = lookup::image(asked.cell, asked.project, "image", name)?;
    if image.project != asked.project {
        let message = format!("image {} is another project's", image.name);
        return Err(Rejection::new(Reason::PermissionDenied, message, "ask its project"));
    }
    Ok(image)
}

/// Refuses an image that a server was made from, but for one whose create was undone. A walk over all servers: what asks
/// for it is rare.
fn without_servers(cell: &Cell, image: &Image) -> Result<(), Rejection> {
    let uses =
        |server: &&Server| server.spec.image == image.id && !matches!(server.state, ServerState::Failed(_));
    match cell.servers.values().find(uses) {
        Some(server) => {
            let message = format!("server {} is made from image {}", server.spec.id, image.name);
            Err(in_use(image, message, "register another image, or delete its servers first"))
        }
        None => Ok(()),
    }
}

fn in_use(image: &Image, message: alloc::string::String, hint: &str) -> Rejection {
    Rejection::new(Reason::ResourceInUse, message, hint).of(ResourceRef::Image(image.id))
}

pub(super) fn create_key_pair(asked: Asked<'_>, body: &CreateKeyPair) -> Result<Preview, Decline> {
    lookup::new_name(asked.cell, asked.project, "key pair", &body.name)?;
    let project = lookup::own_project(asked.cell, asked.project)?.id;
    let key = body.public_key.trim();
    let one_line =
        !key.chars().any(char::is_control) && key.split(' ').filter(|part| !part.is_empty()).count() >= 2;
    if key.len() > PUBLIC_KEY_BYTES_MAX || !one_line {
        let message =
            format!("a public key is one line, type and key, of at most {PUBLIC_KEY_BYTES_MAX} bytes");
        return Err(Rejection::field("public_key", message).into());
    }
    let id = KeyPairId::derived(asked.id(), 0);
    let event = KeyPairCreated { id, project, name: body.name.clone(), public_key: key.into() };
    asked.at_once(SagaKind::KeyPairCreate, ResourceRef::KeyPair(id), alloc::vec![event.into()])
}

pub(super) fn delete_key_pair(asked: Asked<'_>, body: &DeleteKeyPair) -> Result<Preview, Decline> {
    let key_pair = lookup::key_pair(asked.cell, asked.project, "key_pair", &body.key_pair)?.id;
    let event = KeyPairDeleted { key_pair };
    asked.at_once(SagaKind::KeyPairDelete, ResourceRef::KeyPair(key_pair), alloc::vec![event.into()])
}
