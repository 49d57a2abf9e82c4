//! The rows in a request's body: JSON, CSV, lines of JSON, or a form.

use std::borrow::Cow;
use std::collections::HashSet;

use mantis_db::limits::TABLE_COLUMNS_MAX;
use mantis_db::tables::{Input, RowBatch, TableResult};
use mantis_forms::rows::{Builder, invalid, push_row, read_json, read_lines, too_many_columns};

pub(crate) use mantis_forms::rows::{Columns, Rows};

use crate::protocol::path;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Lines,
    Csv,
    Form,
}

impl Format {
    /// By the `Content-Type` without its parameters, in lower case; JSON where there is none.
    ///
    /// # Errors
    /// `PGRST102` for any other.
    pub(super) fn of(media_type: Option<&str>) -> TableResult<Self> {
        match media_type {
            None
            | Some(
                "" | "application/json" | "application/vnd.pgrst.object+json" | "application/vnd.pgrst.array+json",
            ) => Ok(Self::Json),
            Some("application/x-ndjson") => Ok(Self::Lines),
            Some("text/csv") => Ok(Self::Csv),
            Some("application/x-www-form-urlencoded") => Ok(Self::Form),
            Some(other) => Err(invalid(format!("Content-Type not acceptable: {other}"))),
        }
    }
}

/// Reads a body.
///
/// # Errors
/// `PGRST102`: it is not of its format, or its rows have different columns.
pub(crate) fn read<'b>(body: &'b [u8], format: Format, columns: Columns<'_>) -> TableResult<Rows<'b>> {
    if let Some(encoding) = wide_encoding(body) {
        return Err(invalid(format!("The body is {encoding}")).with_hint("Send it as UTF-8."));
    }
    match format {
        Format::Json => read_json(body, columns),
        Format::Lines => read_lines(body, columns),
        Format::Csv => read_csv(body, columns).map(|batch| Rows { batch, is_list: true }),
        Format::Form => read_form(body, columns).map(|batch| Rows { batch, is_list: false }),
    }
}

/// The encoding of a text that is not UTF-8 and not of bytes: with its mark, or with a zero beside each of the first characters, which
/// none of the formats begins with.
fn wide_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [1..=0xff, 0, ..] => Some("UTF-16, little-endian"),
        [0xfe, 0xff, ..] | [0, 1..=0xff, ..] => Some("UTF-16, big-endian"),
        _ => None,
    }
}

fn read_csv<'b>(body: &'b [u8], columns: Columns<'_>) -> TableResult<RowBatch<'b>> {
    let not_csv = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { .. } => invalid("All lines must have same number of fields"),
        csv::ErrorKind::Utf8 { pos, .. } => {
            let line = pos.as_ref().map_or(1, csv::Position::line);
            invalid("The body is not valid CSV").with_details(format!("line {line} is not UTF-8"))
        }
        // Of the others none comes from bytes that are read as text.
        _ => invalid("The body is not valid CSV"),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(body);
    let header: Vec<String> = reader.headers().map_err(not_csv)?.iter().map(str::to_owned).collect();
    let mut builder = Builder::new(columns);
    // The place in the batch of each field of the file.
    let mut places = Vec::with_capacity(header.len());
    let mut seen = HashSet::new();
    for name in &header {
        if !builder.is_named || columns == Columns::All {
            if seen.len() == TABLE_COLUMNS_MAX {
                return Err(too_many_columns());
            }
            builder.column(Cow::Owned(name.clone()));
        }
        let place = builder.places.get(name.as_str()).copied();
        if place.is_some() && !seen.insert(name) {
            return Err(invalid(format!("The header has the column \"{name}\" twice")));
        }
        places.push(place);
    }
    let mut batch = builder.batch;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(not_csv)? {
        let first = push_row(&mut batch)?;
        for (field, place) in record.iter().zip(&places) {
            if let Some(place) = place {
                batch.values[first + place] = match field {
                    "NULL" => Input::Json("null"),
                    text => Input::Text(Cow::Owned(text.to_owned())),
                };
            }
        }
    }
    Ok(batch)
}

fn read_form<'b>(body: &'b [u8], columns: Columns<'_>) -> TableResult<RowBatch<'b>> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("The form is not UTF-8"))?;
    let mut builder = Builder::new(columns);
    // A form's names are all columns, unless they are named.
    builder.is_named = matches!(columns, Columns::Named(_));
    push_row(&mut builder.batch)?;
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (path::decode_form(name), path::decode_form(value));
        let (Some(name), Some(value)) = (name, value) else { return Err(invalid("The form is not well encoded")) };
        if let Some(place) = builder.place(name, usize::MAX)? {
            builder.batch.values[place] = Input::Text(value);
        }
    }
    Ok(builder.batch)
}

#[cfg(test)]
mod tests {
    use mantis_db::tables::code;

    use super::*;

