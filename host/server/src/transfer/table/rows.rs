//! A file's rows, each with its first line and its text.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::ops::Range;

use mantis_db::json_error;
use serde_json::value::RawValue;

use crate::cli::RowFormat;
use crate::client::object::Object;
use crate::transfer::read::{Columns, Contents, LineEnd, LineReader};

/// Bytes of a JSON document, which is read as a whole.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

/// How a file of rows is read.
#[derive(Debug, Clone)]
pub(crate) struct RowsForm {
    /// The format.
    pub(crate) format: RowFormat,
    /// What separates columns of CSV.
    pub(crate) delimiter: u8,
    /// The names of the columns of CSV without a header.
    pub(crate) columns: Vec<String>,
}

/// A row, or what is wrong with it.
#[derive(Debug)]
pub(super) struct Row {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// Its text.
    pub(super) raw: Vec<u8>,
    /// What is in it.
    pub(super) fields: Result<Fields, String>,
}

/// What is in a row.
#[derive(Debug)]
pub(super) enum Fields {
    /// Of CSV, in the order of the columns.
    Columns(Vec<Field>),
    /// Of JSON.
    Object(Object),
}

/// A field of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) text: String,
    /// Whether it stands in quotes: `""` is an empty text, and nothing is nothing.
    pub(super) is_quoted: bool,
}

/// Reads rows.
pub(super) enum Rows {
    Csv(Box<CsvRows>),
    Lines(LineReader),
    Document(Document),
}

impl Rows {
    /// Reads up to the first row.
    ///
    /// # Errors
    /// What the input says; `InvalidData` for a header or a document that is not valid.
    pub(super) fn open(input: Box<dyn BufRead + Send>, form: &RowsForm) -> io::Result<Self> {
        // What is no text in one row is that row's: others may be sound.
        let mut lines = LineReader::new(input, Contents::Bytes);
        lines.take_mark()?;
        Ok(match form.format {
            RowFormat::Csv => Self::Csv(Box::new(CsvRows::open(lines, form)?)),
            RowFormat::Ndjson => Self::Lines(lines),
            RowFormat::Json => Self::Document(Document::read(lines)?),
        })
    }

    /// The names of the columns, where the file has them apart from its rows.
    pub(super) fn columns(&self) -> Option<&[String]> {
        match self {
            Self::Csv(rows) => Some(&rows.names),
            Self::Lines(_) | Self::Document(_) => None,
        }
    }

    /// The next row; none at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Lines(lines) => next_line(lines),
            Self::Document(document) => Ok(document.next()),
        }
    }
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

fn object(text: &[u8]) -> Result<Fields, String> {
    serde_json::from_slice(text).map(Fields::Object).map_err(|error| format!("not a JSON object: {}", said(&error)))
}

/// What is wrong with the text of one row. Where that is counts from the row's beginning, whose line is named apart.
fn said(error: &serde_json::Error) -> String {
    let text = json_error(error);
    match (error.line(), error.column()) {
        (_, 0) => text.rsplit_once(" (").map_or(&*text, |(said, _)| said).to_owned(),
        (1, _) => text.replace("(line 1, column ", "(character "),
        _ => text.replace("(line ", "(line of the row "),
    }
}

/// The text, or the line in which it is none.
fn utf8(bytes: Vec<u8>, first_line: u64) -> io::Result<String> {
    let refused = |before: &[u8], what: &str| {
        let line = first_line + line_ends(before);
        invalid(format!("line {line}: the text {what}; is this another kind of file?"))
    };
    if let Some(place) = memchr::memchr(0, &bytes) {
        return Err(refused(&bytes[..place], "has a zero byte"));
    }
    String::from_utf8(bytes)
        .map_err(|error| refused(&error.as_bytes()[..error.utf8_error().valid_up_to()], "is not UTF-8"))
}

