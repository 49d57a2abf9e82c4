//! Keys and values: a file per operation.
//!
//! Below the operations: `shared` (parameters, problems, times to live), `form` and `form_schema` (the JSON of a batch), `put_body` (the JSON of a value), `representation` (the form in which an entry is shown), `listing` and `stream` (what a
//! listing shows, and a whole one line by line), `span` (ranges of keys).

pub(crate) mod batch;
pub(crate) mod clear;
pub(crate) mod delete;
pub(crate) mod form;
pub(crate) mod form_schema;
pub(crate) mod get;
pub(crate) mod increment;
pub(crate) mod list;
mod listing;
pub(crate) mod put;
mod put_body;
mod representation;
pub(crate) mod shared;
mod span;
mod stream;
