//! A small data centre on one machine: a network namespace a host, and a switch between them, which this machine reaches
//! by one link of its own.
//!
//! Invariant: every name begins with the site's own tag; only what bears it is ever made, entered or removed.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// How long one call of `ip` may take.
const IP_TIME_MAX: Duration = Duration::from_secs(20);
/// How often processes are looked for until none is left, and the pause between.
const LOOKS_MAX: u32 = 400;
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// The link of every host to the switch, inside its namespace.
const UPLINK: &str = "underlay";

/// The site: what it is called decides what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Site {
    /// Four digits, from the state directory.
    tag: String,
    /// The hosts, in their order.
    hosts: Vec<String>,
}

impl Site {
    /// The site of a state directory.
    pub(crate) fn new(state: &Path, hosts: Vec<String>) -> Self {
        // FNV-1a (Fowler, Noll, Vo), folded: other directories are other sites.
        let hash = state
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        Self { tag: format!("{:04x}", (hash >> 16) ^ (hash & 0xffff)), hosts }
    }

    /// The namespace of a host.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("windlass-{}-{host}", self.tag)
    }

    /// The link by which this machine is on the switch.
    fn uplink(&self) -> String {
        format!("wl{}", self.tag)
    }

    /// Addresses from the block for tests of devices (RFC 2544), a /24 of the site's own.
    fn address(&self, last: u8) -> Ipv4Addr {
        let number = u16::from_str_radix(&self.tag, 16).unwrap_or(0);
        let [_, third] = number.to_be_bytes();
        Ipv4Addr::new(198, 18 + u8::from(number & 0x100 != 0), third, last)
    }

    /// Where hosts reach this machine.
    pub(crate) fn here(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// Where a host is reached.
    pub(crate) fn host(&self, host: &str) -> Ipv4Addr {
        let place = self.hosts.iter().position(|other| other == host).unwrap_or(0);
        self.address(u8::try_from(place).unwrap_or(0).saturating_add(11))
    }

    /// Every namespace of the site that exists.
    fn namespaces(&self) -> BTreeSet<String> {
        let prefix = format!("windlass-{}-", self.tag);
        let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|it| it.starts_with(&prefix))
            .collect()
    }

    /// Makes it, where nothing of it is there.
    pub(crate) async fn make(&self) -> anyhow::Result<()> {
        let switch = self.namespace("switch");
        for namespace in self.hosts.iter().map(|host| self.namespace(host)).chain([switch.clone()]) {
            ip(&["netns", "add", &namespace]).await?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"]).await?;
        }
        ip(&["-n", &switch, "link", "add", "name", "switch", "type", "bridge", "stp_state", "0"]).await?;
        ip(&["-n", &switch, "link", "set", "switch", "up"]).await?;
        let uplink = self.uplink();
        ip(&["link", "add", "name", &uplink, "type", "veth", "peer", "name", "here", "netns", &switch])
            .await?;
        ip(&["-n", &switch, "link", "set", "here", "master", "switch", "up"]).await?;
        ip(&["address", "add", &format!("{}/24", self.here()), "dev", &uplink]).await?;
        ip(&["link", "set", &uplink, "up"]).await?;
        for host in &self.hosts {
            let (namespace, address) = (self.namespace(host), self.host(host));
            ip(&[
                "-n", &namespace, "link", "add", "name", UPLINK, "type", "veth", "peer", "name", host,
                "netns", &switch,
            ])
            .await?;
            ip(&["-n", &switch, "link", "set", host, "master", "switch", "up"]).await?;
            ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", UPLINK]).await?;
            ip(&["-n", &namespace, "link", "set", UPLINK, "up"]).await?;
            // Without it small writes to a volume wait for each other's late acknowledgements.
            let subnet = format!("{}/24", self.address(0));
            let source = address.to_string();
            ip(&[
                "-n", &namespace, "route", "replace", &subnet, "dev", UPLINK, "src", &source, "quickack", "1",
            ])
            .await?;
        }
        Ok(())
    }

    /// Removes whatever of it is there: first every process that lives in it, then the namespaces with all their links.
    pub(crate) async fn remove(&self) -> anyhow::Result<()> {
        let namespaces = self.namespaces();
        let inodes: BTreeSet<u64> = namespaces
            .iter()
            .filter_map(|name| Some(std::fs::metadata(Path::new("/run/netns").join(name)).ok()?.ino()))
            .collect();
        for _ in 0..LOOKS_MAX {
            let living = living_in(&inodes);
            if living.is_empty() {
                break;
            }
            for pid in living {
                // One that ended meanwhile is as good as one that is killed.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        anyhow::ensure!(living_in(&inodes).is_empty(), "processes of the site don't end");
        for namespace in namespaces {
            ip(&["netns", "delete", &namespace]).await?;
        }
        let uplink = self.uplink();
        for _ in 0..LOOKS_MAX {
            // It goes with its other end, in its own time.
            if !Path::new("/sys/class/net").join(&uplink).exists() {
                return Ok(());
            }
            ip(&["link", "delete", &uplink]).await.ok();
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        anyhow::bail!("the link {uplink} does not go")
    }
}

/// Every process whose network namespace is one of these.
fn living_in(inodes: &BTreeSet<u64>) -> Vec<rustix::process::Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let inside = numbers.filter(|number| {
        let namespace = std::fs::metadata(format!("/proc/{number}/ns/net"));
        namespace.is_ok_and(|namespace| inodes.contains(&namespace.ino()))
    });
    inside.filter_map(rustix::process::Pid::from_raw).collect()
}

/// Runs `ip`, and demands its success.
async fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(IP_TIME_MAX, command.output()).await;
    let output = ended.context("ip does not end")?.context("ip can't be started: install iproute2")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), complaint.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_site_of_its_own_with_names_that_fit() {
        let hosts = || vec!["s1".to_owned(), "h1".to_owned()];
        let (one, other) = (Site::new(Path::new("/a"), hosts()), Site::new(Path::new("/b"), hosts()));
        assert_ne!(one, other);
        assert_eq!(one, Site::new(Path::new("/a"), hosts()));
        assert!(one.uplink().len() <= 15);
        assert_ne!(one.host("s1"), one.host("h1"));
        assert_ne!(one.host("s1"), one.here());
    }

    #[test]
    fn nobody_lives_in_a_namespace_that_is_not_there() {
        assert!(living_in(&BTreeSet::from([0])).is_empty());
    }
}
