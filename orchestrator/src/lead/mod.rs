//! Leading: the task that drives `protocol`'s machines, and the handle by which everybody else reaches it.

pub mod handle;
mod images;
mod pump;
pub mod shell;
