//! Calls: in which transaction, on which thread, and how often a function runs until it counts.

mod attempts;
mod threads;

pub use attempts::Called;
pub(crate) use threads::Threads;
