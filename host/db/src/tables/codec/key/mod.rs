//! Values as bytes whose order (memcmp) is that of the values, as PostgreSQL's btree has them: ascending with nulls last.
//!
//! Each value says by itself where it ends, no value's bytes begin another's of its type, and null is the one byte `ff`, with which no
//! other value begins. So the bytes of several values in a row are in the order of the first, then the second, ..
//!
//! | type | bytes | |
//! |---|---|---|
//! | null | `ff` | |
//! | boolean | `01` false, `02` true | |
//! | smallint, integer, bigint, date, time, timestamp, timestamptz | `80`+n for n from 0 to 118; else `f6`+b and the b low bytes (BE); all inverted below zero, of -1-n | `integer` |
//! | real, double precision | guarded: the sign bit set, or below zero all bits inverted (BE); -0 is 0, NaN the largest | |
//! | numeric | the size in a byte, then two decimal digits a byte | `decimal` |
//! | text, varchar, char | escaped; char without its trailing blanks | `escaped` |
//! | bytea | guarded: escaped | `escaped` |
//! | uuid | guarded: the 16 bytes | |
//! | jsonb | a byte for its kind, then by kind | `json` |
//! | array | `01` element, .., `00`; the number of dimensions; their lengths where there are several; their lower bounds (as integers) | `array` |
//!
//! Guarded: `fe` comes before bytes that begin with `fe` or `ff`. Descending: all bytes of the value inverted, so that nulls come first.
//!
//! The forms of all whole numbers are the same, so that changing one such type to another leaves keys as they are.
//!
//! What equality forgets is not in the bytes: the sign of a floating zero, the scale of a numeric without modifier (also within jsonb).
//! [`is_exact`] says for which types decoding gives back the very value.

mod array;
mod buffer;
mod decimal;
mod escaped;
mod integer;
mod json;
mod reader;
mod scalar;
#[cfg(test)]
mod tests;

use self::buffer::invert;
use self::reader::Reader;
use crate::engine::mutant;
use crate::tables::TableResult;
use crate::tables::types::{Scalar, Type, Value};

pub use buffer::KeyBuffer;

/// Appends a value. The type tells char's blanks from those of a text, and is the type of the column in all keys that are compared.
pub fn push<B: KeyBuffer>(out: &mut B, value: &Value<'_>, r#type: Type, is_descending: bool) {
    let start = out.written().len();
    match value {
        Value::Array(array) => array::push(out, array, r#type.scalar),
        scalar => scalar::push(out, scalar, r#type.scalar),
    }
    if is_descending && !mutant!("descending-encoded-ascending") {
        invert(&mut out.written()[start..]);
    }
}

/// Appends what all texts begin with that begin with this one.
pub(super) fn push_text_beginning<B: KeyBuffer>(out: &mut B, text: &str, is_descending: bool) {
    let start = out.written().len();
    escaped::push_open(out, text.as_bytes());
    if is_descending {
        invert(&mut out.written()[start..]);
    }
}

/// Whether bytes begin with a null, of whatever type, that is not descending.
pub(super) fn begins_with_null(bytes: &[u8]) -> bool {
    bytes.first() == Some(&scalar::NULL)
}

/// Takes the value of this type off the front of `bytes`; text and bytes are borrowed where they stand there as they are.
///
/// # Errors
/// XX001 where the bytes are not what [`push`] writes; how much of them is taken then is not said.
pub fn decode<'a>(bytes: &mut &'a [u8], r#type: Type, is_descending: bool) -> TableResult<Value<'a>> {
    let mut reader = Reader::new(bytes, is_descending);
    if r#type.is_array && reader.peek()? != scalar::NULL {
        return Ok(Value::Array(Box::new(array::decode(&mut reader, r#type.scalar)?)));
    }
    scalar::decode(&mut reader, r#type.scalar)
}

/// Takes a value off the front of `bytes` without building it.
///
/// # Errors
/// XX001 where no value of this type stands there. Not everything that [`decode`] refuses is seen.
pub fn skip(bytes: &mut &[u8], r#type: Type, is_descending: bool) -> TableResult<()> {
    let mut reader = Reader::new(bytes, is_descending);
    if r#type.is_array && reader.peek()? != scalar::NULL {
        return array::skip(&mut reader, r#type.scalar);
    }
    scalar::skip(&mut reader, r#type.scalar)
}

/// Whether a decoded value of this type is the very one that was encoded, and not only equal to it: whether an index can stand for its row.
#[must_use]
pub fn is_exact(r#type: Type) -> bool {
    match r#type.scalar {
        Scalar::Real | Scalar::Double | Scalar::Jsonb => false,
        Scalar::Numeric(modifier) => modifier.is_some(),
        _ => true,
    }
}
