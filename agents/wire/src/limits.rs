//! The bounds of the channel's messages; reaching one ends the stream.

/// Items of one page of an inventory.
pub const PAGE_ITEMS: usize = 500;
/// The most items of one ledger's inventory: far more than a host can hold.
pub const INVENTORY_ITEMS_MAX: usize = 100_000;
/// The most bytes of a guest's console in one answer.
pub const CONSOLE_BYTES_MAX: u32 = 256 * 1024;
