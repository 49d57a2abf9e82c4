//! The columns of one row, in the layout that it was written in.

use super::fixed::{Raw, bit, read_fixed, read_raw};
use super::shape::{Place, RowShape};
use super::variable;
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;
use crate::tables::types::{Type, Value};

/// An encoded row. Columns are read when they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    shape: &'a RowShape,
    /// Everything behind the head.
    body: &'a [u8],
    /// Bytes of each end.
    width: usize,
    /// The bytes of all variable columns.
    rest: &'a [u8],
}

impl<'a> RowView<'a> {
    /// A view of a row of this shape, whichever the number of its layout is.
    ///
    /// # Errors
    /// XX001 where the bytes are too few, or too many. Columns are not looked at.
    #[inline]
    pub fn new(shape: &'a RowShape, bytes: &'a [u8]) -> TableResult<Self> {
        let (_, width, body) = split_head(bytes)?;
        Self::of_body(shape, width, body)
    }

    #[inline]
    pub(super) fn of_body(shape: &'a RowShape, width: usize, body: &'a [u8]) -> TableResult<Self> {
        let rest_start = shape.ends_start + shape.variable_count * width;
        let Some(rest) = body.get(rest_start..) else { return Err(damaged("row")) };
        let view = Self { shape, body, width, rest };
        let end = shape.variable_count.checked_sub(1).map_or(0, |last| view.end(last));
        if end == rest.len() { Ok(view) } else { Err(damaged("row")) }
    }

    /// How many columns there are.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.shape.column_count()
    }

    /// Whether the column at this place is null.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    #[inline]
    pub fn is_null(&self, place: usize) -> bool {
        assert!(place < self.shape.columns.len(), "a column of the row");
        bit(self.body, place)
    }

    /// The value of the column at this place. Text, bytes and jsonb are borrowed from the row.
    ///
    /// # Errors
    /// XX001 where the bytes are not of the column's type, such as text that is no UTF-8.
    ///
    /// # Panics
    /// There is no such column.
    #[inline]
    pub fn get(&self, place: usize) -> TableResult<Value<'a>> {
        let (r#type, in_row) = self.shape.columns[place];
        if self.is_null(place) {
            return Ok(Value::Null);
        }
        match in_row {
            Place::Bit(place) => Ok(Value::Boolean(bit(self.body, place))),
            Place::Fixed(place) => read_fixed(&self.body[place..], r#type.scalar).ok_or_else(|| damaged("row")),
            Place::Variable(number) => read_variable(self.variable(number)?, r#type),
        }
    }

    /// What the row has in the column at this place, without a value made of it.
    ///
    /// # Errors
    /// XX001 where the bytes are not a row.
    ///
    /// # Panics
    /// There is no such column.
    #[inline]
    pub fn raw(&self, place: usize) -> TableResult<Raw<'a>> {
        let (r#type, in_row) = self.shape.columns[place];
        if self.is_null(place) {
            return Ok(Raw::Null);
        }
        match in_row {
            Place::Bit(place) => Ok(Raw::Boolean(bit(self.body, place))),
            Place::Fixed(place) => read_raw(&self.body[place..], r#type.scalar).ok_or_else(|| damaged("row")),
            Place::Variable(number) => self.variable(number).map(Raw::Bytes),
        }
    }

    #[inline]
    fn variable(&self, number: usize) -> TableResult<&'a [u8]> {
        let start = number.checked_sub(1).map_or(0, |before| self.end(before));
        self.rest.get(start..self.end(number)).ok_or_else(|| damaged("row"))
    }

    /// Where the variable column of this number ends.
    #[inline]
    fn end(&self, number: usize) -> usize {
        let ends = &self.body[self.shape.ends_start..];
        match self.width {
            1 => ends[number].into(),
            2 => u16::from_le_bytes([ends[2 * number], ends[2 * number + 1]]).into(),
            _ => {
                let place = 4 * number;
                u32::from_le_bytes([ends[place], ends[place + 1], ends[place + 2], ends[place + 3]]) as usize
            }
        }
    }
}

/// The number of a row's layout, the bytes of each end, and what comes behind the head.
#[inline]
pub(super) fn split_head(bytes: &[u8]) -> TableResult<(u32, usize, &[u8])> {
    let mut rest = bytes;
    let head = variable::take_varint(&mut rest).ok_or_else(|| damaged("row"))?;
    match (u32::try_from(head >> 2), head & 3) {
        (Ok(layout), width @ 0..=2) => Ok((layout, 1 << width, rest)),
        _ => Err(damaged("row")),
    }
}

fn read_variable(bytes: &[u8], r#type: Type) -> TableResult<Value<'_>> {
    if r#type.is_array {
        return Ok(Value::Array(Box::new(variable::read_array(bytes, r#type.scalar)?)));
    }
    variable::read_scalar(bytes, r#type.scalar)
}
