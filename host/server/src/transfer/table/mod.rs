//! Rows of tables: import and export.
//!
//! | module | holds |
//! |---|---|
//! | `rows` | a file's rows with their lines: CSV, lines of JSON, a list of JSON |
//! | `infer` | the types of a file's columns |
//! | `encode` | a row as the JSON that the server takes |
//! | `rejects` | the file of rows that do not fit |
//! | `import` | the import: batches of rows, and halves of those that are refused |
//! | `page` | some rows as the server sent them |
//! | `whole` | the rows of a query as one answer |
//! | `pages` | a table's rows page by page, in one snapshot |
//! | `csv` | CSV as the server writes it, to CSV as others read it |
//! | `export` | the export in each format |
//!
//! Batches go one after the other, so that a failed import leaves all rows before a line and none after it, and of two rows with one
//! key the later counts.

pub(crate) mod csv;
mod encode;
pub(crate) mod export;
pub(crate) mod import;
mod infer;
mod page;
mod pages;
mod rejects;
mod rows;
mod whole;

pub(crate) use rows::RowsForm;
pub(crate) use whole::announced;
