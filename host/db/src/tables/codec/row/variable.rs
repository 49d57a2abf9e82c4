//! Values of variable size. Where they end is known from outside.
//!
//! | value | bytes |
//! |---|---|
//! | numeric | its scale as a varint (zigzag), its digits as a number in two's complement (LE, as few bytes as possible) |
//! | numeric NaN | none |
//! | array | number of dimensions, and `80` where elements can be null; of each dimension its length as a varint and its lower bound as a varint (zigzag); the elements (1) |
//!
//! (1) Of fixed size: bits as many as elements where they can be null, set for null; then all, null as zeros, a boolean as a byte.
//! Others: each with its length before it as a varint, 0 for null and else 1 more than it is.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use super::fixed::{bit, mismatch, read_fixed, scalar_bytes, write_fixed};
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;
use crate::tables::types::{Array, Numeric, Scalar, Value};

const DIMENSIONS_MAX: u8 = 6;
const HAS_NULLS: u8 = 0x80;
/// More digits are a [`Numeric::Large`].
const SMALL_MAX: u128 = 10_u128.pow(38) - 1;

pub(super) fn push_scalar(out: &mut Vec<u8>, value: &Value<'_>, scalar: Scalar) -> TableResult<()> {
    match (scalar, value) {
        (Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_), Value::Text(text))
        | (Scalar::Jsonb, Value::Json(text)) => {
            out.extend_from_slice(text.as_bytes());
        }
        (Scalar::Bytea, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
        (Scalar::Numeric(_), Value::Numeric(value)) => push_numeric(out, value),
        _ => return Err(mismatch()),
    }
    Ok(())
}

pub(super) fn read_scalar(bytes: &[u8], scalar: Scalar) -> TableResult<Value<'_>> {
    let text = || std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| damaged("text"));
    Ok(match scalar {
        Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_) => Value::Text(text()?),
        Scalar::Jsonb => Value::Json(text()?),
        Scalar::Bytea => Value::Bytes(Cow::Borrowed(bytes)),
        Scalar::Numeric(_) => Value::Numeric(read_numeric(bytes)?),
        _ => return Err(damaged("row")),
    })
}

fn push_numeric(out: &mut Vec<u8>, value: &Numeric) {
    match value {
        Numeric::NaN => {}
        Numeric::Small { unscaled, scale } => {
            push_zigzag(out, (*scale).into());
            let unused = if *unscaled < 0 { unscaled.leading_ones() } else { unscaled.leading_zeros() };
            // One more for the sign, and none for zero.
            let bytes = if *unscaled == 0 { 0 } else { (128 - unused) as usize / 8 + 1 };
            out.extend_from_slice(&unscaled.to_le_bytes()[..bytes]);
        }
        Numeric::Large(value) => {
            let (unscaled, scale) = value.as_bigint_and_exponent();
            push_zigzag(out, scale);
            out.extend_from_slice(&unscaled.to_signed_bytes_le());
        }
    }
}

fn read_numeric(bytes: &[u8]) -> TableResult<Numeric> {
    if bytes.is_empty() {
        return Ok(Numeric::NaN);
    }
    let mut bytes = bytes;
    let scale = take_zigzag(&mut bytes).ok_or_else(|| damaged("numeric"))?;
    if let (Some(unscaled), Ok(scale)) = (small(bytes), u16::try_from(scale)) {
        return Ok(Numeric::Small { unscaled, scale });
    }
    Ok(Numeric::Large(Box::new(BigDecimal::new(BigInt::from_signed_bytes_le(bytes), scale))))
}

/// The number, if it has at most 38 digits.
fn small(bytes: &[u8]) -> Option<i128> {
    if bytes.len() > 16 {
        return None;
    }
    let is_negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut whole = [if is_negative { 0xff } else { 0 }; 16];
    whole[..bytes.len()].copy_from_slice(bytes);
    let number = i128::from_le_bytes(whole);
    (number.unsigned_abs() <= SMALL_MAX).then_some(number)
}

pub(super) fn push_array(out: &mut Vec<u8>, array: &Array, scalar: Scalar) -> TableResult<()> {
    let Array { dimensions, elements } = array;
    let count = u8::try_from(dimensions.len()).ok().filter(|&count| count <= DIMENSIONS_MAX).ok_or_else(mismatch)?;
    if product(dimensions.iter().map(|&(length, _)| length)) != Some(elements.len()) {
        return Err(mismatch());
    }
    let has_nulls = elements.iter().any(Value::is_null);
    out.push(count | if has_nulls { HAS_NULLS } else { 0 });
    for &(length, lower_bound) in dimensions {
        push_varint(out, length as u64);
        push_zigzag(out, lower_bound.into());
    }
    match scalar_bytes(scalar) {
        Some(width) => push_fixed_elements(out, elements, scalar, width.max(1), has_nulls),
        None => push_variable_elements(out, elements, scalar),
    }
}

