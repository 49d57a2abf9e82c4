//! The C interface of MantisDB: `include/mantisdb.h` over `mantis-db` and `mantis-pool`.
//!
//! C programs, and languages that call C, translate to the operations of `mantis-db` here and back, and nothing else happens: the same
//! words mean the same everywhere. The header is the documentation of each function; this is its implementation.
//!
//! The map, from the bottom up:
//!
//! | module | holds |
//! |---|---|
//! | `abi` | the structures and numbers of the header |
//! | `failure` | `Failure`: what becomes a `mantis_error` |
//! | `raw` | how pointers of a caller are read and written |
//! | `handles` | tables of handles: a number that was given back is refused, and never followed |
//! | `process` | whether this process is a fork of the one that used the library |
//! | `opening` | opening a database, making one from a backup |
//! | `far` | what a connection to a server does |
//! | `remote` | that over HTTP; a feature |
//! | `link` | what a pool lends: a session of a database in this process, or a connection to a server |
//! | `waiting` | threads that wait, tokens that end a wait |
//! | `pool`, `conn` | what a handle stands for |
//! | `queue` | completion queues |
//! | `packed` | the forms of pages and operations, byte by byte |
//! | `statements` | statements on tables as JSON; `mantis-forms` has batches |
//! | `calls` | the functions of the header |
//! | `staged` | what tests set, a feature |
//! | `testing` | for tests in Rust |
//!
//! This is the only library with unsafe code. There are three kinds: functions that C calls, pointers of a caller (all in `raw`), and
//! what finds forks (`process`). Each block says why it is sound.
#![deny(missing_docs)]
#![allow(unsafe_code, reason = "C calls these functions and gives them pointers; no other library has any")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![allow(clippy::result_large_err, reason = "a failure leaves the library at once, and is rare")]

mod abi;
mod calls;
mod conn;
mod failure;
mod far;
mod handles;
mod link;
mod opening;
mod packed;
mod pool;
mod process;
mod queue;
mod raw;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "testing")]
mod staged;
mod statements;
#[doc(hidden)]
pub mod testing;
mod waiting;

pub use abi::{status, types};
pub use calls::*;
