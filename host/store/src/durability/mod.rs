//! Durable commits, apart from keys and versions in memory: the log and its end, the disk's errors, and who writes and who waits. The
//! engine holds the state ([`Durable`]); `store/` has the operations that need both.
//!
//! | file | holds |
//! |---|---|
//! | `durable` | the whole state, for a store on a disk |
//! | `identity` | the file `store.mantis`: the store's identity, and the versions that are used up |
//! | `checkpoints` | the checkpoints of a store, and when the next one is due |
//! | `log` | writes segments |
//! | `disk_errors` | errors of the disk, the commits that they undid, and events for the owner |
//! | `commit_delay` | how long the log's thread waits for more commits before it syncs |
//! | `commit_times` | how long commits take from submitted to visible |
//! | `driver` | who writes the log, if anybody |
//! | `parker` | parks the log's thread until there is something to do |

mod checkpoints;
#[cfg(not(target_family = "wasm"))]
mod commit_delay;
#[cfg(not(target_family = "wasm"))]
mod commit_times;
mod disk_errors;
#[cfg(not(target_family = "wasm"))]
mod driver;
mod durable;
pub(crate) mod identity;
mod log;
mod parker;

pub(crate) use checkpoints::{Checkpoints, KEPT, log_bytes_due};
#[cfg(not(target_family = "wasm"))]
pub(crate) use commit_times::{CommitTimes, Submission};
pub use disk_errors::DiskEvent;
#[cfg(not(target_family = "wasm"))]
pub(crate) use driver::{begin_log_thread, is_log_thread};
pub(crate) use durable::{Durable, LogEnd, panicked};
pub(crate) use log::{AppendError, LogWriter, Segment, create_segment};
