//! The embedded engine: an ordered, multi-version key space in memory, durable on a disk.
//!
//! Keys and values are bytes. A commit is atomic and has one [`Version`]; reads run at a version and never wait for a writer;
//! [`Transaction`]s are optimistic and serialisable. Everything that the engine needs from outside comes through [`Clock`],
//! [`Random`] and [`disk::Disk`], so that the same code runs in a server, in a browser page and under a test's clock.
//!
//! | module | holds |
//! |---|---|
//! | `store` | [`Store`]: point reads, and the ways to write |
//! | `writer`, `writer_lock` | the one writer: commits and expiry; who it is, and for how long |
//! | `prepare` | places in the indexes for the new keys of a large commit, before it |
//! | `prune` | taking out what no reader can meet |
//! | `write`, `options`, `stats` | the words of writes, of setting up, and of figures |
//! | `record` | a key and the chain of its versions |
//! | `map`, `points` | the skiplist and the hash index over the records |
//! | `range` | intervals of keys |
//! | `snapshot` | reads pinned to a version, and which versions are pinned |
//! | `seen` | reads of what is not visible yet, and what they rest on |
//! | `transaction` | reads and buffered writes, validated at commit |
//! | `validation` | whether what a transaction has read still holds when it commits |
//! | `turns` | a transaction that has lost often enough commits undisturbed |
//! | `feed` | the latest commits in order, for those who follow |
//! | `mutants` | known bugs that a test build switches on, to test the tests |
//! | `fuzz` | what must hold whatever the bytes of a file are (for tests and `fuzz/`) |
//! | `platform` | clock and randomness |
//! | [`disk`] | files: a directory, memory, and disks that fail or lose power for tests |
//! | `log` | the bytes of the log and its segments |
//! | `driver` | who writes the log, if anybody does |
//! | `durable` | from a commit in memory to a commit on the disk |
//! | `failures`, `room` | what the disk refused, and word of it; whether a full one has room again |
//! | `identity` | whose store it is, and which versions are used up |
//! | `checkpoint`, `blocks`, `open` | the whole store in a file, and its bytes; opening what is there |
//! | `backup`, `restore` | the whole store handed out, and put back |
//! | `check`, `repair` | looking at every file, and what can be kept of damaged ones |
//! | `progress` | how far reading has come |
//! | `thread` | the threads that write the log and checkpoints (not in a page) |
//!
//! It knows nothing of buckets, tables, limits on sizes, HTTP or plugins, starts no thread unless asked for [`DiskThreads`], and needs no
//! runtime: whoever owns a [`Store`] calls [`Store::maintain`] from time to time.
//!
//! ```
//! use std::sync::Arc;
//! use mantis_store::{ManualClock, Options, SeededRandom, Store};
//!
//! let store = Store::new(Options::new(Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1))));
//! let mut transaction = store.begin();
//! transaction.put(b"fruit/apple", "red", None);
//! transaction.put(b"fruit/pear", "green", None);
//! let version = transaction.commit()?;
//! let apple = store.get(b"fruit/apple").unwrap();
//! assert_eq!((&apple.value[..], apple.version), (&b"red"[..], version));
//! # Ok::<(), mantis_store::Error>(())
//! ```
#![deny(missing_docs)]

pub mod disk;
mod durability;
mod engine;
mod format;
mod mutants;
mod recovery;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(not(target_family = "wasm"))]
mod threads;
mod transaction;
mod types;

use bytes::Bytes;

pub use durability::disk_errors::DiskEvent;
pub use engine::feed::{Change, ChangePage, Compacted, FeedCursor};
pub use engine::snapshot::Snapshot;
#[cfg(not(target_family = "wasm"))]
pub use engine::turns::{Footprint, TURN_MS, Turn};
pub use format::blocks::{Damage, Unreadable};
pub use recovery::backup::{Backup, verify};
pub use recovery::check::{FileKind, FileReport, Finding, Report, check};
pub use recovery::checkpoint::Checkpoint;
pub use recovery::open::{OpenError, Recovered};
pub use recovery::repair::{RepairError, Repaired, repair};
pub use recovery::restore::{RestoreError, restore};
pub use store::Store;
#[cfg(not(target_family = "wasm"))]
pub use threads::{DiskThreads, OnDiskEvent};
#[cfg(not(target_family = "wasm"))]
pub use transaction::prepare::Places;
pub use transaction::{Isolation, Savepoint, Transaction, Uncommitted};
pub use types::options::{Durability, OnProgress, Options};
pub use types::platform::{Clock, ManualClock, Random, SeededRandom};
pub use types::range::{Direction, KeyRange};
pub use types::stats::{DiskStats, Space, Stats};
#[cfg(not(target_family = "wasm"))]
pub use types::stats::{HOLD_BUCKETS, Holds};
pub use types::write::{Expect, Refused, Update, Written};

/// The number of a commit: 1 for the first, and every later commit's is larger, mostly by one. A number that a client may have seen is
/// never given to another commit, even where a power cut took the first.
///
/// 0 stands for a write that is not committed yet, where a transaction reads what it wrote itself.
pub type Version = u64;

/// A value and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes. Cloning shares them.
    pub value: Bytes,
    /// The commit that wrote the value.
    pub version: Version,
    /// When that was, in milliseconds since the epoch.
    pub modified_ms: u64,
    /// When the value stops being served, in milliseconds since the epoch.
    pub expires_at_ms: Option<u64>,
}

/// Why the engine did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another commit changed what the transaction had read. Run it again.
    #[error("another commit changed what this transaction read; run it again")]
    Conflict,
    /// The snapshot was held longer than [`Options::snapshot_age_ms_max`] and its versions may be gone. Take a new one.
    #[error("the snapshot is too old; take a new one and go on from there")]
    SnapshotTooOld,
    /// The transaction's scans came by more keys than [`Transaction::set_visits_max`] allows.
    #[error("the transaction has scanned more keys than it may")]
    VisitsTooMany,
    /// The disk is full: the commit did not happen, reads go on, and writes do when there is room again.
    #[error("the disk is full; nothing was written")]
    DiskFull,
    /// The disk failed. The commit is not visible, and whether it is there when the store is opened anew is open until then: what was
    /// written of it may be on the disk. Nothing can be written before; reads go on.
    #[error("the disk has failed; the store takes no more writes")]
    StorageFailed,
    /// Under [`Durability::Always`] nobody writes the log: [`DiskThreads`] were not started, or have ended. The commit did not happen.
    #[cfg(not(target_family = "wasm"))]
    #[error("no thread writes the store's log, so nothing was written; start DiskThreads first, and keep them")]
    NoLogThread,
}
