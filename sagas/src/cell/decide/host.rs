//! Hosts, as operators order: tokens, joining, draining, gone, off, rejoining.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Asked, Preview};
use crate::cell::lookup::{self, NO_PROJECT};
use crate::cell::rejection::{Decline, Reason, Rejection};
use crate::cell::state::{Host, HostLife, JoinToken};
use crate::ids::*;
use crate::record::*;

pub(super) fn create_token(asked: Asked<'_>, body: &CreateJoinToken) -> Result<Preview, Decline> {
    match lookup::host(asked.cell, "host", &body.host) {
        Err(_) => lookup::new_name(asked.cell, NO_PROJECT, "host", &body.host)?,
        Ok(host) => {
            may_join(host, "host")?;
            same_member(host, body)?;
        }
    }
    if body.roles.is_empty() {
        return Err(Rejection::field("roles", "a host has at least one role").into());
    }
    if body.roles.contains(&Role::Hypervisor) && !body.roles.contains(&Role::Network) {
        return Err(Rejection::field("roles", "a host that runs guests has the network role too").into());
    }
    if body.expires <= asked.now {
        return Err(Rejection::field("expires", "a token ends in the future").into());
    }
    let id = JoinTokenId::derived(asked.id(), 0);
    let CreateJoinToken { host, roles, zone, secret_sha256, expires } = body.clone();
    let event = JoinTokenCreated { id, host, roles, zone, secret_sha256, expires };
    asked.at_once(SagaKind::JoinTokenCreate, ResourceRef::JoinToken(id), alloc::vec![event.into()])
}

/// A token is for a machine that is no host yet, or for a host that is silent and may have no valid certificate any more.
fn may_join(host: &Host, field: &str) -> Result<(), Rejection> {
    let (state, hint) = match host.life {
        HostLife::Joined | HostLife::Down => return Ok(()),
        HostLife::Up => {
            let hint = "its certificate renews itself; another machine takes another name";
            ("has joined and is up", hint)
        }
        HostLife::Gone { .. } => ("was declared gone", "wipe it and let it rejoin first"),
    };
    let message = format!("host {} {state}", host.name);
    Err(Rejection::new(Reason::NameTaken, message, hint).of_field(field))
}

/// A silent host keeps its ledgers and what it holds, so it joins again as what it was.
fn same_member(host: &Host, token: &CreateJoinToken) -> Result<(), Rejection> {
    if !matches!(host.life, HostLife::Down) {
        return Ok(());
    }
    let refuse = |field: &str, has: &str| {
        let message = format!("host {} is down and has {has}: it joins again with the same", host.name);
        Err(Rejection::field(field, message))
    };
    if token.roles.iter().copied().collect::<BTreeSet<_>>() != host.roles {
        let roles: Vec<&str> = host.roles.iter().map(|role| role.name()).collect();
        return refuse("roles", &format!("the roles {}", roles.join(", ")));
    }
    if token.zone != host.zone {
        return refuse("zone", &format!("the zone {:?}", host.zone));
    }
    Ok(())
}

/// A silent host joins by a token that was made for it since it is silent, and as what it was; another one by none such.
fn joins_by(host: &Host, token: &JoinToken, body: &JoinHost) -> Result<(), Rejection> {
    let again = host.life == HostLife::Down;
    if token.again != again.then_some(host.id) {
        let message = format!("host {} is not what it was when its join token was made", host.name);
        let hint = "make a new join token; let a host that was declared gone rejoin first";
        return Err(Rejection::new(Reason::WrongState, message, hint).of_field("token"));
    }
    if again && body.address != host.address {
        let at = host.address.map_or_else(|| "no address".to_string(), |address| address.to_string());
        let message =
            format!("host {} is reached at {at} by what is attached there and keeps that", host.name);
        return Err(Rejection::field("address", message));
    }
    Ok(())
}

