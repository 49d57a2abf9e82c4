//! Bytes of tables: keys in the order of their values, and the compact form of a row.
//!
//! | module | holds |
//! |---|---|
//! | `key` | values as bytes whose order is that of the values |
//! | `entry` | keys of rows and of index entries, made of such values |
//! | `range` | conditions on the first parts of a key, as ranges of keys |
//! | `row` | a row: which layout, null bitmap, fixed columns, then the rest |
//! | `damage` | the error of stored bytes that cannot be read |
//! | `samples` | values for properties, and their order |

mod damage;
mod entry;
mod key;
mod range;
mod row;
#[cfg(test)]
mod samples;

pub use entry::{EntryShape, INDEX_KEY_BYTES_MAX, KeyPart, KeyShape};
pub use key::{KeyBuffer, decode, is_exact, push, skip};
pub use range::KeyPrefix;
pub use row::{Cast, Raw, Row, RowReader, RowShape, RowView};
