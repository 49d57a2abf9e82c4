//! Where the columns of one layout are in the bytes of a row, and writing these.

use smallvec::SmallVec;

use super::fixed::{mismatch, scalar_bytes, write_fixed};
use super::variable;
use crate::tables::types::{Scalar, Type, Value};
use crate::tables::{TableError, TableResult, code};

/// The place of a column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A bit of the bitmap.
    Bit(usize),
    /// Bytes from here on, behind the head.
    Fixed(usize),
    /// The variable column of this number.
    Variable(usize),
}

/// Where the columns of one layout are. Made once for a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowShape {
    pub(super) columns: Box<[(Type, Place)]>,
    /// Where the fixed part begins, behind the head.
    fixed_start: usize,
    /// Where the ends begin, behind the head.
    pub(super) ends_start: usize,
    pub(super) variable_count: usize,
}

impl RowShape {
    /// The shape of rows of these columns.
    #[must_use]
    pub fn new(types: &[Type]) -> Self {
        let booleans = types.iter().filter(|&&r#type| r#type == Type::scalar(Scalar::Boolean)).count();
        let fixed_start = (types.len() + booleans).div_ceil(8);
        let (mut bit, mut fixed, mut variable_count) = (types.len(), fixed_start, 0);
        let columns = types.iter().map(|&r#type| {
            let place = match fixed_bytes(r#type) {
                Some(0) => {
                    bit += 1;
                    Place::Bit(bit - 1)
                }
                Some(bytes) => {
                    fixed += bytes;
                    Place::Fixed(fixed - bytes)
                }
                None => {
                    variable_count += 1;
                    Place::Variable(variable_count - 1)
                }
            };
            (r#type, place)
        });
        let columns = columns.collect();
        Self { columns, fixed_start, ends_start: fixed, variable_count }
    }

    /// How many columns there are.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Appends a row of these values, one for each column, as one of the layout of this number.
    ///
    /// # Errors
    /// 42804 where the values are not of the columns' types, which is for the caller to see to; 54000 where the row is longer than 4 GiB or
    /// the layout's number is too large. `out` is as long as before then.
    pub fn encode(&self, layout: u32, values: &[Value<'_>], out: &mut Vec<u8>) -> TableResult<()> {
        let start = out.len();
        let encoded = self.try_encode(layout, values, out);
        if encoded.is_err() {
            out.truncate(start);
        }
        encoded
    }

    fn try_encode(&self, layout: u32, values: &[Value<'_>], out: &mut Vec<u8>) -> TableResult<()> {
        if values.len() != self.columns.len() {
            return Err(mismatch());
        }
        let start = out.len();
        variable::push_varint(out, u64::from(layout) << 2);
        let body = out.len();
        // Ends of a byte each until it is known that they need more.
        out.resize(body + self.ends_start + self.variable_count, 0);
        let rest = out.len();
        let mut ends = SmallVec::<[u32; 16]>::new();
        for (column, (value, &(r#type, place))) in values.iter().zip(&self.columns).enumerate() {
            if value.is_null() {
                out[body + column / 8] |= 1 << (column % 8);
            } else {
                match place {
                    Place::Bit(bit) => match value {
                        Value::Boolean(value) => out[body + bit / 8] |= u8::from(*value) << (bit % 8),
                        _ => return Err(mismatch()),
                    },
                    Place::Fixed(place) => write_fixed(&mut out[body + place..], r#type.scalar, value)?,
                    Place::Variable(_) => write_variable(out, r#type, value)?,
                }
            }
            if matches!(place, Place::Variable(_)) {
                ends.push(u32::try_from(out.len() - rest).map_err(|_| too_long())?);
            }
        }
        let width = match ends.last() {
            None | Some(0..=0xff) => 0,
            Some(0..=0xffff) => 1,
            Some(_) => 2,
        };
        out[start] |= width;
        write_ends(out, body + self.ends_start, &ends, 1 << width);
        Ok(())
    }
}

/// Bytes of a type of fixed size; 0 for booleans, which are bits.
fn fixed_bytes(r#type: Type) -> Option<usize> {
    if r#type.is_array { None } else { scalar_bytes(r#type.scalar) }
}

/// Appends a value of variable size, without its length.
fn write_variable(out: &mut Vec<u8>, r#type: Type, value: &Value<'_>) -> TableResult<()> {
    match value {
        Value::Array(array) if r#type.is_array => variable::push_array(out, array, r#type.scalar),
        _ if r#type.is_array => Err(mismatch()),
        scalar => variable::push_scalar(out, scalar, r#type.scalar),
    }
}

/// Writes the ends of `width` bytes to `place`, where there is one byte for each so far.
fn write_ends(out: &mut Vec<u8>, place: usize, ends: &[u32], width: usize) {
    let (was, bytes) = (ends.len(), ends.len() * width);
    if width > 1 {
        let length = out.len();
        out.resize(length + bytes - was, 0);
        out.copy_within(place + was..length, place + bytes);
    }
    for (slot, end) in out[place..place + bytes].chunks_exact_mut(width).zip(ends) {
        slot.copy_from_slice(&end.to_le_bytes()[..width]);
    }
}

#[cold]
fn too_long() -> TableError {
    TableError::new(code::LIMIT_EXCEEDED, "a row is longer than 4 GiB")
}
