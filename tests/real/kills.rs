//! Kills in the middle of things: agents while a guest boots and a volume is attached, and the whole command.

use std::process::{Command, Stdio};

use crate::site::{Site, until};

#[test]
fn an_agent_killed_in_the_middle_finishes_what_it_finds_and_guests_run_on() {
    let Some(site) = Site::start("an_agent_killed_in_the_middle_finishes_what_it_finds_and_guests_run_on")
    else {
        return;
    };
    // In the middle of a boot: once the guest's process is there.
    let mut creating = Command::new(env!("CARGO_BIN_EXE_windlass"))
        .args(["server", "create", "a", "--flavor", "small", "--image", "guest", "--network", "net"])
        .args(["--on-host", "h1"])
        .env("WINDLASS_CONTEXT", site.home().join("context.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let guests = site.run("h1").join("guests").display().to_string();
    until("the guest's process is there", || !Site::processes(&["qemu-system-x86_64", &guests]).is_empty());
    site.kill_agent("h1");
    assert!(creating.wait().unwrap().success(), "{}", site.logs());
    let guest = Site::processes(&["qemu-system-x86_64", &guests]);
    assert_eq!(guest.len(), 1, "one guest, and not a second one");

    // With the guest running on.
    let boots = site.inside("a", "cat /disk/boots");
    site.kill_agent("h1");
    site.kill_agent("s1");
    site.is_well();
    assert_eq!(Site::processes(&["qemu-system-x86_64", &guests]), guest, "the same process");
    assert_eq!(site.inside("a", "cat /disk/boots"), boots, "the same start");

    // In the middle of an attach, on both sides: killed at each of its small changes.
    site.ok(&["volume", "create", "v", "--size-gib", "1"]);
    for (host, step) in [("h1", "attach"), ("s1", "reserve_volume")] {
        for changes in ["1", "2"] {
            let arm =
                ["fault", "arm", "crash-between", "--host", host, "--step", step, "--after-changes", changes];
            site.ok(&[&arm[..], &["--reason", "a test"]].concat());
            site.ok(&["volume", "attach", "v", "a"]);
            assert_eq!(site.inside("a", "ls /sys/block | grep -c vd"), "3", "root, seed and the volume");
            site.ok(&["volume", "detach", "v"]);
            site.ok(&["fault", "disarm", "--all"]);
        }
    }
    site.is_well();
    site.ok(&["server", "delete", "a"]);
    site.ok(&["volume", "delete", "v"]);
    site.is_well();
    site.is_empty();
}

#[test]
fn what_the_command_made_is_gone_after_a_kill() {
    let Some(site) = Site::start("what_the_command_made_is_gone_after_a_kill") else { return };
    site.server("a", "h1", &[]);
    site.killed();
}
