//! `GET /backup`: the whole database at one commit, as the file that `mantisdb restore` takes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use mantis_db::Backup;

use crate::api::description::{Answer, AnswerHeader, Content, Shape, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::accept;
use crate::protocol::body::{Body, BodyError};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::state::streams::StreamTicket;
use crate::state::{Operation, State};

const BACKUP: &str = "application/vnd.mantisdb.backup";

pub(crate) static DOWNLOAD: Operation = Operation {
    method: Method::GET,
    id: "downloadBackup",
    tag: Tag::Service,
    summary: "A backup of the whole database",
    description: "The database at one commit, whatever is written meanwhile, as a file for `mantisdb restore`. Every block has a checksum \
                  and the last one marks the end, so an interrupted download is not mistaken for a backup. While it is sent, the versions \
                  in it stay in memory: a client that reads less than a block (about 256 KiB) a minute is disconnected.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The backup.",
        content: &[Content { media: BACKUP, shape: Shape::Bytes }],
        headers: &[&VERSION, &BYTES_ESTIMATE],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable), AnyCode::Http(Code::StreamsTooMany)],
    now: None,
    handler: |state, request| Box::pin(async move { download(state, request) }),
    timeout: TimeoutPolicy::Own,
};

static VERSION: AnswerHeader = AnswerHeader {
    name: "mantisdb-version",
    required: true,
    pattern: Some("^[0-9]+$"),
    description: "The commit that the backup contains.",
};
static BYTES_ESTIMATE: AnswerHeader = AnswerHeader {
    name: "mantisdb-bytes-estimate",
    required: true,
    pattern: Some("^[0-9]+$"),
    description: "The approximate size in bytes, for progress bars.",
};

fn download(state: &Arc<State>, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[BACKUP])?;
    if state.is_shutting_down() {
        return Err(Code::ShuttingDown.into());
    }
    let ticket = StreamTicket::take(state)?;
    let backup = state.database.store().backup();
    let (version, estimate) = (backup.version(), backup.bytes_estimate());
    let mut response = Response::new(body(backup, ticket));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BACKUP));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = format!("attachment; filename=\"mantisdb-{version}.backup\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    put_number(headers, &VERSION, version);
    put_number(headers, &BYTES_ESTIMATE, estimate);
    Ok(response)
}

fn put_number(headers: &mut HeaderMap, header: &AnswerHeader, number: u64) {
    headers.insert(HeaderName::from_static(header.name), HeaderValue::from(number));
}

/// The blocks, each made when the client has read the previous one. On a blocking thread: between two blocks there may be many
/// keys that are not in it.
fn body(backup: Backup, ticket: StreamTicket) -> Body {
    Body::stream(stream::unfold(Some((backup, ticket)), |state| async move {
        let (mut backup, ticket) = state?;
        let made = tokio::task::spawn_blocking(move || (backup.next(), backup)).await;
        let failed = |error: &dyn std::fmt::Display| Some((Err(BodyError(error.to_string())), None));
        match made {
            Ok((Some(Ok(piece)), backup)) => Some((Ok(Bytes::from(piece)), Some((backup, ticket)))),
            Ok((Some(Err(error)), _)) => failed(&error),
            Ok((None, _)) => None,
            Err(error) => failed(&error),
        }
    }))
}
