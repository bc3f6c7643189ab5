//! QEMU's command line for a guest: a pure function of what the guest is made of.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use windlass_sagas::ids::VolumeId;
use windlass_sagas::limits::SERVER_VOLUMES_MAX;
use windlass_sagas::record::{Endpoint, GuestSetup};

use super::names;
use crate::limits::{DIAL_OPEN_SECONDS, RECONNECT_SECONDS};
use crate::network::Tap;

/// How a guest starts without a boot loader of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    pub(super) kernel: PathBuf,
    pub(super) initrd: Option<PathBuf>,
    pub(super) cmdline: String,
}

/// All that a guest's process is started with.
#[derive(Clone, Debug)]
pub(super) struct Launch<'a> {
    pub(super) directory: &'a Path,
    pub(super) setup: &'a GuestSetup,
    pub(super) kernel: Option<Kernel>,
    /// Whether KVM works here; else the guest is emulated.
    pub(super) kvm: bool,
    pub(super) user: &'a str,
    pub(super) taps: Vec<Tap>,
    /// The volumes that it boots with, the root first.
    pub(super) volumes: Vec<(VolumeId, Endpoint)>,
    /// The directory of the certificate that it shows to storage hosts.
    pub(super) tls: &'a Path,
    /// The file with its metadata.
    pub(super) seed: &'a Path,
}

impl Launch<'_> {
    /// The arguments, in the order of the guest's parts.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut line = Line::default();
        self.machine(&mut line);
        self.channels(&mut line);
        for (at, tap) in self.taps.iter().enumerate() {
            line.put("-netdev", format!("tap,id=net{at},ifname={},script=no,downscript=no", tap.ifname));
            line.put(
                "-device",
                format!("virtio-net-pci,netdev=net{at},mac={},host_mtu={},romfile=", tap.mac, tap.mtu),
            );
        }
        self.disks(&mut line);
        if let Some(Kernel { kernel, initrd, cmdline }) = &self.kernel {
            line.put("-kernel", kernel.display().to_string());
            if let Some(initrd) = initrd {
                line.put("-initrd", initrd.display().to_string());
            }
            line.put("-append", cmdline.clone());
        }
        line.0
    }

    fn machine(&self, line: &mut Line) {
        let GuestSetup { server, vcpus, ram_mib, .. } = self.setup;
        let name = names::process(*server);
        line.put("-name", format!("{name},process={name}"));
        line.put("-uuid", server.to_string());
        line.put("-M", "q35".into());
        let (accelerator, cpu) = if self.kvm { ("kvm", "host") } else { ("tcg,tb-size=64", "max") };
        line.put("-accel", accelerator.into());
        line.put("-cpu", cpu.into());
        line.put("-m", format!("{ram_mib}M"));
        line.put("-smp", vcpus.to_string());
        for word in ["-nodefaults", "-no-user-config"] {
            line.0.push(word.into());
        }
        line.put("-display", "none".into());
        // It opens its taps as root, and is nobody from then on. Forking is denied, so it can't put itself in the
        // background; taking a user's id is allowed, which it can do only once.
        line.put("-runas", self.user.into());
        line.put(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny".into(),
        );
        line.put("-pidfile", self.directory.join("pid").display().to_string());
    }

    /// Two monitors (one for steps, one to look after it), the console with its log, and the line to the guest's agent.
    fn channels(&self, line: &mut Line) {
        let at = |name: &str| self.directory.join(name).display().to_string();
        for monitor in ["qmp", "watch"] {
            line.put("-qmp", format!("unix:{},server=on,wait=off", at(monitor)));
        }
        line.put(
            "-chardev",
            format!(
                "socket,id=con,path={},server=on,wait=off,logfile={},logappend=on",
                at("con"),
                at("console.log")
            ),
        );
        line.put("-serial", "chardev:con".into());
        line.put("-device", "virtio-serial-pci".into());
        line.put("-chardev", format!("socket,id=agent,path={},server=on,wait=off", at("agent")));
        line.put("-device", "virtserialport,chardev=agent,name=io.windlass.agent".into());
    }

    fn disks(&self, line: &mut Line) {
        line.put(
            "-object",
            format!("tls-creds-x509,id=tls,endpoint=client,verify-peer=on,dir={}", self.tls.display()),
        );
        for (at, (volume, endpoint)) in self.volumes.iter().enumerate() {
            line.put("-blockdev", node(*volume, endpoint).to_string());
            let mut device = device(*volume, &names::booted(*volume));
            if self.kernel.is_none() {
                device["bootindex"] = json!(at);
            }
            line.put("-device", device.to_string());
        }
        // Devices given as JSON come behind all others, in their order: the root stays the first disk.
        let seed = json!({
            "driver": "raw",
            "node-name": "seed",
            "read-only": true,
            "file": { "driver": "file", "filename": self.seed, "read-only": true },
        });
        line.put("-blockdev", seed.to_string());
        line.put(
            "-device",
            json!({ "driver": "virtio-blk-pci", "drive": "seed", "serial": "cidata" }).to_string(),
        );
        // Places for volumes to be plugged in; the root has none.
        for place in 1..SERVER_VOLUMES_MAX {
            line.put("-device", format!("pcie-root-port,id=place{place},chassis={place},slot={place}"));
        }
    }
}

/// The block node of a volume: it dials the export as this host, waits out an outage, and never hangs on a silent peer.
pub(super) fn node(volume: VolumeId, endpoint: &Endpoint) -> Value {
    json!({
        "driver": "nbd",
        "node-name": names::node(volume),
        "server": { "type": "inet", "host": endpoint.host, "port": endpoint.port.to_string() },
        "export": volume.to_string(),
        "tls-creds": "tls",
        "reconnect-delay": RECONNECT_SECONDS,
        "open-timeout": DIAL_OPEN_SECONDS,
    })
}

/// The device of a volume: an error of the volume stops the guest and loses nothing.
pub(super) fn device(volume: VolumeId, id: &str) -> Value {
    json!({
        "driver": "virtio-blk-pci",
        "id": id,
        "drive": names::node(volume),
        "serial": names::serial(volume),
        "werror": "stop",
        "rerror": "stop",
    })
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn put(&mut self, option: &str, value: String) {
        self.0.extend([option.to_owned(), value]);
    }
}
