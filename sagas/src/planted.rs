//! The one seam for planted bugs, by which the simulator proves that it would find them. Off in every normal build:
//! without the feature `planted`, `on` is the constant `false`.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bug {
    /// An undo leaves no tombstone.
    NoTombstone = 0,
    /// Unwinding leaves out steps that were refused.
    RefusedNotUndone = 1,
    /// Execute begins without looking at the world.
    ExecuteTrustsLedger = 2,
    /// A look-up answers Done without recording it.
    LookupDoneUnrecorded = 3,
    /// A delete does not close the key that made the thing.
    DeleteClosesNoKey = 4,
    /// Two frames may be in flight, their acknowledgements taken in any order.
    TwoFramesInFlight = 5,
    /// A frame is taken for ours by its term and position.
    LandedByTermAndPosition = 6,
    /// An outcome is recorded before its change is durable.
    OutcomeBeforeDurable = 7,
    /// Abandoning a saga frees its locks.
    LockFreedAtAbandoned = 8,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 9] = [
        Self::NoTombstone,
        Self::RefusedNotUndone,
        Self::ExecuteTrustsLedger,
        Self::LookupDoneUnrecorded,
        Self::DeleteClosesNoKey,
        Self::TwoFramesInFlight,
        Self::LandedByTermAndPosition,
        Self::OutcomeBeforeDurable,
        Self::LockFreedAtAbandoned,
    ];
}

/// Whether bugs can be planted in this build at all.
pub const COMPILED: bool = cfg!(feature = "planted");

#[cfg(feature = "planted")]
static PLANTED: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

/// Plants exactly these bugs in this process, from now on.
#[cfg(feature = "planted")]
pub fn set(bugs: &[Bug]) {
    let mask = bugs.iter().fold(0, |mask, bug| mask | 1_u64 << (*bug as u8));
    PLANTED.store(mask, core::sync::atomic::Ordering::SeqCst);
}

/// Whether `bug` is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn on(bug: Bug) -> bool {
    PLANTED.load(core::sync::atomic::Ordering::Relaxed) & (1 << (bug as u8)) != 0
}

/// Whether `bug` is planted: never, in this build.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn on(_bug: Bug) -> bool {
    false
}
