//! Guests that end by themselves: killed on their host, or powered off from inside.

use crate::site::{Site, until};

fn is_shutoff(site: &Site, server: &str) -> bool {
    site.json(&["server", "get", server])["state"] == "SHUTOFF"
}

#[test]
fn a_guest_that_ends_by_itself_is_shown_and_can_be_started_again() {
    let Some(site) = Site::start("a_guest_that_ends_by_itself_is_shown_and_can_be_started_again") else {
        return;
    };
    site.server("a", "h1", &[]);
    site.ok(&["volume", "create", "v", "--size-gib", "1"]);
    site.ok(&["volume", "attach", "v", "a"]);
    let address = site.address("a");
    let guests = site.run("h1").join("guests").display().to_string();
    let boots = |site: &Site| site.inside("a", "cat /disk/boots").parse::<u32>().unwrap();
    let first = boots(&site);

    // Its process is killed on the host.
    Site::processes(&["qemu-system-x86_64", &guests]).iter().for_each(|pid| Site::kill(*pid));
    until("the server stands still", || is_shutoff(&site, "a"));
    site.is_well();
    let history = site.ok(&["server", "history", "a"]);
    assert!(history.contains("the server has no guest"), "{history}");
    site.ok(&["server", "start", "a"]);
    assert_eq!(boots(&site), first + 1, "its own root");
    assert_eq!(site.address("a"), address);
    assert_eq!(site.inside("a", "ls /sys/block | grep -c vd"), "3", "root, seed and the volume");
    site.is_well();

    // It powers itself off while its agent is away, which finds it so.
    let agent = site.agent("h1");
    agent.iter().for_each(|pid| Site::kill(*pid));
    site.inside("a", "{ (sleep 1; poweroff -f) > /dev/null 2>&1 & }");
    until("the guest has ended", || Site::processes(&["qemu-system-x86_64", &guests]).is_empty());
    until("the server stands still", || is_shutoff(&site, "a"));

    // While it stands still its volume can be given to nobody else, and it can be deleted as it is.
    site.is_well();
    site.ok(&["server", "delete", "a"]);
    site.ok(&["volume", "delete", "v"]);
    site.is_well();
    site.is_empty();
}
