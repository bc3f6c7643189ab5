//! The bounds of one ledger that are its own; how many calls it takes at a time stands with the core's.

/// The largest stored value of one row, bytes: a record with both refusals at their longest, several times over.
pub const LEDGER_ROW_BYTES_MAX: usize = 16 * 1024;
/// The largest stored value of the row of the view, bytes: the view and what stands before it.
pub const LEDGER_VIEW_BYTES_MAX: usize = crate::limits::VIEW_BYTES_MAX + 1024;
/// The longest stored key of one row, bytes: its kind, a saga and a step.
pub const LEDGER_KEY_BYTES_MAX: usize = 1 + 16 + 2;
