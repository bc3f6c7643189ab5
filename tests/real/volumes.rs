//! Volumes between guests: their bytes, who may hold them, and what an outage of their host does.

use crate::site::{Site, until};

#[test]
fn a_volume_moves_with_its_bytes_and_is_held_by_one_guest_that_lets_it_go() {
    let Some(site) = Site::start("a_volume_moves_with_its_bytes_and_is_held_by_one_guest_that_lets_it_go")
    else {
        return;
    };
    site.server("a", "h1", &[]);
    site.server("b", "h2", &[]);
    site.ok(&["volume", "create", "v", "--size-gib", "1"]);
    site.ok(&["volume", "attach", "v", "a"]);
    let disk = site.disk("a", "v");
    let write =
        format!("mke2fs -q {disk} && mkdir -p /v && mount {disk} /v && echo the-bytes > /v/f && sync");
    site.inside("a", &write);
    // Attached twice: a conflict at once, and nothing changes.
    site.exits(4, &["volume", "attach", "v", "b"]);
    // A guest that uses it keeps it: the tenant is told, the volume is in use again.
    let said = site.exits(6, &["volume", "detach", "v"]);
    assert!(said.contains("GUEST_BUSY") && said.contains("unmount"), "{said}");
    assert_eq!(site.json(&["volume", "get", "v"])["state"], "IN_USE");
    assert_eq!(site.inside("a", "cat /v/f"), "the-bytes", "and it works on");
    site.inside("a", "umount /v");
    site.ok(&["volume", "detach", "v"]);
    site.ok(&["volume", "attach", "v", "b"]);
    let disk = site.disk("b", "v");
    let read = site.inside("b", &format!("mkdir -p /v && mount {disk} /v && cat /v/f; umount /v"));
    assert_eq!(read, "the-bytes");
    site.is_well();
    site.ok(&["server", "delete", "a"]);
    site.ok(&["server", "delete", "b"]);
    site.ok(&["volume", "delete", "v"]);
    site.is_well();
    site.is_empty();
}

#[test]
fn an_outage_of_the_volumes_process_is_waited_out_and_loses_nothing() {
    let Some(site) = Site::start("an_outage_of_the_volumes_process_is_waited_out_and_loses_nothing") else {
        return;
    };
    site.server("a", "h1", &[]);
    site.ok(&["volume", "create", "v", "--size-gib", "1"]);
    site.ok(&["volume", "attach", "v", "a"]);
    let disk = site.disk("a", "v");
    site.inside("a", &format!("mke2fs -q {disk} && mkdir -p /v && mount {disk} /v"));
    // The volume's process dies under writes; its agent serves it again at the same port.
    let serving = Site::processes(&["qemu-storage-daemon", &site.run("s1").display().to_string()]);
    assert_eq!(serving.len(), 2, "the root and the volume");
    site.inside("a", "(for n in $(seq 1 40); do dd if=/dev/zero of=/v/$n bs=64k count=4 conv=fsync 2>/dev/null; echo $n > /v/last; done; sync; touch /done) & true");
    serving.iter().for_each(|pid| Site::kill(*pid));
    until("the writes go on to their end", || site.inside("a", "ls /done 2>&1; true").ends_with("/done"));
    let seen = site.inside("a", "cat /v/last; ls /v | grep -c '^[0-9]'; dmesg | grep -c 'I/O error'; true");
    assert_eq!(
        seen.split_whitespace().collect::<Vec<_>>(),
        ["40", "40", "0"],
        "nothing was lost, and no error seen"
    );
    let now = Site::processes(&["qemu-storage-daemon", &site.run("s1").display().to_string()]);
    assert_eq!((now.len(), now.intersection(&serving).count()), (2, 0));
    site.is_well();

    // Its bytes are away for longer than a guest waits: the guest is paused, and goes on when they are back.
    let uid = site.json(&["volume", "get", "v"])["uid"].as_str().unwrap().to_owned();
    let bytes = bytes_of(&site, &uid);
    let away = bytes.with_extension("away");
    std::fs::rename(&bytes, &away).unwrap();
    Site::processes(&["qemu-storage-daemon", &uid]).iter().for_each(|pid| Site::kill(*pid));
    site.inside("a", "(echo late > /v/late; sync; touch /late) & true");
    until("the guest is paused", || site.logs().contains("a volume failed and the guest is paused"));
    std::fs::rename(&away, &bytes).unwrap();
    until("the write is done", || site.inside("a", "ls /late 2>&1; true").ends_with("/late"));
    let seen = site.inside("a", "cat /v/late; dmesg | grep -c 'I/O error'; true");
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["late", "0"], "it never knew");
    site.is_well();
    site.inside("a", "umount /v");
    site.ok(&["server", "delete", "a"]);
    site.ok(&["volume", "delete", "v"]);
    site.is_empty();
}

/// The file with a volume's bytes.
fn bytes_of(site: &Site, uid: &str) -> std::path::PathBuf {
    let find =
        std::process::Command::new("find").arg(site.home()).args(["-name", &format!("{uid}.qcow2")]).output();
    String::from_utf8(find.unwrap().stdout).unwrap().trim().into()
}
