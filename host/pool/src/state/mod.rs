//! The pool's state: which objects exist, who holds them, who waits for them.
//!
//! | file | what |
//! |---|---|
//! | `entry` | an object and what the pool knows about it; its box is the permit |
//! | `queue` | callers who wait, in order, and what they were granted |
//! | `backoff` | one attempt at a time while creation fails |
//! | `core` | all of that under one mutex: who gets what |
//! | `shared` | what handles, guards and maintenance share, and the way into the core |

mod backoff;
pub(crate) mod core;
pub(crate) mod entry;
pub(crate) mod queue;
pub(crate) mod shared;
