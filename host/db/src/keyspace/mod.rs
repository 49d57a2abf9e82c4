//! The engine's one key space, and what lies where in it.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | the bytes of every key: catalogue, entries |
//! | `catalog` | the names and numbers of buckets: find, make, list, drop |
//! | `span` | a range of a bucket's keys |

pub(crate) mod catalog;
mod layout;
mod span;

pub(crate) use catalog::Bucket;
pub(crate) use layout::{BUCKET_PREFIX_BYTES, BucketId, split};
pub use span::Span;
