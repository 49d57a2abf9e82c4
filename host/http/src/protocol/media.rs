//! Media types that several responses have.

pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";
