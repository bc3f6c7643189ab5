//! What the machine offers, read from the kernel.

use std::fs;
use std::path::Path;

use windlass_sagas::record::Capacity;

use crate::AgentError;
use crate::config::LinuxConfig;

/// What the host keeps of its memory for itself, at least, MiB.
const RESERVE_MIB: u64 = 512;

/// What is offered: what is configured, else what the machine has. `pool` is where volumes are kept.
pub(super) fn capacity(config: &LinuxConfig, pool: Option<&Path>) -> Result<Capacity, AgentError> {
    let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let vcpus = config.vcpus.unwrap_or_else(processors);
    let ram_mib = match config.ram_mib {
        Some(mib) => mib,
        None => memory_mib().map(|mib| mib.saturating_sub(RESERVE_MIB.max(mib / 16)))?,
    };
    let disk_gib = pool.map(disk_gib).transpose()?.unwrap_or(0);
    Ok(Capacity { vcpus, ram_mib, disk_gib })
}

fn memory_mib() -> Result<u64, AgentError> {
    const PATH: &str = "/proc/meminfo";
    let failed = |error| AgentError::File { path: PATH.into(), error };
    let text = fs::read_to_string(PATH).map_err(failed)?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib / 1024).ok_or_else(|| failed(std::io::Error::other("no MemTotal in it")))
}

/// The size of the file system that the directory is on: what volumes are promised in all.
fn disk_gib(pool: &Path) -> Result<u64, AgentError> {
    let stat = rustix::fs::statvfs(pool)
        .map_err(|errno| AgentError::File { path: pool.to_path_buf(), error: errno.into() })?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize) >> 30)
}
