//! The operations on the keys of one bucket.

pub(crate) mod batch;
pub(crate) mod cursor;
#[cfg(not(target_family = "wasm"))]
mod each;
pub(crate) mod operations;
pub(crate) mod scan;
pub(crate) mod value;

pub use batch::{Applied, Op, OpResult, Refusal};
#[cfg(not(target_family = "wasm"))]
pub use each::{AppliedEach, Each};
pub use operations::{Counted, Deleted, Kv, Outcome, SetOptions, Written};
pub use scan::{KeyPage, Page, ScanOptions};
pub use value::{Entry, MediaType};
