//! How far a long reading of a journal is, on standard error: a live line on a terminal, a rare plain one elsewhere. A
//! short reading says nothing.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use windlass_sagas::protocol::Cursor;

use crate::limits::PROGRESS_EVERY;

/// A reading that is under way.
pub(super) struct Meter {
    what: &'static str,
    last: Cursor,
    began: Instant,
    live: bool,
    /// When it last said something.
    said: Mutex<Instant>,
}

impl Meter {
    /// Before the first frame of a journal that ends at `last`.
    pub(super) fn new(what: &'static str, last: Cursor) -> Self {
        let (began, live) = (Instant::now(), std::io::stderr().is_terminal());
        Self { what, last, began, live, said: Mutex::new(began) }
    }

    /// All up to this frame is read.
    pub(super) fn at(&self, cursor: Cursor) {
        let [live, plain] = PROGRESS_EVERY;
        let every = if self.live { live } else { plain };
        let Ok(mut said) = self.said.lock() else { return };
        if said.elapsed() >= every {
            *said = Instant::now();
            let line = line(self.what, cursor, self.last, self.began.elapsed());
            let (before, behind) = if self.live { ("\r\x1b[2K", "") } else { ("", "\n") };
            let mut out = std::io::stderr().lock();
            write!(out, "{before}{line}{behind}").and_then(|()| out.flush()).ok();
        }
    }

    /// Clears the live line.
    pub(super) fn end(&self) {
        if self.live {
            write!(std::io::stderr().lock(), "\r\x1b[2K").ok();
        }
    }
}

fn line(what: &str, at: Cursor, last: Cursor, elapsed: Duration) -> String {
    let percent = at.0.saturating_mul(100).checked_div(last.0).unwrap_or_default().min(100);
    let left = last.0.saturating_sub(at.0);
    let to_go = elapsed.as_millis().saturating_mul(left.into()) / u128::from(at.0.max(1)) / 1000;
    format!("{what}: frame {} of {}, {percent} %, about {to_go} s to go", at.0, last.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_was_read() {
        let line = |at, last| line("reading", Cursor(at), Cursor(last), Duration::from_secs(3));
        assert_eq!(line(250, 1000), "reading: frame 250 of 1000, 25 %, about 9 s to go");
        assert_eq!(line(0, 0), "reading: frame 0 of 0, 0 %, about 0 s to go");
    }
}
