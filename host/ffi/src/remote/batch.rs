//! Batches of operations on keys and rows.

use std::borrow::Cow;

use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::form::list;
use super::problem::Lost;
use super::session::{Session, written};
use super::url::Path;
use super::wire::{Answer, Request};
use crate::failure::Failure;
use crate::far::{BatchDone, Shown};

/// Operations of a batch that is passed on as it is: more than a server takes.
const OPERATIONS_MAX: usize = 100_000;

/// Sends the body of `POST /batch` as it is given: the header's form is the API's.
pub(super) fn run(session: &mut Session, operations: &str) -> Result<BatchDone, Failure> {
    let is_write = writes(operations);
    let request = Request { is_write, is_safe: !is_write, ..Request::read(Method::POST, Path::new("/batch")) };
    match session.send(request.json(operations.to_owned())) {
        Ok(answer) => Ok(BatchDone::Committed(page(&results(&answer, OPERATIONS_MAX)?), written(&answer))),
        Err(Lost::Refused(refused)) if refused.problem.code == "check-failed" => {
            Ok(BatchDone::Refused(page(&refused.problem.operations(OPERATIONS_MAX)?)))
        }
        Err(lost) => Err(lost.into()),
    }
}

/// Whether a batch may write: one that cannot be read is refused by the server, and writes nothing.
fn writes(operations: &str) -> bool {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        operations: Vec<Verb<'a>>,
    }
    #[derive(Deserialize)]
    struct Verb<'a> {
        #[serde(borrow)]
        op: Cow<'a, str>,
    }
    serde_json::from_str::<Batch<'_>>(operations)
        .map_or(true, |batch| batch.operations.iter().any(|verb| !matches!(&*verb.op, "get" | "check" | "select")))
}

/// A list of JSON texts.
fn page(texts: &[&RawValue]) -> Shown {
    let list: Vec<_> = texts.iter().map(|text| text.get()).collect();
    Shown { data: format!("[{}]", list.join(",")).into_bytes(), count: texts.len() as u64, ..Shown::default() }
}

/// Sends operations in the form of the API.
///
/// # Errors
/// What the server says, or why it says nothing.
pub(super) fn send(session: &mut Session, operations: &str, is_write: bool) -> Result<Answer, Lost> {
    let path = Path::new("/batch").with("encoding", "base64").with("numbers", "string");
    let request = Request { is_write, is_safe: !is_write, ..Request::read(Method::POST, path) };
    session.send(request.json(format!("{{\"operations\":[{operations}]}}")))
}

/// The results of an answer.
///
/// # Errors
/// It has another form.
pub(super) fn results(answer: &Answer, max: usize) -> Result<Vec<&RawValue>, Failure> {
    #[derive(Deserialize)]
    struct Results<'a> {
        #[serde(borrow)]
        results: &'a RawValue,
    }
    list(answer.json::<Results<'_>>()?.results, max)
}

/// A result as the API writes it.
#[derive(Deserialize)]
pub(super) struct ResultIn<'a> {
    #[serde(default)]
    deleted: u64,
    #[serde(default)]
    pub(super) inserted: u64,
    #[serde(default)]
    updated: u64,
    #[serde(borrow, default)]
    pub(super) rows: Option<&'a RawValue>,
}

impl ResultIn<'_> {
    /// Rows that were written.
    pub(super) fn affected(&self) -> u64 {
        self.inserted.saturating_add(self.updated).saturating_add(self.deleted)
    }
}
