//! A run as a drawing of who said what when: one column a process, time downwards, one line for each message that
//! arrived, each fault and each thing that a process did by itself.
//!
//! Invariant: it shows what happened and adds nothing; what is left out of a long one is counted.

use std::fmt::Write as _;

use crate::agenda::Instant;
use crate::net::End;

/// Characters from one column to the next.
const STEP: usize = 6;
/// Characters of the time at the beginning of a line.
const TIME: usize = 11;
/// The most lines of a short drawing.
const SHORT_LINES: usize = 120;

/// One line of a drawing.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    at: Instant,
    from: End,
    /// `None`: it did something by itself.
    to: Option<End>,
    what: String,
    fault: bool,
}

/// What happened so far, where it is to be drawn.
#[derive(Clone, Debug)]
pub struct Drawing {
    orchestrators: usize,
    hosts: Vec<String>,
    said: Vec<Said>,
}

impl Drawing {
    /// An empty one, of so many orchestrators and these hosts.
    #[must_use]
    pub(crate) const fn new(orchestrators: usize, hosts: Vec<String>) -> Self {
        Self { orchestrators, hosts, said: Vec::new() }
    }

    /// A message arrived.
    pub(crate) fn message(&mut self, at: Instant, from: End, to: End, what: String) {
        self.said.push(Said { at, from, to: Some(to), what, fault: false });
    }

    /// A process did something by itself, or a fault struck it.
    pub(crate) fn event(&mut self, at: Instant, place: End, what: String, fault: bool) {
        self.said.push(Said { at, from: place, to: None, what, fault });
    }

    /// The drawing; a short one leaves lines out before the end, but no fault.
    #[must_use]
    pub fn render(&self, short: bool) -> String {
        let mut text = self.head();
        let first = if short { self.said.len().saturating_sub(SHORT_LINES) } else { 0 };
        let mut left_out = 0;
        for (place, said) in self.said.iter().enumerate() {
            if place < first && !said.fault {
                left_out += 1;
                continue;
            }
            if left_out > 0 {
                let _ = writeln!(text, "{:>TIME$} {left_out} lines left out", "...");
                left_out = 0;
            }
            let _ = writeln!(text, "{}", self.line(said));
        }
        text
    }

    fn head(&self) -> String {
        let mut head = format!("{:>TIME$} ", "ms");
        let orchestrators = (0..self.orchestrators).map(|node| format!("o{node}"));
        let hosts = self.hosts.iter().cloned();
        let names =
            ["cli".to_string()].into_iter().chain(orchestrators).chain(["log".to_string()]).chain(hosts);
        for name in names {
            let _ = write!(head, "{name:<STEP$}");
        }
        head + "\n"
    }

    fn column(&self, end: End) -> usize {
        match end {
            End::Clients => 0,
            End::Node(node) => 1 + node,
            End::Journal | End::Feed => 1 + self.orchestrators,
            End::Host(host) => 2 + self.orchestrators + host,
        }
    }

    fn line(&self, said: &Said) -> String {
        let columns = 2 + self.orchestrators + self.hosts.len();
        let mut cells: Vec<char> = vec![' '; columns * STEP];
        for column in 0..columns {
            put(&mut cells, column * STEP, '|');
        }
        let from = self.column(said.from) * STEP;
        match said.to.map(|to| self.column(to) * STEP) {
            None => put(&mut cells, from, if said.fault { 'X' } else { '*' }),
            Some(to) => {
                let (low, high) = (from.min(to), from.max(to));
                (low + 1..high).for_each(|at| put(&mut cells, at, '-'));
                put(&mut cells, from, 'o');
                put(&mut cells, if to > from { to - 1 } else { to + 1 }, if to > from { '>' } else { '<' });
            }
        }
        let cells: String = cells.into_iter().collect();
        let (ms, us) = (said.at.0 / 1000, said.at.0 % 1000);
        let mark = if said.fault { "FAULT " } else { "" };
        format!("{:>TIME$} {cells}{mark}{}", format!("{ms}.{us:03}"), said.what)
    }
}

fn put(cells: &mut [char], at: usize, what: char) {
    if let Some(cell) = cells.get_mut(at) {
        *cell = what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: usize) -> Drawing {
        let mut drawing = Drawing::new(1, vec!["h0".to_string()]);
        drawing.event(Instant(900), End::Host(0), "power_cut".to_string(), true);
        for line in 0..lines {
            let at = Instant(1_000 + line as u64);
            drawing.message(at, End::Clients, End::Node(0), "ask".to_string());
            drawing.message(at, End::Host(0), End::Node(0), "done".to_string());
        }
        drawing
    }

    #[test]
    fn arrows_go_from_column_to_column() {
        let expected = "         ms cli   o0    log   h0    \n\
                        \x20     0.900 |     |     |     X     FAULT power_cut\n\
                        \x20     1.000 o---->|     |     |     ask\n\
                        \x20     1.000 |     |<----------o     done\n";
        assert_eq!(drawn(1).render(false), expected);
    }

    #[test]
    fn a_short_drawing_keeps_every_fault_and_says_what_it_leaves_out() {
        let text = drawn(100).render(true);
        assert!(text.contains("FAULT power_cut") && text.contains("80 lines left out"), "{text}");
        assert_eq!(text.lines().count(), 1 + 1 + 1 + SHORT_LINES);
    }
}
