//! The one place where the orchestrator reads the wall clock.

use std::time::SystemTime;

use windlass_sagas::ids::Time;

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn system_time() -> SystemTime {
    SystemTime::now()
}

/// Microseconds since 1970-01-01 UTC; before that, 0.
#[must_use]
pub fn now() -> Time {
    let since = system_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
