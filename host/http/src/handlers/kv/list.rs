//! `GET /kv`: the keys or entries of a bucket, page by page or as a stream.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Response, StatusCode};
use mantis_db::{Code as DbCode, Direction, Entry, Limits, ScanOptions, Span};
use serde::Serialize;

use crate::api::operation::{Answer, Content, Operation, Patience, Shape, Tag};
use crate::api::query::Query;
use crate::api::request::Request;
use crate::app::App;
use crate::handlers::kv::get::{DetailsOut, EntryOut, version_text};
use crate::handlers::kv::{
    CURSOR, DETAILS, ENCODING, END, LIMIT, PAGE_ENTRIES, PREFIX, REVERSE, START, VALUES, json_content, stream,
};
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, respond};
use crate::state::sessions::TRANSACTION;
use crate::wire::json::{BytesOut, Encoding};

/// What the text of a cursor begins with.
const CURSOR_MARK: &str = "k1.";

pub(crate) static LIST: Operation = Operation {
    method: Method::GET,
    id: "listKeys",
    tag: Tag::KeyValue,
    summary: "List keys or entries",
    description: "In order of the keys' bytes. A page is bounded in entries and in bytes; `cursor` is null on the last one. All \
                  pages of one listing show the same moment as long as they are asked for within 30 seconds of each other and a \
                  minute in all; after that the listing goes on in the newest state. With `Accept: application/x-ndjson` the whole \
                  listing comes as a stream, one JSON object a line.",
    query: &[&PREFIX, &START, &END, &REVERSE, &LIMIT, &CURSOR, &VALUES, &DETAILS, &ENCODING],
    headers: &[&TRANSACTION],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "A page, or the stream.",
        content: &[json_content("Page"), Content { media: respond::NDJSON, shape: Shape::Text }],
        headers: &[],
    }],
    problems: &[
        AnyCode::Db(DbCode::BucketNameInvalid),
        AnyCode::Db(DbCode::LimitOutOfRange),
        AnyCode::Db(DbCode::CursorInvalid),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::StreamsTooMany),
    ],
    now: None,
    handler: |app, request| Box::pin(list(app, request)),
    patience: Patience::Configured,
};

/// What a listing shows, and how.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) scan: ScanOptions,
    /// How many entries were asked for.
    pub(crate) limit: Option<usize>,
    pub(crate) values: bool,
    pub(crate) details: bool,
    pub(crate) encoding: Encoding,
}

#[derive(Serialize)]
struct KeysOut<'a> {
    keys: Vec<BytesOut<'a>>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct EntriesOut<'a> {
    entries: Vec<EntryOut<'a, BytesOut<'a>>>,
    cursor: Option<String>,
}

async fn list(app: &App, request: &mut Request) -> Result<Response<Body>> {
    let media = accept::choose(request.headers(), &[respond::JSON, respond::NDJSON])?;
    let limits = app.0.database.limits();
    let listing = Listing::of(&request.query, limits)?;
    if media == respond::NDJSON {
        return stream::stream(app, request, listing).await;
    }
    if let Some(limit) = request.query.integer(&LIMIT).filter(|limit| *limit > limits.page_entries_max as u64) {
        return Err(LIMIT.beyond_page(limit, limits));
    }
    let mut session = app.session_for(request).await?;
    let bucket = request.bucket()?;
    let mut kv = session.kv(&bucket)?;
    if listing.values {
        let page = kv.scan(&listing.scan).await.map_err(refused)?;
        let entries = page.entries.iter().map(|(key, entry)| entry_out(key, entry, &listing)).collect();
        return Ok(respond::json(StatusCode::OK, &EntriesOut { entries, cursor: page.cursor.map(cursor_text) }));
    }
    let page = kv.scan_keys(&listing.scan).await.map_err(refused)?;
    let keys = page.keys.iter().map(|key| BytesOut(key, listing.encoding)).collect();
    Ok(respond::json(StatusCode::OK, &KeysOut { keys, cursor: page.cursor.map(cursor_text) }))
}

/// What the database says of a scan.
pub(crate) fn refused(error: mantis_db::Error) -> Problem {
    of_another_listing(error.into())
}

impl Listing {
    fn of(query: &Query, limits: &Limits) -> Result<Self> {
        let limit = query.integer(&LIMIT).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let cursor = match query.bytes(&CURSOR) {
            None => None,
            Some(text) => Some(read_cursor(text)?),
        };
        let span = span(query.bytes(&PREFIX), query.bytes(&START), query.bytes(&END));
        let direction = if query.flag(&REVERSE) { Direction::Reverse } else { Direction::Forward };
        let scan =
            ScanOptions { span, direction, limit: limit.unwrap_or(PAGE_ENTRIES.min(limits.page_entries_max)), cursor };
        Ok(Self { scan, limit, values: query.flag(&VALUES), details: query.flag(&DETAILS), encoding: encoding(query) })
    }
}

