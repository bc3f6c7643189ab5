//! The one place where an agent reads clocks: the wall clock for certificates and join requests, a steady one for the
//! ledgers, which measure how long callers have waited.

use std::time::{Instant, SystemTime};

use windlass_sagas::ids::Time;

/// Microseconds since 1970-01-01 UTC; before that, 0.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn wall() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A clock that never goes back: microseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Steady(Instant);

impl Steady {
    /// A clock that begins at 0.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Its time.
    #[must_use]
    pub fn now(self) -> Time {
        Time(i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}
