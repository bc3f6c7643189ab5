//! Network namespaces, an underlay between hosts, and waits with a bound.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What the tests run beside the driver.
const TOOLS: [&str; 6] = ["ip", "nft", "dnsmasq", "conntrack", "busybox", "qemu-system-x86_64"];

/// Network namespaces that one test made.
pub(super) struct Place {
    prefix: String,
    spaces: Vec<String>,
    pub(super) directory: tempfile::TempDir,
}

impl Place {
    /// A place, or nothing where this machine can't give one; then stderr says why.
    pub(super) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if let Err(reason) = able() {
            eprintln!("skipped: {reason}");
            return None;
        }
        remove_abandoned();
        let prefix = format!("wlq{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        run("chmod", &["0711", directory.path().to_str().unwrap()]);
        Some(Self { prefix, spaces: Vec::new(), directory })
    }

    /// A namespace more.
    pub(super) fn space(&mut self, name: &str) -> String {
        let space = format!("{}-{name}", self.prefix);
        run("ip", &["netns", "add", &space]);
        self.spaces.push(space.clone());
        run("ip", &["-n", &space, "link", "set", "lo", "up"]);
        space
    }

    /// A host's namespace on the underlay 192.0.2.0/24.
    pub(super) fn underlay(&mut self, hosts: &[&str]) -> Vec<String> {
        let switch = self.space("switch");
        run("ip", &["-n", &switch, "link", "add", "name", "switch0", "type", "bridge"]);
        run("ip", &["-n", &switch, "link", "set", "switch0", "up"]);
        let mut spaces = Vec::new();
        for (number, host) in (1..).zip(hosts) {
            let space = self.space(host);
            let port = format!("p{number}");
            run(
                "ip",
                &[
                    "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
                    &space,
                ],
            );
            run("ip", &["-n", &switch, "link", "set", &port, "master", "switch0", "up"]);
            run("ip", &["-n", &space, "addr", "add", &format!("192.0.2.{number}/24"), "dev", "eth0"]);
            run("ip", &["-n", &space, "link", "set", "eth0", "up"]);
            spaces.push(space);
        }
        spaces
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.spaces.iter().for_each(|space| remove(space));
    }
}

/// Removes a namespace. Processes that a failed test left behind are in its namespaces alone.
fn remove(space: &str) {
    let pids = Command::new("ip").args(["netns", "pids", space]).output();
    let pids = pids.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    for pid in pids.split_whitespace().filter(|pid| *pid != std::process::id().to_string()) {
        Command::new("kill").args(["-9", pid]).output().ok();
    }
    Command::new("ip").args(["netns", "del", space]).output().ok();
}

/// Removes what tests left behind that were killed: the namespaces of processes that are gone.
fn remove_abandoned() {
    for line in run("ip", &["netns", "list"]).lines() {
        let space = line.split_whitespace().next().unwrap_or_default();
        let maker = space.strip_prefix("wlq").and_then(|rest| rest.split_once('x')?.0.parse::<u32>().ok());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(space);
        }
    }
}

fn able() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("real links need root".into());
    }
    for tool in TOOLS {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!("{tool} is not installed"));
        }
    }
    Ok(())
}

/// Runs a command that must succeed.
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command in a namespace.
pub(super) fn inside(space: &str, arguments: &[&str]) -> Output {
    Command::new("ip").args(["netns", "exec", space]).args(arguments).output().unwrap()
}

/// Does this in a thread that lives in a namespace.
pub(super) fn within<T: Send>(space: &str, work: impl FnOnce() -> T + Send) -> T {
    let place = File::open(format!("/run/netns/{space}")).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// Waits until it is so, at most 20 s.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not come to this: {what}");
}
