//! Records of columns. A record's value is its text as it stands in the file, so that nothing of the file is lost.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;

use super::line_reader::LineReader;
use super::record::{Found, LineEnd, Piece, Record};

const QUOTE: u8 = b'"';

/// Reads records whose key is a column.
pub(in crate::transfer) struct Reader {
    lines: LineReader,
    delimiter: u8,
    key: Column,
    value: Option<Column>,
    header: Header,
    /// What has been read to find the columns.
    read_ahead: VecDeque<Found>,
}

/// Why columns are not found.
#[derive(Debug)]
pub(in crate::transfer) enum ColumnsError {
    /// The file cannot be read.
    Read(io::Error),
    /// The header does not name them.
    Unknown(String),
}

/// A column as it was named, and its place once that is known.
#[derive(Debug, Clone)]
pub(in crate::transfer) struct Column {
    name: String,
    place: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    /// The next record is the header.
    Awaited,
    /// It has been read, or there is none.
    Done,
}

impl Column {
    /// A column by the name that the header gives it, or by its number from 1.
    pub(in crate::transfer) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), place: 0 }
    }

    fn number(&self) -> Option<usize> {
        self.name.parse::<usize>().ok()?.checked_sub(1)
    }

    /// Finds the place. A column whose name is a number is meant before a number.
    fn find(&mut self, names: &[Cow<'_, [u8]>]) -> Result<(), String> {
        let by_name = names.iter().position(|name| **name == *self.name.as_bytes());
        let by_number = || self.number().filter(|&place| place < names.len());
        self.place = by_name.or_else(by_number).ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
            format!("there is no column {:?}; the columns are {}", self.name, names.join(", "))
        })?;
        Ok(())
    }
}

impl Reader {
    /// Reads records from `lines`.
    ///
    /// # Errors
    /// Columns that have no number where there is no header to find them in.
    pub(in crate::transfer) fn new(
        lines: LineReader,
        delimiter: u8,
        mut key: Column,
        mut value: Option<Column>,
        has_header: bool,
    ) -> Result<Self, String> {
        if !has_header {
            for column in std::iter::once(&mut key).chain(&mut value) {
                column.place = column
                    .number()
                    .ok_or_else(|| format!("{:?} is no column's number; the first is 1", column.name))?;
            }
        }
        let header = if has_header { Header::Awaited } else { Header::Done };
        Ok(Self { lines, delimiter, key, value, header, read_ahead: VecDeque::new() })
    }

    /// Reads on until the columns are known, so that nothing is done with a file that does not have them.
    pub(in crate::transfer) fn find_columns(&mut self) -> Result<(), ColumnsError> {
        while self.header == Header::Awaited {
            let Some(found) = self.read().map_err(ColumnsError::Read)? else { break };
            match found.piece {
                Err(message) if self.header == Header::Done => return Err(ColumnsError::Unknown(message)),
                piece => self.read_ahead.push_back(Found { line: found.line, piece }),
            }
        }
        Ok(())
    }

    pub(in crate::transfer) fn next(&mut self) -> io::Result<Option<Found>> {
        match self.read_ahead.pop_front() {
            Some(found) => Ok(Some(found)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> io::Result<Option<Found>> {
        let mut raw = Vec::new();
        let mut quoting = Quoting::default();
        let first_line = self.lines.line + 1;
        loop {
            let start = raw.len();
            if !self.lines.read_onto(&mut raw)? {
                if raw.is_empty() {
                    return Ok(None);
                }
                let piece = Err("a quoted column is not closed before the end of the file".to_owned());
                return Ok(Some(Found { line: first_line, piece }));
            }
            if quoting.closed_after(&raw[start..], self.delimiter) {
                break;
            }
        }
        let piece = self.piece(raw);
        Ok(Some(Found { line: first_line, piece }))
    }

    fn piece(&mut self, raw: Vec<u8>) -> Result<Piece, String> {
        let (text, end) = LineEnd::split(&raw);
        if text.is_empty() {
            return Ok(Piece::Text(raw));
        }
        let columns = columns(text, self.delimiter);
        if self.header == Header::Awaited {
            self.header = Header::Done;
            self.key.find(&columns)?;
            if let Some(value) = &mut self.value {
                value.find(&columns)?;
            }
            return Ok(Piece::Text(raw));
        }
        let at = |column: &Column| {
            columns
                .get(column.place)
                .map(|bytes| bytes.to_vec())
                .ok_or_else(|| format!("the record has {} columns and no column {:?}", columns.len(), column.name))
        };
        let key = at(&self.key)?;
        if key.is_empty() {
            return Err(format!("the column {:?} is empty; a key has at least one byte", self.key.name));
        }
        let value = self.value.as_ref().map_or_else(|| Ok(text.to_vec()), at)?;
        Ok(Piece::Record(Record::new(key, value, end)))
    }
}

/// Where in a record a reader stands. A quote opens a quoted column only at the column's start (RFC 4180); two quotes within one stand
/// for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Quoting {
    #[default]
    ColumnStart,
    Plain,
    Quoted,
    /// Behind a quote within a quoted column: its end, or the first of two.
    QuoteSeen,
}

impl Quoting {
    fn step(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, QUOTE) => Self::QuoteSeen,
            (Self::Quoted, _) | (Self::QuoteSeen | Self::ColumnStart, QUOTE) => Self::Quoted,
            (_, byte) if byte == delimiter => Self::ColumnStart,
            _ => Self::Plain,
        }
    }

