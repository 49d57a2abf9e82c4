//! The JSON that HTTP and the C interface share: bytes, numbers, rows, and batches of operations on keys and rows. One reader gives it one
//! meaning.
//!
//! The map, from the bottom up:
//!
//! | module | holds |
//! |---|---|
//! | `error` | [`FormError`]: what is wrong with a text |
//! | `json` | reading a text; objects alone; members that may not be null |
//! | `numbers` | whole numbers, however they are written |
//! | `bytes` | keys and values: text, base64, or a list |
//! | `operation`, `operation_schema` | an operation on keys; its JSON schema |
//! | `rows` | the rows of an insert or update, and what collects them |
//! | `batch` | a batch of operations on keys and rows |
//!
//! What a transport says of a failure is not here.
#![deny(missing_docs)]

pub mod batch;
pub mod bytes;
mod error;
pub mod json;
pub mod numbers;
pub mod operation;
mod operation_schema;
pub mod rows;

pub use error::{FormError, Result};
