//! One fixed sample for each recorded kind, and one for each variant of each nested enum. Fields of one type never
//! hold the same value in one sample, so that two fields that change places change the golden bytes.

mod access;
mod cloud;
mod faults;
mod hosts;
mod nested;
mod networks;
mod orders;
mod reports;
mod requests;
mod sagas;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

pub(crate) use nested::{Shape, numbers, shapes};

/// One report of each kind.
pub(crate) fn reports() -> Vec<Report> {
    reports::all()
}

/// One request body of each kind.
pub(crate) fn bodies() -> Vec<Body> {
    [requests::all(), orders::all(), faults::orders()].concat()
}

/// One event of each kind.
pub(crate) fn events() -> Vec<Event> {
    [sagas::all(), cloud::all(), networks::all(), access::all(), hosts::all(), faults::events()].concat()
}

/// The request around a body.
pub(crate) fn request(body: Body) -> Request {
    Request {
        id: RequestId(hex(0xf1)),
        project: ProjectId(hex(0xf2)),
        principal: Principal::User(PrincipalId(hex(0xf3))),
        body,
    }
}

/// One fact of each kind.
pub(crate) fn facts() -> Vec<Fact> {
    let requests = bodies().into_iter().map(|body| Fact::Request(request(body)));
    reports().into_iter().map(Fact::Report).chain(requests).collect()
}

/// A full cause.
pub(crate) fn cause() -> Cause {
    Cause {
        credential: Some(CredentialId(hex(0xc1))),
        source: Some(v6(0xc2)),
        trace: Some((hex(0xc3), [0xc4; 8])),
    }
}

/// A header in the middle of a journal.
pub(crate) fn header() -> Header {
    Header {
        position: Position(0x0102_0304_0506_0708),
        time: Time(0x1112_1314_1516_1718),
        term: Term { generation: 0x2122_2324, elected: Position(0x3132_3334_3536_3738) },
        writer: WriterId(hex(0x41)),
        previous: hash(0x51),
    }
}

/// A commit with a request and events of several families.
pub(crate) fn commit() -> Commit {
    let fact = Fact::Request(request(bodies().remove(0)));
    // Its bytes are golden: kinds that came later are not in it.
    let events = events().into_iter().filter(|event| !later(event.kind())).step_by(7).collect();
    Commit { header: header(), cause: cause(), fact, events }
}

/// Whether this event came later than the golden commit.
const fn later(kind: u16) -> bool {
    kind >= 140 || kind == 86
}

/// Sixteen bytes that begin with `first` and count up, so that a shift shows.
pub(crate) fn hex(first: u8) -> [u8; 16] {
    std::array::from_fn(|place| first.wrapping_add(u8::try_from(place).expect("under 16")))
}

/// A hash that begins with `first` and counts up.
pub(crate) fn hash(first: u8) -> Hash {
    Hash(std::array::from_fn(|place| first.wrapping_add(u8::try_from(place).expect("under 32"))))
}

/// An IPv4 address.
pub(crate) fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

/// An IPv6 address.
pub(crate) fn v6(last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))
}

/// An IPv4 prefix.
pub(crate) fn cidr(third: u8, prefix_bits: u8) -> Cidr {
    Cidr { address: IpAddr::V4(Ipv4Addr::new(198, 51, third, 0)), prefix_bits }
}

/// The maker of a thing.
pub(crate) fn maker(first: u8) -> Maker {
    Maker { saga: SagaId(hex(first)), step: StepIndex(300), dispatched: Position(70_000) }
}

/// Texts.
pub(crate) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// A capacity.
pub(crate) fn capacity() -> Capacity {
    Capacity { vcpus: 128, ram_mib: 524_288, disk_gib: 20_000 }
}

/// Amounts, each another.
pub(crate) fn amounts() -> Amounts {
    Amounts { servers: 1, vcpus: 2, ram_mib: 300, volumes: 4, gib: 50_000, networks: 6, ports: 7 }
}

/// A refusal.
pub(crate) fn refusal() -> Refusal {
    Refusal { code: RefusalCode::NoEvidence, retryable: true, message: "no hello within 60 s".into() }
}