/// How the query wants bytes to be written.
pub(crate) fn encoding(query: &Query) -> Encoding {
    if query.text(&ENCODING) == Some("base64") { Encoding::Base64 } else { Encoding::Text }
}

/// The keys that have the prefix, and lie from `start` on and before `end`.
pub(crate) fn span(prefix: Option<&[u8]>, start: Option<&[u8]>, end: Option<&[u8]>) -> Span {
    let prefix = prefix.unwrap_or_default();
    if start.is_none() && end.is_none() {
        return if prefix.is_empty() { Span::All } else { Span::Prefix(prefix.to_vec()) };
    }
    let start = start.max((!prefix.is_empty()).then_some(prefix)).map(<[u8]>::to_vec);
    let end = match (end, behind(prefix)) {
        (Some(end), Some(behind)) => Some(end.min(&behind).to_vec()),
        (Some(end), None) => Some(end.to_vec()),
        (None, behind) => behind.map(Cow::into_owned),
    };
    match (start, end) {
        // Nothing lies in between, and an empty span says so plainly.
        (Some(start), Some(end)) if start > end => Span::Between { start: Some(end.clone()), end: Some(end) },
        (start, end) => Span::Between { start, end },
    }
}

/// The first key behind all that have a prefix; none when there is nothing behind them.
fn behind(prefix: &[u8]) -> Option<Cow<'_, [u8]>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut behind = prefix[..=last].to_vec();
    behind[last] += 1;
    Some(Cow::Owned(behind))
}

fn cursor_text(cursor: Vec<u8>) -> String {
    format!("{CURSOR_MARK}{}", URL_SAFE_NO_PAD.encode(cursor))
}

/// What has not the form of a cursor is malformed; one that says nothing of this listing contradicts the request.
fn read_cursor(text: &[u8]) -> Result<Vec<u8>> {
    let encoded = text.strip_prefix(CURSOR_MARK.as_bytes()).filter(|rest| !rest.is_empty());
    let encoded = encoded.filter(|rest| rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
    let encoded = encoded.ok_or(DbCode::CursorInvalid)?;
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| of_another_listing(DbCode::CursorInvalid.into()))
}

/// A cursor that the database does not take was made by another listing.
pub(crate) fn of_another_listing(problem: Problem) -> Problem {
    if problem.code() == DbCode::CursorInvalid.into() { problem.status(StatusCode::CONFLICT) } else { problem }
}

/// An entry of a listing.
pub(crate) fn entry_out<'a>(key: &'a [u8], entry: &'a Entry, listing: &Listing) -> EntryOut<'a, BytesOut<'a>> {
    EntryOut {
        key: BytesOut(key, listing.encoding),
        value: BytesOut(&entry.value, listing.encoding),
        version: version_text(entry.version),
        expires_at: entry.expires_at_ms.map(respond::rfc3339),
        details: listing.details.then(|| DetailsOut::of(entry)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &[u8], start: Option<&[u8]>, end: Option<&[u8]>, shown: &[&[u8]]) {
        const KEYS: &[&[u8]] = &[b"a", b"b", b"ba", b"bb", b"bz", b"c", &[255], &[255, 255], &[255, 255, 1]];
        let span = span(Some(prefix), start, end);
        let within = |key: &[u8]| match &span {
            Span::All => true,
            Span::Prefix(prefix) => key.starts_with(prefix),
            Span::Between { start, end } => {
                start.as_deref().is_none_or(|start| key >= start) && end.as_deref().is_none_or(|end| key < end)
            }
        };
        let found: Vec<_> = KEYS.iter().copied().filter(|key| within(key)).collect();
        assert_eq!(found, shown, "{span:?}");
    }

    #[test]
    fn prefix_start_and_end_all_hold() {
        check(b"b", None, None, &[b"b", b"ba", b"bb", b"bz"]);
        check(b"b", Some(b"ba"), None, &[b"ba", b"bb", b"bz"]);
        check(b"b", None, Some(b"bb"), &[b"b", b"ba"]);
        check(b"b", Some(b"a"), Some(b"z"), &[b"b", b"ba", b"bb", b"bz"]);
        check(b"b", Some(b"c"), None, &[]);
        check(b"", Some(b"bz"), Some(b"c"), &[b"bz"]);
        check(b"", Some(b"c"), Some(b"b"), &[]);
        check(&[255], Some(b"a"), None, &[&[255], &[255, 255], &[255, 255, 1]]);
        check(&[255, 255], None, Some(&[255, 255, 1]), &[&[255, 255]]);
    }
}
