//! The bounds of the channel's messages; going beyond one ends the stream.

/// Items of one page of an inventory, as they are sent.
pub const PAGE_ITEMS: usize = 500;
/// The most items of one page that are taken.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// What of this package this build knows: a part that asks for more is not done by it. Raised with every addition that a
/// receiver must not overlook.
pub const VERSION: u32 = 1;
/// The most keys that one step closes.
pub const CLOSES_MAX: usize = 64;
/// The most exports that a step dials.
pub const EXPORTS_MAX: usize = 16;
/// The most bytes of what an agent says of its build.
pub const BUILD_BYTES_MAX: usize = 128;
/// The most items of one ledger's inventory: far more than a host can hold.
pub const INVENTORY_ITEMS_MAX: usize = 100_000;
/// The most bytes of a guest's console in one answer.
pub const CONSOLE_BYTES_MAX: u32 = 256 * 1024;
