//! `GET /backup`: the whole database at one commit, as the file that `mantisdb restore` takes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use mantis_db::{Backup, Reservation};

use crate::api::description::{Answer, AnswerHeader, Content, Shape, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::{Body, BodyError};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, memory};
use crate::state::streams::StreamTicket;
use crate::state::{Operation, State};

const BACKUP: &str = "application/vnd.mantisdb.backup";

/// What a backup holds while it is sent: the block that is made, the one that is sent, and a component's bytes for one. A block with a
/// larger value takes its own length besides.
const HELD_BYTES: usize = 1 << 20;

pub(crate) static DOWNLOAD: Operation = Operation {
    method: Method::GET,
    id: "downloadBackup",
    tag: Tag::Service,
    summary: "A backup of the whole database",
    description: "The database at one commit, whatever is written meanwhile, as a file for `mantisdb restore`. Every block has a checksum \
                  and the last one marks the end, so an interrupted download is not mistaken for a backup. While it is sent, the versions \
                  in it stay in memory: a client that reads less than a block (about 256 KiB) a minute is disconnected. A plugin's \
                  component whose file is missing or damaged is not in it; `mantisdb restore` names such plugins.",
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
    let held = memory::take(&request.in_flight, HELD_BYTES)?;
    let backup = state.database.store().backup();
    let (version, estimate) = (backup.version(), backup.bytes_estimate());
    let mut response = Response::new(body(Sender { backup, state: Arc::clone(state), _held: held, _ticket: ticket }));
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

/// A backup that is being sent.
struct Sender {
    backup: Backup,
    state: Arc<State>,
    _held: Reservation,
    _ticket: StreamTicket,
}

impl Sender {
    /// The next block; none at the end.
    fn block(&mut self) -> Option<std::result::Result<Bytes, BodyError>> {
        let mut block = match self.backup.next()? {
            Ok(block) => block,
            Err(error) => return Some(Err(BodyError(error.to_string()))),
        };
        let counted = if block.len() > HELD_BYTES / 2 { block.len() } else { 0 };
        let taken = memory::take(self.state.database.in_flight(), counted);
        Some(taken.map_err(|problem| BodyError(problem.message().to_owned())).map(|reservation| {
            block.shrink_to_fit();
            memory::held(block, reservation)
        }))
    }
}

/// The blocks, each made when the client has read the previous one. On a blocking thread: between two blocks there may be many
/// keys that are not in it.
fn body(sender: Sender) -> Body {
    Body::stream(stream::unfold(Some(sender), |sender| async move {
        let mut sender = sender?;
        let made = tokio::task::spawn_blocking(move || (sender.block(), sender)).await;
        match made {
            Ok((Some(Ok(block)), sender)) => Some((Ok(block), Some(sender))),
            Ok((Some(Err(error)), _)) => Some((Err(error), None)),
            Ok((None, sender)) => {
                for id in sender.backup.attachments_left_out() {
                    tracing::error!(%id, "a backup lacks a plugin's component: its file is missing or damaged");
                }
                None
            }
            Err(error) => Some((Err(BodyError(error.to_string())), None)),
        }
    }))
}
