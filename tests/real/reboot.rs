//! A host that starts anew: all that was volatile is gone, and comes back from the fold.

use crate::site::{Site, until};

#[test]
fn a_host_that_starts_anew_gets_its_ports_and_guests_back() {
    let Some(site) = Site::start("a_host_that_starts_anew_gets_its_ports_and_guests_back") else { return };
    site.server("a", "h1", &[]);
    site.server("b", "h2", &[]);
    site.ok(&["volume", "create", "v", "--size-gib", "1"]);
    site.ok(&["volume", "attach", "v", "a"]);
    let disk = site.disk("a", "v");
    let write = format!("mke2fs -q {disk} && mkdir -p /v && mount {disk} /v && echo kept > /v/f && sync");
    site.inside("a", &format!("{write} && umount /v"));
    let address = site.address("a");
    let before = site.inside("a", "cat /disk/boots");
    let run = site.run("h1");

    // What a start of the kernel takes: every process, every link and rule, and the run directory.
    let marks = run.display().to_string();
    let agent = site.agent("h1");
    for program in ["qemu-system-x86_64", "dnsmasq"] {
        Site::processes(&[program, &marks]).iter().for_each(|pid| Site::kill(*pid));
    }
    agent.iter().for_each(|pid| Site::kill(*pid));
    std::fs::remove_dir_all(&run).unwrap();
    for link in
        site.on("h1", &["sh", "-c", "ls /sys/class/net"]).split_whitespace().filter(|it| it.starts_with("wl"))
    {
        // A tunnel goes with its bridge's namespace only; each is removed by its name.
        site.on("h1", &["sh", "-c", &format!("ip link delete {link} 2>/dev/null || true")]);
    }
    site.on("h1", &["sh", "-c", "nft delete table ip windlass; nft delete table bridge windlass; true"]);

    until("the guest is back", || {
        let shown = site.json(&["server", "get", "a"]);
        shown["state"] == "ACTIVE" && site.run("h1").join("guests").exists() && {
            let guests = site.run("h1").join("guests").display().to_string();
            Site::processes(&["qemu-system-x86_64", &guests]).len() == 1
        }
    });
    let restores = site.ok(&["operation", "list"]);
    assert!(restores.contains("server.restore"), "{restores}");
    until("it has come up", || {
        site.windlass(&["operation", "list", "--filter", "state=RUNNING"]).stdout.len() < 120
    });
    site.is_well();
    assert_eq!(site.address("a"), address);
    let boots = site.inside("a", "cat /disk/boots");
    assert_eq!(
        boots.parse::<u32>().unwrap(),
        before.parse::<u32>().unwrap() + 1,
        "its own root, one boot later"
    );
    let disk = site.disk("a", "v");
    let read = site.inside("a", &format!("mkdir -p /v; mount {disk} /v; cat /v/f; umount /v"));
    assert_eq!(read, "kept");
    let b = site.address("b");
    let said = site.inside("a", &format!("ping -c 3 -W 1 {b}"));
    assert!(!said.contains(" 0 packets received"), "{said}");
    for server in ["a", "b"] {
        site.ok(&["server", "delete", server]);
    }
    site.ok(&["volume", "delete", "v"]);
    site.is_empty();
}
