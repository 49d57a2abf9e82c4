//! Write MantisDB plugins in Rust.
//!
//! A plugin is a component: a `cdylib` for `wasm32-unknown-unknown` with a WIT world of its own that includes
//! `mantis:db/procedure`. Clients can call each function that it exports. A call is one transaction, which commits when the function
//! returns, and rolls back when it returns an error or panics.
//!
//! ```ignore
//! mantis_guest::generate!(path: ["../wit", "wit"], world: "examples:counter/counter");
//!
//! use mantis_guest::{Bucket, Error};
//!
//! struct Counter;
//! export!(Counter);
//!
//! impl Guest for Counter {
//!     fn increment(name: String, by: i64) -> Result<i64, Error> {
//!         Ok(Bucket::open("counters")?.increment(name, by)?.number)
//!     }
//! }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `bucket` | [`Bucket`]: keys and values |
//! | `scan` | [`Scan`]: entries in order, page by page |
//! | `batch` | [`Batch`]: many operations, applied atomically |
//! | [`table`] | [`Table`](table::Table): typed rows, and structs as rows |
//! | `error` | the code and message of an [`Error`] |
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
    wit_bindgen::generate!({ path: "../../wit", world: "mantis:db/task", generate_all });
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
pub use scan::Scan;
pub use table::Table;
#[doc(hidden)]
pub use wit_bindgen;

/// The result of an operation.
pub type Result<T> = core::result::Result<T, Error>;

/// Generates the bindings of a plugin's world on top of this crate's: the trait `Guest`, and the macro `export!` for the type that
/// implements it.
///
/// `path` lists the folders with WIT files, that of `mantis:db` first; `world` is the world's full name. A world that includes
/// `mantis:db/task` ends the call with `, transactions`.
#[macro_export]
macro_rules! generate {
    (path: $path:tt, world: $world:literal $(,)?) => {
        ::mantis_guest::generate!(@ $path $world);
    };
    (path: $path:tt, world: $world:literal, transactions) => {
        ::mantis_guest::generate!(@ $path $world
            "mantis:db/transactions@0.1.0": ::mantis_guest::bindings::mantis::db::transactions,);
    };
    (@ $path:tt $world:literal $($more:tt)*) => {
        ::mantis_guest::wit_bindgen::generate!({
            path: $path,
            world: $world,
            runtime_path: "::mantis_guest::wit_bindgen::rt",
            with: {
                "mantis:db/types@0.1.0": ::mantis_guest::bindings::mantis::db::types,
                "mantis:db/kv@0.1.0": ::mantis_guest::bindings::mantis::db::kv,
                "mantis:db/tables@0.1.0": ::mantis_guest::bindings::mantis::db::tables,
                "mantis:db/system@0.1.0": ::mantis_guest::bindings::mantis::db::system,
                $($more)*
            },
            generate_all,
        });
    };
}
