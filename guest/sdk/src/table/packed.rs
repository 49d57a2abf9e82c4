//! Rows as bytes to values: the form of `packed-rows` in `wit/tables.wit`.

use crate::bindings::mantis::db::tables::{PackedRows, Rows, Value};

/// Packed rows as rows of values.
#[must_use]
pub fn unpack(packed: PackedRows) -> Rows {
    let columns = packed.columns.clone();
    let mut packed = Packed::new(packed);
    let mut rows = Vec::with_capacity(packed.rows_left());
    while packed.next_row() {
        rows.push(columns.iter().map_while(|_| packed.value()).collect());
    }
    Rows { columns, rows }
}

/// Packed rows, from which values are taken one after the other.
pub(super) struct Packed {
    data: Vec<u8>,
    at: usize,
    rows_left: u32,
}

impl Packed {
    pub(super) fn new(rows: PackedRows) -> Self {
        Self { data: rows.data, at: 0, rows_left: rows.count }
    }

    /// Whether another row begins here.
    pub(super) fn next_row(&mut self) -> bool {
        let is_there = self.rows_left > 0;
        self.rows_left = self.rows_left.saturating_sub(1);
        is_there
    }

    /// How many rows are left.
    pub(super) fn rows_left(&self) -> usize {
        self.rows_left as usize
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.data.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let bytes = self.data.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(bytes.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// The next value; none at the end, and where the host does not follow the form.
    pub(super) fn value(&mut self) -> Option<Value> {
        let [tag] = self.array()?;
        Some(match tag {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Integer(i64::from_le_bytes(self.array()?)),
            4 => Value::Real(f32::from_le_bytes(self.array()?)),
            5 => Value::Double(f64::from_le_bytes(self.array()?)),
            6 => Value::Numeric(self.text()?),
            7 => Value::Text(self.text()?),
            8 => Value::Bytes(self.bytes()?),
            9 => Value::Json(self.text()?),
            10 => Value::Array(self.text()?),
            11 => Value::Timestamp(i64::from_le_bytes(self.array()?)),
            12 => Value::Date(i32::from_le_bytes(self.array()?)),
            13 => Value::Time(i64::from_le_bytes(self.array()?)),
            14 => Value::Uuid((u64::from_be_bytes(self.array()?), u64::from_be_bytes(self.array()?))),
            _ => return None,
        })
    }
}
