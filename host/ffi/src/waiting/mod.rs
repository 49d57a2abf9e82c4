//! Waiting.
//!
//! | module | holds |
//! |---|---|
//! | `timer` | the one thread of the library that runs timers and what was started |
//! | `token` | what ends a wait early |
//! | `block` | a thread that waits for an outcome, a time, or a token |

pub(crate) mod block;
pub(crate) mod timer;
pub(crate) mod token;
