//! The rows of a query as one answer, in pages as they arrive: all of one moment, whatever their order, columns and window.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::csv::{Field, Records};
use super::page::{Page, unexpected};
use crate::client::{Client, Path, Pieces};
use crate::failure::Outcome;

/// The longest silence before the answer counts as broken: between two pieces the server may look at many rows.
const SILENCE_MAX: Duration = Duration::from_mins(1);

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
    is_over: bool,
}

impl Whole {
    pub(super) async fn begin(client: &Client, path: &Path, is_csv: bool) -> Outcome<Self> {
        let accept = if is_csv { "text/csv" } else { "application/x-ndjson" };
        let pieces = client.pieces(path, accept, SILENCE_MAX).await?;
        let rest = BytesMut::new();
        Ok(Self { pieces, rest, searched: 0, is_quoted: false, is_csv, header: None, is_over: false })
    }

    /// The next rows; none after the last.
    pub(super) async fn next(&mut self) -> Outcome<Option<Page>> {
        while !self.is_over {
            let rows = if let Some(piece) = self.pieces.next().await? {
                self.rest.extend_from_slice(&piece);
                self.complete()
            } else {
                self.is_over = true;
                self.rest.split().freeze()
            };
            if let Some(page) = self.page(&rows)? {
                return Ok(Some(page));
            }
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
        let mut records: Vec<_> = Records::new(text).collect();
        if text.is_empty() {
            records.push(vec![None]);
        }
        match &self.header {
            Some(header) => records.insert(0, header.clone()),
            None => self.header = records.first().cloned(),
        }
        Ok(Some(Page::Records(records)))
    }
}
