//! The rows of an insert or update: JSON, or lines of JSON; and what collects rows of any form.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use mantis_db::limits::TABLE_COLUMNS_MAX;
use mantis_db::tables::{Input, RowBatch, TableError, TableResult, code};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How the columns of a body are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns<'q> {
    /// These and no others (`columns=`): what else is in a row is left out.
    Named(&'q [mantis_dialect::Name]),
    /// Those of the first row, which all others must have too.
    Same,
    /// Those of all rows together (`missing=default`).
    All,
}

/// A body's rows, and whether they came in a list.
#[derive(Debug)]
pub struct Rows<'b> {
    /// The rows.
    pub batch: RowBatch<'b>,
    /// Whether they came in a list.
    pub is_list: bool,
}

/// Values that a body may have, with those that its rows lack. A row of two bytes may lack all its columns.
pub const VALUES_MAX: usize = 4 << 20;

/// The room that a row more needs.
///
/// # Errors
/// 54000.
pub fn push_row(batch: &mut RowBatch<'_>) -> TableResult<usize> {
    let first = batch.values.len();
    let values = first + batch.columns.len();
    // A row without columns counts too.
    if values.max(batch.rows) > VALUES_MAX {
        let message = format!("the rows of one request have more than {VALUES_MAX} values");
        return Err(too_much(message).with_hint("Go in steps, each with a part of the rows."));
    }
    batch.values.resize(values, Input::Missing);
    batch.rows += 1;
    Ok(first)
}

fn too_much(message: String) -> TableError {
    TableError::new(code::LIMIT_EXCEEDED, message)
}

/// The error for them.
#[must_use]
pub fn too_many_columns() -> TableError {
    too_much(format!("the rows have more than {TABLE_COLUMNS_MAX} columns"))
}

/// `PGRST102`: the text has another form.
pub fn invalid(message: impl Into<String>) -> TableError {
    TableError::new(code::BODY_INVALID, message)
}

fn not_json(error: &serde_json::Error) -> TableError {
    match mantis_db::json_error(error) {
        // With the place where it was found out.
        text if text.starts_with(OTHER_KEYS) => invalid(OTHER_KEYS),
        text => invalid("Empty or invalid json").with_details(text),
    }
}

/// Refuses another encoding, which the first bytes show.
fn check_encoding(body: &[u8]) -> TableResult<()> {
    mantis_db::json_encoding_error(body)
        .map_or(Ok(()), |details| Err(invalid("Empty or invalid json").with_details(details)))
}

const OTHER_KEYS: &str = "All object keys must match";

/// Reads an object, or a list of objects.
///
/// # Errors
/// `PGRST102`: it is no such JSON, or its rows have different columns; 54000: there are too many columns or values.
pub fn read_json<'b>(body: &'b [u8], columns: Columns<'_>) -> TableResult<Rows<'b>> {
    check_encoding(body)?;
    let mut builder = Builder::new(columns);
    if columns == Columns::All {
        builder.take_names(body)?;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = (&mut deserializer).deserialize_any(Body(&mut builder));
    let is_list = read.map_err(|error| builder.failure(&error))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(Rows { batch: builder.batch, is_list })
}

/// Reads an object on each line.
///
/// # Errors
/// As [`read_json`].
pub fn read_lines<'b>(body: &'b [u8], columns: Columns<'_>) -> TableResult<Rows<'b>> {
    check_encoding(body)?;
    let mut builder = Builder::new(columns);
    // JSON has neither within a line: old files of some systems end lines with a carriage return alone.
    let ends_line = |&byte: &u8| matches!(byte, b'\n' | b'\r');
    let lines = || body.split(ends_line).filter(|line| !line.trim_ascii().is_empty());
    if columns == Columns::All {
        for line in lines() {
            builder.take_names(line)?;
        }
    }
    for line in lines() {
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let read = (&mut deserializer).deserialize_map(Row(&mut builder));
        read.map_err(|error| builder.failure(&error))?;
        deserializer.end().map_err(|error| not_json(&error))?;
    }
    Ok(Rows { batch: builder.batch, is_list: true })
}

/// Collects rows.
#[derive(Debug)]
pub struct Builder<'b> {
    /// Those collected.
    pub batch: RowBatch<'b>,
    /// Where each column is.
    pub places: HashMap<Cow<'b, str>, usize>,
    /// Whether the columns are known, and other keys are left out.
    pub is_named: bool,
    /// Whether a row may lack columns.
    may_lack: bool,
    /// What stopped the reader, other than the text.
    error: Option<TableError>,
}

