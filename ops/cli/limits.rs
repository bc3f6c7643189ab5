//! Every bound of the command line.

use std::time::Duration;

/// How often live lines are drawn again, so that their times go on.
pub(crate) const REDRAW_EVERY: Duration = Duration::from_millis(100);
/// How many other things a table asks the names of; what is beyond shows its id.
pub(crate) const NAMES_MAX: usize = 64;
/// The items of one page of a list, as the API bounds it.
pub(crate) const PAGE_ITEMS_MAX: usize = 1000;
/// How many events of one operation `operation history` shows.
pub(crate) const HISTORY_EVENTS_MAX: usize = 100_000;
/// How often a long reading of a journal says how far it is: on a terminal, and in a log.
pub(crate) const PROGRESS_EVERY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];
/// The bytes of a GiB.
pub(crate) const GIB: u64 = 1024 * 1024 * 1024;

/// How often a console that is followed is read.
pub(crate) const CONSOLE_EVERY: Duration = Duration::from_secs(1);
/// The width of a terminal that does not tell its own, columns.
pub(crate) const COLUMNS_DEFAULT: usize = 80;
/// How long a call may be silent before the command says that it goes on trying.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// Events that are on their way to a stream at a time, where a feed is made again.
pub(crate) const FEED_WINDOW: usize = 256;
