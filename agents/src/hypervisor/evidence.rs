//! Evidence from inside that a guest runs: its agent's first line over virtio-serial, or the lease of its first port.
//! And what that agent says about a volume that is to be unplugged.
//!
//! The line protocol of `io.windlass.agent`, one line of text each: the guest says `hello …` whenever it finds somebody
//! at the other end; asked `uses SERIAL`, it answers `uses SERIAL yes` or `uses SERIAL no`.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use windlass_sagas::record::{Evidence, Refusal, RefusalCode};

use super::guest::{Guest, Standing};
use crate::limits::{AGENT_ANSWER_MAX, AGENT_BYTES_MAX, AGENT_HELLO_MAX, LOOK_AGAIN};
use crate::linux::Run;
use crate::network;

/// Waits for the evidence; refused where none comes in time, or the guest ends before it.
pub(super) async fn wait(
    guest: &Guest,
    run: &Run,
    evidence: Evidence,
    time_max: Duration,
) -> Result<(), Refusal> {
    let seen = timeout(time_max, async {
        loop {
            if is_there(guest, run, evidence).await? {
                return Ok(());
            }
            if guest.process().is_none() {
                return Err(none("the guest ended", true));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
    seen.await
        .unwrap_or_else(|_| Err(none(&format!("no {} from the guest in {time_max:?}", name(evidence)), true)))
}

/// Looks once.
pub(super) async fn is_there(guest: &Guest, run: &Run, evidence: Evidence) -> Result<bool, Refusal> {
    match evidence {
        Evidence::Runs => match guest.standing().await? {
            Standing::Runs(_, status) => Ok(status == "running"),
            Standing::Absent | Standing::Named => Ok(false),
        },
        Evidence::Hello => Ok(hello(&guest.at("agent")).await),
        Evidence::Lease => {
            let Some(record) = guest.record()? else { return Ok(false) };
            match record.ports.first() {
                Some(port) => network::leased_since(run, *port, record.made_us / 1_000_000).await,
                None => Err(none("the guest has no port, and its image declares a lease as evidence", false)),
            }
        }
    }
}

async fn hello(socket: &Path) -> bool {
    let listening = async {
        let stream = UnixStream::connect(socket).await.ok()?;
        let mut lines = BufReader::new(stream.take(AGENT_BYTES_MAX)).lines();
        lines.next_line().await.ok()?
    };
    let line = timeout(AGENT_HELLO_MAX, listening).await.ok().flatten();
    line.is_some_and(|line| line.trim_start().starts_with("hello"))
}

/// Whether the guest says that it uses the volume; `None` where it has no agent that answers.
pub(super) async fn uses(socket: &Path, serial: &str) -> Option<bool> {
    let asking = async {
        let (reading, mut writing) = UnixStream::connect(socket).await.ok()?.into_split();
        let mut lines = BufReader::new(reading.take(AGENT_BYTES_MAX)).lines();
        // What is said before the guest has found us is lost: its hello comes first.
        lines.next_line().await.ok()?;
        writing.write_all(format!("uses {serial}\n").as_bytes()).await.ok()?;
        while let Some(line) = lines.next_line().await.ok()? {
            if let Some(answer) = line.trim().strip_prefix(&format!("uses {serial} ")) {
                return Some(answer == "yes");
            }
        }
        None
    };
    timeout(AGENT_ANSWER_MAX, asking).await.ok().flatten()
}

fn none(message: &str, retryable: bool) -> Refusal {
    Refusal { code: RefusalCode::NoEvidence, retryable, message: message.into() }
}

const fn name(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Hello => "hello",
        Evidence::Lease => "lease",
        Evidence::Runs => "sign of running",
    }
}
