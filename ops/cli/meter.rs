//! How far something long is, as the reading of a journal, on standard error: a live line on a terminal, a rare plain one
//! elsewhere. What is short says nothing.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::limits::PROGRESS_EVERY;

/// Something long that is under way.
pub(crate) struct Meter {
    what: &'static str,
    unit: &'static str,
    last: u64,
    began: Instant,
    live: bool,
    /// When it last said something.
    said: Mutex<Instant>,
}

impl Meter {
    /// Before the first of `last` units, as `frame` or `byte`.
    pub(crate) fn new(what: &'static str, unit: &'static str, last: u64) -> Self {
        let (began, live) = (Instant::now(), std::io::stderr().is_terminal());
        Self { what, unit, last, began, live, said: Mutex::new(began) }
    }

    /// All up to this one is done.
    pub(crate) fn at(&self, at: u64) {
        let [live, plain] = PROGRESS_EVERY;
        let every = if self.live { live } else { plain };
        let Ok(mut said) = self.said.lock() else { return };
        if said.elapsed() >= every {
            *said = Instant::now();
            let line = line((self.what, self.unit), at, self.last, self.began.elapsed());
            let (before, behind) = if self.live { ("\r\x1b[2K", "") } else { ("", "\n") };
            let mut out = std::io::stderr().lock();
            write!(out, "{before}{line}{behind}").and_then(|()| out.flush()).ok();
        }
    }

    /// Clears the live line.
    pub(crate) fn end(&self) {
        if self.live {
            write!(std::io::stderr().lock(), "\r\x1b[2K").ok();
        }
    }
}

fn line((what, unit): (&str, &str), at: u64, last: u64, elapsed: Duration) -> String {
    let percent = at.saturating_mul(100).checked_div(last).unwrap_or_default().min(100);
    let left = last.saturating_sub(at);
    let to_go = elapsed.as_millis().saturating_mul(left.into()) / u128::from(at.max(1)) / 1000;
    format!("{what}: {unit} {at} of {last}, {percent} %, about {to_go} s to go")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_was_read() {
        let line = |at, last| line(("reading", "frame"), at, last, Duration::from_secs(3));
        assert_eq!(line(250, 1000), "reading: frame 250 of 1000, 25 %, about 9 s to go");
        assert_eq!(line(0, 0), "reading: frame 0 of 0, 0 %, about 0 s to go");
    }
}
