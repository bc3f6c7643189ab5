//! The one place where an agent takes randomness: new incarnations, and the jitter of pauses.

use std::time::Duration;

use crate::AgentError;

/// Sixteen random bytes, as an id that reads as a UUID of version 4 (RFC 9562).
///
/// # Errors
/// Where the operating system gives no randomness.
pub(crate) fn id() -> Result<[u8; 16], AgentError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| AgentError::Randomness)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(bytes)
}

/// The pause and a random part of up to as much again. Without randomness, the pause alone.
pub(crate) fn jitter(pause: Duration) -> Duration {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => pause + pause * u32::from(u16::from_le_bytes(bytes)) / u32::from(u16::MAX),
        Err(_) => pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_adds_up_to_as_much_again() {
        let pause = Duration::from_millis(100);
        let pauses: Vec<Duration> = (0..200).map(|_| jitter(pause)).collect();
        assert!(pauses.iter().all(|it| (pause..=2 * pause).contains(it)));
        assert!(pauses.iter().any(|it| *it != pauses[0]));
    }
}
