//! Tables: typed rows with PostgreSQL's types and rules.
//!
//! | module | holds |
//! |---|---|
//! | `error` | [`TableError`]: SQLSTATE and PostgREST codes with message, details and hint |
//! | `context` | [`Environment`]: what a statement sees of the world besides the store |
//! | `types` | PostgreSQL's types: values, their text and JSON forms, casts, comparison, patterns |

mod context;
mod error;
pub mod types;

pub use context::Environment;
pub use error::{TableError, TableResult, code};
