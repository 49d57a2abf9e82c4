//! The rows of a query as one answer, in pages as they arrive: all of one moment, whatever their order, columns and window.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::header::{ACCEPT, CONTENT_RANGE, HeaderMap, HeaderName};

use super::csv::{Field, Records};
use super::page::{Page, unexpected};
use crate::client::{Client, Path, Pieces};
use crate::failure::Outcome;
use crate::transfer::retry::{Repeat, retried};

/// The longest silence before the answer counts as broken: between two pieces the server may look at many rows.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Bytes of a row, as much as of a record of an import.
const ROW_BYTES_MAX: usize = 128 << 20;
/// The code for an offset beyond the last row, where rows are counted.
const BEYOND: &str = "PGRST103";

/// Reads the answer to its end.
pub(super) struct Whole {
    pieces: Pieces,
    /// What arrived of a row that is not complete.
    rest: BytesMut,
    /// How far `rest` was searched for its end, and whether that is within quotes.
    searched: usize,
    is_quoted: bool,
    /// Of CSV: whether it is, and the header once it came.
    is_csv: bool,
    header: Option<Vec<Field>>,
    /// The rows that the server said are in the answer, and how many of them came.
    announced: u64,
    came: u64,
    is_over: bool,
}

impl Whole {
    /// Begins with the rows of `path`, of which `offset` are passed over and at most `limit` wanted. None if the server's answer would be
    /// without some of them: it may cap the rows of an answer.
    pub(super) async fn begin(
        client: &Client,
        path: &Path,
        is_csv: bool,
        offset: u64,
        limit: u64,
    ) -> Outcome<Option<Self>> {
        let accept = if is_csv { "text/csv" } else { "application/x-ndjson" };
        let headers = [(ACCEPT, accept), (HeaderName::from_static("prefer"), "count=exact")];
        let pieces = match retried(Repeat::Always, || client.pieces(path, &headers, SILENCE_MAX)).await {
            Err(error) if error.code() == BEYOND => return Ok(None),
            pieces => pieces?,
        };
        let (announced, total) =
            counts(&pieces.headers).ok_or_else(|| unexpected("the rows are not counted".to_owned()))?;
        if announced < total.saturating_sub(offset).min(limit) {
            return Ok(None);
        }
        let rest = BytesMut::new();
        let (searched, is_quoted, header, came, is_over) = (0, false, None, 0, false);
        Ok(Some(Self { pieces, rest, searched, is_quoted, is_csv, header, announced, came, is_over }))
    }

    /// The next rows; none after the last.
    pub(super) async fn next(&mut self) -> Outcome<Option<Page>> {
        while !self.is_over {
            let rows = if let Some(piece) = self.pieces.next().await? {
                if self.rest.len() > ROW_BYTES_MAX {
                    return Err(unexpected("a row of the answer is too long".to_owned()));
                }
                self.rest.extend_from_slice(&piece);
                self.complete()
            } else {
                self.is_over = true;
                // Lines have ends, and the last record of CSV has none.
                if self.is_csv || !self.rest.is_empty() {
                    self.pieces.whole()?;
                }
                self.rest.split().freeze()
            };
            if let Some(page) = self.page(&rows)? {
                self.came += page.rows();
                return Ok(Some(page));
            }
        }
        if self.came != self.announced {
            return Err(unexpected(format!("the answer has {} of {} rows", self.came, self.announced)));
        }
        Ok(None)
    }

    /// Takes the rows that are complete, with the line end of the last. The server's CSV has quotes in pairs.
    fn complete(&mut self) -> Bytes {
        let mut end = 0;
        for (place, &byte) in self.rest.iter().enumerate().skip(self.searched) {
            match byte {
                b'"' if self.is_csv => self.is_quoted = !self.is_quoted,
                b'\n' if !self.is_quoted => end = place + 1,
                _ => {}
            }
        }
        self.searched = self.rest.len() - end;
        self.rest.split_to(end).freeze()
    }

    fn page(&mut self, rows: &Bytes) -> Outcome<Option<Page>> {
        if !self.is_csv {
            let lines: Vec<_> = rows
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| rows.slice_ref(line))
                .collect();
            return Ok(Some(Page::Lines(lines)).filter(|_| rows.len() > 1));
        }
        // Behind each line end there is a record, if only of one null; before the first there is the header, unless there are no rows.
        let is_missing = if self.is_over { self.header.is_none() } else { rows.is_empty() };
        let text = std::str::from_utf8(rows).map_err(|error| unexpected(error.to_string()))?;
        let text = if self.is_over { text } else { text.strip_suffix('\n').unwrap_or(text) };
        if is_missing || (self.header.is_none() && text.is_empty()) {
            return Ok(None);
        }
        let mut records: Vec<_> = Records::amid(text).collect();
        match &self.header {
            Some(header) => records.insert(0, header.clone()),
            None => self.header = records.first().cloned(),
        }
        Ok(Some(Page::Records(records)))
    }
}

/// How many rows the answer has, and how many there are: `0-9/100` or `*/100`.
fn counts(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (_, total) = headers.get(CONTENT_RANGE)?.to_str().ok()?.split_once('/')?;
    Some((announced(headers)?, total.parse().ok()?))
}

/// How many rows the answer has, as it says itself.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    let (range, _) = headers.get(CONTENT_RANGE)?.to_str().ok()?.split_once('/')?;
    match range.split_once('-') {
        Some((first, last)) => last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1),
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(range: &'static str, expected: Option<(u64, u64)>) {
        let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(range))]);
        assert_eq!(counts(&headers), expected, "{range}");
    }

    #[test]
    fn an_answer_is_whole_only_if_it_says_what_is_in_it() {
        check("0-9/100", Some((10, 100)));
        check("5-5/6", Some((1, 6)));
        check("*/0", Some((0, 0)));
        check("*/12", Some((0, 12)));
        check("0-9/*", None);
        check("9-0/100", None);
        check("0-18446744073709551615/1", None);
        check("x", None);
        assert_eq!(counts(&HeaderMap::new()), None);
    }
}
