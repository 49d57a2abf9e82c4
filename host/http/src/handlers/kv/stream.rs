//! A whole listing as a stream of lines. Pages are read as the client takes them: nothing piles up, and nothing is read for a client
//! that is gone.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use mantis_db::{KeyPage, Kv, Page};
use serde::Serialize;

use crate::api::blocking::text;
use crate::api::request::Request;
use crate::handlers::kv::listing::{Listing, refused};
use crate::protocol::body::{Body, BodyError};
use crate::protocol::problem::Result;
use crate::protocol::{end_mark, media};
use crate::state::State;
use crate::state::sessions::transaction_of;
use crate::state::streams::StreamTicket;
use crate::state::transactions::Lease;
use crate::wire::bytes::BytesOut;
use crate::wire::entry::ListedEntryOut;
use crate::wire::lines::end_line;

/// A listing under way.
struct Reader {
    state: Arc<State>,
    bucket: String,
    listing: Listing,
    /// The transaction that is read, if it is one: nobody else can use it meanwhile. Without one each page takes a session from
    /// the pool only while it is read, so that slow clients hold none.
    transaction: Option<Lease>,
    entries_left: usize,
    /// Lines so far, and whether a line marks their end.
    count: u64,
    marks_end: bool,
    at_end: bool,
    _ticket: StreamTicket,
}

/// A line of a listing of keys.
#[derive(Serialize)]
struct KeyLine<'a> {
    key: BytesOut<'a>,
}

pub(crate) async fn stream(state: &Arc<State>, request: &Request, listing: Listing) -> Result<Response<Body>> {
    let ticket = StreamTicket::take(state)?;
    let transaction = match transaction_of(request)? {
        Some(id) => Some(state.transactions.lend(id)?),
        None => None,
    };
    let entries_left = listing.limit.unwrap_or(usize::MAX);
    let bucket = request.bucket()?.into_owned();
    let marks_end = end_mark::is_asked(request.headers());
    let mut reader = Reader {
        state: Arc::clone(state),
        bucket,
        listing,
        transaction,
        entries_left,
        count: 0,
        marks_end,
        at_end: false,
        _ticket: ticket,
    };
    // What is wrong with the request shows here, where it can still be said with a status.
    let first = reader.page().await?;
    let mut response = Response::new(reader.into_body(first));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media::NDJSON));
    if marks_end {
        end_mark::apply(response.headers_mut());
    }
    Ok(response)
}

impl Reader {
    fn into_body(self, first: Bytes) -> Body {
        Body::stream(stream::unfold((self, Some(first)), |(mut reader, first)| async move {
            if let Some(first) = first.filter(|first| !first.is_empty()) {
                return Some((Ok(first), (reader, None)));
            }
            if reader.at_end {
                return None;
            }
            // A page takes about a millisecond: others get their turn between two.
            tokio::task::yield_now().await;
            let page = reader.page().await.map_err(|problem| {
                reader.at_end = true;
                BodyError(problem.message().to_owned())
            });
            Some((page, (reader, None)))
        }))
    }

    /// The lines of the next page.
    async fn page(&mut self) -> Result<Bytes> {
        let page_max = self.state.database.limits().page_entries_max;
        self.listing.scan.limit = self.entries_left.min(page_max);
        let page = if let Some(session) = &mut self.transaction {
            read_page(session.kv(&self.bucket)?, &self.listing).await?
        } else {
            let mut session = self.state.session().await?;
            read_page(session.kv(&self.bucket)?, &self.listing).await?
        };
        let (cursor, count) = match &page {
            Read::Entries(page) => (page.cursor.clone(), page.entries.len()),
            Read::Keys(page) => (page.cursor.clone(), page.keys.len()),
        };
        self.entries_left -= count;
        self.count += count as u64;
        self.at_end = cursor.is_none() || self.entries_left == 0;
        let end = (self.at_end && self.marks_end).then(|| end_line(self.count));
        let (encoding, details) = (self.listing.encoding, self.listing.details);
        let lines = text(self.state.database.in_flight(), page, move |page, lines| {
            match page {
                Read::Entries(page) => page.entries.iter().try_for_each(|(key, entry)| {
                    lines.push_json(&ListedEntryOut::of(key, entry, encoding, details))?;
                    lines.push(b"\n")
                }),
                Read::Keys(page) => page.keys.iter().try_for_each(|key| {
                    lines.push_json(&KeyLine { key: BytesOut(key, encoding) })?;
                    lines.push(b"\n")
                }),
            }?;
            lines.push(end.as_deref().unwrap_or_default())
        });
        let lines = lines.await?;
        self.listing.scan.cursor = cursor;
        Ok(lines)
    }
}

/// A page that was read.
enum Read {
    Entries(Page),
    Keys(KeyPage),
}

async fn read_page(mut kv: Kv<'_>, listing: &Listing) -> Result<Read> {
    Ok(if listing.values {
        Read::Entries(kv.scan(&listing.scan).await.map_err(refused)?)
    } else {
        Read::Keys(kv.scan_keys(&listing.scan).await.map_err(refused)?)
    })
}