    /// Reads a line; whether the record ends with it.
    fn closed_after(&mut self, line: &[u8], delimiter: u8) -> bool {
        // Most files have no quotes, and looking for one is much quicker than stepping.
        if *self != Self::Quoted && !line.contains(&QUOTE) {
            return true;
        }
        *self = line.iter().fold(*self, |state, &byte| state.step(byte, delimiter));
        *self != Self::Quoted
    }
}

/// A record's columns, without their quotes.
fn columns(record: &[u8], delimiter: u8) -> Vec<Cow<'_, [u8]>> {
    if !record.contains(&QUOTE) {
        return record.split(|&byte| byte == delimiter).map(Cow::Borrowed).collect();
    }
    let mut columns = Vec::new();
    let mut column = Vec::new();
    let mut state = Quoting::default();
    for &byte in record {
        let next = state.step(byte, delimiter);
        let opens_or_closes = byte == QUOTE && (state == Quoting::ColumnStart || state == Quoting::Quoted);
        if next == Quoting::ColumnStart {
            columns.push(Cow::Owned(std::mem::take(&mut column)));
        } else if !opens_or_closes {
            column.push(byte);
        }
        state = next;
    }
    columns.push(Cow::Owned(column));
    columns
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(text: &str, delimiter: u8, key: &str, has_header: bool) -> Vec<Result<Piece, String>> {
        let lines = LineReader::new(Box::new(Cursor::new(text.to_owned().into_bytes())));
        let mut reader = Reader::new(lines, delimiter, Column::new(key), None, has_header).unwrap();
        let mut pieces = Vec::new();
        while let Some(found) = reader.next().unwrap() {
            pieces.push(found.piece);
        }
        pieces
    }

    fn record(key: &str, value: &str, end: LineEnd) -> Piece {
        Piece::Record(Record::new(key.into(), value.into(), end))
    }

    #[test]
    fn a_record_is_its_text() {
        let pieces = read("id,name\r\n1,\"a, \"\"b\"\"\nc\"\r\n\n2,d", b',', "name", true);
        let pieces: Vec<_> = pieces.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            pieces,
            [
                Piece::Text(b"id,name\r\n".to_vec()),
                record("a, \"b\"\nc", "1,\"a, \"\"b\"\"\nc\"", LineEnd::CrLf),
                Piece::Text(b"\n".to_vec()),
                record("d", "2,d", LineEnd::File),
            ]
        );
    }

    #[test]
    fn columns_go_by_number_too() {
        assert_eq!(read("x;5\" disk\n", b';', "2", false), [Ok(record("5\" disk", "x;5\" disk", LineEnd::Lf))]);
        assert_eq!(read("b,a\n1,2\n", b',', "2", true)[1], Ok(record("2", "1,2", LineEnd::Lf)));
    }

    #[test]
    fn what_cannot_be_a_record_is_named() {
        let fails = |text: &str, part: &str| {
            let last = read(text, b',', "2", false).pop().unwrap().unwrap_err();
            assert!(last.contains(part), "{text:?}: {last}");
        };
        fails("a\n", "1 columns");
        fails("a,\n", "empty");
        fails("a,\"b\n", "not closed");
    }

    /// The `csv` crate is the judge of where columns and records end.
    #[test]
    fn agrees_with_the_csv_crate() {
        let alphabet = [b'a', b'b', b',', b'"', b'\n', b'"', b','];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
                })
                .collect();
            let mut judge = ::csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .terminator(::csv::Terminator::Any(b'\n'))
                .from_reader(&text[..]);
            let expected: Vec<Vec<Vec<u8>>> =
                judge.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
            let mut lines = LineReader::new(Box::new(Cursor::new(text.clone())));
            let mut found: Vec<Vec<Vec<u8>>> = Vec::new();
            loop {
                let (mut raw, mut quoting) = (Vec::new(), Quoting::default());
                let mut open = true;
                while open {
                    let start = raw.len();
                    if !lines.read_onto(&mut raw).unwrap() {
                        break;
                    }
                    open = !quoting.closed_after(&raw[start..], b',');
                }
                if raw.is_empty() {
                    break;
                }
                let record = if open { &raw[..] } else { LineEnd::split(&raw).0 };
                if !record.is_empty() {
                    found.push(columns(record, b',').into_iter().map(Cow::into_owned).collect());
                }
            }
            assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
