//! A guest without a machine: its namespace holds one end of a wire, and QEMU, without a processor, holds the port's tap
//! as the other end, as it does for a real guest.

use std::process::{Child, Command, Output, Stdio};

use super::host::Host;
use super::place::{Place, inside, run, until};
use windlass_sagas::record::PortSetup;

/// A guest on a port.
pub(super) struct Guest {
    pub(super) space: String,
    wire: Child,
}

impl Guest {
    /// Plugs a guest into a prepared port; it has its MAC, and no address.
    pub(super) fn plug(place: &mut Place, host: &Host, setup: &PortSetup, name: &str) -> Self {
        let tap = host.tap(setup.port).expect("the port is prepared").ifname;
        let end = format!("end-{name}");
        let hub = |id: &str, tap: &str| {
            let netdev = format!("tap,id={id},ifname={tap},script=no,downscript=no");
            [
                "-netdev".to_owned(),
                netdev,
                "-netdev".into(),
                format!("hubport,id=hub-{id},hubid=0,netdev={id}"),
            ]
        };
        let wire = Command::new("ip")
            .args(["netns", "exec", &host.space, "qemu-system-x86_64", "-M", "none", "-nodefaults"])
            .args(["-display", "none", "-monitor", "none", "-serial", "none"])
            .args(hub("a", &tap))
            .args(hub("b", &end))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let space = place.space(name);
        let guest = Self { space, wire };
        until("the wire is there", || inside(&host.space, &["ip", "link", "show", &end]).status.success());
        let mac = setup.mac.to_string();
        host.sh(&["ip", "link", "set", &end, "netns", &guest.space, "name", "eth0", "address", &mac]);
        run("ip", &["-n", &guest.space, "link", "set", "eth0", "mtu", &setup.mtu.to_string(), "up"]);
        guest
    }

    /// Plugs one in, and gives it its address by hand.
    pub(super) fn addressed(place: &mut Place, host: &Host, setup: &PortSetup, name: &str) -> Self {
        let guest = Self::plug(place, host, setup, name);
        let address = setup.addresses[0];
        let address = format!("{}/{}", address.ip, address.prefix_bits);
        run("ip", &["-n", &guest.space, "addr", "add", &address, "dev", "eth0"]);
        guest
    }

    /// Runs a command in the guest.
    pub(super) fn sh(&self, arguments: &[&str]) -> Output {
        inside(&self.space, arguments)
    }

    /// Whether it gets an answer from there, within three tries.
    pub(super) fn reaches(&self, address: &str) -> bool {
        (0..3).any(|_| self.pings(address))
    }

    /// Whether one try gets an answer.
    pub(super) fn pings(&self, address: &str) -> bool {
        self.sh(&["busybox", "ping", "-c", "1", "-W", "1", address]).status.success()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.wire.kill().ok();
        self.wire.wait().ok();
    }
}