pub(super) fn revoke_token(asked: Asked<'_>, body: &RevokeJoinToken) -> Result<Preview, Decline> {
    if !asked.cell.join_tokens.contains_key(&body.token) {
        return Err(lookup::not_found("join token", "token", &body.token.to_string()).into());
    }
    let event = JoinTokenEnded { token: body.token };
    asked.at_once(SagaKind::JoinTokenRevoke, ResourceRef::JoinToken(body.token), alloc::vec![event.into()])
}

pub(super) fn join(asked: Asked<'_>, body: &JoinHost) -> Result<Preview, Decline> {
    let refuse = |message: &str| {
        Rejection::new(Reason::TokenInvalid, message, "ask an operator for a new join token")
            .of_field("token")
    };
    let token =
        asked.cell.join_tokens.get(&body.token).ok_or_else(|| refuse("the join token is unknown or used"))?;
    if token.expires <= asked.now {
        return Err(refuse("the join token is expired").into());
    }
    let known = lookup::host(asked.cell, "host", &token.host).ok();
    if let Some(host) = known {
        may_join(host, "token")?;
        joins_by(host, token, body)?;
    }
    let id = known.map_or_else(|| HostId::derived(asked.id(), 0), |host| host.id);
    let joined = HostJoined {
        id,
        name: token.host.clone(),
        roles: token.roles.clone(),
        zone: token.zone.clone(),
        address: body.address,
        certificate_sha256: body.certificate_sha256,
    };
    let events = alloc::vec![joined.into(), JoinTokenEnded { token: body.token }.into()];
    asked.at_once(SagaKind::HostJoin, ResourceRef::Host(id), events)
}

pub(super) fn drain(asked: Asked<'_>, name: &str, draining: bool) -> Result<Preview, Decline> {
    let host = lookup::host(asked.cell, "host", name)?;
    member(host)?;
    let kind = if draining { SagaKind::HostDrain } else { SagaKind::HostUndrain };
    let event = HostDraining { host: host.id, draining };
    asked.at_once(kind, ResourceRef::Host(host.id), alloc::vec![event.into()])
}

fn member(host: &Host) -> Result<(), Rejection> {
    if host.life.is_member() {
        return Ok(());
    }
    let message = format!("host {} was declared gone", host.name);
    Err(Rejection::new(Reason::WrongState, message, "that is final; wipe it and let it rejoin")
        .of(ResourceRef::Host(host.id)))
}

pub(super) fn declare_gone(asked: Asked<'_>, body: &DeclareHostGone) -> Result<Preview, Decline> {
    let host = lookup::host(asked.cell, "host", &body.host)?;
    member(host)?;
    lookup::reason_given(&body.reason)?;
    let event = HostGone { host: host.id, reason: body.reason.clone() };
    asked.at_once(SagaKind::HostDeclareGone, ResourceRef::Host(host.id), alloc::vec![event.into()])
}

fn gone(host: &Host) -> Result<(), Rejection> {
    if matches!(host.life, HostLife::Gone { .. }) {
        return Ok(());
    }
    let message = format!("host {} is not gone", host.name);
    Err(Rejection::new(Reason::WrongState, message, "declare it gone first").of(ResourceRef::Host(host.id)))
}

pub(super) fn affirm_off(asked: Asked<'_>, body: &AffirmHostOff) -> Result<Preview, Decline> {
    let host = lookup::host(asked.cell, "host", &body.host)?;
    gone(host)?;
    let event = HostOff { host: host.id };
    asked.at_once(SagaKind::HostAffirmOff, ResourceRef::Host(host.id), alloc::vec![event.into()])
}

pub(super) fn rejoin(asked: Asked<'_>, body: &RejoinHost) -> Result<Preview, Decline> {
    let host = lookup::host(asked.cell, "host", &body.host)?;
    gone(host)?;
    let event = HostRejoined { host: host.id };
    asked.at_once(SagaKind::HostRejoin, ResourceRef::Host(host.id), alloc::vec![event.into()])
}
