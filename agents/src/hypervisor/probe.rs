//! What runs guests' instructions here: found by booting a kernel, once a start of the host. That `/dev/kvm` opens
//! proves nothing: under some hypervisors a kernel hangs or dies on it.

use std::path::{Path, PathBuf};

use crate::AgentError;
use crate::config::{Accelerator, HypervisorConfig};
use crate::limits::PROBE_TIME_MAX;
use crate::linux::{Run, Tool};

/// What a kernel without a root says last, wherever it runs.
const CAME_SO_FAR: &str = "VFS: ";

/// Whether KVM runs guests here; else they are emulated.
pub(super) async fn kvm_works(config: &HypervisorConfig, run: &Run) -> Result<bool, AgentError> {
    match config.accelerator {
        Accelerator::Tcg => Ok(false),
        Accelerator::Auto if !Path::new("/dev/kvm").exists() => {
            emulated("there is no /dev/kvm");
            Ok(false)
        }
        Accelerator::Auto => match known(run).await {
            Some(works) => Ok(works),
            None => {
                let works = booted(config).await;
                keep(run, works.is_ok());
                if let Err(why) = &works {
                    emulated(why);
                }
                Ok(works.is_ok())
            }
        },
        Accelerator::Kvm => match booted(config).await {
            Ok(()) => Ok(true),
            Err(why) => Err(AgentError::Setting(format!(
                "linux.hypervisor.accelerator is kvm, and no guest runs by it: {why}; set it to auto or tcg"
            ))),
        },
    }
}

fn emulated(why: &str) {
    tracing::warn!(why, "guests are emulated (TCG), which is many times slower than KVM");
}

fn file(run: &Run) -> PathBuf {
    run.join("accelerator")
}

async fn known(run: &Run) -> Option<bool> {
    match tokio::fs::read_to_string(file(run)).await.ok()?.trim() {
        "kvm" => Some(true),
        "tcg" => Some(false),
        _ => None,
    }
}

fn keep(run: &Run, works: bool) {
    if let Err(error) = std::fs::write(file(run), if works { "kvm\n" } else { "tcg\n" }) {
        tracing::warn!(%error, "the accelerator is looked for again at the next start");
    }
}

/// Boots a kernel without a root by KVM: it must come as far as to miss it.
async fn booted(config: &HypervisorConfig) -> Result<(), String> {
    let kernel = match &config.probe_kernel {
        Some(kernel) => kernel.clone(),
        None => Path::new("/boot")
            .join(format!("vmlinuz-{}", rustix::system::uname().release().to_string_lossy())),
    };
    if !kernel.exists() {
        return Err(format!(
            "there is no kernel {} to try it with (linux.hypervisor.probe_kernel)",
            kernel.display()
        ));
    }
    let tool = Tool::new("timeout").arg("--kill-after=1").arg(PROBE_TIME_MAX.as_secs().to_string());
    let tool = tool.args(["qemu-system-x86_64", "-M", "q35", "-accel", "kvm", "-cpu", "host", "-m", "128"]);
    let tool =
        tool.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]);
    let tool = tool.args(["-append", "console=ttyS0 panic=-1", "-kernel"]).arg(kernel);
    let ended = tool.within(PROBE_TIME_MAX * 2).run().await.map_err(|refusal| refusal.message)?;
    if String::from_utf8_lossy(&ended.out).contains(CAME_SO_FAR) {
        return Ok(());
    }
    let complaint =
        if ended.complaint.is_empty() { "it came to nothing in time".into() } else { ended.complaint };
    Err(format!("a kernel does not boot by KVM: {complaint}"))
}
