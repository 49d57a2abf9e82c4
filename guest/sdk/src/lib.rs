//! Write MantisDB plugins in Rust.
//!
//! A plugin is a component: a `cdylib` for `wasm32-unknown-unknown` with a WIT world of its own that includes
//! `mantis:db/procedure`. Clients can call each function that it exports. A call is one transaction, which commits when the function
//! returns, and rolls back when it returns an error or panics.
//!
//! ```
//! // In a plugin of your own the WIT is in the folder `wit`, and `inline` is left out.
//! mantis_guest::generate!(
//!     inline: "
//!         package example:counter;
//!
//!         world counter {
//!             include mantis:db/procedure@0.1.0;
//!             use mantis:db/types@0.1.0.{error};
//!
//!             export increment: func(name: string, by: s64) -> result<s64, error>;
//!         }
//!     ",
//!     world: "example:counter/counter",
//! );
//!
//! use mantis_guest::Bucket;
//!
//! struct Counter;
//! export!(Counter);
//!
//! // A world that uses `error` brings the type `Error` with it, which is that of this crate.
//! impl Guest for Counter {
//!     fn increment(name: String, by: i64) -> Result<i64, Error> {
//!         if by == 0 {
//!             return Err(Error::invalid("by-zero", "nothing to count"));
//!         }
//!         Ok(Bucket::open("counters")?.increment(name, by)?.number)
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `bucket` | [`Bucket`]: keys and values |
//! | `scan` | [`Scan`]: entries in order, page by page |
//! | `batch` | [`Batch`]: many operations, applied atomically |
//! | [`table`] | [`Table`]: typed rows, and structs as rows |
//! | `error` | making an [`Error`] of each kind, and its code and message |
//! | [`generate!`] | the bindings of a plugin's world |
//! | [`order`] | numbers as key bytes in numeric order |
//! | [`system`] | time and randomness |
//! | `log` | the macros [`debug!`], [`info!`], [`warn!`] and [`error!`] |
//! | `panic` | logs a panic before it traps |
//! | [`transaction`](mod@transaction) | explicit transactions, for worlds that import them |
//! | [`bindings`] | the generated bindings of `wit/`, on which the rest is built |
#![warn(missing_docs)]

mod batch;
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated from wit/, which documents it")]
pub mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "mantis:db/task", generate_all });
}
mod bucket;
mod error;
mod log;
pub mod order;
mod panic;
mod scan;
pub mod system;
pub mod table;
pub mod transaction;

pub use batch::Batch;
pub use bindings::mantis::db::types::{
    Applied, Counted, Deleted, Entry, Error, Expect, Failure, OpResult, Outcome, Refusal, SetOptions, Span, Written,
};
pub use bucket::Bucket;
pub use mantis_guest_derive::generate;
pub use scan::Scan;
pub use table::Table;
#[doc(hidden)]
pub use wit_bindgen;

/// The result of an operation.
pub type Result<T> = core::result::Result<T, Error>;
