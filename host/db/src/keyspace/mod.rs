//! The engine's one key space, and what lies where in it.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | the bytes of every key: catalogue, entries, rows |
//! | `catalog` | the names and numbers of buckets: find, make, list, drop |
//! | `span` | a range of a bucket's keys |

pub(crate) mod catalog;
mod layout;
mod span;

pub(crate) use catalog::Bucket;
#[cfg(feature = "tables")]
pub use layout::SpaceId;
#[cfg(all(feature = "tables", not(target_family = "wasm")))]
pub(crate) use layout::rows_named_by;
pub(crate) use layout::{BUCKET_PREFIX_BYTES, BucketId, Dropped, is_of_bucket, split};
#[cfg(feature = "tables")]
pub(crate) use layout::{
    EncodedKey, SPACE_PREFIX_BYTES, former_schema_key, name_in_schema_key, schema_key, space_of, space_prefix, tables,
};
#[cfg(not(target_family = "wasm"))]
pub(crate) use layout::{PLUGINS, name_in_plugin_key, plugin_key};
pub use span::Span;
