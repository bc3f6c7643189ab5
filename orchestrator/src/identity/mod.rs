//! Who is who between processes: the cell's certificate authority, the certificates that it gives, and the secrets
//! that are shown once and kept as hashes. Nothing here decides what anybody may do: roles are in the fold.

mod ca;
mod cell;
mod own;
mod secret;

pub use ca::{Authority, Issued, host_identity};
pub use cell::{CellIdentity, Initialised, init};
pub use own::Own;
pub(crate) use own::address_of;
pub use secret::{Secret, random_id};

use std::path::PathBuf;

/// Why an identity can't be made, read or given.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The directory holds an identity already: a second one would make another cell of it.
    #[error("{0} holds a cell's identity already")]
    Exists(PathBuf),
    /// There is none.
    #[error("{0} is missing: this directory holds no cell; make one with `windlass init`")]
    Missing(PathBuf),
    /// A file can't be read or written.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A file does not say what it should.
    #[error("{path}: {message}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A certificate or request is not good.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
}
