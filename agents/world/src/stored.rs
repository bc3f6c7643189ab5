//! A world as bytes, so that the `sim` driver finds its volumes, ports and guests again after a kill.

use alloc::vec::Vec;

use crate::world::World;

const VERSION: u8 = 3;
const BEFORE: u8 = 2;

/// The bytes are not a world that this build can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored world of this build")]
pub struct NotAWorld;

impl World {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, alloc::vec![VERSION]).unwrap_or_default()
    }

    /// Reads bytes that `encode` wrote, or that of the version before; total, and every byte must be used.
    ///
    /// # Errors
    /// Where they are not a world of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAWorld> {
        let read = |body: &[u8]| match postcard::take_from_bytes(body) {
            Ok((world, [])) => Ok(world),
            Ok(_) | Err(_) => Err(NotAWorld),
        };
        match bytes.split_first() {
            Some((&VERSION, body)) => read(body),
            // It ended before who booted what: of nobody.
            Some((&BEFORE, body)) => read(&[body, &[0]].concat()),
            Some(_) | None => Err(NotAWorld),
        }
    }
}
