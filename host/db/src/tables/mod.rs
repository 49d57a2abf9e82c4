//! Tables: typed rows, their schema, keys and indexes, and queries on them, with PostgreSQL's types and rules.
//!
//! A query reads top to bottom: the [tree](mantis_dialect::Query) of a request, bound to a schema (`query/bind`), planned
//! (`query/plan`), executed over encoded rows (`query/execute`), and shown to a [`RowSink`](query::RowSink). From the bottom up:
//!
//! | module | holds |
//! |---|---|
//! | `error` | [`TableError`]: SQLSTATE and PostgREST codes with message, details and hint |
//! | `sort` | sorting, in one copy where every byte is downloaded |
//! | `time_zone` | [`TimeZone`]: zones with their rules, or seconds from UTC |
//! | `context` | [`Environment`]: a statement's time, time zone and randomness |
//! | `interrupt` | the error of a statement that is [interrupted](Interrupt) |
//! | `types` | PostgreSQL's types: values, their text and JSON forms, casts, comparison, patterns |
//! | `table` | [`TableSchema`](table::TableSchema): what a table is: columns, keys, indexes, checks |
//! | `codec` | keys in the order of their values, and the compact form of a row |
//! | `schema` | the document that describes a table; changes of a schema; the catalogue |
//! | `query` | select: bind, plan, execute, embed, aggregate, write as JSON |
//! | `rows` | insert, update, upsert and delete, with defaults, constraints and index entries |
//! | `define` | making, showing, altering and dropping tables; building indexes beside writers |
//! | `feed` | [`Session::feed`](crate::Session::feed): changes of rows and definitions |
//! | `handle` | [`Rows`]: the statements, in the open transaction or in their own |
//! | `calls` | the statements as plugins call them |
//!
//! No HTTP: what a status or a header is, the HTTP crate decides by the error's code.

pub mod calls;
pub mod codec;
mod context;
pub mod define;
mod error;
pub mod feed;
mod handle;
mod interrupt;
pub mod query;
pub mod rows;
pub mod schema;
mod sort;
pub mod table;
mod time_zone;
pub mod types;

pub use crate::Interrupt;
pub use context::Environment;
pub use error::{TableError, TableErrorParts, TableResult, code};
#[cfg(not(target_family = "wasm"))]
pub use handle::{EachRow, Row};
pub use handle::{RowSet, RowStream, Rows, SelectOptions, WriteOptions, Written};
pub use mantis_dialect::Query;
pub use query::{Count, QueryText, QueryTexts, Selected};
pub use rows::{Input, Literal, Resolution, RowBatch};
pub use time_zone::TimeZone;
