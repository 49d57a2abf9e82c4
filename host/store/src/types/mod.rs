//! Small types that every room uses and that users see. This room imports no other.
//!
//! | file | holds |
//! |---|---|
//! | `entry` | the number of a commit; a value with its version, time and deadline |
//! | `range` | intervals of keys, and directions |
//! | `budget` | how many bytes work in flight may hold, in sum |
//! | `write` | what a single write expects, does and returns |
//! | `error` | the errors of reads and commits; why a store accepts no more writes |
//! | `options`, `platform` | how a store is set up; its clock and its randomness |
//! | `attachment_id` | the name of an attachment, and the key that refers to it |
//! | `stats` | statistics of a store, of its disk and of a checkpoint |
//! | `durations` | how long something took, as a histogram |

mod attachment_id;
mod budget;
mod durations;
mod entry;
mod error;
mod options;
mod platform;
mod range;
mod stats;
mod write;

pub use attachment_id::AttachmentId;
pub use budget::{Budget, Reservation};
pub use durations::{DURATION_BOUNDS_US, DurationCounters, Durations};
pub use entry::{Entry, EntryHeader, Version};
pub(crate) use entry::{NEVER_MS, is_past};
pub use error::{Error, StorageFailure};
pub use options::{Durability, OnProgress, Options};
pub use platform::{Clock, ManualClock, Random, SeededRandom};
pub use range::{Direction, KeyRange};
pub use stats::{Checkpoint, DiskStats, Space, Stats};
#[cfg(not(target_family = "wasm"))]
pub use stats::{HOLD_BUCKETS, Holds};
pub use write::{Expect, Refused, Update, Written};
