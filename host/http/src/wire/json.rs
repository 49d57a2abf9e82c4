//! JSON bodies: reading them.

use serde::Deserialize;

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

pub(crate) use mantis_forms::json::Object;

/// Reads a JSON body. What is no JSON is malformed; JSON of another form is invalid.
pub(crate) fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T> {
    mantis_forms::json::parse(body).map_err(Problem::from)
}

/// The problem of a body that cannot be read.
pub(crate) fn problem(body: &[u8], error: &serde_json::Error) -> Problem {
    Problem::from(mantis_forms::json::error(body, error))
}

/// The problem of a body in another encoding, if its first bytes show it.
pub(crate) fn encoding_problem(body: &[u8]) -> Option<Problem> {
    mantis_db::json_encoding_error(body).map(|detail| Problem::new(Code::BodyMalformed).detail(detail))
}
