//! Requests: known or new (R1), allowed or not, then to the family that decides.

use alloc::format;

use super::{Asked, Preview, access, catalog, fault, host, network, operation, power, server, volume};
use crate::cell::authorize::{authorize, needs};
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::Cell;
use crate::ids::*;
use crate::limits::REQUEST_AHEAD_MS;
use crate::planted::{self, Bug};
use crate::record::{Body, Request};

pub(super) fn decide(cell: &Cell, request: &Request, now: Time) -> Result<Preview, Decline> {
    let saga = SagaId::of_request(cell.id, request.project, request.id);
    known(cell, request, saga)?;
    fresh(cell, request.id, now)?;
    authorize(cell, request.principal, needs(&request.body), request.project)?;
    let asked = Asked { cell, saga, project: request.project, principal: request.principal, now };
    match &request.body {
        Body::CreateServer(body) => server::create(asked, body),
        Body::DeleteServer(body) => server::delete(asked, body),
        Body::StartServer(body) => power::start(asked, body),
        Body::StopServer(body) => power::stop(asked, body),
        Body::RebootServer(body) => power::reboot(asked, body),
        Body::CreateVolume(body) => volume::create(asked, body),
        Body::DeleteVolume(body) => volume::delete(asked, body),
        Body::AttachVolume(body) => volume::attach(asked, body),
        Body::DetachVolume(body) => volume::detach(asked, body),
        Body::CreateNetwork(body) => network::create(asked, body),
        Body::DeleteNetwork(body) => network::delete(asked, body),
        Body::CreateSubnet(body) => network::create_subnet(asked, body),
        Body::DeleteSubnet(body) => network::delete_subnet(asked, body),
        Body::CreatePort(body) => network::create_port(asked, body),
        Body::DeletePort(body) => network::delete_port(asked, body),
        Body::CreateSecurityGroup(body) => network::create_group(asked, body),
        Body::DeleteSecurityGroup(body) => network::delete_group(asked, body),
        Body::SetSecurityRules(body) => network::set_rules(asked, body),
        Body::CreateFlavor(body) => catalog::create_flavor(asked, body),
        Body::DeleteFlavor(body) => catalog::delete_flavor(asked, body),
        Body::RegisterImage(body) => catalog::register_image(asked, body),
        Body::DeleteImage(body) => catalog::delete_image(asked, body),
        Body::SetImageBoot(body) => catalog::set_image_boot(asked, body),
        Body::CreateKeyPair(body) => catalog::create_key_pair(asked, body),
        Body::DeleteKeyPair(body) => catalog::delete_key_pair(asked, body),
        Body::CreateProject(body) => access::create_project(asked, body),
        Body::DeleteProject(body) => access::delete_project(asked, body),
        Body::SetQuota(body) => access::set_quota(asked, body),
        Body::CreatePrincipal(body) => access::create_principal(asked, body),
        Body::DeletePrincipal(body) => access::delete_principal(asked, body),
        Body::CreateCredential(body) => access::create_credential(asked, body),
        Body::RevokeCredential(body) => access::revoke_credential(asked, body),
        Body::GrantRole(body) => access::grant_role(asked, body),
        Body::RevokeRole(body) => access::revoke_role(asked, body),
        Body::CreateJoinToken(body) => host::create_token(asked, body),
        Body::RevokeJoinToken(body) => host::revoke_token(asked, body),
        Body::JoinHost(body) => host::join(asked, body),
        Body::DrainHost(body) => host::drain(asked, &body.host, true),
        Body::UndrainHost(body) => host::drain(asked, &body.host, false),
        Body::DeclareHostGone(body) => host::declare_gone(asked, body),
        Body::AffirmHostOff(body) => host::affirm_off(asked, body),
        Body::RejoinHost(body) => host::rejoin(asked, body),
        Body::CancelSaga(body) => operation::cancel(asked, body),
        Body::RetrySaga(body) => operation::retry(asked, body),
        Body::SkipStep(body) => operation::skip(asked, body),
        Body::AbandonSaga(body) => operation::abandon(asked, body),
        Body::AdoptResource(body) => operation::adopt(asked, body),
        Body::DiscardResource(body) => operation::discard(asked, body),
        Body::ArmFault(body) => fault::arm(asked, body),
        Body::DisarmFault(body) => fault::disarm(asked, body),
    }
}

/// A request that was committed before: the same saga for the same body, refused for another.
fn known(cell: &Cell, request: &Request, saga: SagaId) -> Result<(), Decline> {
    match cell.requests.get(&saga) {
        None => Ok(()),
        Some(_) if planted::on(Bug::RepeatIsNew) => Ok(()),
        Some(memo) if memo.fingerprint == request.fingerprint() => Err(Decline::Repeat(saga)),
        Some(_) => Err(Rejection::new(
            Reason::RequestIdMismatch,
            format!("request id {} was used with another body", request.id),
            "make a new request id for each new request",
        )
        .of_field("request_id")
        .into()),
    }
}

/// An id older than the memory of requests can't be told from a new one, so it is never run.
fn fresh(cell: &Cell, id: RequestId, now: Time) -> Result<(), Decline> {
    let refuse = |reason, message| {
        Rejection::new(reason, message, "make a new UUIDv7 with a right clock").of_field("request_id").into()
    };
    let Some(made_ms) = id.made_at_ms() else {
        return Err(refuse(Reason::RequestIdInvalid, format!("request id {id} is not a UUIDv7")));
    };
    let made = Time(made_ms.saturating_mul(1000));
    if made > now.plus_ms(REQUEST_AHEAD_MS) {
        return Err(refuse(Reason::RequestIdInFuture, format!("request id {id} is made in the future")));
    }
    if made.plus_ms(cell.settings.request_memory_ms) <= now {
        return Err(refuse(
            Reason::RequestIdExpired,
            format!("request id {id} is older than the memory of requests"),
        ));
    }
    Ok(())
}
