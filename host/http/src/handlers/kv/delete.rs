//! `DELETE /kv/{key}`.

use http::{Method, Response, StatusCode};
use mantis_db::{Expect, Outcome, Written};

use crate::api::common;
use crate::api::description::{Tag, no_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::shared;
use crate::protocol::body::Body;
use crate::protocol::conditions::Conditions;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::respond;
use crate::state::{Operation, State};
use crate::wire::written;

pub(crate) static DELETE: Operation = Operation {
    method: Method::DELETE,
    id: "deleteKey",
    tag: Tag::KeyValue,
    summary: "Delete a key",
    description: "A missing key is 404, with `mantisdb-version` and `mantisdb-durable` of the newest commit.",
    query: &[],
    headers: &[&TRANSACTION, &common::IF_MATCH, &common::IF_NONE_MATCH, &common::IF_UNMODIFIED_SINCE],
    body: None,
    answers: &[no_content(204, "The key is deleted.", &[&common::VERSION, &common::DURABLE])],
    problems: &[
        shared::KEY_PROBLEMS[0],
        shared::KEY_PROBLEMS[1],
        shared::KEY_PROBLEMS[2],
        shared::KEY_PROBLEMS[3],
        shared::KEY_MISSING,
        AnyCode::Http(Code::PreconditionFailed),
        AnyCode::Db(mantis_db::Code::ReadOnly),
        AnyCode::Db(mantis_db::Code::DiskFull),
        AnyCode::Db(mantis_db::Code::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(delete(state, request)),
    timeout: TimeoutPolicy::Configured,
};

async fn delete(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let conditions = Conditions::of(request.headers())?;
    let mut session = state.session_for(request).await?;
    let (key, bucket) = (request.key()?, request.bucket()?);
    let mut kv = session.kv(&bucket)?;
    // Conditions apply to an existing key: a missing one is 404 first.
    let mut missing = !conditions.is_empty() && kv.get(&key).await?.is_none();
    let mut guard = conditions.guard();
    let written = loop {
        let expect = if missing { Expect::Absent } else { guard.expect(&mut kv, &key).await? };
        match kv.delete_if(&key, expect).await? {
            Outcome::Written(written) => break written,
            Outcome::Refused(_) if missing => missing = false,
            Outcome::Refused(current) => guard.refused(current.as_ref())?,
        }
    };
    if !written.replaced {
        return Err(not_found(written));
    }
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    written::set_commit_headers(&mut response, written.version, written.durable);
    Ok(response)
}

/// The key did not exist at this commit.
fn not_found(written: Written) -> Problem {
    let headers = written::commit_headers(written.version, written.durable);
    headers.fold(Problem::new(Code::KeyNotFound), |problem, (name, value)| problem.header(name, value))
}
