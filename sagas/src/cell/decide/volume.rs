//! Volumes: made, deleted, attached, detached.

use alloc::format;
use alloc::vec::Vec;

use super::power::not_in_state;
use super::server::{attachable, storage_demand};
use super::{Asked, Preview};
use crate::cell::placement::place;
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::*;
use crate::cell::{lookup, quota};
use crate::ids::*;
use crate::limits::{SERVER_VOLUMES_MAX, VOLUME_GIB_MAX};
use crate::plan::{server_delete, volume_attach, volume_create, volume_delete, volume_detach};
use crate::record::*;

pub(super) fn create(asked: Asked<'_>, body: &CreateVolume) -> Result<Preview, Decline> {
    let cell = asked.cell;
    lookup::new_name(cell, asked.project, "volume", &body.name)?;
    let image =
        body.image.as_deref().map(|name| lookup::image(cell, asked.project, "image", name)).transpose()?;
    let least = image.map_or(1, |image| image.min_disk_gib.max(1));
    if body.size_gib < least || body.size_gib > VOLUME_GIB_MAX {
        let message = format!("a volume of {least} to {VOLUME_GIB_MAX} GiB, got {}", body.size_gib);
        return Err(Rejection::field("size_gib", message).into());
    }
    let project = lookup::own_project(cell, asked.project)?;
    quota::admit(project, &Amounts { volumes: 1, gib: body.size_gib, ..Amounts::default() })?;
    let placed = place(cell, &storage_demand(body.size_gib, body.zone.as_deref()))?;
    let spec = VolumeSpec {
        id: VolumeId::derived(asked.id(), 0),
        project: asked.project,
        name: body.name.clone(),
        size_gib: body.size_gib,
        image: image.map(|image| image.id),
        host: placed.host,
        root_of: None,
    };
    let source = image.map(|image| {
        (ImageSource { image: image.id, sha256: image.sha256, format: image.format }, image.size_bytes)
    });
    let plan = volume_create::plan(&spec, source);
    let subject = ResourceRef::Volume(spec.id);
    let holds = alloc::vec![subject];
    let mut preview = asked.begin(SagaKind::VolumeCreate, subject, alloc::vec![spec.into()], holds, plan)?;
    preview.placements.push((subject, placed.explanation));
    Ok(preview)
}

pub(super) fn delete(asked: Asked<'_>, body: &DeleteVolume) -> Result<Preview, Decline> {
    let volume = lookup::volume(asked.cell, asked.project, "volume", &body.volume)?;
    let subject = ResourceRef::Volume(volume.spec.id);
    lookup::free(volume.lock, subject)?;
    if let Some(attachment) = volume.attachments.first() {
        let message = format!("{subject} is attached to server {}", attachment.server);
        return Err(Rejection::new(Reason::ResourceInUse, message, "detach it first").of(subject).into());
    }
    asked.begin(
        SagaKind::VolumeDelete,
        subject,
        Vec::new(),
        alloc::vec![subject],
        volume_delete::plan(volume),
    )
}

pub(super) fn attach(asked: Asked<'_>, body: &AttachVolume) -> Result<Preview, Decline> {
    let cell = asked.cell;
    let volume = lookup::volume(cell, asked.project, "volume", &body.volume)?;
    attachable(volume)?;
    let server = lookup::server(cell, asked.project, "server", &body.server)?;
    running(cell, server)?;
    let device = free_device(cell, server)?;
    let plan = volume_attach::plan(asked.saga, volume, server, device);
    let subject = ResourceRef::Volume(volume.spec.id);
    let holds = alloc::vec![subject, ResourceRef::Server(server.spec.id)];
    asked.begin(SagaKind::VolumeAttach, subject, Vec::new(), holds, plan)
}

pub(super) fn detach(asked: Asked<'_>, body: &DetachVolume) -> Result<Preview, Decline> {
    let cell = asked.cell;
    let volume = lookup::volume(cell, asked.project, "volume", &body.volume)?;
    let subject = ResourceRef::Volume(volume.spec.id);
    lookup::free(volume.lock, subject)?;
    let not = |message: &str, hint: &str| {
        Rejection::new(Reason::WrongState, format!("{subject} {message}"), hint).of(subject)
    };
    let attachment =
        volume.attachments.first().ok_or_else(|| not("is not attached", "nothing is to be done"))?;
    let server = cell
        .servers
        .get(&attachment.server)
        .ok_or_else(|| not("is attached to nothing", "ask an operator"))?;
    if attachment.device == 0 {
        return Err(not("is its server's root", "delete the server instead").into());
    }
    running(cell, server)?;
    let plan = volume_detach::plan(volume, attachment, server);
    let holds = alloc::vec![subject, ResourceRef::Server(server.spec.id)];
    asked.begin(SagaKind::VolumeDetach, subject, Vec::new(), holds, plan)
}

fn running(cell: &Cell, server: &Server) -> Result<(), Rejection> {
    lookup::free(server.lock, ResourceRef::Server(server.spec.id))?;
    match &server.state {
        ServerState::Active(_) => Ok(()),
        ServerState::Building | ServerState::Lost(_) | ServerState::Stopped(_) | ServerState::Failed(_) => {
            Err(not_in_state(cell, server, "ACTIVE"))
        }
    }
}

/// The first free place in the guest: stable, so that a guest finds its devices again.
fn free_device(cell: &Cell, server: &Server) -> Result<u8, Rejection> {
    let used = |place: u8| {
        server_delete::volumes_of(cell, server.spec.id)
            .flat_map(|volume| &volume.attachments)
            .any(|attachment| attachment.server == server.spec.id && attachment.device == place)
    };
    let max = u8::try_from(SERVER_VOLUMES_MAX).unwrap_or(u8::MAX);
    (1..max).find(|place| !used(*place)).ok_or_else(|| {
        let message = format!("a server has at most {SERVER_VOLUMES_MAX} volumes");
        Rejection::new(Reason::InvalidField, message, "detach another volume first")
            .of(ResourceRef::Server(server.spec.id))
    })
}
