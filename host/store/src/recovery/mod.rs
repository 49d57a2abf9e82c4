//! A store's files and the store: opening, checkpoints, backups, and the repair of damage.
//!
//! | file | holds |
//! |---|---|
//! | `open` | opens a store on a disk, or creates one |
//! | `check` | reads every file, and changes nothing |
//! | `repair` | copies the intact part of a damaged store to another disk |
//! | `restore` | restores a backup to a disk |
//! | `checkpoint` | writes the whole store into a file, and removes the files that it replaces |
//! | `backup` | hands out the whole store in pieces |
//! | `sent` | the attachments of a backup (not in a page) |
//! | `replay` | applies the commits of the log again |
//! | `files` | which files exist, and how they are read |
//! | `progress` | reports the progress of reading |
//! | `outcome` | what opening found, or why it failed |

mod backup;
mod check;
mod checkpoint;
mod files;
mod open;
mod outcome;
mod progress;
mod repair;
mod replay;
mod restore;
#[cfg(not(target_family = "wasm"))]
mod sent;

pub use backup::{Backup, verify, verify_showing};
pub use check::{FileKind, FileReport, Finding, Report, check, check_showing};
pub use outcome::{OpenError, Part, Recovered};
pub use repair::{RepairError, Repaired, repair, repair_showing, repairable};
pub use restore::{RestoreError, abandon_restore, begin_restore, restore, restore_showing};
