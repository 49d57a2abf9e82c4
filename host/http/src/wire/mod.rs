//! The JSON shapes of requests and responses.

pub(crate) mod json;
