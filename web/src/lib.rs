//! MantisDB in a browser page: the same store and the same operations as in the server, for JavaScript.
//!
//! This crate only translates. Its exports are raw: flat arguments, bytes for keys, synchronous calls. `ts/` builds the API for pages
//! on them.
//!
//! | module | holds |
//! |---|---|
//! | `database` | `RawDatabase`: opening, sessions, housekeeping, statistics |
//! | `session` | `RawSession`: operations, transactions and changes |
//! | `batch` | `RawBatch`: many operations for one commit |
//! | `input` | arguments from JavaScript, checked |
//! | `output` | answers as JavaScript objects |
//! | `tables` | `RawSession` on tables, a feature |
//! | `table_output` | its answers |
//! | `calls` | `RawSession` on tables for plugins, of the same feature |
//! | `call_output` | its answers |
//! | `operations` | `RawOperations`: operations on keys and rows for one commit, of the same feature |
//! | `feed` | `RawSession`: the changes of a table, of the same feature |
//! | `memory` | whether the instance's memory has room for more |
//! | `platform` | the page's clock and randomness |
//!
//! It starts no timer, and its data is lost when the page ends.
#![deny(missing_docs)]

mod batch;
#[cfg(feature = "tables")]
mod call_output;
#[cfg(feature = "tables")]
mod calls;
mod database;
#[cfg(feature = "tables")]
mod feed;
mod input;
mod memory;
#[cfg(feature = "tables")]
mod operations;
mod output;
mod platform;
mod session;
#[cfg(feature = "tables")]
mod table_output;
#[cfg(feature = "tables")]
mod tables;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mantis_db::{Code, Error};

/// Smaller than the standard library's, and as fast.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The outcome of a future of the embedded engine, which is ready when first polled.
fn ready<T, E: From<Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(would_wait().into()),
    }
}

/// One copy for all calls. Never happens: the engine in memory does not wait.
#[cold]
fn would_wait() -> Error {
    Error::new(Code::ReadOnly, "the engine would have to wait, which a page's cannot")
}
