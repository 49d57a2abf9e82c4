//! Calls: in which transaction, on which thread, and how often a function runs until it counts.
//!
//! | file | holds |
//! |---|---|
//! | `entry` | a call from its JSON arguments to its result, counted |
//! | `attempts` | one transaction after the other, until one commits |
//! | `placement` | on the caller's thread or on a guest thread |
//! | `session` | a call under way, and the session of an attempt |
//! | `answer` | the result |
//! | `executor`, `threads` | the parts that calls share |

mod answer;
mod attempts;
mod entry;
mod executor;
mod placement;
mod session;
mod threads;

pub use answer::Called;
pub(crate) use executor::Executor;