/// How many lines end in a text: each `\n`, and each `\r` that none follows.
fn line_ends(text: &[u8]) -> u64 {
    let ends = memchr::memchr2_iter(b'\n', b'\r', text);
    ends.map(|place| u64::from(text[place] == b'\n' || text.get(place + 1) != Some(&b'\n'))).sum()
}

fn next_line(lines: &mut LineReader) -> io::Result<Option<Row>> {
    loop {
        let mut raw = Vec::new();
        if !lines.read_onto(&mut raw)? {
            return Ok(None);
        }
        let text = raw.trim_ascii();
        if !text.is_empty() {
            let fields = object(text);
            return Ok(Some(Row { line: lines.line, raw: text.to_vec(), fields }));
        }
    }
}

/// Rows of CSV.
pub(super) struct CsvRows {
    lines: LineReader,
    delimiter: u8,
    columns: Columns,
    names: Vec<String>,
}

impl CsvRows {
    fn open(mut lines: LineReader, form: &RowsForm) -> io::Result<Self> {
        let mut columns = Columns::new(form.delimiter);
        let mut names = form.columns.clone();
        let mut raw = Vec::new();
        // Empty lines before the header are none.
        while names.is_empty() && lines.read_onto(&mut raw)? {
            if LineEnd::split(&raw).0.is_empty() {
                raw.clear();
                continue;
            }
            if !columns.read(&mut lines, &mut raw)? {
                return Err(invalid("a quoted column of the header is not closed before the end of the file"));
            }
            names = columns.iter().map(|name| utf8(name.to_vec(), lines.line)).collect::<io::Result<_>>()?;
        }
        for (place, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(invalid(format!("column {} of the header has no name", place + 1)));
            }
            if names[..place].contains(name) {
                return Err(invalid(format!("the header has the column {name:?} twice")));
            }
        }
        Ok(Self { lines, delimiter: form.delimiter, columns, names })
    }

    fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            let mut raw = Vec::new();
            if !self.lines.read_onto(&mut raw)? {
                return Ok(None);
            }
            let line = self.lines.line;
            let is_empty = LineEnd::split(&raw).0.is_empty();
            // An empty line is a row only where it can be one.
            if is_empty && self.names.len() != 1 {
                continue;
            }
            let fields = if is_empty {
                Ok(vec![Field { text: String::new(), is_quoted: false }])
            } else if self.columns.read(&mut self.lines, &mut raw)? {
                self.fields(&raw)
            } else {
                Err("a quoted column is not closed before the end of the file".to_owned())
            };
            let text = LineEnd::split(&raw).0.len();
            raw.truncate(text);
            return Ok(Some(Row { line, raw, fields: fields.map(Fields::Columns) }));
        }
    }

    fn fields(&mut self, raw: &[u8]) -> Result<Vec<Field>, String> {
        let (text, _) = LineEnd::split(raw);
        if self.columns.len() != self.names.len() {
            return Err(format!("the row has {} columns, and the header {}", self.columns.len(), self.names.len()));
        }
        let quoted = quoted(text, self.delimiter);
        let fields = self.columns.iter().zip(quoted).zip(&self.names).map(|((bytes, is_quoted), name)| {
            let text = std::str::from_utf8(bytes).map_err(|_| format!("the column {name:?} is not UTF-8"))?;
            if text.contains('\0') {
                return Err(format!("the column {name:?} has a zero byte, which no text has"));
            }
            Ok(Field { text: text.to_owned(), is_quoted })
        });
        fields.collect()
    }
}

/// Whether each field of a record stands in quotes, as `csv-core` reads records.
fn quoted(record: &[u8], delimiter: u8) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Start,
        Bare,
        Quoted,
        AfterQuote,
    }
    let (mut at, mut flags) = (At::Start, Vec::new());
    for &byte in record {
        at = match at {
            At::Start => {
                flags.push(byte == b'"');
                match byte {
                    b'"' => At::Quoted,
                    _ if byte == delimiter => At::Start,
                    _ => At::Bare,
                }
            }
            At::Quoted if byte == b'"' => At::AfterQuote,
            At::AfterQuote if byte == b'"' => At::Quoted,
            At::Quoted => At::Quoted,
            At::Bare | At::AfterQuote if byte == delimiter => At::Start,
            At::Bare | At::AfterQuote => At::Bare,
        };
    }
    if at == At::Start {
        flags.push(false);
    }
    flags
}

