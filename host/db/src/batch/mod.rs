//! Batches of operations on keys and rows of any buckets and tables, all or nothing.
//!
//! Operations run in their order, in one serialisable transaction: each sees the writes of those before it. A condition that does not hold
//! refuses the batch, and so does an error; nothing is written then. Outside a transaction a batch that meets another commit is run again;
//! inside one it belongs to it, and is undone alone.
//!
//! | file | holds |
//! |---|---|
//! | `operation` | [`Operation`]: what a batch asks for, with its conditions |
//! | `outcome` | [`Applied`], [`BatchError`]: what became of it |
//! | `reference` | values that earlier operations made: the keys of rows that they wrote |
//! | `run` | [`Session::batch`](crate::Session::batch) |
//!
//! Batches of one bucket's keys alone are quicker with [`Kv::apply`](crate::Kv::apply), which needs no transaction.

mod operation;
mod outcome;
mod reference;
mod run;

pub use operation::{Argument, BatchOptions, Matches, Operation, Reference, RowOperation, RowVerb};
pub use outcome::{Applied, BatchError, Cause, Done, Found, Refusal};
