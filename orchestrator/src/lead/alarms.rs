//! The alarms of the leader's machine as lines of the log. It counts and tells, and does nothing about them.

use windlass_sagas::protocol::orchestrator::Alarm;

use crate::metrics;

/// What the machine wants people to know, with what to do about it.
pub(super) fn tell(alarm: &Alarm) {
    match alarm {
        Alarm::VoidCommits { cursor, commits, reason } => {
            metrics::void(*commits as u64);
            tracing::warn!(
                cursor = cursor.0,
                commits,
                ?reason,
                "void: somebody who does not lead wrote this"
            );
        }
        Alarm::TailLost { .. } | Alarm::TailRewritten { .. } => tracing::error!(
            ?alarm,
            "the journal is not what was seen of it before; nobody leads on it: see `windlass recover`"
        ),
        Alarm::Poisonous { kind, saga, what } => tracing::error!(
            kind,
            saga = saga.map(tracing::field::display),
            what,
            "deciding this panics: report it with the journal; `windlass operation abandon` gives its saga up"
        ),
        other => tracing::error!(alarm = ?other, "the journal or the clock needs a look"),
    }
}
