//! The database that users see: sessions, buckets, keys and values, transactions, changes, limits and errors.
//!
//! Every surface (HTTP, plugins, pages, embedding programs) translates to the operations here and back, and does nothing else, so
//! that the same words mean the same everywhere. `wit/` in the repository is this API's twin for plugins.
//!
//! | module | holds |
//! |---|---|
//! | `database` | [`Database`]: the engine and what sessions share |
//! | `session` | [`Session`]: identity, grants, an optional transaction |
//! | `transact` | transactions that are run again when they lose, in the end with a turn of their own |
//! | `kv` | [`Kv`]: the operations on one bucket |
//! | `batch`, `each` | many operations in one commit; one after the other |
//! | `scan`, `cursor` | pages, and what carries a scan from one to the next |
//! | `buckets` | making, listing and dropping buckets |
//! | `changes` | the change feed |
//! | `grants`, `limits`, `error` | what is allowed, how much, and what is said when it is not |
//! | `value`, `keyspace` | the stored forms |
//!
//! It knows nothing of HTTP, of JSON, of threads and of runtimes, and takes the time and randomness from its owner, so that it also
//! runs in a browser page.
#![deny(missing_docs)]

mod buckets;
mod changes;
mod database;
mod engine;
mod error;
mod grants;
mod keyspace;
mod kv;
pub mod limits;
mod session;
#[cfg(feature = "pool")]
mod session_pool;
#[cfg(not(target_family = "wasm"))]
mod transact;

pub use buckets::BucketInfo;
pub use changes::{Change, ChangeFilter, ChangeKind, Changes, Since};
pub use database::{Database, Keeping};
pub use engine::{Clock, Direction, Durability, EngineOptions, Expect, Isolation, OpenError, Random, Recovered, Stats};
pub use error::{Code, Error, Kind, Result};
pub use grants::{Access, Grants};
pub use keyspace::{DEFAULT_BUCKET, Span};
pub use kv::{
    Applied, Counted, Deleted, Entry, KeyPage, Kv, MediaType, Op, OpResult, Outcome, Page, Refusal, ScanOptions,
    SetOptions, Written,
};
#[cfg(not(target_family = "wasm"))]
pub use kv::{AppliedEach, Each};
pub use limits::{LimitInvalid, Limits};
pub use mantis_store::disk;
pub use mantis_store::{
    Backup, Checkpoint, FileKind, FileReport, Finding, ManualClock, OnProgress, RepairError, Repaired, Report,
    RestoreError, SeededRandom, Unreadable, check, repair, restore, verify,
};
#[cfg(not(target_family = "wasm"))]
pub use mantis_store::{DiskEvent, DiskThreads};
pub use session::{Committed, Session};
#[cfg(feature = "pool")]
pub use session_pool::SessionManager;
#[cfg(not(target_family = "wasm"))]
pub use transact::Loss;
