//! Boots that can't work roll back to nothing, and say what would help.

use crate::site::Site;

fn rolls_back(site: &Site, image: &str, words: &[&str]) {
    let create = ["server", "create", "x", "--flavor", "small", "--image", image, "--network", "net"];
    let said = site.exits(6, &create);
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    site.ok(&["server", "delete", "x"]);
    site.is_well();
    site.is_empty();
}

#[test]
fn a_boot_that_cannot_work_rolls_back_to_nothing() {
    let Some(site) = Site::start("a_boot_that_cannot_work_rolls_back_to_nothing") else { return };
    // No such kernel: it was registered, and never uploaded.
    let absent = "00".repeat(32);
    for (name, sha256) in [("no-kernel", absent.as_str()), ("no-root", absent.as_str())] {
        let create = ["image", "create", name, "--sha256", sha256, "--size-bytes", "1000", "--format", "raw"];
        site.ok(&create);
    }
    rolls_back(&site, "no-root", &["reserve_volume", "BAD_IMAGE", "upload"]);
    let root = site.home().join("guest").join("root");
    site.ok(&["image", "create", "bootless", "--file", root.to_str().unwrap(), "--format", "raw"]);
    site.ok(&["image", "set-boot", "bootless", "--kernel", "no-kernel"]);
    rolls_back(&site, "bootless", &["boot_vm", "BAD_IMAGE", "upload"]);

    // A kernel that is none: QEMU refuses it, or the guest gives no evidence.
    let text = site.home().join("text");
    std::fs::write(&text, "this is no kernel").unwrap();
    site.ok(&["image", "create", "text", "--file", text.to_str().unwrap(), "--format", "raw"]);
    let root = root.to_str().unwrap();
    site.ok(&["image", "create", "bad-kernel", "--file", root, "--format", "raw", "--min-disk-gib", "1"]);
    site.ok(&["image", "set-boot", "bad-kernel", "--kernel", "text"]);
    rolls_back(&site, "bad-kernel", &["boot_vm"]);

    // The disk is too small: the image says more than its header's bytes can hold.
    let large = site.home().join("large.qcow2");
    let made = std::process::Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&large)
        .arg("3G")
        .status();
    assert!(made.unwrap().success());
    let large = large.to_str().unwrap();
    site.ok(&["image", "create", "large", "--file", large, "--format", "qcow2", "--min-disk-gib", "1"]);
    rolls_back(&site, "large", &["reserve_volume", "NO_ROOM"]);

    // A port that somebody else listens at is passed over, and nothing of his is touched.
    let mut taken = site.start_on("s1", &["busybox", "nc", "-ll", "-p", "10809", "-e", "cat"]);
    site.server("x", "h1", &[]);
    assert!(taken.try_wait().unwrap().is_none(), "the other one still listens");
    site.ok(&["server", "delete", "x"]);
    taken.kill().unwrap();
    taken.wait().unwrap();
    site.is_empty();
}
