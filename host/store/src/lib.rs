//! The embedded engine: an ordered, multi-version key space in memory, durable on a disk.
//!
//! Keys and values are bytes. A commit is atomic and has one [`Version`]; reads run at a version and never wait for a writer;
//! [`Transaction`]s are optimistic and serialisable. Everything that the engine needs from outside comes through [`Clock`],
//! [`Random`] and [`disk::Disk`], so that the same code runs in a server, in a browser page and under a test's clock.
//!
//! Rooms from top to bottom; each uses only those below it:
//!
//! | room | holds |
//! |---|---|
//! | `threads` | [`DiskThreads`]: the threads that write the log and checkpoints (not in a page) |
//! | `system` | [`SystemClock`], [`SystemRandom`]: the machine's clock and randomness (not in a page) |
//! | `testing` | disks that fail or lose power, and what fuzzing checks (only with the feature `testing`) |
//! | `recovery` | opening a store; checkpoints, backup and restore; check and repair |
//! | `store` | the operations of [`Store`], where versions in memory and the log meet; group commit |
//! | `transactions` | reads at a snapshot, buffered writes, validation |
//! | `engine` | versions in memory: the key map, snapshots, the writer, pruning, the change feed |
//! | `durability` | what makes commits durable: the log's end, errors of the disk, who writes and who waits |
//! | `attachments` | bytes beside the key space: their files, and who needs them |
//! | [`disk`] | files: a directory, or memory |
//! | `format` | the bytes of every file |
//! | `types` | small types that all of them use: versions, entries, ranges, options, errors, statistics |
//! | [`sync`], `hash` | locks and hash maps; a page has its own |
//! | `mutants` | known bugs that a test build switches on, to test the tests |
//!
//! It knows nothing of buckets, tables, limits on sizes, HTTP or plugins, starts no thread except [`DiskThreads`], and needs no runtime:
//! the owner of a [`Store`] calls [`Store::maintain`] from time to time.
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

mod attachments;
pub mod disk;
mod durability;
mod engine;
mod format;
mod hash;
#[doc(hidden)]
pub mod mutants;
mod recovery;
mod store;
pub mod sync;
#[cfg(not(target_family = "wasm"))]
mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(not(target_family = "wasm"))]
mod threads;
mod transactions;
mod types;

pub use durability::DiskEvent;
pub use engine::{Change, ChangePage, Compacted, Decision, Examined, FeedCursor, Snapshot, Store};
#[cfg(not(target_family = "wasm"))]
pub use engine::{Footprint, TURN_MS, Turn};
pub use format::{Damage, Unreadable};
pub use recovery::{
    Backup, FileKind, FileReport, Finding, OpenError, Part, Recovered, RepairError, Repaired, Report, RestoreError,
    abandon_restore, begin_restore, check, check_showing, repair, repair_showing, repairable, restore, restore_showing,
    verify, verify_showing,
};
#[cfg(not(target_family = "wasm"))]
pub use store::Attached;
pub use store::Uncommitted;
#[cfg(not(target_family = "wasm"))]
pub use system::{SystemClock, SystemRandom};
#[cfg(not(target_family = "wasm"))]
pub use threads::{DiskThreads, OnDiskEvent};
#[cfg(not(target_family = "wasm"))]
pub use transactions::Places;
pub use transactions::{Isolation, Savepoint, Transaction};
pub use types::{
    AttachmentId, Budget, Checkpoint, Clock, DURATION_BOUNDS_US, Direction, DiskStats, Durability, DurationCounters,
    Durations, Entry, EntryHeader, Error, Expect, KeyRange, ManualClock, OnProgress, Options, Random, Refused,
    Reservation, SeededRandom, Space, Stats, StorageFailure, Update, Version, Written,
};
#[cfg(not(target_family = "wasm"))]
pub use types::{HOLD_BUCKETS, Holds};

/// The Rust of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
