//! `DELETE /kv?prefix=`: many keys at once.

use http::{Method, Response, StatusCode};
use mantis_db::{Direction, Kv, ScanOptions, Span};
use serde::Serialize;

use crate::errors::{AnyCode, Code};
use crate::kv::{self, ALL, PREFIX, json_content, list};
use crate::operation::{Answer, Operation, Patience, Tag};
use crate::problem::{Problem, Result};
use crate::query::{Kind, Parameter, Query, Role};
use crate::request::Request;
use crate::sessions::TRANSACTION;
use crate::{App, Body, accept, respond};

/// Keys that go in one commit.
const KEYS_PER_STEP_MAX: usize = 1_000;

pub(crate) static CLEAR: Operation = Operation {
    method: Method::DELETE,
    id: "deleteKeys",
    tag: Tag::KeyValue,
    summary: "Delete many keys",
    description: "Needs `prefix`, or `all=true`. Outside a transaction the keys go in commits of up to 1,000, so that other \
                  writers are not held up; keys written meanwhile may or may not be among them.",
    query: &[&PREFIX_TO_DELETE, &ALL],
    headers: &[&TRANSACTION],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "How many keys are gone.",
        content: &[json_content("Deleted")],
        headers: &[&kv::VERSION, &kv::DURABLE],
    }],
    problems: &[
        AnyCode::Http(Code::SelectionMissing),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Db(mantis_db::Code::BucketNameInvalid),
        AnyCode::Db(mantis_db::Code::ReadOnly),
        AnyCode::Db(mantis_db::Code::DiskFull),
        AnyCode::Db(mantis_db::Code::StorageFailed),
    ],
    now: None,
    handler: |app, request| Box::pin(clear(app, request)),
    patience: Patience::Own,
};

static PREFIX_TO_DELETE: Parameter = Parameter {
    name: PREFIX.name,
    kind: Kind::Key { bytes_min: 1 },
    description: "The keys that begin with these bytes. `all=true` in its place deletes every key.",
    role: Role::Required,
};

#[derive(Serialize)]
pub(crate) struct Deleted {
    pub(crate) deleted: u64,
}

async fn clear(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    let span = selection(&request.query)?;
    let mut session = app.session_for(request).await?;
    let bucket = request.bucket()?;
    let deleted = delete_in_steps(app, &mut session.kv(&bucket)?, span).await?;
    let mut response = respond::json(StatusCode::OK, &Deleted { deleted: deleted.keys });
    kv::tell_written(&mut response, deleted.version, deleted.durable);
    Ok(response)
}

fn selection(query: &Query) -> Result<Span> {
    match (query.bytes(&PREFIX_TO_DELETE), query.flag(&ALL)) {
        (Some(_), true) => Err(ALL.invalid("and `prefix` are both given; give one")),
        (None, true) => Ok(Span::All),
        // An empty prefix is more likely a mistake of the caller's than the wish to delete everything.
        (Some([]) | None, false) => Err(Problem::new(Code::SelectionMissing)),
        (Some(prefix), false) => Ok(Span::Prefix(prefix.to_vec())),
    }
}

/// Deletes a page of keys at a time, so that other requests get their turn between two.
async fn delete_in_steps(app: &App, kv: &mut Kv<'_>, span: Span) -> Result<mantis_db::Deleted> {
    let mut deleted = mantis_db::Deleted { keys: 0, version: 0, durable: false };
    let limit = app.0.database.limits().page_entries_max.min(KEYS_PER_STEP_MAX);
    let mut rest = ScanOptions { span, direction: Direction::Forward, limit, cursor: None };
    let beyond = list::end_of(&rest.span);
    loop {
        let page = kv.scan_keys(&rest).await.map_err(|error| error.after_deleting(deleted.keys))?;
        let (Some(first), Some(last)) = (page.keys.first(), page.keys.last()) else {
            // Where nothing was deleted, the answer is of the newest commit.
            return if deleted.version == 0 { Ok(kv.delete_span(&rest.span).await?) } else { Ok(deleted) };
        };
        let mut behind_last = last.clone();
        behind_last.push(0);
        let these = Span::Between { start: Some(first.clone()), end: Some(behind_last.clone()) };
        let these = kv.delete_span(&these).await.map_err(|error| error.after_deleting(deleted.keys))?;
        deleted = mantis_db::Deleted { keys: deleted.keys + these.keys, ..these };
        if page.cursor.is_none() {
            return Ok(deleted);
        }
        // By key and not by cursor: a cursor would keep a snapshot, and with it what has just been deleted.
        rest.span = Span::Between { start: Some(behind_last), end: beyond.clone() };
        tokio::task::yield_now().await;
    }
}
