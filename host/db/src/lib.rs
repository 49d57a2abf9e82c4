//! The database that users see: sessions, buckets, keys and values, transactions, changes, limits and errors.
//!
//! Every surface (HTTP, plugins, pages, embedding programs) translates to the operations here and back, and does nothing else, so
//! that the same words mean the same everywhere. `wit/` in the repository is this API's twin for plugins.
//!
//! The map, from the top down; a module uses those below it:
//!
//! | module | holds |
//! |---|---|
//! | `blocking` | the same operations for programs without a runtime; not in a page |
//! | `open` | [`OpenOptions`]: a database with clock, randomness, threads and housekeeping; not in a page |
//! | `session_pool` | [`SessionManager`]: sessions for a `mantis-pool` |
//! | `housekeeping` | everything that runs unasked: expiry, interrupted drops and changes of tables, pruning |
//! | `batch` | operations on keys and rows of any buckets and tables, all or nothing; with `tables` |
//! | `tables` | typed rows, their definitions, and queries on them; a feature |
//! | `plugins` | plugins that are kept: their versions and components; not in a page |
//! | `transact` | transactions that run again after a conflict, in the end with a turn of their own |
//! | `buckets` | listing and dropping buckets |
//! | `follow` | [`Follow`]: the change feed as a sequence that waits; not in a page |
//! | `changes` | the change feed |
//! | `kv` | [`Kv`]: the operations on the keys of one bucket |
//! | `deferred` | commits that are waited for later |
//! | `savepoints`, `savepoint_list` | how far an open transaction was; not in a page yet |
//! | `session` | [`Session`]: grants, an optional transaction |
//! | `retry` | what a transaction that lost carries into its next attempt |
//! | `database` | [`Database`]: the engine, and the state that sessions share |
//! | `upkeep` | the threads that a handle brings along, and their end; not in a page |
//! | `keyspace` | the bytes of the one key space; the catalogue of buckets |
//! | `engine` | the one door to the engine: everything that is asked of it |
//! | `grants`, `bucket_name`, `limits`, `error` | what is allowed, what a name is, how much, and what went wrong |
//! | `interrupt` | [`Interrupt`]: whether work that is under way is to stop |
//! | `json_number` | whole numbers in JSON, exactly as they are written |
//! | `reader_words` | what readers of JSON and TOML say, as sentences |
//!
//! It knows nothing of HTTP, threads or runtimes, and of JSON only in tables; it gets time and randomness from its owner, so that it also
//! runs in a browser page.
#![deny(missing_docs)]

#[cfg(feature = "tables")]
pub mod batch;
#[cfg(not(target_family = "wasm"))]
pub mod blocking;
mod bucket_name;
mod buckets;
mod changes;
#[cfg(not(target_family = "wasm"))]
mod contents;
mod database;
mod deferred;
mod engine;
mod error;
#[cfg(not(target_family = "wasm"))]
mod follow;
mod grants;
mod housekeeping;
mod interrupt;
#[cfg(feature = "tables")]
mod json_number;
mod keyspace;
mod kv;
pub mod limits;
#[cfg(not(target_family = "wasm"))]
mod open;
#[cfg(not(target_family = "wasm"))]
pub mod plugins;
#[cfg(feature = "tables")]
mod reader_words;
#[cfg(not(target_family = "wasm"))]
mod retry;
#[cfg(not(target_family = "wasm"))]
mod savepoint_list;
#[cfg(not(target_family = "wasm"))]
mod savepoints;
mod session;
#[cfg(feature = "pool")]
mod session_pool;
#[cfg(feature = "tables")]
pub mod tables;
#[cfg(not(target_family = "wasm"))]
mod transact;
#[cfg(not(target_family = "wasm"))]
mod upkeep;

pub use bucket_name::{BUCKET_NAME_PATTERN, DEFAULT_BUCKET, is_bucket_name};
pub use buckets::BucketInfo;
pub use bytes::Bytes;
pub use changes::{Change, ChangeFilter, ChangeKind, Changes, Since};
#[cfg(not(target_family = "wasm"))]
pub use contents::{Contents, Seen};
pub use database::{Database, HasRoom, StorageOptions};
pub use engine::{
    Budget, Clock, Direction, Durability, EngineOptions, Expect, Isolation, OpenError, Random, Recovered, Reservation,
    Stats,
};
#[cfg(not(target_family = "wasm"))]
pub use engine::{DiskEvent, DiskThreads, SystemClock, SystemRandom};
pub use error::{Code, Error, Kind, Result};
#[cfg(not(target_family = "wasm"))]
pub use follow::Follow;
pub use grants::{Access, GrantInvalid, Grants};
pub use interrupt::Interrupt;
#[cfg(feature = "tables")]
pub use json_number::json_integer;
pub use keyspace::Span;
pub use kv::{
    Applied, Counted, Deleted, Entry, EntryRef, KeyPage, Kv, MediaType, Op, OpResult, Outcome, Page, Refusal,
    ScanOptions, SetOptions, SpanDeletion, Written,
};
#[cfg(not(target_family = "wasm"))]
pub use kv::{AppliedEach, Each, Entries};
pub use limits::{LimitInvalid, Limits};
/// The pool that [`SessionManager`] makes sessions for.
#[cfg(feature = "pool")]
pub use mantis_pool as pool;
pub use mantis_store::disk;
pub use mantis_store::{
    Backup, Checkpoint, DURATION_BOUNDS_US, DurationCounters, Durations, FileKind, FileReport, Finding, ManualClock,
    OnProgress, Part, RepairError, Repaired, Report, RestoreError, SeededRandom, Unreadable, abandon_restore,
    begin_restore, check, check_showing, repair, repair_showing, repairable, restore, restore_showing, verify,
    verify_showing,
};
#[cfg(not(target_family = "wasm"))]
pub use mantis_store::{DiskStats, Holds, StorageFailure, Store};
#[cfg(not(target_family = "wasm"))]
pub use open::OpenOptions;
#[cfg(feature = "tables")]
pub use reader_words::{NOT_BASE64, json_encoding_error, json_error, reader_error};
#[cfg(not(target_family = "wasm"))]
pub use retry::Retry;
pub use session::{Committed, Session};
#[cfg(feature = "pool")]
pub use session_pool::SessionManager;

/// The Rust of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
