//! The functions of the header. Each reads its arguments, does one operation of `mantis-db` or `mantis-pool`, and writes its outputs.
//!
//! | module | holds |
//! |---|---|
//! | `library` | versions and names |
//! | `pools` | opening, closing, statistics, backup |
//! | `acquiring` | connections, tokens, queues, and what is started on them |
//! | `keys` | keys and values one by one, batches of them |
//! | `spans` | keys of a span: pages, counts, deletion |
//! | `buckets` | buckets |
//! | `tables` | definitions, statements, changes |
//! | `batches` | batches across tables and keys |
//! | `transactions` | transactions, savepoints, deferred commits |
//!
//! Each runs within [`call`], which refuses forks and lets no panic out, except those of `library`, which only return what is constant.
//! `tests/header.rs` looks for that.

#![allow(
    clippy::too_many_arguments,
    reason = "in C a text is two arguments, and structures that callers fill have no pointers"
)]

mod acquiring;
mod batches;
mod buckets;
mod keys;
mod library;
mod pools;
mod spans;
mod tables;
mod transactions;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::acquiring::*;
pub use self::batches::*;
pub use self::buckets::*;
pub use self::keys::*;
pub use self::library::*;
pub use self::pools::*;
pub use self::spans::*;
pub use self::tables::*;
pub use self::transactions::*;

use crate::abi::status::{self, Status};
use crate::abi::types::mantis_error;
use crate::failure::Failure;
use crate::process;
use crate::raw::Out;

/// What a function does: its answer, or why it failed.
type Answer = Result<Status, Failure>;

/// Runs a function of the header: not in a fork, and without letting a panic out. A failure is written to `error`.
///
/// # Safety
/// If `error` is not NULL, it points to as many writable bytes as its size says.
pub(crate) unsafe fn call(error: *mut mantis_error, work: impl FnOnce() -> Answer) -> Status {
    // SAFETY: the caller of this function promises the same.
    let Ok(out) = (unsafe { Out::new(error, "error") }) else { return status::MANTIS_E_MISUSE };
    let done = process::check().and_then(|()| {
        // What a panic leaves behind is not used again: a connection refuses further calls, and shared state is the database's own.
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            // A payload whose drop panics would get out.
            std::mem::forget(panic);
            Err(Failure::new(status::MANTIS_E_PANIC, "panic", "a defect of the library; please report it"))
        })
    });
    match done {
        Ok(answer) => answer,
        Err(failure) => {
            out.write(&failure.to_c());
            failure.status
        }
    }
}
