//! Guests started, stopped and rebooted: what a server is plugged into stays as it is.

use alloc::format;
use alloc::vec::Vec;

use super::{Asked, Preview, server};
use crate::cell::lookup;
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::server_status;
use crate::cell::state::*;
use crate::limits::GUEST_GRACE_MS_MAX;
use crate::plan::{server_delete, server_reboot, server_start, server_stop};
use crate::record::*;

pub(super) fn start(asked: Asked<'_>, body: &StartServer) -> Result<Preview, Decline> {
    let server = free(asked, &body.server)?;
    match &server.state {
        // One that waits for its restore is SHUTOFF too.
        ServerState::Stopped(_) | ServerState::Lost(_) => {}
        ServerState::Building | ServerState::Active(_) | ServerState::Failed(_) => {
            return Err(not_in_state(asked.cell, server, "SHUTOFF").into());
        }
    }
    let (subject, holds) = (ResourceRef::Server(server.spec.id), all_of(asked, server)?);
    let plan = server_start::plan(asked.cell, server, ports(asked, server));
    asked.begin(SagaKind::ServerStart, subject, Vec::new(), holds, plan)
}

pub(super) fn stop(asked: Asked<'_>, body: &StopServer) -> Result<Preview, Decline> {
    grace(body.grace_ms)?;
    let server = free(asked, &body.server)?;
    let booted_by = running(asked, server)?;
    let subject = ResourceRef::Server(server.spec.id);
    let plan = server_stop::plan(asked.cell, server, booted_by, body.grace_ms);
    asked.begin(SagaKind::ServerStop, subject, Vec::new(), alloc::vec![subject], plan)
}

pub(super) fn reboot(asked: Asked<'_>, body: &RebootServer) -> Result<Preview, Decline> {
    grace(body.grace_ms)?;
    let server = free(asked, &body.server)?;
    let booted_by = running(asked, server)?;
    let (subject, holds) = (ResourceRef::Server(server.spec.id), all_of(asked, server)?);
    let plan = server_reboot::plan(asked.cell, server, ports(asked, server), booted_by, body.grace_ms);
    asked.begin(SagaKind::ServerReboot, subject, Vec::new(), holds, plan)
}

fn grace(grace_ms: u32) -> Result<(), Rejection> {
    if grace_ms > GUEST_GRACE_MS_MAX {
        let message = format!("a grace of at most {GUEST_GRACE_MS_MAX} ms, got {grace_ms}");
        return Err(Rejection::field("grace_ms", message));
    }
    Ok(())
}

fn free<'a>(asked: Asked<'a>, name: &str) -> Result<&'a Server, Rejection> {
    let server = lookup::server(asked.cell, asked.project, "server", name)?;
    lookup::free(server.lock, ResourceRef::Server(server.spec.id))?;
    Ok(server)
}

/// The step that booted a server that is ACTIVE.
fn running(asked: Asked<'_>, server: &Server) -> Result<Maker, Rejection> {
    match &server.state {
        ServerState::Active(booted_by) => Ok(*booted_by),
        ServerState::Building | ServerState::Lost(_) | ServerState::Stopped(_) | ServerState::Failed(_) => {
            Err(not_in_state(asked.cell, server, "ACTIVE"))
        }
    }
}

/// The refusal of a server that is in another state than the one that is needed.
pub(super) fn not_in_state(cell: &Cell, server: &Server, needed: &str) -> Rejection {
    let resource = ResourceRef::Server(server.spec.id);
    let message = format!("{resource} is {}, not {needed}", server_status(cell, server).word());
    let hint = format!("wait until it is {needed}, or bring it there");
    Rejection::new(Reason::WrongState, message, &hint).of(resource)
}

/// The server with its volumes and ports, none of which anybody holds: each gets another maker.
fn all_of(asked: Asked<'_>, server: &Server) -> Result<Vec<ResourceRef>, Rejection> {
    let mut holds = alloc::vec![ResourceRef::Server(server.spec.id)];
    for volume in server_delete::volumes_of(asked.cell, server.spec.id) {
        lookup::free(volume.lock, ResourceRef::Volume(volume.spec.id))?;
        holds.push(ResourceRef::Volume(volume.spec.id));
    }
    for port in server.spec.ports.iter().filter_map(|port| asked.cell.ports.get(port)) {
        lookup::free(port.lock, ResourceRef::Port(port.spec.id))?;
        holds.push(ResourceRef::Port(port.spec.id));
    }
    Ok(holds)
}

fn ports(asked: Asked<'_>, server: &Server) -> Vec<PortSetup> {
    let ports = server.spec.ports.iter().filter_map(|port| asked.cell.ports.get(port));
    ports.map(|port| server::setup(asked.cell, &port.spec)).collect()
}