fn push_fixed_elements(
    out: &mut Vec<u8>,
    elements: &[Value<'_>],
    scalar: Scalar,
    width: usize,
    has_nulls: bool,
) -> TableResult<()> {
    let bitmap = out.len();
    out.resize(bitmap + if has_nulls { elements.len().div_ceil(8) } else { 0 }, 0);
    for (number, value) in elements.iter().enumerate() {
        let place = out.len();
        out.resize(place + width, 0);
        match value {
            Value::Null => out[bitmap + number / 8] |= 1 << (number % 8),
            Value::Boolean(value) if scalar == Scalar::Boolean => out[place] = (*value).into(),
            _ => write_fixed(&mut out[place..], scalar, value)?,
        }
    }
    Ok(())
}

fn push_variable_elements(out: &mut Vec<u8>, elements: &[Value<'_>], scalar: Scalar) -> TableResult<()> {
    let mut encoded = Vec::new();
    for value in elements {
        if value.is_null() {
            out.push(0);
            continue;
        }
        encoded.clear();
        push_scalar(&mut encoded, value, scalar)?;
        push_varint(out, encoded.len() as u64 + 1);
        out.extend_from_slice(&encoded);
    }
    Ok(())
}

pub(super) fn read_array(bytes: &[u8], scalar: Scalar) -> TableResult<Array> {
    try_read_array(bytes, scalar).ok_or_else(|| damaged("array"))
}

fn try_read_array(mut bytes: &[u8], scalar: Scalar) -> Option<Array> {
    let bytes = &mut bytes;
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    let count = first & !HAS_NULLS;
    if count > DIMENSIONS_MAX {
        return None;
    }
    let dimensions = (0..count)
        .map(|_| Some((usize::try_from(take_varint(bytes)?).ok()?, i32::try_from(take_zigzag(bytes)?).ok()?)))
        .collect::<Option<Vec<_>>>()?;
    let count = product(dimensions.iter().map(|&(length, _)| length))?;
    let elements = match scalar_bytes(scalar) {
        Some(width) => read_fixed_elements(bytes, count, scalar, width.max(1), first & HAS_NULLS != 0)?,
        None => read_variable_elements(bytes, count, scalar)?,
    };
    Some(Array { dimensions, elements })
}

/// How many elements there are in dimensions of these lengths; none where that is no array.
fn product(lengths: impl ExactSizeIterator<Item = usize>) -> Option<usize> {
    if lengths.len() == 0 {
        return Some(0);
    }
    let product = lengths.into_iter().try_fold(1_usize, usize::checked_mul)?;
    // An empty array has no dimensions.
    (product > 0).then_some(product)
}

fn read_fixed_elements(
    bytes: &[u8],
    count: usize,
    scalar: Scalar,
    width: usize,
    has_nulls: bool,
) -> Option<Vec<Value<'static>>> {
    let (bitmap, fixed) = bytes.split_at_checked(if has_nulls { count.div_ceil(8) } else { 0 })?;
    if Some(fixed.len()) != count.checked_mul(width) {
        return None;
    }
    let read = |(number, fixed): (usize, &[u8])| {
        Some(match scalar {
            _ if has_nulls && bit(bitmap, number) => Value::Null,
            Scalar::Boolean => Value::Boolean(fixed[0] != 0),
            _ => read_fixed(fixed, scalar)?,
        })
    };
    fixed.chunks_exact(width).enumerate().map(read).collect()
}

fn read_variable_elements(bytes: &mut &[u8], count: usize, scalar: Scalar) -> Option<Vec<Value<'static>>> {
    // Each has a byte at least: no count makes a vector larger than the bytes do.
    if count > bytes.len() {
        return None;
    }
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(length) = take_varint(bytes)?.checked_sub(1) else {
            elements.push(Value::Null);
            continue;
        };
        let (element, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
        *bytes = rest;
        elements.push(read_scalar(element, scalar).ok()?.into_owned());
    }
    bytes.is_empty().then_some(elements)
}

/// Seven bits a byte, the lowest first, the high bit set where another one follows.
pub(super) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// None where it is cut short, longer than 64 bits, or longer than it needs to be.
#[inline]
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    match **bytes {
        // Nearly all are short.
        [byte @ ..0x80, ref rest @ ..] => {
            *bytes = rest;
            Some(byte.into())
        }
        _ => take_long_varint(bytes),
    }
}

fn take_long_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if (part << shift) >> shift != part || (byte == 0 && shift > 0) {
            return None;
        }
        number |= part << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Numbers near zero in few bytes, also those below it.
fn push_zigzag(out: &mut Vec<u8>, number: i64) {
    push_varint(out, (number << 1 ^ (number >> 63)).cast_unsigned());
}

fn take_zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let number = take_varint(bytes)?;
    Some((number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg())
}
