//! A store's files and the store: opening, checkpoints, backups, and what can be done about damage.
//!
//! | file | holds |
//! |---|---|
//! | `open` | opens what is on a disk, or makes a store there |
//! | `check` | looks at every file, and changes nothing |
//! | `repair` | puts what is whole of a damaged store onto another disk |
//! | `restore` | puts a backup onto a disk |
//! | `checkpoint` | writes the whole store into a file, and removes what that replaces |
//! | `backup` | hands out the whole store, piece by piece |
//! | `replay` | does the commits of the log again |
//! | `files` | which files there are, and how they are read |
//! | `progress` | reports how far reading has come |
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

pub use backup::{Backup, verify};
pub use check::{FileKind, FileReport, Finding, Report, check};
pub use outcome::{OpenError, Recovered};
pub use repair::{RepairError, Repaired, repair, repairable};
pub use restore::{RestoreError, restore};