impl<'b> Builder<'b> {
    /// None yet, of these columns.
    #[must_use]
    pub fn new(columns: Columns<'_>) -> Self {
        let mut builder = Self {
            batch: RowBatch::default(),
            places: HashMap::new(),
            is_named: columns != Columns::Same,
            may_lack: columns != Columns::Same,
            error: None,
        };
        if let Columns::Named(names) = columns {
            for name in names {
                // The request's line bounds how many there are.
                builder.column(Cow::Owned(name.to_string()));
            }
        }
        builder
    }

    /// Adds a column unless it is there.
    pub fn column(&mut self, name: Cow<'b, str>) {
        let place = self.batch.columns.len();
        if let std::collections::hash_map::Entry::Vacant(entry) = self.places.entry(name) {
            self.batch.columns.push(entry.key().clone());
            entry.insert(place);
        }
    }

    /// Adds the names of all keys as columns.
    fn take_names(&mut self, json: &'b [u8]) -> TableResult<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let read = (&mut deserializer).deserialize_any(Names(self));
        read.map_err(|error| self.failure(&error))
    }

    /// What stopped the reader.
    fn failure(&mut self, error: &serde_json::Error) -> TableError {
        self.error.take().unwrap_or_else(|| not_json(error))
    }

    /// Keeps an error until the reader has stopped.
    fn stop<E: serde::de::Error>(&mut self, error: TableError) -> E {
        self.error = Some(error);
        E::custom("stopped")
    }

    /// Where the key's column is; the place `hint` is tried first, since most rows have their keys in one order. The first row makes the
    /// columns where they are not named.
    ///
    /// # Errors
    /// 54000: there are too many.
    pub fn place(&mut self, key: Cow<'b, str>, hint: usize) -> TableResult<Option<usize>> {
        let columns = &mut self.batch.columns;
        if columns.get(hint).is_some_and(|column| *column == key) {
            return Ok(Some(hint));
        }
        if let Some(&place) = self.places.get(&key) {
            return Ok(Some(place));
        }
        if self.is_named || self.batch.rows > 1 {
            return Ok(None);
        }
        if columns.len() == TABLE_COLUMNS_MAX {
            return Err(too_many_columns());
        }
        self.column(key);
        self.batch.values.push(Input::Missing);
        Ok(Some(self.batch.columns.len() - 1))
    }
}

/// A name: borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Names of the keys of an object, or of all objects of a list.
struct Names<'a, 'b>(&'a mut Builder<'b>);

impl<'de: 'b, 'b> DeserializeSeed<'de> for Names<'_, 'b> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'b, 'b> Visitor<'de> for Names<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(name) = map.next_key_seed(Name)? {
            map.next_value::<IgnoredAny>()?;
            if self.0.batch.columns.get(place).is_none_or(|known| *known != name) {
                self.0.column(name);
                if self.0.batch.columns.len() > TABLE_COLUMNS_MAX {
                    return Err(self.0.stop(too_many_columns()));
                }
            }
            place += 1;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Names(self.0))?.is_some() {}
        Ok(())
    }
}

/// The whole of a body; whether it is a list.
struct Body<'a, 'b>(&'a mut Builder<'b>);

impl<'de: 'b, 'b> Visitor<'de> for Body<'_, 'b> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        Row(self.0).visit_map(map)?;
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element_seed(Row(self.0))?.is_some() {}
        Ok(true)
    }
}

/// One row.
struct Row<'a, 'b>(&'a mut Builder<'b>);

