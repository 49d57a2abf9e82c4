//! Rows as CSV in PostgreSQL's form: a record's text without its parentheses, a line each.
//!
//! Null is nothing, an empty text is `""`; what has a comma, a quote, a backslash, a parenthesis or a space is quoted, and quotes and
//! backslashes in it are doubled.

use mantis_db::tables::query::{Cell, OutputColumn, RowSink};
use mantis_db::tables::types::{Type, Value, write_text};
use mantis_db::tables::{Environment, TableError, TableResult, code};

/// Takes rows as CSV.
#[derive(Debug)]
pub(super) struct CsvRows {
    environment: Environment,
    types: Vec<Option<Type>>,
    bytes_max: usize,
    /// Bytes from which on the text is a piece to be taken.
    piece_bytes: usize,
    header: String,
    has_rows: bool,
    text: String,
    cell: String,
}

impl CsvRows {
    /// Rows of at most `bytes_max` bytes in all.
    pub(super) fn new(environment: Environment, bytes_max: usize) -> Self {
        Self {
            environment,
            types: Vec::new(),
            bytes_max,
            piece_bytes: usize::MAX,
            header: String::new(),
            has_rows: false,
            text: String::new(),
            cell: String::new(),
        }
    }

    /// Is full from so many bytes on, for text that is taken in pieces.
    pub(super) fn set_piece_bytes(&mut self, bytes: usize) {
        self.piece_bytes = bytes;
    }

    /// Bytes of the text so far.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes the text so far; what comes continues it.
    pub(super) fn take_piece(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The whole text, or the rest of it; of no rows it is a single line end.
    pub(super) fn into_text(self) -> String {
        if self.has_rows { self.text } else { "\n".to_owned() }
    }
}

impl RowSink for CsvRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.types = columns.iter().map(|column| column.r#type).collect();
        self.header = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",");
        self.text.clear();
        self.has_rows = false;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.text.len() >= self.piece_bytes
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        if !std::mem::replace(&mut self.has_rows, true) {
            self.text.push_str(&self.header);
        }
        self.text.push('\n');
        for (place, (cell, r#type)) in cells.iter().zip(&self.types).enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            match cell {
                Cell::Value(Value::Null) => {}
                Cell::Value(value) => {
                    self.cell.clear();
                    write_text(value, r#type.unwrap_or(Type::TEXT), &self.environment, &mut self.cell);
                    push_quoted(&mut self.text, &self.cell);
                }
                Cell::Json(json) => push_quoted(&mut self.text, json),
            }
        }
        if self.text.len() > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        Ok(())
    }
}

/// An answer is larger than its limit.
pub(super) fn too_large(bytes_max: usize) -> TableError {
    TableError::new(code::LIMIT_EXCEEDED, format!("the answer has more than {bytes_max} bytes"))
        .with_hint("Ask for fewer columns, or page with limit and offset.")
}

fn push_quoted(text: &mut String, cell: &str) {
    let special =
        |character: char| matches!(character, '"' | '\\' | ',' | '(' | ')') || character.is_ascii_whitespace();
    if !cell.is_empty() && !cell.contains(|character: char| special(character) || character == '\u{b}') {
        text.push_str(cell);
        return;
    }
    text.push('"');
    for character in cell.chars() {
        if matches!(character, '"' | '\\') {
            text.push(character);
        }
        text.push(character);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_misread_is_quoted() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("with, comma", "\"with, comma\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("(paren)", "\"(paren)\""),
            ("line\nbreak", "\"line\nbreak\""),
            ("back\\slash", "\"back\\\\slash\""),
            ("{1,2}", "\"{1,2}\""),
        ] {
            let mut text = String::new();
            push_quoted(&mut text, cell);
            assert_eq!(text, expected);
        }
    }
}
