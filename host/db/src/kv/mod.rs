//! Keys and values: the operations on one bucket.
//!
//! | file | holds |
//! |---|---|
//! | `handle` | [`Kv`]: a bucket through a session, and how work on it becomes a commit |
//! | `operations` | get, set, delete, increment |
//! | `batch`, `each` | many operations in one commit; one after the other |
//! | `delete` | spans |
//! | `entries` | a scan as one sequence; not in a page |
//! | `scan`, `cursor` | pages in order; the position between two of them |
//! | `outcome` | options of a write, and its outcomes |
//! | `write` | one write within a transaction |
//! | `transaction_limits` | how much one transaction may read and write |
//! | `value` | the stored form: a media type and bytes |

mod batch;
mod cursor;
pub(crate) mod delete;
#[cfg(not(target_family = "wasm"))]
mod each;
#[cfg(not(target_family = "wasm"))]
mod entries;
mod handle;
mod operations;
pub(crate) mod outcome;
mod scan;
mod transaction_limits;
pub(crate) mod value;
mod write;

#[cfg(feature = "tables")]
pub(crate) use batch::check_operations;
pub use batch::{Applied, Op, OpResult, Refusal};
pub use delete::SpanDeletion;
#[cfg(not(target_family = "wasm"))]
pub use each::{AppliedEach, Each};
#[cfg(not(target_family = "wasm"))]
pub use entries::Entries;
pub use handle::Kv;
pub use outcome::{Counted, Deleted, Outcome, SetOptions, Written};
pub use scan::{KeyPage, Page, ScanOptions};
pub use value::{Entry, EntryRef, MediaType};
#[cfg(feature = "tables")]
pub(crate) use write::WriteStop;
