//! A value from text and from JSON, as PostgreSQL's input functions and `json_populate_record` read them.

use std::borrow::Cow;

use super::datetime::{read_date, read_time, read_timestamp, read_timestamptz};
use super::text::{check_characters, fitted, read_boolean, read_bytes, syntax_error, trim};
use super::{Array, Numeric, Scalar, Type, Value, array, json, number};
use crate::tables::{Environment, TableError, TableResult, code};

/// The value of a text, with the modifier of its type applied.
///
/// # Errors
/// 22P02 where it is none of the type, 22007 for dates and times; 22003 and 22008 out of range; 22001 for a text that is too long.
pub fn from_text(text: &str, r#type: Type, env: &Environment) -> TableResult<Value<'static>> {
    check_characters(text)?;
    if r#type.is_array {
        let array = array::read(text, |element| scalar_from_text(element, r#type.scalar, env))?;
        return Ok(Value::Array(Box::new(array)));
    }
    scalar_from_text(text, r#type.scalar, env)
}

fn scalar_from_text(text: &str, scalar: Scalar, env: &Environment) -> TableResult<Value<'static>> {
    Ok(match scalar {
        Scalar::Boolean => Value::Boolean(read_boolean(text)?),
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt => Value::Integer(number::read_integer(text, scalar)?),
        Scalar::Real => Value::Real(number::read_real(text)?),
        Scalar::Double => Value::Double(number::read_double(text)?),
        Scalar::Numeric(modifier) => {
            let number = Numeric::parse(text)?;
            Value::Numeric(modifier.map_or(Ok(number.clone()), |modifier| number.with_modifier(modifier))?)
        }
        Scalar::Text => Value::Text(Cow::Owned(text.to_owned())),
        Scalar::Varchar(_) | Scalar::Char(1..) => {
            Value::Text(Cow::Owned(fitted(Cow::Borrowed(text), scalar, false)?.into_owned()))
        }
        Scalar::Char(0) => Value::Text(Cow::Owned(text.trim_end_matches(' ').to_owned())),
        Scalar::Bytea => Value::Bytes(Cow::Owned(read_bytes(text)?)),
        Scalar::Date => Value::Date(read_date(text, env)?),
        Scalar::Time => Value::Time(read_time(text, env)?),
        Scalar::Timestamp => Value::Timestamp(read_timestamp(text, env)?),
        Scalar::TimestampTz => Value::Timestamp(read_timestamptz(text, env)?),
        Scalar::Uuid => Value::Uuid(read_uuid(text)?),
        Scalar::Jsonb => Value::Json(Cow::Owned(json::canonical(text)?)),
    })
}

/// Thirty-two hexadecimal digits, in braces or not, with a hyphen after any group of four.
fn read_uuid(text: &str) -> TableResult<[u8; 16]> {
    let invalid = || syntax_error("uuid", text);
    let inside = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut digits = [0_u8; 32];
    let mut count = 0;
    let mut is_after_group = false;
    for byte in inside.bytes() {
        if byte == b'-' && is_after_group {
            is_after_group = false;
            continue;
        }
        if !byte.is_ascii_hexdigit() || count == digits.len() {
            return Err(invalid());
        }
        digits[count] = byte;
        count += 1;
        is_after_group = count % 4 == 0 && count < digits.len();
    }
    let digits = std::str::from_utf8(&digits[..count]).map_err(|_| invalid())?;
    uuid::Uuid::try_parse(digits).map(uuid::Uuid::into_bytes).map_err(|_| invalid())
}

/// The value of one JSON value, whose text it is: null is null, a string is read by the input function of the type, so is the text of a
/// number or boolean; a jsonb takes it as it is, an array its elements.
///
/// # Errors
/// As [`from_text`], and 22P05 for U+0000 in a string.
pub fn from_json(json: &str, r#type: Type, env: &Environment) -> TableResult<Value<'static>> {
    let json = trim(json);
    if json == "null" {
        return Ok(Value::Null);
    }
    if !r#type.is_array {
        return scalar_from_json(json, r#type.scalar, env);
    }
    if json.starts_with('"') {
        return from_text(&decoded(json)?, r#type, env);
    }
    let array =
        JsonArray { scalar: r#type.scalar, env, depth: None, lengths: Vec::new(), elements: Vec::new() }.read(json)?;
    Ok(Value::Array(Box::new(array)))
}

fn scalar_from_json(json: &str, scalar: Scalar, env: &Environment) -> TableResult<Value<'static>> {
    if scalar == Scalar::Jsonb {
        return Ok(Value::Json(Cow::Owned(json::canonical(json)?)));
    }
    if json.starts_with('"') {
        let text = decoded(json)?;
        check_characters(&text)?;
        return scalar_from_text(&text, scalar, env);
    }
    check_characters(json)?;
    scalar_from_text(json, scalar, env)
}

/// What a JSON string says.
fn decoded(json: &str) -> TableResult<Cow<'_, str>> {
    if let Some(inside) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inside.bytes().any(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f))
    {
        return Ok(Cow::Borrowed(inside));
    }
    match json::Json::parse(json)? {
        json::Json::String(text) => Ok(text),
        _ => Err(syntax_error("json", json)),
    }
}

/// The elements of a JSON array, whose first element says how many dimensions there are.
struct JsonArray<'e> {
    scalar: Scalar,
    env: &'e Environment,
    depth: Option<usize>,
    lengths: Vec<Option<usize>>,
    elements: Vec<Value<'static>>,
}

impl JsonArray<'_> {
    fn read(mut self, json: &str) -> TableResult<Array> {
        if !json::is_array(json) {
            return Err(TableError::new(code::TEXT_INVALID, "expected JSON array"));
        }
        self.dimension(json, 1)?;
        let dimensions = if self.elements.is_empty() {
            Vec::new()
        } else {
            self.lengths.iter().map(|length| (length.unwrap_or(0), 1)).collect()
        };
        Ok(Array { dimensions, elements: self.elements })
    }

    fn dimension(&mut self, json: &str, depth: usize) -> TableResult<()> {
        if depth > array::DIMENSIONS_MAX {
            return Err(array::too_many_dimensions(depth));
        }
        if self.lengths.len() < depth {
            self.lengths.resize(depth, None);
        }
        let mut count = 0;
        for item in json::items(json) {
            count += 1;
            let is_deepest = self.depth.is_some_and(|of_elements| of_elements == depth);
            if json::is_array(item) && !is_deepest {
                self.dimension(item, depth + 1)?;
                continue;
            }
            if *self.depth.get_or_insert(depth) != depth {
                return Err(TableError::new(code::TEXT_INVALID, "expected JSON array"));
            }
            self.elements.push(if item == "null" {
                Value::Null
            } else {
                scalar_from_json(item, self.scalar, self.env)?
            });
        }
        self.depth.get_or_insert(depth);
        match self.lengths[depth - 1] {
            Some(length) if length != count => Err(TableError::new(code::TEXT_INVALID, "malformed JSON array")
                .with_details("Multidimensional arrays must have sub-arrays with matching dimensions.")),
            _ => {
                self.lengths[depth - 1] = Some(count);
                Ok(())
            }
        }
    }
}
