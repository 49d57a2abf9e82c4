//! The operations for programs without a runtime: each waits in the calling thread until it is done.
//!
//! | file | holds |
//! |---|---|
//! | `session` | [`Session`]: transactions, buckets, tables, changes |
//! | `kv` | [`Kv`]: the operations on the keys of one bucket; a scan as an iterator |
//! | `rows` | [`Rows`]: the statements on the rows of one table; rows as an iterator |
//!
//! They are the asynchronous operations, and errors, limits and results are theirs; only commits that have to be on the disk first, turns of
//! transactions that lose, and [`Follow`] wait at all. [`wait`] does the same for what has no twin here.
//!
//! Inside an async runtime they work too, but occupy the runtime's thread meanwhile, as a call of the file system does. Any thread may call
//! them, among them the one that calls with [events of the disk](crate::OpenOptions::on_disk_event).
//!
//! ```
//! use mantis_db::Database;
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data");
//! let database = Database::open(path)?;
//! let mut session = database.blocking();
//! session.kv("fruit")?.set(b"apple", b"red")?;
//! let apple = session.kv("fruit")?.get(b"apple")?.expect("it was just set");
//! assert_eq!(&apple.value[..], b"red");
//! for entry in session.kv("fruit")?.entries(Default::default()) {
//!     let (key, entry) = entry?;
//!     println!("{key:?}: {:?}", entry.value);
//! }
//! database.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod kv;
#[cfg(feature = "tables")]
mod rows;
mod session;

pub use kv::{Entries, Kv};
/// Waits in the calling thread for the result of any future.
pub use pollster::block_on as wait;
#[cfg(feature = "tables")]
pub use rows::{EachRow, Rows};
pub use session::{Follow, Session};
