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

mod batch;
mod buckets;
mod changes;
mod cursor;
mod database;
#[cfg(not(target_family = "wasm"))]
mod each;
mod error;
mod grants;
mod keyspace;
mod kv;
pub mod limits;
mod scan;
mod session;
#[cfg(feature = "pool")]
mod sessions;
#[cfg(not(target_family = "wasm"))]
mod transact;
mod value;
mod view;

pub use batch::{Applied, Op, OpResult, Refusal};
pub use buckets::BucketInfo;
pub use changes::{Change, ChangeFilter, ChangeKind, Changes, Since};
pub use database::{Database, Keeping};
#[cfg(not(target_family = "wasm"))]
pub use each::{AppliedEach, Each};
pub use error::{Code, Error, Kind, Result};
pub use grants::{Access, Grants};
pub use keyspace::{DEFAULT_BUCKET, Span};
pub use kv::{Counted, Deleted, Kv, Outcome, SetOptions, Written};
pub use limits::{LimitInvalid, Limits};
pub use mantis_store::disk;
pub use mantis_store::{
    Backup, Checkpoint, Clock, Direction, Durability, Expect, FileKind, FileReport, Finding, Isolation, ManualClock,
    OnProgress, OpenError, Options as StoreOptions, Random, Recovered, RepairError, Repaired, Report, RestoreError,
    SeededRandom, Stats, Unreadable, check, repair, restore, verify,
};
#[cfg(not(target_family = "wasm"))]
pub use mantis_store::{DiskEvent, DiskThreads};
pub use scan::{KeyPage, Page, ScanOptions};
pub use session::{Committed, Session};
#[cfg(feature = "pool")]
pub use sessions::SessionManager;
#[cfg(not(target_family = "wasm"))]
pub use transact::Loss;
pub use value::{Entry, MediaType};
