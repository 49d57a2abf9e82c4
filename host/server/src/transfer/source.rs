//! A file's lines, and the reader of its format over them.

use std::io::{self, BufRead, Read};

use super::record::Found;
use super::{csv, lines, ndjson};

/// Bytes of a record: no server takes a longer value.
pub(super) const RECORD_BYTES_MAX: usize = 64 << 20;

/// Lines with their ends, counted.
pub(super) struct LineReader {
    input: Box<dyn BufRead + Send>,
    /// The number of the line read last, from 1.
    pub(super) line: u64,
}

impl LineReader {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, line: 0 }
    }

    /// Appends the next line with its end to `buffer`; false at the end of the file.
    pub(super) fn read_onto(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let room = RECORD_BYTES_MAX.saturating_sub(buffer.len());
        let count = self.input.by_ref().take(room as u64 + 1).read_until(b'\n', buffer)?;
        if count > room {
            let line = self.line + 1;
            let message = format!("line {line}: the record has more than {RECORD_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.line += u64::from(count > 0);
        Ok(count > 0)
    }
}

/// Reads a file of one format.
pub(super) enum Source {
    Lines(lines::Reader),
    Csv(csv::Reader),
    Ndjson(ndjson::Reader),
}

impl Source {
    /// The next piece; none at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        match self {
            Self::Lines(reader) => reader.next(),
            Self::Csv(reader) => reader.next(),
            Self::Ndjson(reader) => reader.next(),
        }
    }
}
