//! Media types that several responses have.

pub(crate) const JSON: &str = "application/json";
/// A value in the form that JSON has for one.
pub(crate) const VALUE_JSON: &str = "application/vnd.mantisdb.value+json";
/// An entry in the form that JSON has for one.
pub(crate) const ENTRY_JSON: &str = "application/vnd.mantisdb.entry+json";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";
