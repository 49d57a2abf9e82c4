//! A value as text and as JSON, in PostgreSQL's forms.

use std::fmt::Write as _;

use super::datetime::{Style, write_date, write_time, write_timestamp, write_timestamptz};
use super::{Array, Scalar, Type, Value, array, json, number};
use crate::tables::Environment;
use crate::tables::time_zone::TimeZone;

/// Appends a value as PostgreSQL's output function of its type writes it. A null is nothing.
pub fn write_text(value: &Value<'_>, r#type: Type, env: &Environment, out: &mut String) {
    write_text_in(value, r#type, &env.time_zone, out);
}

fn write_text_in(value: &Value<'_>, r#type: Type, zone: &TimeZone, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Boolean(value) => out.push(if *value { 't' } else { 'f' }),
        Value::Integer(number) => push(out, format_args!("{number}")),
        Value::Real(number) => number::write_real(*number, out),
        Value::Double(number) => number::write_double(*number, out),
        Value::Numeric(number) => push(out, format_args!("{number}")),
        Value::Text(text) | Value::Json(text) => out.push_str(text),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::Date(day) => write_date(*day, out),
        Value::Time(us) => write_time(*us, out),
        Value::Timestamp(us) if r#type.scalar == Scalar::TimestampTz => {
            write_timestamptz(*us, zone, Style::Text, out);
        }
        Value::Timestamp(us) => write_timestamp(*us, Style::Text, out),
        Value::Uuid(uuid) => push(out, format_args!("{}", uuid::Uuid::from_bytes(*uuid).hyphenated())),
        Value::Array(elements) => {
            array::write(elements, |value, out| write_text_in(value, r#type.element(), zone, out), out);
        }
    }
}

/// Writing to a string does not fail.
fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(arguments);
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 + 2 * bytes.len());
    out.push_str("\\x");
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Appends a value as `to_json` writes it; a null is `null`.
pub fn write_json(value: &Value<'_>, r#type: Type, env: &Environment, out: &mut Vec<u8>) {
    write_json_in(value, r#type, &env.time_zone, out);
}

/// The same in a time zone.
pub(super) fn write_json_in(value: &Value<'_>, r#type: Type, zone: &TimeZone, out: &mut Vec<u8>) {
    let mut text = String::new();
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Integer(number) => push(&mut text, format_args!("{number}")),
        Value::Real(number) if number.is_finite() => number::write_real(*number, &mut text),
        Value::Double(number) if number.is_finite() => number::write_double(*number, &mut text),
        Value::Numeric(number) if !number.is_nan() => push(&mut text, format_args!("{number}")),
        Value::Text(text) => write_quoted(text, out),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Array(elements) => write_json_array(elements, r#type.element(), zone, out),
        Value::Timestamp(us) if r#type.scalar == Scalar::TimestampTz => {
            text.push('"');
            write_timestamptz(*us, zone, Style::Json, &mut text);
            text.push('"');
        }
        Value::Timestamp(us) => {
            text.push('"');
            write_timestamp(*us, Style::Json, &mut text);
            text.push('"');
        }
        Value::Bytes(_) => {
            write_text_in(value, r#type, zone, &mut text);
            write_quoted(&text, out);
            return;
        }
        // None of these has a character that JSON escapes.
        _ => {
            text.push('"');
            write_text_in(value, r#type, zone, &mut text);
            text.push('"');
        }
    }
    out.extend_from_slice(text.as_bytes());
}

fn write_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    json::escape(text, |piece| out.extend_from_slice(piece.as_bytes()));
    out.push(b'"');
}

fn write_json_array(array: &Array, element: Type, zone: &TimeZone, out: &mut Vec<u8>) {
    let mut elements = array.elements.iter();
    if array.elements.is_empty() {
        out.extend_from_slice(b"[]");
        return;
    }
    let lengths = array.dimensions.iter().map(|(length, _)| *length).collect::<Vec<_>>();
    write_dimension(&mut elements, &lengths, element, zone, out);
}

fn write_dimension(
    elements: &mut std::slice::Iter<'_, Value<'static>>,
    lengths: &[usize],
    element: Type,
    zone: &TimeZone,
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    let (length, inner) = match lengths {
        [length, inner @ ..] => (*length, inner),
        [] => (elements.len(), &[][..]),
    };
    for at in 0..length {
        // An array whose dimensions say more than it has ends early.
        if elements.len() == 0 {
            break;
        }
        if at > 0 {
            out.push(b',');
        }
        if inner.is_empty() {
            if let Some(value) = elements.next() {
                write_json_in(value, element, zone, out);
            }
        } else {
            write_dimension(elements, inner, element, zone, out);
        }
    }
    out.push(b']');
}
