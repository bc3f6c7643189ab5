//! Switches of the kernel that the rules rest on, in the agent's own network namespace.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use windlass_sagas::record::Refusal;

use super::record::file_failed;
use crate::driver::driver_failed;

const BRIDGED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Lets security rules see what bridges forward, and looks whether they do. Without it every packet would pass.
pub(super) fn see_bridged() -> Result<(), Refusal> {
    let path = Path::new(BRIDGED);
    match fs::read_to_string(path) {
        Ok(word) if word.trim() == "1" => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(driver_failed(&format!(
                "security rules would see no packet: {BRIDGED} is missing; load the kernel's module \
                 (modprobe br_netfilter), at each start of the host"
            )));
        }
        Err(error) => return Err(file_failed(path, &error)),
    }
    fs::write(path, "1").map_err(|error| file_failed(path, &error))?;
    match fs::read_to_string(path) {
        Ok(word) if word.trim() == "1" => Ok(()),
        Ok(_) => Err(driver_failed(&format!("security rules would see no packet: {BRIDGED} stays 0"))),
        Err(error) => Err(file_failed(path, &error)),
    }
}

/// Whether the link speaks no IPv6 of its own: the host has no business in a guest's network.
pub(super) fn is_quiet(link: &str) -> Result<bool, Refusal> {
    match fs::read_to_string(quiet(link)) {
        Ok(word) => Ok(word.trim() == "1"),
        // A kernel without IPv6.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(file_failed(&quiet(link), &error)),
    }
}

/// Keeps the link from speaking IPv6.
pub(super) fn make_quiet(link: &str) -> Result<(), Refusal> {
    if is_quiet(link)? {
        return Ok(());
    }
    fs::write(quiet(link), "1").map_err(|error| file_failed(&quiet(link), &error))
}

fn quiet(link: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv6/conf").join(link).join("disable_ipv6")
}
