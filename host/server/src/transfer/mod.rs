//! Import and export.
//!
//! | module | holds |
//! |---|---|
//! | `input` | files to read, with a bar on a terminal |
//! | `encoding` | UTF-16, and line ends that are a carriage return alone |
//! | `read` | a file's records, in each format |
//! | `batch` | records to requests of the batch API |
//! | `order` | where a bucket keeps the order of the file that it was imported from |
//! | `retry` | requests that are sent again while the server is overloaded |
//! | `import`, `export` | the work itself, with several requests under way |
//! | `table` | rows of tables: import and export |
//!
//! A bucket is in key order, a file is in its own. So that `export` can give back byte for byte what `import` took, an import writes the
//! file's keys in the file's order, and the text between its records, to a second bucket `NAME.order`. The records themselves are
//! stored as if they had been put one by one.

mod batch;
mod encoding;
pub(crate) mod export;
pub(crate) mod import;
mod input;
pub(crate) mod order;
mod read;
mod retry;
pub(crate) mod table;
