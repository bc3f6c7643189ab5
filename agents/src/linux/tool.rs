//! Tools of the system as processes: one call, its input, a deadline; killed when nobody waits for it any more.
//!
//! Invariant: an error's text is for people; what a driver concludes rests on its next look at the host.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use windlass_sagas::record::{Refusal, RefusalCode};

use crate::driver::driver_failed;
use crate::limits::{TOOL_OUTPUT_BYTES_MAX, TOOL_TIME_MAX};

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct Tool {
    program: OsString,
    arguments: Vec<OsString>,
    input: Vec<u8>,
    time_max: Duration,
    user: Option<(u32, u32)>,
}

/// How a tool ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether its status was 0.
    pub(crate) success: bool,
    /// What it printed.
    pub(crate) out: Vec<u8>,
    /// What it complained of, one line.
    pub(crate) complaint: String,
}

impl Tool {
    /// A call of this program, found on the PATH.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().to_owned();
        Self { program, arguments: Vec::new(), input: Vec::new(), time_max: TOOL_TIME_MAX, user: None }
    }

    /// One argument more.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// These arguments more.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// What it reads.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// How long it may take.
    pub(crate) const fn within(mut self, time_max: Duration) -> Self {
        self.time_max = time_max;
        self
    }

    /// As whom it runs: user and group.
    pub(crate) const fn user(mut self, ids: (u32, u32)) -> Self {
        self.user = Some(ids);
        self
    }

    /// Runs it to its end, whatever its status.
    ///
    /// # Errors
    /// Where it can't be started, or takes longer than it may; then it is killed.
    pub(crate) async fn run(self) -> Result<Ended, Refusal> {
        let name = self.program.to_string_lossy().into_owned();
        let time_max = self.time_max;
        let ended = tokio::time::timeout(time_max, self.until_end()).await;
        let ended = ended.map_err(|_| driver_failed(&format!("{name} took longer than {time_max:?}")))?;
        ended.map_err(|error| {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "it is not installed on this host".to_owned(),
                _ => error.to_string(),
            };
            driver_failed(&format!("{name}: {why}"))
        })
    }

    /// Runs it, and demands the status 0.
    ///
    /// # Errors
    /// As `run`, and where it complains.
    pub(crate) async fn succeed(self) -> Result<Vec<u8>, Refusal> {
        let name = self.program.to_string_lossy().into_owned();
        let ended = self.run().await?;
        if ended.success { Ok(ended.out) } else { Err(complained(&name, &ended.complaint)) }
    }

    async fn until_end(self) -> std::io::Result<Ended> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).kill_on_drop(true);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take();
        let input = self.input;
        let feed = async move {
            if let Some(pipe) = &mut stdin {
                // A tool that reads no more says why by its status.
                pipe.write_all(&input).await.ok();
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let mut output = output?;
        output.stdout.truncate(TOOL_OUTPUT_BYTES_MAX);
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
        let complaint = complaint.take(4).collect::<Vec<_>>().join("; ");
        Ok(Ended { success: output.status.success(), out: output.stdout, complaint })
    }
}

/// What a tool's complaint means for a caller: a full disk is told apart, all else is the driver's failure.
pub(crate) fn complained(name: &str, complaint: &str) -> Refusal {
    let message = format!("{name}: {}", if complaint.is_empty() { "it failed" } else { complaint });
    if complaint.contains("No space left on device") {
        return Refusal { code: RefusalCode::DiskFull, retryable: true, message };
    }
    driver_failed(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tool_reads_prints_complains_and_is_killed_at_its_deadline() {
        let echoed = Tool::new("cat").input("hello").succeed().await.unwrap();
        assert_eq!(echoed, b"hello");
        let refused =
            Tool::new("sh").args(["-c", "echo no such thing >&2; exit 3"]).succeed().await.unwrap_err();
        assert!(refused.message.contains("no such thing"), "{refused:?}");
        let full = Tool::new("sh").args(["-c", "echo No space left on device >&2; exit 1"]).succeed().await;
        assert_eq!(full.unwrap_err().code, RefusalCode::DiskFull);
        let late = Tool::new("sleep").arg("100").within(Duration::from_millis(50)).run().await.unwrap_err();
        assert!(late.message.contains("longer"), "{late:?}");
        let absent = Tool::new("windlass-no-such-tool").run().await.unwrap_err();
        assert!(absent.message.contains("not installed"), "{absent:?}");
    }
}
