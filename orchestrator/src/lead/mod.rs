//! Leading: the task that drives `protocol`'s machines, and the handle by which everybody else reaches it.

mod alarms;
pub mod handle;
mod images;
pub mod lease;
mod poison;
mod pump;
pub mod recovery;
pub mod seen;
pub mod shell;
mod views;
