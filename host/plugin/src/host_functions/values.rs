//! Between the values of `wit/tables.wit` and those of the database.

use std::borrow::Cow;

use mantis_db::tables::calls::{ROW_BYTES, VALUE_BYTES, text_of};
use mantis_db::tables::query::{Cell, OutputColumn};
use mantis_db::tables::types::Value;
use mantis_db::tables::{Environment, Input, Literal};

use super::bindings::tables;

/// A value that a guest gives.
pub(super) fn input(value: tables::Value) -> Input<'static> {
    Input::Value(match value {
        tables::Value::Null => Value::Null,
        tables::Value::Boolean(value) => Value::Boolean(value),
        tables::Value::Integer(value) => Value::Integer(value),
        tables::Value::Real(value) => Value::Real(value),
        tables::Value::Double(value) => Value::Double(value),
        tables::Value::Numeric(text) => return Input::Literal(Literal::Numeric, Cow::Owned(text)),
        tables::Value::Text(text) => return Input::Text(Cow::Owned(text)),
        tables::Value::Json(text) => return Input::Literal(Literal::Json, Cow::Owned(text)),
        tables::Value::Array(text) => return Input::Literal(Literal::Array, Cow::Owned(text)),
        tables::Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes)),
        tables::Value::Timestamp(us) => Value::Timestamp(us),
        tables::Value::Date(days) => Value::Date(days),
        tables::Value::Time(us) => Value::Time(us),
        tables::Value::Uuid((first, last)) => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&first.to_be_bytes());
            bytes[8..].copy_from_slice(&last.to_be_bytes());
            Value::Uuid(bytes)
        }
    })
}

/// What a value counts as.
pub(super) fn value_bytes(value: &tables::Value) -> usize {
    VALUE_BYTES
        + match value {
            tables::Value::Numeric(text)
            | tables::Value::Text(text)
            | tables::Value::Json(text)
            | tables::Value::Array(text) => text.len(),
            tables::Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
}

/// What a row counts as.
pub(super) fn row_bytes(row: &[tables::Value]) -> usize {
    ROW_BYTES + row.iter().map(value_bytes).sum::<usize>()
}

/// A place of an answer.
pub(super) fn shown(cell: &Cell<'_>, column: &OutputColumn, environment: &Environment) -> tables::Value {
    let value = match cell {
        Cell::Json(text) => return tables::Value::Json((*text).to_owned()),
        Cell::Value(value) => value,
    };
    match value {
        Value::Null => tables::Value::Null,
        Value::Boolean(value) => tables::Value::Boolean(*value),
        Value::Integer(value) => tables::Value::Integer(*value),
        Value::Real(value) => tables::Value::Real(*value),
        Value::Double(value) => tables::Value::Double(*value),
        Value::Numeric(_) => tables::Value::Numeric(text_of(value, column, environment)),
        Value::Text(text) => tables::Value::Text(text.clone().into_owned()),
        Value::Bytes(bytes) => tables::Value::Bytes(bytes.clone().into_owned()),
        Value::Timestamp(us) => tables::Value::Timestamp(*us),
        Value::Date(days) => tables::Value::Date(*days),
        Value::Time(us) => tables::Value::Time(*us),
        Value::Uuid(bytes) => {
            let [first, last] = *bytes.as_chunks().0 else { return tables::Value::Null };
            tables::Value::Uuid((u64::from_be_bytes(first), u64::from_be_bytes(last)))
        }
        Value::Json(text) => tables::Value::Json(text.clone().into_owned()),
        Value::Array(_) => tables::Value::Array(text_of(value, column, environment)),
    }
}
