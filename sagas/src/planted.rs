//! The one seam for planted bugs, by which the simulator proves that it would find them. Off in every normal build:
//! without the feature `planted`, `on` is the constant `false`.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Bug { $($(#[$doc])* $name),* }

        impl Bug {
            /// Every bug, in the order of the source.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

bugs! {
    /// An undo leaves no tombstone.
    NoTombstone,
    /// Unwinding leaves out steps that were refused.
    RefusedNotUndone,
    /// Unwinding leaves out steps whose outcome is not known.
    UnknownNotUndone,
    /// Unwinding undoes in whatever order, not behind the steps that depend on it.
    UndoInForwardOrder,
    /// An undo that was refused twice counts as done.
    UndoGivesUp,
    /// A stuck saga that was going back goes forward once an operator lets it be tried again.
    ResumesForward,
    /// Execute begins without looking at the world: no step is idempotent.
    ExecuteTrustsLedger,
    /// An undo of a key that has no record answers without looking at the world.
    UndoTrustsLedger,
    /// A look-up answers Done without recording it.
    LookupDoneUnrecorded,
    /// A delete does not close the key that made the thing.
    DeleteClosesNoKey,
    /// An agent answers before what its answer rests on is synced.
    AnsweredBeforeSynced,
    /// An outcome is recorded before its change is durable.
    OutcomeBeforeDurable,
    /// What a driver was doing goes on after its agent's death.
    WorkOutlivesAgent,
    /// A call that names another incarnation is answered.
    OldIncarnationAnswered,
    /// A refusal of an earlier attempt is taken for the attempt that is out.
    OldRefusalTaken,
    /// A low water drops the records of its own position too.
    TombstoneDroppedEarly,
    /// A low water is kept in memory only.
    LowWaterForgotten,
    /// A call below the low water is not sent away.
    LowWaterUnchecked,
    /// A low water leaves before the position that it was taken at is durable.
    LowWaterBeforeDurable,
    /// A call's term is not looked at.
    TermUnchecked,
    /// The highest term is kept in memory only.
    TermNotDurable,
    /// An agent that hears of a new term drops its tombstones.
    TombstonesDroppedAtTerm,
    /// A new leader sends what was dispatched again, without asking.
    NoLookUp,
    /// Two frames may be in flight, their acknowledgements taken in any order.
    TwoFramesInFlight,
    /// A frame is taken for ours by its term and position.
    LandedByTermAndPosition,
    /// An acknowledgement counts whatever place it names.
    AckAnywhere,
    /// No commit is void: readers apply whatever stands in the journal.
    NothingIsVoid,
    /// A reply leaves before the position that it names is durable.
    ReplyBeforeDurable,
    /// Effects leave before the commit that they follow from is durable.
    EffectsBeforeDurable,
    /// A request that is sent again starts another saga.
    RepeatIsNew,
    /// A fold that is restored from an image has forgotten its sagas' deadlines.
    ImageForgetsTimers,
    /// A saga that ends frees only the first of its locks.
    LockLeaked,
    /// Abandoning a saga frees its locks.
    LockFreedAtAbandoned,
    /// A port's addresses are given back when it leaves its server, and again with the port.
    AddressFreedTwice,
    /// A server that is made again claims its room again.
    CapacityClaimedTwice,
    /// A guest's end stops its server whatever boot it was the end of.
    EndOfAnyBoot,
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
