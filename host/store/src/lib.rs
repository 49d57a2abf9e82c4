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
mod transactions;
mod types;

pub use durability::DiskEvent;
pub use engine::{Change, ChangePage, Compacted, FeedCursor, Snapshot, Store};
#[cfg(not(target_family = "wasm"))]
pub use engine::{Footprint, TURN_MS, Turn};
pub use format::{Damage, Unreadable};
pub use recovery::{
    Backup, FileKind, FileReport, Finding, OpenError, Recovered, RepairError, Repaired, Report, RestoreError, check,
    repair, restore, verify,
};
pub use store::Uncommitted;
#[cfg(not(target_family = "wasm"))]
pub use threads::{DiskThreads, OnDiskEvent};
#[cfg(not(target_family = "wasm"))]
pub use transactions::Places;
pub use transactions::{Isolation, Savepoint, Transaction};
pub use types::{
    Checkpoint, Clock, Direction, DiskStats, Durability, Entry, Error, Expect, KeyRange, ManualClock, OnProgress,
    Options, Random, Refused, SeededRandom, Space, Stats, Update, Version, Written,
};
#[cfg(not(target_family = "wasm"))]
pub use types::{HOLD_BUCKETS, Holds};
