//! [`Rows`]: the rows of one table through one session, and the statements on them.
//!
//! | module | holds |
//! |---|---|
//! | `rows` | [`Rows`]: the table, its session, the surroundings |
//! | `options` | what a statement is told besides its query, and what it answers besides its rows |
//! | `read` | select, explain, and reads for programs |
//! | `write` | insert, update, put, delete: each as work within a transaction |
//! | `fetch` | [`Row`], [`EachRow`]: rows as values, for programs; not in a page |
//! | `stream` | [`RowStream`]: the rows of a select piece by piece |
//! | `row_set` | [`RowSet`]: rows that are no table's, queried as if they were |
//! | `run` | that work in the open transaction, or in transactions of its own until one commits |

#[cfg(not(target_family = "wasm"))]
mod fetch;
mod options;
mod read;
mod row_set;
mod rows;
mod run;
mod stream;
mod write;

#[cfg(not(target_family = "wasm"))]
pub use fetch::{EachRow, Row};
pub use options::{SelectOptions, WriteOptions, Written};
pub use row_set::RowSet;
pub use rows::Rows;
pub use stream::RowStream;
