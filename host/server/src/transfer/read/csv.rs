//! Records of columns. A record's value is its raw text, so that the file can be reproduced.

use std::collections::VecDeque;
use std::io;

use super::columns::Columns;
use super::line_reader::LineReader;
use super::record::{Found, LineEnd, Piece, Record};

/// Reads records whose key is a column.
pub(in crate::transfer) struct Reader {
    lines: LineReader,
    columns: Columns,
    key: Column,
    value: Option<Column>,
    header: Header,
    /// Pieces read while looking for the header.
    read_ahead: VecDeque<Found>,
}

/// Why columns were not found.
#[derive(Debug)]
pub(in crate::transfer) enum ColumnsError {
    /// The file cannot be read.
    Read(io::Error),
    /// The header does not name them.
    Unknown(String),
}

/// A column as the command line names it, and its index once known.
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

    /// Finds the index. A column of that name takes precedence over its number.
    fn find(&mut self, names: &Columns) -> Result<(), String> {
        let by_name = names.iter().position(|name| name == self.name.as_bytes());
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
                    .ok_or_else(|| format!("{:?} is not a column's number; the first is 1", column.name))?;
            }
        }
        let header = if has_header { Header::Awaited } else { Header::Done };
        Ok(Self { lines, columns: Columns::new(delimiter), key, value, header, read_ahead: VecDeque::new() })
    }

    /// Reads up to the header, so that a file without these columns is refused before anything is written.
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
        if !self.lines.read_onto(&mut raw)? {
            return Ok(None);
        }
        let line = self.lines.line;
        if LineEnd::split(&raw).0.is_empty() {
            return Ok(Some(Found { line, piece: Ok(Piece::Text(raw)) }));
        }
        let piece = if self.columns.read(&mut self.lines, &mut raw)? {
            self.piece(raw)
        } else {
            Err("a quoted column is not closed before the end of the file".to_owned())
        };
        Ok(Some(Found { line, piece }))
    }

    /// Makes the piece of a record's raw text, whose columns have been read.
    fn piece(&mut self, raw: Vec<u8>) -> Result<Piece, String> {
        let (text, end) = LineEnd::split(&raw);
        if self.header == Header::Awaited {
            self.header = Header::Done;
            self.key.find(&self.columns)?;
            if let Some(value) = &mut self.value {
                value.find(&self.columns)?;
            }
            return Ok(Piece::Text(raw));
        }
        let key = named(&self.columns, &self.key)?;
        if key.is_empty() {
            return Err(format!("the column {:?} is empty; a key has at least one byte", self.key.name));
        }
        let value = self.value.as_ref().map_or(Ok(text), |column| named(&self.columns, column))?;
        Ok(Piece::Record(Record::new(key.to_vec(), value.to_vec(), end)))
    }
}

fn named<'a>(columns: &'a Columns, column: &Column) -> Result<&'a [u8], String> {
    columns
        .get(column.place)
        .ok_or_else(|| format!("the record has {} columns and no column {:?}", columns.len(), column.name))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::transfer::read::Contents;

    fn read(text: &str, delimiter: u8, key: &str, has_header: bool) -> Vec<Result<Piece, String>> {
        let lines = LineReader::new(Box::new(Cursor::new(text.to_owned().into_bytes())), Contents::Text);
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
    fn columns_are_selected_by_number_too() {
        assert_eq!(read("x;5\" disk\n", b';', "2", false), [Ok(record("5\" disk", "x;5\" disk", LineEnd::Lf))]);
        assert_eq!(read("b,a\n1,2\n", b',', "2", true)[1], Ok(record("2", "1,2", LineEnd::Lf)));
    }

    #[test]
    fn malformed_records_are_reported_by_line() {
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
        let alphabet = [b'a', b'b', b',', b'"', b'\n', b'"', b',', b'\r'];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
                })
                .collect();
            let mut judge = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&text[..]);
            let mut expected: Vec<Vec<Vec<u8>>> =
                judge.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
            let lines = LineReader::new(Box::new(Cursor::new(text.clone())), Contents::Text);
            let mut reader = Reader::new(lines, b',', Column::new("1"), None, false).unwrap();
            let (mut found, mut read) = (Vec::new(), Vec::new());
            loop {
                let mut raw = Vec::new();
                if !reader.lines.read_onto(&mut raw).unwrap() {
                    break;
                }
                if !LineEnd::split(&raw).0.is_empty() {
                    if reader.columns.read(&mut reader.lines, &mut raw).unwrap() {
                        found.push(reader.columns.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
                    } else {
                        // The crate closes the quote by itself.
                        expected.pop();
                    }
                }
                read.extend(raw);
            }
            assert_eq!(read, text);
            assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
