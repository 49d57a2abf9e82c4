//! Tables: typed rows with PostgreSQL's types and rules.
//!
//! | module | holds |
//! |---|---|
//! | `error` | [`TableError`]: SQLSTATE and PostgREST codes with message, details and hint |
//! | `context` | [`Environment`]: what a statement sees of the world besides the store |
//! | `types` | PostgreSQL's types: values, their text and JSON forms, casts, comparison, patterns |
//! | `table` | [`TableSchema`](table::TableSchema): what a table is: columns, keys, indexes, checks |
//! | `codec` | keys in the order of their values, and the compact form of a row |

pub mod codec;
mod context;
mod error;
pub mod table;
pub mod types;

pub use context::Environment;
pub use error::{TableError, TableResult, code};

/// What the codec knows of schemas.
pub mod schema {
    pub use super::table;
    pub use super::table::TableSchema;
}
