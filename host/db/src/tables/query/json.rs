//! Rows as JSON text.

use crate::tables::query::{Cell, OutputColumn, RowSink};
use crate::tables::types::{Type, Value, write_json};
use crate::tables::{Environment, TableError, TableResult, code};

/// Room for a small answer.
const TEXT_BYTES: usize = 512;

/// How rows stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonForm {
    /// An array of objects.
    Array,
    /// The object of the one row. Of several the last stays; of none the text is empty.
    Object,
    /// Each row's object on a line of its own.
    Lines,
}

/// Collects rows as JSON text: objects by the columns' names, in their order.
#[derive(Debug)]
pub struct JsonRows {
    form: JsonForm,
    strips_nulls: bool,
    bytes_max: usize,
    /// Bytes from which on the text is a piece to be taken.
    piece_bytes: usize,
    environment: Environment,
    columns: Vec<Column>,
    /// The names of all columns, each `,"name":`.
    names: Vec<u8>,
    text: Vec<u8>,
    has_rows: bool,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Column {
    r#type: Type,
    /// Where its name ends in `names`.
    name_end: usize,
}

impl JsonRows {
    /// Rows of at most `bytes_max` bytes of text. With `strips_nulls` members of objects that are null are left out, however deep.
    #[must_use]
    pub fn new(form: JsonForm, strips_nulls: bool, bytes_max: usize, environment: Environment) -> Self {
        Self {
            form,
            strips_nulls,
            bytes_max,
            piece_bytes: usize::MAX,
            environment,
            columns: Vec::new(),
            names: Vec::new(),
            text: Vec::new(),
            has_rows: false,
            scratch: Vec::new(),
        }
    }

    /// [Is full](RowSink::is_full) from so many bytes on, for text that is taken in pieces. Of one object there are no pieces.
    pub fn set_piece_bytes(&mut self, bytes: usize) {
        self.piece_bytes = bytes;
    }

    /// Bytes of the text so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes the text so far; what comes continues it.
    #[must_use]
    pub fn take_piece(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// The whole text, or the rest of it.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        if self.form == JsonForm::Array {
            if !self.has_rows {
                self.text.push(b'[');
            }
            self.text.push(b']');
        }
        self.text
    }

    fn write_row(&mut self, cells: &[Cell<'_>]) {
        let first = self.text.len();
        let mut name_start = 0;
        for (cell, column) in cells.iter().zip(&self.columns) {
            let start = self.text.len();
            let name = &self.names[std::mem::replace(&mut name_start, column.name_end)..column.name_end];
            self.text.extend_from_slice(name);
            let at = self.text.len();
            match cell {
                Cell::Value(value) => write_json(value, column.r#type, &self.environment, &mut self.text),
                Cell::Json(json) => self.text.extend_from_slice(json.as_bytes()),
            }
            if !self.strips_nulls {
                continue;
            }
            if self.text[at..] == *b"null" {
                self.text.truncate(start);
            } else if matches!(self.text.get(at), Some(b'{' | b'[')) {
                self.scratch.clear();
                self.scratch.extend_from_slice(&self.text[at..]);
                self.text.truncate(at);
                strip_nulls(&self.scratch, &mut self.text);
            }
        }
        match self.text.get_mut(first) {
            // In the place of the comma before the first name.
            Some(comma) => *comma = b'{',
            None => self.text.push(b'{'),
        }
        self.text.push(b'}');
    }
}

impl RowSink for JsonRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.columns.clear();
        self.names.clear();
        for column in columns {
            self.names.push(b',');
            let name = Value::Text(column.name.as_str().into());
            write_json(&name, Type::TEXT, &self.environment, &mut self.names);
            self.names.push(b':');
            self.columns.push(Column { r#type: column.r#type.unwrap_or(Type::TEXT), name_end: self.names.len() });
        }
        self.text.reserve(TEXT_BYTES);
        self.text.clear();
        self.has_rows = false;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.form != JsonForm::Object && self.text.len() >= self.piece_bytes
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        match self.form {
            JsonForm::Array => self.text.push(if self.has_rows { b',' } else { b'[' }),
            JsonForm::Object => self.text.clear(),
            JsonForm::Lines => {}
        }
        self.has_rows = true;
        self.write_row(cells);
        if self.form == JsonForm::Lines {
            self.text.push(b'\n');
        }
        if self.text.len() > self.bytes_max {
            let max = self.bytes_max;
            return Err(TableError::new(code::LIMIT_EXCEEDED, format!("the answer has more than {max} bytes"))
                .with_hint("Ask for fewer columns, or page with limit and offset."));
        }
        Ok(())
    }
}

/// Copies a JSON text without the members of objects that are null. Elements of arrays stay, as in PostgreSQL's `json_strip_nulls`.
fn strip_nulls(json: &[u8], out: &mut Vec<u8>) {
    // Of each open object or array whether it is an object, and whether it has something already.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'{' | b'[' => {
                // A member's comma and name have been written.
                if open.last().is_some_and(|&(is_object, _)| !is_object) {
                    separate(&mut open, out);
                }
                out.push(byte);
                open.push((byte == b'{', false));
                at += 1;
            }
            b'}' | b']' => {
                out.push(byte);
                open.pop();
                at += 1;
            }
            b',' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                let end = token_end(json, at);
                let is_member = open.last().is_some_and(|&(is_object, _)| is_object);
                let value = if is_member { value_start(json, end) } else { at };
                let is_null = json[value..].starts_with(b"null");
                if is_member && is_null {
                    at = value + 4;
                    continue;
                }
                separate(&mut open, out);
                if is_member {
                    out.extend_from_slice(&json[at..end]);
                    out.push(b':');
                    at = value;
                    if !matches!(json.get(at), Some(b'{' | b'[')) {
                        let end = token_end(json, at);
                        out.extend_from_slice(&json[at..end]);
                        at = end;
                    }
                } else {
                    out.extend_from_slice(&json[at..end]);
                    at = end;
                }
            }
        }
    }
}

