//! The WebAssembly engine, and its sense of time.
//!
//! | file | holds |
//! |---|---|
//! | `settings` | how WebAssembly is compiled and run |
//! | `code_cache` | compiled code on disk, for the next process |
//! | `ticker` | [`Ticker`]: advances the engine's epoch, so that guests can be stopped |
//! | `clock` | the clock that deadlines are measured by |

pub(crate) mod clock;
mod code_cache;
mod settings;
mod ticker;

pub(crate) use code_cache::Place as CodePlace;
pub(crate) use settings::new;
pub(crate) use ticker::{Ticker, Ticks};
