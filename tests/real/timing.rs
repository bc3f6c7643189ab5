//! How long a create takes beside QEMU's own boot to the same word, in one run; printed, and no assertion of time.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::site::{Site, until};

/// What the guest says when its agent is about to speak.
const WORD: &str = "guest: ready";

#[test]
fn a_create_is_timed_beside_a_boot_by_hand() {
    let Some(site) = Site::start("a_create_is_timed_beside_a_boot_by_hand") else { return };
    let guest = site.home().join("guest");
    let disk = site.home().join("by-hand");
    std::fs::copy(guest.join("root"), &disk).unwrap();
    let log = site.home().join("by-hand.log");
    let mut rows = Vec::new();
    for round in 0..3 {
        let begun = Instant::now();
        let file = std::fs::File::create(&log).unwrap();
        let drive = format!("file={},format=raw,if=virtio", disk.display());
        let cmdline =
            "console=ttyS0 quiet panic=-1 nokaslr mitigations=off random.trust_cpu=on no_timer_check";
        let mut child = Command::new("qemu-system-x86_64")
            .args(["-M", "q35", "-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "128", "-nodefaults"])
            .args(["-display", "none", "-serial", "stdio", "-drive", &drive, "-append", cmdline])
            .args(["-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n,romfile="])
            .arg("-kernel")
            .arg(guest.join("kernel"))
            .arg("-initrd")
            .arg(guest.join("initrd"))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the guest by hand is ready", || {
            String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).contains(WORD)
        });
        let by_hand = begun.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();

        let name = format!("t{round}");
        let begun = Instant::now();
        site.server(&name, "h1", &[]);
        let created = begun.elapsed();
        // Its agent spoke a moment before that word.
        until("the guest is ready", || {
            let console = std::fs::read(site.guest(&name).join("console.log")).unwrap_or_default();
            String::from_utf8_lossy(&console).contains(WORD)
        });
        let history = site.ok(&["operation", "list"]);
        assert!(history.contains("server.create"), "{history}");
        rows.push((by_hand, created));
        site.ok(&["server", "delete", &name]);
    }
    for (by_hand, created) in rows {
        let ratio = created.as_secs_f64() / by_hand.as_secs_f64();
        eprintln!("by hand {by_hand:.2?}, server create to ACTIVE {created:.2?}, ratio {ratio:.2}");
    }
    site.is_empty();
}