impl<'de: 'b, 'b> DeserializeSeed<'de> for Row<'_, 'b> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'b, 'b> Visitor<'de> for Row<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let builder = self.0;
        let first = push_row(&mut builder.batch).map_err(|error| builder.stop(error))?;
        let (mut hint, mut found) = (0, 0);
        while let Some(key) = map.next_key_seed(Name)? {
            let place = builder.place(key, hint).map_err(|error| builder.stop(error))?;
            hint += 1;
            let Some(place) = place else {
                if !builder.is_named {
                    return Err(serde::de::Error::custom(OTHER_KEYS));
                }
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &'de RawValue = map.next_value()?;
            let slot = &mut builder.batch.values[first + place];
            // Of a key that occurs twice the last value counts.
            found += usize::from(*slot == Input::Missing);
            *slot = Input::Json(value.get());
        }
        if !builder.may_lack && found < builder.batch.columns.len() {
            return Err(serde::de::Error::custom(OTHER_KEYS));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'b> = fn(&'b [u8], Columns<'_>) -> TableResult<Rows<'b>>;

    #[track_caller]
    fn check<'b>(body: &'b str, read: Read<'b>, columns: Columns<'_>, expected: Result<&str, &str>) {
        let shown = read(body.as_bytes(), columns).map(|rows| {
            let RowBatch { columns, values, rows } = &rows.batch;
            assert_eq!(values.len(), columns.len() * rows);
            let mut shown = columns.join(",");
            for row in 0..*rows {
                let cells = values[row * columns.len()..(row + 1) * columns.len()].iter().map(|value| match value {
                    Input::Missing => "-".to_owned(),
                    Input::Json(json) => (*json).to_owned(),
                    Input::Text(text) => format!("'{text}'"),
                    Input::Value(_) | Input::Literal(..) => unreachable!(),
                });
                shown = format!("{shown};{}", cells.collect::<Vec<_>>().join(","));
            }
            shown
        });
        assert_eq!(shown.as_deref().map_err(|error| &error.message[..]), expected, "{body}");
    }

    #[test]
    fn rows_of_json_have_the_keys_of_the_first() {
        let same = |body, expected| check(body, read_json, Columns::Same, expected);
        same(r#"{"a": 1.0, "b": "x"}"#, Ok(r#"a,b;1.0,"x""#));
        same(r#"[{"a":1,"b":[2]},{"b":null,"a":{"c":3}}]"#, Ok(r#"a,b;1,[2];{"c":3},null"#));
        same("[]", Ok(""));
        same("[{}, {}]", Ok(";;"));
        same(r#"[{"a":1},{"a":1,"b":2}]"#, Err(OTHER_KEYS));
        same(r#"[{"a":1,"b":2},{"a":1}]"#, Err(OTHER_KEYS));
        same(r#"{"a":1,"a":2}"#, Ok("a;2"));
        same(r#"{"\u0061":1}"#, Ok("a;1"));
        for broken in ["", "{", "[1]", "7", "\"x\"", "null", r#"{"a":1} x"#, "[{\"a\":01}]", "[{},1]"] {
            same(broken, Err("Empty or invalid json"));
        }
    }

    #[test]
    fn named_columns_leave_out_other_keys_and_may_lack() {
        let names: [mantis_dialect::Name; 2] = ["a".into(), "b".into()];
        check(r#"[{"b":1,"x":2},{"a":3}]"#, read_json, Columns::Named(&names), Ok("a,b;-,1;3,-"));
    }

    #[test]
    fn all_columns_are_those_of_all_rows() {
        check(r#"[{"a":1},{"b":2}]"#, read_json, Columns::All, Ok("a,b;1,-;-,2"));
        check("{\"a\":1}\n\n{\"b\":2}\n", read_lines, Columns::All, Ok("a,b;1,-;-,2"));
    }

    #[test]
    fn lines_are_read() {
        check("{\"a\":1}\n{\"a\":2}", read_lines, Columns::Same, Ok("a;1;2"));
        check("{\"a\":1}\r{\"a\":2}\r", read_lines, Columns::Same, Ok("a;1;2"));
        check("{\"a\":1}\n[{\"a\":2}]", read_lines, Columns::Same, Err("Empty or invalid json"));
    }
}
