//! What is measured: the rows, in their order, and for how long.

use std::fmt;
use std::time::Duration;

use crate::exit::Usage;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Frames of so many commits on the journal alone.
    Journal { commits: usize },
    /// Reads through the API, one at a time.
    Api,
    /// Calls to one agent, so many in flight.
    Channel { synced: bool, in_flight: usize },
    /// Sagas of five steps, so many in flight.
    Sagas { filled: bool, refused: bool, in_flight: usize },
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal { commits } => write!(f, "journal-{commits}"),
            Self::Api => write!(f, "api-1"),
            Self::Channel { synced, in_flight } => {
                write!(f, "channel-{}-{in_flight}", if *synced { "synced" } else { "unsynced" })
            }
            Self::Sagas { filled, refused, in_flight } => {
                let (filled, how) =
                    (if *filled { "filled-" } else { "" }, if *refused { "failed" } else { "ok" });
                write!(f, "{filled}{how}-{in_flight}")
            }
        }
    }
}

impl Row {
    /// Where it stands among all rows.
    pub(super) fn place(&self) -> usize {
        all().iter().position(|row| row == self).unwrap_or(usize::MAX)
    }
}

/// What is measured.
#[derive(Debug)]
pub(super) struct Plan {
    /// The rows, in the order of their measuring.
    pub(super) rows: Vec<Row>,
    /// How long each is measured.
    pub(super) time: Duration,
    /// Sagas in the filled journal.
    pub(super) fill: u64,
}

impl Plan {
    /// All rows, or those whose names begin with one of `only`.
    pub(super) fn of(only: &[String], time: Duration, fill: u64) -> anyhow::Result<Self> {
        let all = all();
        if let Some(unknown) = only.iter().find(|only| !all.iter().any(|row| begins(row, only))) {
            let rows: Vec<String> = all.iter().map(ToString::to_string).collect();
            let message = format!("no row begins with {unknown:?}; the rows are {}", rows.join(", "));
            anyhow::bail!(Usage(message));
        }
        let chosen = |row: &Row| only.is_empty() || only.iter().any(|only| begins(row, only));
        Ok(Self { rows: all.into_iter().filter(chosen).collect(), time, fill })
    }

    /// How long a row runs before it is measured.
    pub(super) fn warm_up(&self) -> Duration {
        self.time / 5
    }
}

fn begins(row: &Row, only: &str) -> bool {
    row.to_string().starts_with(only)
}

fn all() -> Vec<Row> {
    let mut rows: Vec<Row> = [1, 32, 128].map(|commits| Row::Journal { commits }).into();
    rows.push(Row::Api);
    for synced in [true, false] {
        rows.extend([1, 256].map(|in_flight| Row::Channel { synced, in_flight }));
    }
    for filled in [false, true] {
        for refused in [false, true] {
            rows.extend([1, 32, 256].map(|in_flight| Row::Sagas { filled, refused, in_flight }));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        let plan = Plan::of(&only, Duration::from_secs(1), 0).unwrap();
        plan.rows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_are_chosen_by_the_beginning_of_their_names() {
        assert_eq!(names(&["ok", "journal-1"]), ["journal-1", "journal-128", "ok-1", "ok-32", "ok-256"]);
        assert_eq!(names(&["filled-failed-32"]), ["filled-failed-32"]);
        assert_eq!(names(&[]).len(), 20);
        let unknown = Plan::of(&["tea".into()], Duration::from_secs(1), 0).unwrap_err();
        assert!(unknown.to_string().contains("channel-unsynced-256"), "{unknown}");
    }
}
