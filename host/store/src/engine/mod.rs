//! Versions in memory: the keys and their history, who reads them, and how a commit changes them. This room does not know files; a commit
//! of a store on a disk is encoded for the log, and `store/group_commit.rs` writes it.
//!
//! From top to bottom; each uses only those below it:
//!
//! | file | holds |
//! |---|---|
//! | `prune` | frees what no reader can see |
//! | `apply` | puts a commit on the chains, and undoes it |
//! | `snapshot` | reads pinned to a version |
//! | `reads` | reads at a version, of the newest state, along a range |
//! | `inner` | a store's state; [`Store`], the handle to it |
//! | `watchers` | receivers of the newest commit's version |
//! | `writer_lock`, `writer` | the writers' lock and how long it is held; state that only its holder changes |
//! | `garbage` | the pruner's queue: versions that superseded others |
//! | `registry` | which versions are pinned |
//! | `turns`, `read_set` | turns for transactions that keep losing; the reads and writes of a transaction |
//! | `feed`, `kept_spans` | the latest commits, in order; keys whose replaced values it keeps |
//! | `map`, `hash_index` | the skiplist and the hash index over the records |
//! | `record` | a key and the chain of its versions |

mod apply;
mod feed;
mod garbage;
#[cfg(not(target_family = "wasm"))]
mod hash_index;
mod inner;
mod kept_spans;
mod map;
mod prune;
mod read_set;
mod reads;
mod record;
mod registry;
mod snapshot;
#[cfg(not(target_family = "wasm"))]
mod turns;
mod watchers;
mod writer;
mod writer_lock;

pub use feed::{Change, ChangePage, Compacted, Decision, Examined, FeedCursor};
pub(crate) use feed::{Fallen, FeedChange};
#[cfg(not(target_family = "wasm"))]
pub(crate) use feed::{FeedCommit, Hold};
pub(crate) use inner::Inner;
pub use inner::Store;
pub(crate) use kept_spans::KeptSpans;
pub(crate) use map::KeyMap;
pub(crate) use read_set::{RangeRead, ReadSet, ReadTimes, Seen, WriteSet};
pub(crate) use record::{Found, Node, NodeExt, Record, Shown};
pub use snapshot::Snapshot;
#[cfg(not(target_family = "wasm"))]
pub use turns::{Footprint, TURN_MS, Turn};
#[cfg(not(target_family = "wasm"))]
pub(crate) use writer::Deadline;
pub(crate) use writer::Writer;
pub(crate) use writer_lock::WriterGuard;
