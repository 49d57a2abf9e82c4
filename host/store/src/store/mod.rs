//! The operations of `Store`, where versions in memory and the log meet.
//!
//! | file | holds |
//! |---|---|
//! | `read` | a new store; reads as of now; snapshots |
//! | `write` | writes of one key; work under the writers' lock |
//! | `commit` | transactions: begin, validate, commit, queue for a turn |
//! | `housekeeping` | expiry and pruning |
//! | `changes` | the change feed; waiting for commits |
//! | `settled` | the outcome of a commit (not in a page, where it is known at once) |
//! | `drive` | writes the log, by a thread, by hand, and at the end |
//! | `attachments` | bytes beside the key space (not in a page) |
//! | `space_probe` | whether a full disk has space again |
//! | `state` | statistics, and the disk's failures |
//! | `group_commit` | from a commit in memory to a commit on the disk, or back |
//!
//! A store on a disk is opened in `recovery/`, which also has checkpoints and backups.

#[cfg(not(target_family = "wasm"))]
mod attachments;
mod changes;
mod commit;
mod drive;
mod group_commit;
mod housekeeping;
mod read;
#[cfg(not(target_family = "wasm"))]
mod settled;
mod space_probe;
mod state;
mod write;

#[cfg(not(target_family = "wasm"))]
pub use attachments::Attached;
pub use commit::Uncommitted;
