//! Writes of rows: values, constraints, index entries, foreign keys. All work of one statement is within one transaction.
//!
//! | module | holds |
//! |---|---|
//! | `batch` | what is written, as its writer has it |
//! | `input` | a batch of raw values to values of the columns' types, with defaults and identities |
//! | `row_ids` | the ids of rows without a primary key |
//! | `state` | what is kept between statements: targets and row ids |
//! | `target` | a table as writes see it: keys, index entries, checks, derived once for a version of its schema |
//! | `statement` | `Statement`: one statement's work, its limits, the rows it changed, what is checked at its end |
//! | `change` | one row added, changed or removed, with its constraints and index entries |
//! | `link` | a foreign key: which keys of the two tables belong together |
//! | `references` | parents and children of rows by their keys |
//! | `actions` | what happens to children when their parent goes or changes its key |
//! | `insert`, `update`, `delete` | the statements |
//! | `existing` | older rows against what a change of the schema has added |
//! | `violation` | errors of constraints, in PostgreSQL's words |
//! | `invariants` | what must hold of all tables whatever happened: for tests |
//!
//! A foreign key's checks and actions need no grants on the other table, as in PostgreSQL, where they run with its owner's rights.

mod actions;
mod batch;
mod change;
mod delete;
mod existing;
mod input;
mod insert;
#[cfg(any(test, feature = "testing"))]
pub mod invariants;
mod link;
mod references;
mod row_ids;
mod state;
mod statement;
mod target;
mod update;
mod violation;

pub use batch::{Input, Literal, Resolution, RowBatch};
pub(crate) use input::{Values, key_of};
pub(crate) use insert::{Conflict, NewRows, put_key};
pub(crate) use statement::{Changed, ChangedRow, Statement, Stored, check_versions};
pub(crate) use target::Target;
