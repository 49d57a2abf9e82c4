//! Reading a file: its records, and the text between them, one after the other.
//!
//! | module | holds |
//! |---|---|
//! | `record` | [`Piece`]s of a file: records, and text between them |
//! | `line_reader` | the file's lines, counted and bounded |
//! | `columns` | the columns of a record of CSV |
//! | `lines`, `csv`, `ndjson` | one format each, over lines |

mod columns;
pub(super) mod csv;
mod line_reader;
pub(super) mod lines;
pub(super) mod ndjson;
mod record;

use std::io;

pub(super) use columns::Columns;
pub(super) use line_reader::{BYTE_ORDER_MARK, Contents, LineReader};
pub(super) use ndjson::is_exported;
pub(super) use record::{Found, LineEnd, Piece, Record};

/// Reads a file: the mark that it begins with, and then its records.
pub(in crate::transfer) struct Source {
    has_mark: bool,
    records: Records,
}

/// Reads the records of one format.
pub(in crate::transfer) enum Records {
    Lines(lines::Reader),
    Csv(Box<csv::Reader>),
    Ndjson(ndjson::Reader),
}

impl Source {
    /// Reads `records`, of a file that begins with a byte order mark or does not.
    pub(in crate::transfer) fn new(has_mark: bool, records: Records) -> Self {
        Self { has_mark, records }
    }

    /// The next piece; none at the end of the file.
    pub(in crate::transfer) fn next(&mut self) -> io::Result<Option<Found>> {
        if std::mem::take(&mut self.has_mark) {
            return Ok(Some(Found { line: 1, piece: Ok(Piece::Text(BYTE_ORDER_MARK.to_vec())) }));
        }
        match &mut self.records {
            Records::Lines(reader) => reader.next(),
            Records::Csv(reader) => reader.next(),
            Records::Ndjson(reader) => reader.next(),
        }
    }
}