fn separate(open: &mut [(bool, bool)], out: &mut Vec<u8>) {
    if let Some((_, has_any)) = open.last_mut()
        && std::mem::replace(has_any, true)
    {
        out.push(b',');
    }
}

/// Where the string, number or word at `at` ends.
fn token_end(json: &[u8], at: usize) -> usize {
    let rest = &json[at..];
    if rest.first() != Some(&b'"') {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t');
        return at + rest.iter().position(ends).unwrap_or(rest.len()).max(1);
    }
    let mut is_escaped = false;
    let end = rest[1..].iter().position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(json.len(), |end| at + end + 2)
}

/// Where the value begins whose name ends at `at`.
fn value_start(json: &[u8], at: usize) -> usize {
    let is_between = |byte: &u8| matches!(byte, b':' | b' ' | b'\n' | b'\r' | b'\t');
    json[at..].iter().position(|byte| !is_between(byte)).map_or(json.len(), |skipped| at + skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<OutputColumn> {
        let column = |name: &str, r#type| OutputColumn { name: name.to_owned(), r#type };
        vec![column("i\"d", Some(Type::scalar(crate::tables::types::Scalar::Integer))), column("rows", None)]
    }

    #[track_caller]
    fn check(form: JsonForm, strips_nulls: bool, rows: &[(Value<'_>, &str)], expected: &str) {
        let mut sink = JsonRows::new(form, strips_nulls, 1_000, Environment::neutral());
        sink.begin(&columns()).unwrap();
        for (id, json) in rows {
            sink.row(&[Cell::Value(id.clone()), Cell::Json(json)]).unwrap();
        }
        assert_eq!(String::from_utf8(sink.into_bytes()).unwrap(), expected);
    }

    #[test]
    fn rows_stand_in_the_form_asked_for() {
        let rows = [(Value::Integer(1), "[]"), (Value::Null, r#"{"a":null}"#)];
        check(JsonForm::Array, false, &rows, r#"[{"i\"d":1,"rows":[]},{"i\"d":null,"rows":{"a":null}}]"#);
        check(JsonForm::Array, false, &[], "[]");
        check(JsonForm::Object, false, &rows[..1], r#"{"i\"d":1,"rows":[]}"#);
        check(JsonForm::Lines, false, &rows, "{\"i\\\"d\":1,\"rows\":[]}\n{\"i\\\"d\":null,\"rows\":{\"a\":null}}\n");
    }

    #[test]
    fn pieces_make_up_the_same_text() {
        for form in [JsonForm::Array, JsonForm::Lines] {
            for count in [0, 1, 2, 7] {
                let mut whole = JsonRows::new(form, false, 1_000, Environment::neutral());
                let mut pieces = JsonRows::new(form, false, 100, Environment::neutral());
                pieces.set_piece_bytes(40);
                whole.begin(&columns()).unwrap();
                pieces.begin(&columns()).unwrap();
                let mut text = Vec::new();
                for id in 0..count {
                    let row = [Cell::Value(Value::Integer(id)), Cell::Json("[]")];
                    whole.row(&row).unwrap();
                    pieces.row(&row).unwrap();
                    if pieces.is_full() {
                        text.extend(pieces.take_piece());
                    }
                }
                text.extend(pieces.into_bytes());
                assert_eq!(String::from_utf8(text), String::from_utf8(whole.into_bytes()), "{form:?} {count}");
            }
        }
    }

    #[test]
    fn nulls_are_stripped_however_deep_but_not_from_arrays() {
        for (json, expected) in [
            ("null", "[{}]"),
            (r#"{"a":null}"#, r#"[{"rows":{}}]"#),
            (r#"{"a":null,"b":1,"c":null}"#, r#"[{"rows":{"b":1}}]"#),
            (
                r#"{"b":{"c":null,"d":[null,{"e":null}]},"f":"null, {"}"#,
                r#"[{"rows":{"b":{"d":[null,{}]},"f":"null, {"}}]"#,
            ),
            (
                r#"[{"a":null},{"a":1,"b":"\"null\\"},[[null]],null]"#,
                r#"[{"rows":[{},{"a":1,"b":"\"null\\"},[[null]],null]}]"#,
            ),
            (r#"{"a": null, "b": [1, 2], "c": true}"#, r#"[{"rows":{"b":[1,2],"c":true}}]"#),
            (r#"{"nullable":"null"}"#, r#"[{"rows":{"nullable":"null"}}]"#),
        ] {
            check(JsonForm::Array, true, &[(Value::Null, json)], expected);
        }
    }

    #[test]
    fn an_answer_that_is_too_long_is_an_error() {
        let mut sink = JsonRows::new(JsonForm::Array, false, 30, Environment::neutral());
        sink.begin(&columns()).unwrap();
        let row = [Cell::Value(Value::Integer(1)), Cell::Json("[1,2]")];
        assert!(sink.row(&row).is_ok());
        assert_eq!(sink.row(&row).unwrap_err().code, code::LIMIT_EXCEEDED);
    }
}
