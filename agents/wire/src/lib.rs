//! Agent proto to core types and back, written once, for the dispatcher's shell and the agents' runtime.
//!
//! Decoding copies every id out of the receive buffer and refuses, with the field's name, what is missing, of a wrong
//! length or beyond its bound. What only a newer peer knows is passed over where that is safe, and answered where it must
//! not be overlooked (`agent_service.proto` says which is which). It knows no rule: what a message means is the machines'
//! affair.

mod call;
mod console;
mod down;
mod fault;
mod identity;
mod inventory;
pub mod limits;
mod outcome;
mod refuse;
mod step;
mod up;
mod view;

pub use console::{ConsoleAsked, ConsoleTold};
pub use down::{decode_down, encode_down};
pub use identity::HostIdentity;
pub use inventory::{Collector, pages};
pub use refuse::refused;
pub use up::{decode_up, encode_up};

use std::net::IpAddr;

use windlass_proto::agent::v1;
use windlass_sagas::ids::{Hash, Position, Term};
use windlass_sagas::limits::NAME_BYTES_MAX;
use windlass_sagas::record::{Endpoint, Role};

/// A message that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {field} is missing, of a wrong length or unknown")]
pub struct WireError {
    /// Which field.
    pub field: &'static str,
}

const fn bad(field: &'static str) -> WireError {
    WireError { field }
}

fn id<T: for<'a> TryFrom<&'a [u8]>>(bytes: &[u8], field: &'static str) -> Result<T, WireError> {
    T::try_from(bytes).map_err(|_| bad(field))
}

/// An id that may be left out (empty).
fn id_or_none<T: for<'a> TryFrom<&'a [u8]>>(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<T>, WireError> {
    if bytes.is_empty() { Ok(None) } else { id(bytes, field).map(Some) }
}

fn hash(bytes: &[u8], field: &'static str) -> Result<Hash, WireError> {
    bytes.try_into().map(Hash).map_err(|_| bad(field))
}

/// A number within its bounds.
fn within<T: TryFrom<u64>>(
    number: impl Into<u64>,
    bounds: std::ops::RangeInclusive<u64>,
    field: &'static str,
) -> Result<T, WireError> {
    let number = number.into();
    let fits = Some(number).filter(|number| bounds.contains(number));
    fits.and_then(|number| T::try_from(number).ok()).ok_or(bad(field))
}

/// A list or text of at most so many entries or bytes.
const fn at_most(length: usize, max: usize, field: &'static str) -> Result<(), WireError> {
    if length <= max { Ok(()) } else { Err(bad(field)) }
}

fn term(term: Option<&v1::Term>) -> Result<Term, WireError> {
    let term = term.ok_or(bad("term"))?;
    Ok(Term { generation: term.generation, elected: Position(term.position) })
}

const fn term_out(term: Term) -> v1::Term {
    v1::Term { generation: term.generation, position: term.elected.0 }
}

fn role(role: i32) -> Result<Role, WireError> {
    match v1::Role::try_from(role) {
        Ok(v1::Role::Hypervisor) => Ok(Role::Hypervisor),
        Ok(v1::Role::Storage) => Ok(Role::Storage),
        Ok(v1::Role::Network) => Ok(Role::Network),
        Ok(v1::Role::Unspecified) | Err(_) => Err(bad("role")),
    }
}

/// `None` for a role that only a newer peer knows.
fn known_role(number: i32) -> Result<Option<Role>, WireError> {
    if v1::Role::try_from(number).is_err() { Ok(None) } else { role(number).map(Some) }
}

const fn role_out(role: Role) -> i32 {
    match role {
        Role::Hypervisor => v1::Role::Hypervisor as i32,
        Role::Storage => v1::Role::Storage as i32,
        Role::Network => v1::Role::Network as i32,
    }
}

fn address(address: Option<&v1::IpAddress>, field: &'static str) -> Result<IpAddr, WireError> {
    let bytes = &address.ok_or(bad(field))?.bytes;
    let v4 = <[u8; 4]>::try_from(bytes.as_ref()).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes.as_ref()).map(IpAddr::from);
    v4.or_else(|_| v6()).map_err(|_| bad(field))
}

fn address_out(ip: IpAddr) -> v1::IpAddress {
    let bytes = match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    v1::IpAddress { bytes: bytes.into() }
}

fn endpoint(endpoint: Option<&v1::Endpoint>, field: &'static str) -> Result<Endpoint, WireError> {
    let endpoint = endpoint.ok_or(bad(field))?;
    let port = u16::try_from(endpoint.port).ok().filter(|port| *port > 0).ok_or(bad(field))?;
    // It is spliced into options of tools and into addresses: nothing that could end a word there.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    if !(1..=NAME_BYTES_MAX).contains(&endpoint.host.len()) || !endpoint.host.bytes().all(plain) {
        return Err(bad(field));
    }
    Ok(Endpoint { host: endpoint.host.clone(), port })
}

fn endpoint_out(endpoint: &Endpoint) -> v1::Endpoint {
    v1::Endpoint { host: endpoint.host.clone(), port: u32::from(endpoint.port) }
}
