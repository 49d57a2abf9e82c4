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
    header: String,
    pub(super) text: String,
    cell: String,
}

impl CsvRows {
    /// Rows of at most `bytes_max` bytes in all.
    pub(super) fn new(environment: Environment, bytes_max: usize) -> Self {
        Self {
            environment,
            types: Vec::new(),
            bytes_max,
            header: String::new(),
            text: String::new(),
            cell: String::new(),
        }
    }

    /// The whole text; of no rows it is a single line end.
    pub(super) fn into_text(self) -> String {
        if self.text.is_empty() { "\n".to_owned() } else { self.text }
    }
}

impl RowSink for CsvRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.types = columns.iter().map(|column| column.r#type).collect();
        self.header = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",");
        self.text.clear();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        if self.text.is_empty() {
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
