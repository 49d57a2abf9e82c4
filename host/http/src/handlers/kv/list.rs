//! `GET /kv`: the keys or entries of a bucket, page by page or as a stream.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use mantis_db::Code as DbCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::blocking::text;
use crate::api::common::{ENCODING, LIMIT, PREFIX};
use crate::api::description::{Answer, AnswerHeader, Content, RequestHeader, Shape, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::listing::{Listing, cursor_text, entry_out, refused};
use crate::handlers::kv::shared::{CURSOR, DETAILS, END, REVERSE, START, VALUES};
use crate::handlers::kv::stream;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, respond};
use crate::state::{Operation, State};
use crate::wire::bytes::BytesOut;
use crate::wire::entry::ListedEntryOut;

pub(crate) static LIST: Operation = Operation {
    method: Method::GET,
    id: "listKeys",
    tag: Tag::KeyValue,
    summary: "List keys or entries",
    description: "In byte order of the keys. A page is bounded in entries and in bytes; `cursor` is null on the last one. The pages of a \
                  listing share a snapshot while they are requested within 30 seconds of each other and a minute in total; \
                  after that the listing continues in the newest state. With `Accept: application/x-ndjson` the whole \
                  listing is a stream, one JSON object per line; `Prefer: end=true` has its last line say `{\"end\":true,\"count\":N}`.",
    query: &[&PREFIX, &START, &END, &REVERSE, &LIMIT, &CURSOR, &VALUES, &DETAILS, &ENCODING],
    headers: &[&TRANSACTION, &PREFER],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "A page, or the stream.",
        content: &[json_content::<PageOut<'_>>(), Content { media: media::NDJSON, shape: Shape::Text }],
        headers: &[&PREFERENCE_APPLIED],
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
    handler: |state, request| Box::pin(list(state, request)),
    timeout: TimeoutPolicy::Configured,
};

static PREFER: RequestHeader = RequestHeader {
    name: "prefer",
    pattern: None,
    example: "end=true",
    description: "`end=true` asks a stream for a last line `{\"end\":true,\"count\":N}`, without which it is not complete.",
};
static PREFERENCE_APPLIED: AnswerHeader = AnswerHeader {
    name: "preference-applied",
    required: false,
    pattern: None,
    description: "`end=true` when a stream will have that line.",
};

/// A page of a listing.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Page", deny_unknown_fields)]
enum PageOut<'a> {
    Keys {
        keys: Vec<BytesOut<'a>>,
        /// For the next page; null on the last one.
        cursor: Option<String>,
    },
    Entries {
        entries: Vec<ListedEntryOut<'a>>,
        /// For the next page; null on the last one.
        cursor: Option<String>,
    },
}

async fn list(state: &Arc<State>, request: &mut Request) -> Result<Response<Body>> {
    let media = accept::choose(request.headers(), &[media::JSON, media::NDJSON])?;
    let limits = state.database.limits();
    let listing = Listing::of(&request.query, limits)?;
    if media == media::NDJSON {
        return stream::stream(state, request, listing).await;
    }
    if let Some(limit) = request.query.integer(&LIMIT).filter(|limit| *limit > limits.page_entries_max as u64) {
        return Err(LIMIT.beyond_page(limit, limits));
    }
    let mut session = state.session_for(request).await?;
    let bucket = request.bucket()?;
    let mut kv = session.kv(&bucket)?;
    if listing.values {
        let page = kv.scan(&listing.scan).await.map_err(refused)?;
        drop(session);
        let json = text(&request.in_flight, (page, listing), |(page, listing), text| {
            let entries = page.entries.iter().map(|(key, entry)| entry_out(key, entry, listing)).collect();
            text.push_json(&PageOut::Entries { entries, cursor: page.cursor.as_deref().map(cursor_text) })
        });
        return Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?));
    }
    let page = kv.scan_keys(&listing.scan).await.map_err(refused)?;
    drop(session);
    let json = text(&request.in_flight, (page, listing), |(page, listing), text| {
        let keys = page.keys.iter().map(|key| BytesOut(key, listing.encoding)).collect();
        text.push_json(&PageOut::Keys { keys, cursor: page.cursor.as_deref().map(cursor_text) })
    });
    Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?))
}
