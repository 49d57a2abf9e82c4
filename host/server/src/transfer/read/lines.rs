//! Plain lines: each is both key and value of a record.

use std::io;

use super::line_reader::LineReader;
use super::record::{Found, LineEnd, Piece, Record};

pub(in crate::transfer) struct Reader(pub(in crate::transfer) LineReader);

impl Reader {
    pub(in crate::transfer) fn next(&mut self) -> io::Result<Option<Found>> {
        let mut line = Vec::new();
        if !self.0.read_onto(&mut line)? {
            return Ok(None);
        }
        let (text, end) = LineEnd::split(&line);
        let piece = if text.is_empty() {
            Piece::Text(line)
        } else {
            Piece::Record(Record::new(text.to_vec(), text.to_vec(), end))
        };
        Ok(Some(Found { line: self.0.line, piece: Ok(piece) }))
    }
}
