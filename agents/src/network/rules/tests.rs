//! The tables as text: the kept one for a host with all kinds of rules, and what is in none.

use std::net::Ipv4Addr;
use std::path::Path;

use windlass_sagas::cell::views::HostView;
use windlass_sagas::ids::SecurityGroupId;
use windlass_sagas::record::{Cidr, Protocol, Remote, RuleDirection, SecurityRule};

use super::{Tables, render};
use crate::network::tests::cloud::{port, record, rule, view, with_group};

const KEPT: &str = "src/network/rules/tables.nft";

fn host() -> Tables {
    let group = SecurityGroupId([5; 16]);
    let range = Remote::Range(Cidr { address: Ipv4Addr::new(203, 0, 113, 0).into(), prefix_bits: 24 });
    let six = Remote::Range(Cidr { address: std::net::Ipv6Addr::LOCALHOST.into(), prefix_bits: 128 });
    let all = Remote::Range(Cidr { address: Ipv4Addr::UNSPECIFIED.into(), prefix_bits: 0 });
    let ingress =
        |protocol, ports, remote| SecurityRule { ports, remote, ..rule(RuleDirection::Ingress, protocol) };
    let rules = [
        rule(RuleDirection::Egress, Protocol::Any),
        ingress(Protocol::Icmp, None, Remote::Any),
        ingress(Protocol::Tcp, Some((22, 22)), range),
        ingress(Protocol::Udp, Some((5000, 6000)), all),
        ingress(Protocol::Tcp, None, Remote::Group(group)),
        ingress(Protocol::Any, None, six),
        ingress(Protocol::Icmp, Some((8, 8)), Remote::Any),
        ingress(Protocol::Any, None, Remote::Group(SecurityGroupId([6; 16]))),
    ];
    let (shown, not_yet) = (port(1, 7), port(2, 7));
    let view = with_group(view(&[&shown], &rules, &[2, 3]), group, &[&port(1, 8), &port(1, 9)]);
    render([&record(&shown), &record(&not_yet)].into_iter(), &view)
}

#[test]
fn the_tables_of_a_host_are_the_kept_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(KEPT);
    let text = host().text;
    if std::env::var("WINDLASS_GOLDEN").is_ok_and(|word| word == "update") {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "WINDLASS_GOLDEN=update writes it anew");
}

#[test]
fn the_same_host_has_the_same_marker_and_another_one_another() {
    assert_eq!(host(), host());
    let none = render(std::iter::empty(), &HostView::default());
    assert_ne!(host().marker, none.marker);
    assert!(host().text.contains(&host().marker) && none.text.contains(&none.marker));
}