    #[track_caller]
    fn check(body: &str, format: Format, columns: Columns<'_>, expected: Result<&str, &str>) {
        let shown = read(body.as_bytes(), format, columns).map(|rows| {
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
        let same = |body, expected| check(body, Format::Json, Columns::Same, expected);
        same(r#"{"a": 1.0, "b": "x"}"#, Ok(r#"a,b;1.0,"x""#));
        same(r#"[{"a":1,"b":[2]},{"b":null,"a":{"c":3}}]"#, Ok(r#"a,b;1,[2];{"c":3},null"#));
        same("[]", Ok(""));
        same("[{}, {}]", Ok(";;"));
        same(r#"[{"a":1},{"a":1,"b":2}]"#, Err("All object keys must match"));
        same(r#"[{"a":1,"b":2},{"a":1}]"#, Err("All object keys must match"));
        same(r#"{"a":1,"a":2}"#, Ok("a;2"));
        same(r#"{"\u0061":1}"#, Ok("a;1"));
        for broken in ["", "{", "[1]", "7", "\"x\"", "null", r#"{"a":1} x"#, "[{\"a\":01}]", "[{},1]"] {
            same(broken, Err("Empty or invalid json"));
        }
    }

    #[test]
    fn named_columns_leave_out_other_keys_and_may_lack() {
        let names: [mantis_dialect::Name; 2] = ["a".into(), "b".into()];
        let named = |body, format, expected| check(body, format, Columns::Named(&names), expected);
        named(r#"[{"b":1,"x":2},{"a":3}]"#, Format::Json, Ok("a,b;-,1;3,-"));
        named("x,b\n1,2\n", Format::Csv, Ok("a,b;-,'2'"));
        named("b=1&x=2", Format::Form, Ok("a,b;-,'1'"));
    }

    #[test]
    fn all_columns_are_those_of_all_rows() {
        check(r#"[{"a":1},{"b":2}]"#, Format::Json, Columns::All, Ok("a,b;1,-;-,2"));
        check("{\"a\":1}\n\n{\"b\":2}\n", Format::Lines, Columns::All, Ok("a,b;1,-;-,2"));
    }

    #[test]
    fn lines_csv_and_forms_are_read() {
        check("{\"a\":1}\n{\"a\":2}", Format::Lines, Columns::Same, Ok("a;1;2"));
        check("{\"a\":1}\r{\"a\":2}\r", Format::Lines, Columns::Same, Ok("a;1;2"));
        check("a,b\r1,2\r3,4\r", Format::Csv, Columns::Same, Ok("a,b;'1','2';'3','4'"));
        check("{\"a\":1}\n[{\"a\":2}]", Format::Lines, Columns::Same, Err("Empty or invalid json"));
        check("a,b\n1,\"x,\"\"y\"\nNULL,", Format::Csv, Columns::Same, Ok("a,b;'1','x,\"y';null,''"));
        check("a,b\n1\n", Format::Csv, Columns::Same, Err("All lines must have same number of fields"));
        check("a,a\n1,2\n", Format::Csv, Columns::Same, Err("The header has the column \"a\" twice"));
        check("a=forms+are+fun&b=%C3%BC", Format::Form, Columns::Same, Ok("a,b;'forms are fun','ü'"));
        check("a=%zz", Format::Form, Columns::Same, Err("The form is not well encoded"));
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_named() {
        for (text, big_endian) in [("a,b\n1,2\n", false), ("{\"a\":1}", true)] {
            for mark in ["", "\u{feff}"] {
                let units = format!("{mark}{text}");
                let bytes: Vec<_> = units
                    .encode_utf16()
                    .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                    .collect();
                let expected =
                    if big_endian { "The body is UTF-16, big-endian" } else { "The body is UTF-16, little-endian" };
                for format in [Format::Csv, Format::Lines, Format::Json] {
                    let error = read(&bytes, format, Columns::Same).unwrap_err();
                    assert_eq!((error.code, &*error.message), (code::BODY_INVALID, expected), "{text}");
                }
            }
        }
    }

    /// A body whose reader would compare every name with every other, or make room for values that it lacks.
    #[test]
    fn a_body_has_room_for_no_more_than_a_table_could_take() {
        let many = |make: &dyn Fn(usize) -> String, count| (0..count).map(make).collect::<Vec<_>>().join(",");
        let columns = "the rows have more than 500 columns";
        let keys = format!("{{{}}}", many(&|n| format!("\"k{n}\":1"), 200_000));
        check(&keys, Format::Json, Columns::Same, Err(columns));
        check(&keys, Format::Lines, Columns::All, Err(columns));
        let rows = format!("[{}]", many(&|n| format!("{{\"k{n}\":1}}"), 200_000));
        check(&rows, Format::Json, Columns::All, Err(columns));
        check(&format!("{}\n", many(&|n| format!("k{n}"), 200_000)), Format::Csv, Columns::Same, Err(columns));
        let form = many(&|n| format!("k{n}=1"), 200_000).replace(',', "&");
        check(&form, Format::Form, Columns::All, Err(columns));

        let names: Vec<mantis_dialect::Name> = (0..3_000).map(|n| format!("k{n}").as_str().into()).collect();
        let values = "the rows of one request have more than 4194304 values";
        let empty = format!("[{}]", many(&|_| "{}".to_owned(), 2_000));
        check(&empty, Format::Json, Columns::Named(&names), Err(values));
    }
}