/// A JSON document: a list of objects, or an object whose only member is one.
pub(super) struct Document {
    text: String,
    rows: std::vec::IntoIter<Range<usize>>,
    /// How far lines have been counted.
    counted: usize,
    line: u64,
}

impl Document {
    fn read(lines: LineReader) -> io::Result<Self> {
        let mut bytes = Vec::new();
        lines.into_input().take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(invalid(format!("a JSON document has at most {DOCUMENT_BYTES_MAX} bytes; use ndjson")));
        }
        let text = utf8(bytes, 1)?;
        let rows = Self::find(&text);
        let rows = rows.map_err(|error| invalid(format!("not a JSON list of objects: {}", json_error(&error))))?;
        Ok(Self { text, rows: rows.into_iter(), counted: 0, line: 1 })
    }

    /// Where each row is.
    fn find(text: &str) -> Result<Vec<Range<usize>>, serde_json::Error> {
        let list = if text.trim_start().starts_with('{') {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let mut values = members.into_values();
            match (values.next(), values.next()) {
                (Some(list), None) => list.get(),
                _ => return Err(serde::de::Error::custom("the object has not one member that is a list")),
            }
        } else {
            text
        };
        let rows: Vec<&RawValue> = serde_json::from_str(list)?;
        // Raw values are parts of the text.
        let start_of = |row: &RawValue| row.get().as_ptr() as usize - text.as_ptr() as usize;
        Ok(rows.into_iter().map(|row| start_of(row)..start_of(row) + row.get().len()).collect())
    }

    fn next(&mut self) -> Option<Row> {
        let place = self.rows.next()?;
        let before = &self.text.as_bytes()[self.counted..place.start];
        self.line += line_ends(before);
        self.counted = place.start;
        let raw = &self.text.as_bytes()[place];
        Some(Row { line: self.line, raw: raw.to_vec(), fields: object(raw) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn open(text: &str, format: RowFormat) -> io::Result<Rows> {
        let form = RowsForm { format, delimiter: b',', columns: Vec::new() };
        Rows::open(Box::new(Cursor::new(text.to_owned().into_bytes())), &form)
    }

    #[track_caller]
    fn check(text: &str, format: RowFormat, expected: &[(u64, &str, bool)]) {
        let mut rows = open(text, format).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push((row.line, String::from_utf8(row.raw).unwrap(), row.fields.is_ok()));
        }
        let found: Vec<_> = found.iter().map(|(line, raw, is_row)| (*line, &**raw, *is_row)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn each_row_has_its_first_line_and_its_text() {
        let csv = "\u{feff}\na,b\r\n1,\"x\ny\"\r\n\n2\n3,4";
        check(csv, RowFormat::Csv, &[(3, "1,\"x\ny\"", true), (6, "2", false), (7, "3,4", true)]);
        check("a,b\n1,\"x", RowFormat::Csv, &[(2, "1,\"x", false)]);
        check("a\n1\n\n", RowFormat::Csv, &[(2, "1", true), (3, "", true)]);
        check("a,b\r1,\"x\ny\"\r2,c\r", RowFormat::Csv, &[(2, "1,\"x\ny\"", true), (4, "2,c", true)]);
        check("a,b\r\n1,x\r2,y\n3,z\r\n", RowFormat::Csv, &[(2, "1,x", true), (3, "2,y", true), (4, "3,z", true)]);
        check("{\"a\":1}\r{\"a\":2}\n", RowFormat::Ndjson, &[(1, "{\"a\":1}", true), (2, "{\"a\":2}", true)]);
        check("[\r{},\r\n7]", RowFormat::Json, &[(2, "{}", true), (3, "7", false)]);
        check("", RowFormat::Csv, &[]);
        check("{\"a\":1}\n\n [1]\n", RowFormat::Ndjson, &[(1, "{\"a\":1}", true), (3, "[1]", false)]);
        let list = "[\n {\"a\":\n 1},\n 7, {}]";
        check(list, RowFormat::Json, &[(2, "{\"a\":\n 1}", true), (4, "7", false), (4, "{}", true)]);
        check("{\"x\": [{\"a\":1}\n,{}]}", RowFormat::Json, &[(1, "{\"a\":1}", true), (2, "{}", true)]);
    }

    #[test]
    fn a_broken_file_is_refused_with_the_place() {
        let refused = |bytes: &[u8], format: RowFormat| {
            let form = RowsForm { format, delimiter: b',', columns: Vec::new() };
            let mut rows = match Rows::open(Box::new(Cursor::new(bytes.to_vec())), &form) {
                Ok(rows) => rows,
                Err(error) => return error.to_string(),
            };
            loop {
                match rows.next().unwrap() {
                    Some(Row { line, fields: Err(message), .. }) => return format!("line {line}: {message}"),
                    Some(_) => {}
                    None => return "no error".to_owned(),
                }
            }
        };
        for (bytes, format, expected) in [
            (
                &b"[{\"a\":1},\n{\"a\":"[..],
                RowFormat::Json,
                "not a JSON list of objects: the text ends within a value (line 2, column 5)",
            ),
            (b"[\n\xff]", RowFormat::Json, "line 2: the text is not UTF-8; is this another kind of file?"),
            (b"\x89PNG\r\n\x1a\n", RowFormat::Csv, "line 1: the text is not UTF-8; is this another kind of file?"),
            (b"a\n1\n\xff\n", RowFormat::Csv, "line 3: the column \"a\" is not UTF-8"),
            (b"a\n1\n\0\n", RowFormat::Csv, "line 3: the column \"a\" has a zero byte, which no text has"),
            (b"a\0,\0b\n", RowFormat::Csv, "line 1: the text has a zero byte; is this another kind of file?"),
            (
                b"{\"a\":1}\n{\"a\":\n",
                RowFormat::Ndjson,
                "line 2: not a JSON object: the text ends within a value (character 5)",
            ),
            (b"{\"a\":1}\n[1]\n", RowFormat::Ndjson, "line 2: not a JSON object: found a list, expected an object"),
            (
                b"[{\"a\":1},\n\n {\"a\":1,\n \"a\" 2}]",
                RowFormat::Json,
                "not a JSON list of objects: a colon is missing after a member's name (line 4, column 6)",
            ),
        ] {
            assert_eq!(refused(bytes, format), expected);
        }
    }

    #[test]
    fn a_file_that_has_no_rows_is_refused_as_a_whole() {
        for (text, format) in [
            ("a,\n", RowFormat::Csv),
            ("a,a\n", RowFormat::Csv),
            ("\"a\n", RowFormat::Csv),
            ("{\"a\":[],\"b\":[]}", RowFormat::Json),
            ("{}", RowFormat::Json),
            ("7", RowFormat::Json),
            ("", RowFormat::Json),
        ] {
            let refused = open(text, format).err().map(|error| error.kind());
            assert_eq!(refused, Some(io::ErrorKind::InvalidData), "{text:?}");
        }
    }

    #[test]
    fn quotes_tell_an_empty_text_from_nothing() {
        for (record, expected) in [
            (",\"\",", &[false, true, false][..]),
            ("\"a\"\"b\",c", &[true, false]),
            ("\"a,b\",", &[true, false]),
            ("a\"b,\"c\"d,e", &[false, true, false]),
            ("\"x\"", &[true]),
        ] {
            assert_eq!(quoted(record.as_bytes(), b','), expected, "{record}");
        }
    }
}
