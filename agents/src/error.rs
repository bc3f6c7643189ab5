//! Why an agent does not start, can't join, or ends although nobody told it to.

use std::path::PathBuf;

use windlass_sagas::record::Role;

/// What went wrong; the message names what is at fault, and where it can what would help.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A configuration, plan of faults or identity file does not say what it should; the message names the line.
    #[error("{path}: {message}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and in which line.
        message: String,
    },
    /// The settings don't fit together, or one is missing.
    #[error("{0}")]
    Setting(String),
    /// A file can't be read or written.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Another process has the directory.
    #[error("{directory} is in use by another agent{}", holder(*.pid))]
    Held {
        /// The directory.
        directory: PathBuf,
        /// That process, if it can be read.
        pid: Option<u32>,
    },
    /// The machine is no host yet.
    #[error("{0} holds no identity: join the cell with `windlass agent join`")]
    NoIdentity(PathBuf),
    /// The machine is a host already, and can show it.
    #[error("{0} holds the identity of a host already, whose certificate is good and renews itself")]
    Joined(PathBuf),
    /// The machine was a host, and no longer knows which.
    #[error("{0} holds the ledgers of a host that this machine was: wipe the machine before it joins anew")]
    NotWiped(PathBuf),
    /// The certificate is not good, or not for what is asked.
    #[error("certificate: {0}")]
    Certificate(String),
    /// A ledger's files can't be read by this build.
    #[error(
        "the {role:?} ledger in {directory} can't be read: {message}; if it is lost, move the directory away"
    )]
    Ledger {
        /// Whose.
        role: Role,
        /// Where.
        directory: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The simulated world can't be read.
    #[error("the simulated world in {path} can't be read: {message}")]
    World {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// An orchestrator refused, or none was reached.
    #[error("the orchestrator {address}: {message}")]
    Orchestrator {
        /// Which.
        address: String,
        /// What it said.
        message: String,
    },
    /// A thread of the agent ended although it must not.
    #[error("the thread {0} ended")]
    Thread(&'static str),
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
