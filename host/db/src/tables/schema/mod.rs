//! What a table is, as users write it and as it is stored.
//!
//! | module | holds |
//! |---|---|
//! | `document` | [`TableDocument`]: the JSON form that users write and read |
//! | `change` | [`TableChange`]: the JSON form of a change of a definition |
//! | `alter` | from a change and a schema to another schema |
//! | `altering` | which changes are under way, and which were interrupted |
//! | `cast` | casts of stored values |
//! | `resolve` | from a document to a [`TableSchema`], part by part |
//! | `describe` | from a schema to its document in the normal form; how two documents differ |
//! | `filter` | filters of checks and indexes |
//! | `names` | valid names, PostgreSQL's names for what has none, the nearest name |
//! | `stored` | a schema as bytes |
//! | `ready` | [`Table`]: a schema and what is derived from it once |
//! | `catalog` | `Catalog`: schemas in the key space, and their cache |
//! | `history` | schemas that are no longer in force, for the change feed |
//! | `identity` | the numbers that identity columns get |

pub(crate) mod alter;
pub(crate) mod altering;
pub(crate) mod cast;
pub(crate) mod catalog;
pub mod change;
pub(crate) mod describe;
pub mod document;
pub(crate) mod filter;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod names;
mod ready;
pub(crate) mod resolve;
pub(crate) mod stored;

pub use crate::tables::table;
pub use change::TableChange;
pub use document::TableDocument;
pub use names::nearest;
pub use ready::Table;
pub use table::TableSchema;

#[cfg(test)]
mod tests;
