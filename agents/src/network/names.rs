//! What links are called, and the tags that tell whose they are. The kernel takes 15 characters of a name, so a name
//! holds the random end of an id, and the alias the whole of it.

use windlass_sagas::ids::{NetworkId, PortId};
use windlass_sagas::protocol::Owner;
use windlass_sagas::record::{Mac, StepKey};

/// How the name of every tap begins.
pub(super) const TAP: &str = "wlt";
/// How the name of every bridge begins.
pub(super) const BRIDGE: &str = "wlb";
/// How the name of every tunnel begins.
pub(super) const TUNNEL: &str = "wlx";

/// The port's tap.
pub(super) fn tap(port: PortId) -> String {
    format!("{TAP}{}", hex(&port.0[10..]))
}

/// The network's bridge.
pub(super) fn bridge(vni: u32) -> String {
    format!("{BRIDGE}{vni}")
}

/// The network's tunnel.
pub(super) fn tunnel(vni: u32) -> String {
    format!("{TUNNEL}{vni}")
}

/// The tag of a port's tap: the port, its MAC, and who had it made.
pub(super) fn port_tag(port: PortId, mac: Mac, owner: Owner, key: StepKey) -> String {
    let (cell, project) = (owner.cell, owner.project);
    format!(
        "wl:port:{port}:{}:cell={cell}:project={project}:saga={}:step={}",
        plain(mac),
        key.saga,
        key.step.0
    )
}

/// The port and the MAC that a tag names.
pub(super) fn tagged_port(alias: &str) -> Option<(PortId, Mac)> {
    let mut fields = alias.strip_prefix("wl:port:")?.split(':');
    let port = fields.next()?.parse().ok()?;
    let mac = u64::from_str_radix(fields.next()?, 16).ok().filter(|mac| *mac < 1 << 48)?;
    let [_, _, bytes @ ..] = mac.to_be_bytes();
    Some((port, Mac(bytes)))
}

/// The tag of a network's bridge and tunnel.
pub(super) fn network_tag(network: NetworkId) -> String {
    format!("wl:network:{network}")
}

/// The bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn plain(mac: Mac) -> String {
    hex(&mac.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_sagas::ids::{CellId, ProjectId, SagaId, StepIndex};

    #[test]
    fn names_fit_the_kernel_and_tags_say_whose_a_link_is() {
        let port = PortId([0xab; 16]);
        assert_eq!(tap(port), "wltabababababab");
        assert!(tap(port).len() <= 15 && tunnel(0x00ff_ffff).len() <= 15);
        let owner = Owner { cell: CellId([1; 16]), project: ProjectId([2; 16]) };
        let key = StepKey { saga: SagaId([3; 16]), step: StepIndex(u16::MAX) };
        let mac = Mac([0xfa, 0x16, 0x3e, 0, 1, 2]);
        let tag = port_tag(port, mac, owner, key);
        assert!(tag.len() <= 255, "the kernel refuses longer ones");
        assert_eq!(tagged_port(&tag), Some((port, mac)));
        for wrong in ["", "wl:port:", "wl:port:x:1", "wl:network:1", &tag[3..]] {
            assert_eq!(tagged_port(wrong), None, "{wrong}");
        }
    }
}
