//! Errors of a server, and of the way to it.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use mantis_db::Code;
use mantis_db::tables::code;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::form::list;
use crate::abi::status::{self, Status};
use crate::failure::Failure;

/// The code of an answer that cannot be read.
pub(super) const MALFORMED: &str = "answer-malformed";
const INCOMPATIBLE: &str = "server-incompatible";

/// What a server has against the request, in either of its forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) code: String,
    title: String,
    detail: String,
    message: Option<String>,
    /// A text, or another value of JSON: the relations between which an embedding is ambiguous are a list.
    details: Option<Box<RawValue>>,
    hint: Option<String>,
    deleted: u64,
    operation: Option<usize>,
    /// Of a batch: those whose conditions did not hold.
    operations: Option<Box<RawValue>>,
    pub(super) retry_token: Option<String>,
}

/// An operation on a key whose condition did not hold.
#[derive(Debug, Deserialize)]
pub(super) struct RefusedIn {
    pub(super) index: usize,
    #[serde(default)]
    pub(super) version: Option<super::form::Number>,
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) problem: Problem,
    pub(super) headers: HeaderMap,
    pub(super) failure: Failure,
}

/// Why there is no success: what the server said, or that it said nothing.
#[derive(Debug)]
pub(super) enum Lost {
    Refused(Box<Refused>),
    Failed(Failure),
}

impl Problem {
    /// The operations of a batch whose conditions did not hold.
    ///
    /// # Errors
    /// They are no list, or more than there are operations.
    pub(super) fn operations(&self, max: usize) -> Result<Vec<&RawValue>, Failure> {
        self.operations.as_deref().map_or_else(|| Ok(Vec::new()), |operations| list(operations, max))
    }
}

impl Lost {
    /// Whether the request may have been carried out all the same.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            Self::Refused(refused) => {
                status_of(&refused.problem.code, StatusCode::OK, true) == status::MANTIS_E_OUTCOME_UNKNOWN
            }
            Self::Failed(failure) => failure.code != INCOMPATIBLE,
        }
    }

    /// The server's code; empty if it said nothing.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.problem.code,
            Self::Failed(_) => "",
        }
    }
}

impl From<Failure> for Lost {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Refused(refused) => refused.failure,
            Lost::Failed(failure) => failure,
        }
    }
}

/// Reads an answer that is no success.
pub(super) fn read(answered: StatusCode, headers: HeaderMap, body: &[u8], is_write: bool) -> Lost {
    let mut problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    if !is_ours(&headers) || problem.code.is_empty() && !body.is_empty() {
        // A proxy that waited in vain does not know more than this client.
        if is_write && answered.is_server_error() {
            return unknown(&format!("something that is no MantisDB server answered {answered}")).into();
        }
        return stranger(&format!("it answered {answered}")).into();
    }
    if problem.code == "route-not-found" || problem.code == "method-not-allowed" {
        let message = "the server does not know this request: it is of another release than this library";
        return Failure::new(status::MANTIS_E_IO, INCOMPATIBLE, message).into();
    }
    if problem.code.is_empty() {
        problem.code = format!("http-{}", answered.as_u16());
    }
    let texts = [Some(&problem.detail), problem.message.as_ref(), Some(&problem.title)];
    let message = texts.into_iter().flatten().find(|text| !text.is_empty());
    // In a batch the text names the operation, which has a member of its own here.
    let message = message.map(|text| match problem.operation {
        Some(index) => text.strip_prefix(&format!("operation {index}: ")).unwrap_or(text),
        None => text,
    });
    let failure = Failure {
        details: problem.details.as_deref().map(text_of).unwrap_or_default(),
        hint: problem.hint.clone().unwrap_or_default(),
        deleted: problem.deleted,
        index: problem.operation,
        ..Failure::new(
            status_of(&problem.code, answered, is_write),
            &problem.code,
            message.map_or_else(|| format!("the server answered {answered}"), ToOwned::to_owned),
        )
    };
    Lost::Refused(Box::new(Refused { problem, headers, failure }))
}

/// A text of JSON without its quotes; any other value as it is written.
fn text_of(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

/// The result for a code of a server.
pub(super) fn status_of(code: &str, answered: StatusCode, is_write: bool) -> Status {
    if let Some(known) = Code::ALL.iter().find(|known| known.as_str() == code) {
        return match known {
            Code::StorageFailed => status::MANTIS_E_OUTCOME_UNKNOWN,
            known => status::of_kind(known.kind()),
        };
    }
    let is_of_tables = code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        || code.starts_with("PGRST");
    match code {
        code::SERIALIZATION_FAILURE => status::MANTIS_E_CONFLICT,
        _ if is_of_tables => status::MANTIS_E_TABLE,
        "request-timeout" if is_write => status::MANTIS_E_OUTCOME_UNKNOWN,
        "overloaded" | "body-too-large" | "uri-too-long" | "header-too-large" => status::MANTIS_E_LIMIT,
        _ if code.ends_with("-too-many") => status::MANTIS_E_LIMIT,
        _ if answered.is_client_error() => status::MANTIS_E_INVALID,
        _ if is_write && code.starts_with("http-5") => status::MANTIS_E_OUTCOME_UNKNOWN,
        _ => status::MANTIS_E_OTHER,
    }
}

/// Every answer of a server has an id.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    headers.contains_key("x-request-id")
}

/// What answers is not a MantisDB server.
pub(super) fn stranger(why: &str) -> Failure {
    Failure::new(status::MANTIS_E_IO, "not-mantisdb", format!("what answers is not a MantisDB server: {why}"))
        .with_hint("Check the address and its port, and proxies in between.")
}

/// There is no way to the server, or it broke off.
pub(super) fn unreachable(why: &str) -> Failure {
    Failure::new(status::MANTIS_E_IO, "unreachable", format!("the server cannot be reached: {why}"))
}

/// A write was sent, and there is no answer to it that can be read.
pub(super) fn unknown(why: &str) -> Failure {
    Failure::new(
        status::MANTIS_E_OUTCOME_UNKNOWN,
        "outcome-unknown",
        format!("the write was sent and its answer did not come or cannot be read ({why}): it may have happened, now or a little later"),
    )
    .with_hint("Read what was to be written before writing it again.")
}

/// An answer that is not of the form that the API promises.
pub(super) fn malformed(why: impl std::fmt::Display) -> Failure {
    Failure::new(status::MANTIS_E_IO, MALFORMED, format!("the server's answer is not as expected: {why}"))
}
