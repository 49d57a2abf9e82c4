//! MantisDB in a browser page: the same store and the same operations as in the server, for JavaScript.
//!
//! This crate translates and does nothing else. What it exports is raw: flat arguments, bytes for keys, synchronous calls. The API
//! that pages use stands on top of it, in `ts/`.
//!
//! | module | holds |
//! |---|---|
//! | `database` | `RawDatabase`: opening, sessions, housekeeping, figures |
//! | `session` | `RawSession`: operations, transactions and changes |
//! | `batch` | `RawBatch`: many operations for one commit |
//! | `input` | arguments from JavaScript, checked |
//! | `output` | the JavaScript objects that answers consist of |
//! | `platform` | the page's clock and randomness |
//!
//! It starts no timer and keeps nothing beyond the page's life.
#![deny(missing_docs)]

mod batch;
mod database;
mod input;
mod output;
mod platform;
mod session;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mantis_db::{Code, Error, Result};

/// Smaller than the standard library's, and as fast.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// What a future of the embedded engine comes to: it is ready when first polled.
fn ready<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(would_wait()),
    }
}

/// One copy for all calls; the engine in memory never waits.
#[cold]
fn would_wait() -> Error {
    Error::new(Code::ReadOnly, "the engine would have to wait, which a page's cannot")
}
