//! The bodies of requests that write rows (JSON, lines of JSON, CSV and forms): read as other readers read them, or refused.
//!
//! The reader is compiled from its own file: with the crate around it the plugins' runtime would have to be built too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mantis_db::tables::{Input, RowBatch, code};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::reader::{Columns, Format, read};

/// Checks one input: a byte of choices, and a body.
///
/// # Panics
/// It is not read as it should be: that is what is looked for.
pub fn check(input: &[u8]) {
    let Some((&choices, body)) = input.split_first() else { return };
    let format = [Format::Json, Format::Lines, Format::Csv, Format::Form][usize::from(choices & 3)];
    let names = [mantis_dialect::Name::from("a"), mantis_dialect::Name::from("b")];
    let columns = match choices >> 2 & 3 {
        0 => Columns::Named(&names),
        1 => Columns::All,
        _ => Columns::Same,
    };
    match read(body, format, columns) {
        Ok(rows) => {
            check_batch(&rows.batch);
            if format == Format::Json && columns == Columns::All {
                check_json(body, &rows.batch);
            }
            if format == Format::Csv && columns == Columns::Same {
                check_csv(body, &rows.batch);
            }
        }
        Err(error) => {
            assert!([code::BODY_INVALID, code::LIMIT_EXCEEDED].contains(&error.code), "{error:?}");
            let is_list = |value: Value| match value {
                Value::Array(rows) => rows.iter().all(Value::is_object),
                value => value.is_object(),
            };
            let is_readable = || serde_json::from_slice(body).is_ok_and(is_list);
            assert!(
                format != Format::Json
                    || columns == Columns::Same
                    || error.code == code::LIMIT_EXCEEDED
                    || !is_readable(),
                "{error:?}"
            );
        }
    }
}

fn check_batch(batch: &RowBatch<'_>) {
    assert_eq!(batch.values.len(), batch.columns.len() * batch.rows);
    for value in &batch.values {
        match value {
            Input::Json(json) => drop(serde_json::from_str::<&RawValue>(json).unwrap()),
            Input::Missing | Input::Text(_) => {}
            Input::Value(_) | Input::Literal(..) => panic!("a body has no values"),
        }
    }
}

type Row<'b> = BTreeMap<Cow<'b, str>, &'b RawValue>;

/// All keys of all rows are there, with the last value of each.
fn check_json(body: &[u8], batch: &RowBatch<'_>) {
    let rows: Vec<Row<'_>> = match serde_json::from_slice(body) {
        Ok(rows) => rows,
        Err(_) => vec![serde_json::from_slice(body).unwrap()],
    };
    assert_eq!(rows.len(), batch.rows);
    for (place, row) in rows.iter().enumerate() {
        let first = place * batch.columns.len();
        let mut found = 0;
        for (column, value) in batch.columns.iter().zip(&batch.values[first..]) {
            let expected = row.get(&**column).map_or(Input::Missing, |raw| Input::Json(raw.get()));
            assert_eq!(*value, expected, "{column}");
            found += usize::from(expected != Input::Missing);
        }
        assert_eq!(found, row.len());
    }
}

fn check_csv(body: &[u8], batch: &RowBatch<'_>) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(body);
    let mut records = reader.records();
    let Some(header) = records.next() else { return assert_eq!(batch.rows, 0) };
    assert_eq!(header.unwrap().iter().collect::<Vec<_>>(), batch.columns);
    for (place, record) in records.enumerate() {
        let first = place * batch.columns.len();
        for (field, value) in record.unwrap().iter().zip(&batch.values[first..]) {
            match value {
                Input::Json(json) => assert_eq!((*json, field), ("null", "NULL")),
                Input::Text(text) => assert_eq!(text, field),
                other => panic!("{other:?} of {field}"),
            }
        }
    }
}
