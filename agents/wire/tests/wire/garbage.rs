//! Bytes that the other side should not have sent: they are refused or read as something, and nothing panics.

use prost::Message;
use windlass_agent_wire::{Collector, decode_down, decode_up, encode_down, encode_up};
use windlass_proto::agent::v1::{AgentMessage, OrchestratorMessage};
use windlass_sagas::protocol::Up;

use crate::samples::*;

const ROUNDS: u32 = 10_000;

/// How many of the mutated messages each stage let pass: a test that decodes nothing tests nothing.
#[derive(Debug, Default)]
struct Passed {
    bytes: u32,
    read: u32,
}

/// Seeded draws (SplitMix64).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A draw below `bound`; 0 for a bound of 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 32).expect("32 bits") % bound.max(1)
    }
}

/// One to four mutations: a byte set or flipped; in every other message also one gone, a part doubled, a cut, or a part
/// of another message, which few messages survive.
fn mutate(draws: &mut Draws, bytes: &mut Vec<u8>, other: &[u8]) {
    let kinds = [2, 6][draws.below(2)];
    for _ in 0..=draws.below(4) {
        let at = draws.below(bytes.len());
        match draws.below(kinds) {
            0 if !bytes.is_empty() => bytes[at] = draws.next().to_le_bytes()[0],
            1 if !bytes.is_empty() => bytes[at] ^= 1 << draws.below(8),
            2 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            3 => bytes.truncate(at),
            4 => {
                let until = (at + draws.below(24)).min(bytes.len());
                let part = bytes[at.min(until)..until].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let from = draws.below(other.len());
                let until = (from + draws.below(24)).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
        }
    }
}

/// Gives `take` ten thousand mutations of these messages.
fn mutated(seed: u64, samples: &[Vec<u8>], mut take: impl FnMut(&[u8])) {
    let mut draws = Draws(seed);
    for _ in 0..ROUNDS {
        let mut bytes = samples[draws.below(samples.len())].clone();
        let other = &samples[draws.below(samples.len())];
        mutate(&mut draws, &mut bytes, other);
        take(&bytes);
    }
}

#[test]
fn nothing_from_an_orchestrator_panics_an_agent() {
    let samples: Vec<Vec<u8>> = downs().iter().map(|down| encode_down(down).encode_to_vec()).collect();
    let mut passed = Passed::default();
    mutated(1, &samples, |bytes| {
        let Ok(message) = OrchestratorMessage::decode(bytes) else { return };
        passed.bytes += 1;
        // What is read is whole: it can be written again, and reads back as itself.
        if let Ok(Some(down)) = decode_down(HOST, &message) {
            passed.read += 1;
            assert_eq!(decode_down(HOST, &encode_down(&down)), Ok(Some(down)));
        }
    });
    assert!(passed.bytes > ROUNDS / 10 && passed.read > ROUNDS / 100, "{passed:?}");
}

#[test]
fn nothing_from_an_agent_panics_an_orchestrator() {
    let all = ups().into_iter().chain([Up::Inventory(inventory(700))]);
    let samples: Vec<Vec<u8>> =
        all.flat_map(|up| encode_up(CELL, "test", &up)).map(|message| message.encode_to_vec()).collect();
    let (mut passed, mut collector) = (Passed::default(), Collector::default());
    mutated(2, &samples, |bytes| {
        let Ok(message) = AgentMessage::decode(bytes) else { return };
        passed.bytes += 1;
        if let Ok(Some(up)) = decode_up(HOST, &mut collector, &message) {
            passed.read += 1;
            for message in encode_up(CELL, "test", &up) {
                assert!(decode_up(HOST, &mut Collector::default(), &message).is_ok() || is_page(&up));
            }
        }
    });
    assert!(passed.bytes > ROUNDS / 10 && passed.read > ROUNDS / 100, "{passed:?}");
}

/// Later pages of an inventory don't stand alone.
const fn is_page(up: &Up) -> bool {
    matches!(up, Up::Inventory(_))
}
