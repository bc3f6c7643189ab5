//! The failure matrix on real drivers: server.create and volume.attach, each step struck by a crash at every place, a lost
//! reply and a second reply, forward and in its undo; afterwards nothing is left.

use crate::site::Site;

/// A step that can be struck, on its host, with the small changes that it makes and that its undo makes.
struct Struck {
    step: &'static str,
    host: &'static str,
    forward: u32,
    undo: u32,
}

const CREATE: [Struck; 3] = [
    Struck { step: "reserve_volume", host: "s1", forward: 3, undo: 4 },
    Struck { step: "prepare_port", host: "h1", forward: 6, undo: 6 },
    Struck { step: "boot_vm", host: "h1", forward: 2, undo: 2 },
];
const ATTACH: [Struck; 2] = [
    Struck { step: "reserve_volume", host: "s1", forward: 2, undo: 3 },
    Struck { step: "attach", host: "h1", forward: 2, undo: 2 },
];

/// Every fault of a step in one direction, as `fault arm` takes it.
fn kinds(changes: u32) -> Vec<Vec<String>> {
    let plain = ["crash-before", "crash-after", "error-after", "duplicate"];
    let mut kinds: Vec<Vec<String>> = plain.iter().map(|kind| vec![(*kind).to_owned()]).collect();
    let between =
        (1..=changes).map(|at| vec!["crash-between".to_owned(), "--after-changes".into(), at.to_string()]);
    kinds.extend(between);
    kinds
}

fn arm(site: &Site, kind: &[String], at: &Struck, direction: &str) {
    let words: Vec<&str> = kind.iter().map(String::as_str).collect();
    let place = ["--host", at.host, "--step", at.step, "--direction", direction, "--reason", "the matrix"];
    site.ok(&[&["fault", "arm"], &words[..], &place].concat());
}

/// Each armed fault has struck, once; then none is armed.
fn all_struck(site: &Site, square: &str, armed: usize) {
    let listed = site.json(&["fault", "list"]);
    let faults = listed["faults"].as_array().unwrap_or_else(|| panic!("{listed:#}"));
    let of_now = faults.iter().rev().take(armed);
    for fault in of_now {
        let strikes = fault["strikes"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        assert!(strikes >= 1, "{square}: it never struck: {fault:#}");
    }
    site.ok(&["fault", "disarm", "--all"]);
}

fn squares(site: &Site, steps: &[Struck], begin: &[&str], end: &[&[&str]], fail_at: &'static str) {
    for at in steps {
        for kind in kinds(at.forward) {
            let square = format!("{} forward {}", at.step, kind.join(" "));
            eprintln!("{square}");
            arm(site, &kind, at, "forward");
            site.ok(begin);
            all_struck(site, &square, 1);
            end.iter().for_each(|command| drop(site.ok(command)));
        }
        for kind in kinds(at.undo) {
            let square = format!("{} undo {}", at.step, kind.join(" "));
            eprintln!("{square}");
            // The change is there, and the agent says for good that it failed: the saga turns back over it.
            let fail = ["error-after".to_owned(), "--permanent".to_owned()];
            arm(site, &fail, &Struck { step: fail_at, host: "h1", forward: 0, undo: 0 }, "forward");
            arm(site, &kind, at, "undo");
            site.exits(6, begin);
            all_struck(site, &square, 2);
            if begin.contains(&"create") {
                end.iter().for_each(|command| drop(site.ok(command)));
            }
        }
    }
}

/// An image whose guests are taken for running at once: what is struck here is not how they boot.
fn quick_image(site: &Site) {
    let root = site.home().join("guest").join("root");
    site.ok(&[
        "image",
        "create",
        "quick",
        "--file",
        root.to_str().unwrap(),
        "--format",
        "raw",
        "--evidence",
        "runs",
    ]);
    let boot = ["image", "set-boot", "quick", "--kernel", "guest-kernel", "--initrd", "guest-initrd"];
    site.ok(&[&boot[..], &["--cmdline", "console=ttyS0 quiet"]].concat());
}

#[test]
fn every_square_of_server_create_leaves_nothing() {
    let Some(site) = Site::start("every_square_of_server_create_leaves_nothing") else { return };
    quick_image(&site);
    let create = ["server", "create", "x", "--flavor", "small", "--image", "quick", "--network", "net"];
    let create = [&create[..], &["--on-host", "h1"]].concat();
    squares(&site, &CREATE, &create, &[&["server", "delete", "x"]], "boot_vm");
    site.is_well();
    site.is_empty();
}

#[test]
fn every_square_of_volume_attach_leaves_nothing() {
    let Some(site) = Site::start("every_square_of_volume_attach_leaves_nothing") else { return };
    site.server("a", "h1", &[]);
    site.ok(&["volume", "create", "v", "--size-gib", "1"]);
    squares(&site, &ATTACH, &["volume", "attach", "v", "a"], &[&["volume", "detach", "v"]], "attach");
    site.is_well();
    site.ok(&["server", "delete", "a"]);
    site.ok(&["volume", "delete", "v"]);
    site.is_well();
    site.is_empty();
}
