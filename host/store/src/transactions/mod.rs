//! Transactions: reads at a snapshot, buffered writes, and validation of the reads at the commit.
//!
//! Optimistic concurrency control with backward validation (Kung and Robinson 1981): a transaction remembers which keys it read and
//! which ranges it scanned, and commits only if both would read the same at the moment of its commit. Scanned ranges catch phantoms.
//! The commit itself is in `store/commit.rs`.
//!
//! | file | holds |
//! |---|---|
//! | `transaction` | [`Transaction`]: reads, buffered writes, savepoints |
//! | `overlay` | its own writes merged into its reads |
//! | `savepoint` | the writes since a moment |
//! | `ahead` | validation ahead of the writers' lock |
//! | `validation` | whether the reads still hold |
//! | `prepare` | records in the indexes for the new keys of a large commit, before it |

#[cfg(not(target_family = "wasm"))]
mod ahead;
mod overlay;
#[cfg(not(target_family = "wasm"))]
mod prepare;
mod savepoint;
mod transaction;
mod validation;

#[cfg(not(target_family = "wasm"))]
pub(crate) use ahead::Ahead;
#[cfg(not(target_family = "wasm"))]
pub use prepare::Places;
#[cfg(not(target_family = "wasm"))]
pub(crate) use prepare::Prepared;
pub use savepoint::Savepoint;
pub(crate) use transaction::View;
pub use transaction::{Isolation, Transaction};
pub(crate) use validation::{Checks, Lost};
