//! What a listing shows: read from the query, and shown as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use mantis_db::{Code as DbCode, Direction, Entry, Limits, ScanOptions};

use crate::api::common::{LIMIT, PREFIX};
use crate::api::query::Query;
use crate::handlers::kv::shared::{CURSOR, DETAILS, END, REVERSE, START, VALUES};
use crate::handlers::kv::span::span;
use crate::limits::PAGE_ENTRIES_DEFAULT;
use crate::protocol::problem::{Problem, Result};
use crate::wire::bytes::Encoding;
use crate::wire::entry::ListedEntryOut;

/// The prefix of a cursor.
const CURSOR_MARK: &str = "k1.";

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

/// An error of a scan.
pub(crate) fn refused(error: mantis_db::Error) -> Problem {
    of_another_listing(error.into())
}

impl Listing {
    pub(crate) fn of(query: &Query, limits: &Limits) -> Result<Self> {
        let limit = query.integer(&LIMIT).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let cursor = match query.bytes(&CURSOR) {
            None => None,
            Some(text) => Some(read_cursor(text)?),
        };
        let span = span(query.bytes(&PREFIX), query.bytes(&START), query.bytes(&END));
        let direction = if query.flag(&REVERSE) { Direction::Reverse } else { Direction::Forward };
        let scan = ScanOptions {
            span,
            direction,
            limit: limit.unwrap_or(PAGE_ENTRIES_DEFAULT.min(limits.page_entries_max)),
            cursor,
        };
        Ok(Self {
            scan,
            limit,
            values: query.flag(&VALUES),
            details: query.flag(&DETAILS),
            encoding: Encoding::of(query),
        })
    }
}

pub(crate) fn cursor_text(cursor: &[u8]) -> String {
    format!("{CURSOR_MARK}{}", URL_SAFE_NO_PAD.encode(cursor))
}

/// Text without the form of a cursor is malformed; a cursor of another listing conflicts with the request.
fn read_cursor(text: &[u8]) -> Result<Vec<u8>> {
    let encoded = text.strip_prefix(CURSOR_MARK.as_bytes()).filter(|rest| !rest.is_empty());
    let encoded = encoded.filter(|rest| rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
    let encoded = encoded.ok_or(DbCode::CursorInvalid)?;
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| of_another_listing(DbCode::CursorInvalid.into()))
}

/// A cursor that the database does not take was made by another listing.
fn of_another_listing(problem: Problem) -> Problem {
    if problem.code() == DbCode::CursorInvalid.into() { problem.status(StatusCode::CONFLICT) } else { problem }
}

/// An entry of a listing.
pub(crate) fn entry_out<'a>(key: &'a [u8], entry: &'a Entry, listing: &Listing) -> ListedEntryOut<'a> {
    ListedEntryOut::of(key, entry, listing.encoding, listing.details)
}
