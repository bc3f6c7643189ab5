//! What makes a server ACTIVE: a hello from inside, a lease, or only that it runs; and what the guest is told.

use crate::site::Site;

#[test]
fn each_kind_of_evidence_makes_a_server_active_and_user_data_runs_inside() {
    let Some(site) = Site::start("each_kind_of_evidence_makes_a_server_active_and_user_data_runs_inside")
    else {
        return;
    };
    let root = site.home().join("guest").join("root");
    let script = site.home().join("script");
    std::fs::write(&script, "#!/bin/sh\necho user-data-says-$((6*7))\n").unwrap();
    for evidence in ["lease", "runs"] {
        let create = ["image", "create", evidence, "--file", root.to_str().unwrap(), "--format", "raw"];
        site.ok(&[&create[..], &["--evidence", evidence]].concat());
        let boot = ["image", "set-boot", evidence, "--kernel", "guest-kernel", "--initrd", "guest-initrd"];
        site.ok(&[&boot[..], &["--cmdline", "console=ttyS0 quiet panic=-1 nokaslr mitigations=off"]].concat());
        let server =
            ["server", "create", evidence, "--flavor", "small", "--image", evidence, "--network", "net"];
        site.ok(
            &[&server[..], &["--user-data", script.to_str().unwrap(), "--metadata", "role=front"]].concat()
        );
    }
    crate::site::until("the script has run", || {
        ["lease", "runs"]
            .iter()
            .all(|server| site.ok(&["server", "console", server]).contains("user-data-says-42"))
    });
    let told = site.inside("lease", "cat /seed/meta-data");
    assert!(told.contains("\"role\":\"front\"") && told.contains("\"local-hostname\":\"lease\""), "{told}");
    assert_ne!(site.inside("lease", "pidof udhcpc"), "", "its client renews the lease");
    site.is_well();
    for server in ["lease", "runs"] {
        site.ok(&["server", "delete", server]);
    }
    site.is_empty();
}
