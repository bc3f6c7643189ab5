//! Replay against generated journals, damaged and whole.

mod capture;
mod capture_damage;
mod check;
mod file;
mod fold;
mod golden;
mod source;
#[path = "../../store/tests/support/mod.rs"]
mod support;
mod timeline;
mod verify;

use windlass_journal::memory::Settings;
use windlass_journal::{Append, Frame, Memory};
use windlass_sagas::protocol::Cursor;

/// Runs a future to its end.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

/// A journal that holds these frames.
fn journal(frames: &[Vec<u8>]) -> Memory {
    let mut journal = Memory::new(Settings::default());
    for (index, frame) in frames.iter().enumerate() {
        let frame = Frame::new(frame.clone()).expect("a frame within its bounds");
        wait(journal.append(Cursor(index as u64), frame)).expect("appended");
    }
    journal
}
