//! Rows as bytes: each value in its type's own form, for programs that want values and not text.
//!
//! Integers are little-endian. First come the columns: how many (4 bytes), and of each its type (4 bytes, [`type_number`]), the length of
//! its name (4 bytes), and the name. Then the rows: of each the length of its values (4 bytes), the commit that wrote it (8 bytes; 0 for a
//! group, and for what the statement itself or the open transaction has written), and a value for each column. [`PACKED_END`] (4 bytes)
//! in the place of a length is the end: what has none was cut off.
//!
//! A value is a byte and what that says:
//!
//! | byte | value |
//! |---|---|
//! | 0, 1, 2 | null, false, true |
//! | 3 | integer of any size: 8 bytes, signed |
//! | 4, 5 | real, double: 4 and 8 bytes, IEEE 754 |
//! | 6, 7, 8, 9 | numeric as text, text, bytes, JSON: length (4 bytes), and so many bytes |
//! | 10 | array: length of what follows (4 bytes); how many dimensions (4 bytes, none where it is empty); of each its length (4 bytes) and lower bound (4 bytes, signed); the elements, the last dimension first, each a value |
//! | 11 | timestamp: microseconds since 1970 (8 bytes, signed; UTC where it has a zone); the least and the greatest number are -infinity and infinity |
//! | 12 | date: days since 1970 (4 bytes, signed); the ends likewise |
//! | 13 | time: microseconds since midnight (8 bytes) |
//! | 14 | uuid: 16 bytes |

use crate::tables::query::{Cell, OutputColumn, RowSink};
use crate::tables::types::{Array, Scalar, Type, Value, write_text};
use crate::tables::{Environment, TableError, TableResult, code};

/// In the place of a row's length: there are no more rows.
pub const PACKED_END: u32 = u32::MAX;
/// What is added to the number of a type for arrays of it.
pub const PACKED_ARRAY: u32 = 256;

/// The number of a column's type. Embedded rows are JSON.
#[must_use]
pub fn type_number(r#type: Option<Type>) -> u32 {
    let Some(r#type) = r#type else { return type_number(Some(Type::scalar(Scalar::Jsonb))) };
    let number = match r#type.scalar {
        Scalar::Boolean => 1,
        Scalar::SmallInt => 2,
        Scalar::Integer => 3,
        Scalar::BigInt => 4,
        Scalar::Real => 5,
        Scalar::Double => 6,
        Scalar::Numeric(_) => 7,
        Scalar::Text => 8,
        Scalar::Varchar(_) => 9,
        Scalar::Char(_) => 10,
        Scalar::Bytea => 11,
        Scalar::Date => 12,
        Scalar::Time => 13,
        Scalar::Timestamp => 14,
        Scalar::TimestampTz => 15,
        Scalar::Uuid => 16,
        Scalar::Jsonb => 17,
    };
    if r#type.is_array { number + PACKED_ARRAY } else { number }
}

/// Collects rows in packed form.
#[derive(Debug)]
pub struct PackedRows {
    environment: Environment,
    bytes_max: usize,
    /// Bytes from which on the data is a piece to be taken.
    piece_bytes: usize,
    types: Vec<Type>,
    /// Of the row that comes next.
    version: u64,
    data: Vec<u8>,
    text: String,
}

impl PackedRows {
    /// Rows of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize, environment: Environment) -> Self {
        // Where no rows are asked for there are no columns.
        let data = 0_u32.to_le_bytes().to_vec();
        Self {
            environment,
            bytes_max,
            piece_bytes: usize::MAX,
            types: Vec::new(),
            version: 0,
            data,
            text: String::new(),
        }
    }

    /// [Is full](RowSink::is_full) from so many bytes on, for data that is taken in pieces.
    pub fn set_piece_bytes(&mut self, bytes: usize) {
        self.piece_bytes = bytes;
    }

    /// Bytes of the data so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Takes the data so far; what comes continues it.
    #[must_use]
    pub fn take_piece(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.data)
    }

    /// All of the data, or the rest of it, with its end.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.data.extend_from_slice(&PACKED_END.to_le_bytes());
        self.data
    }

    fn write(&mut self, value: &Value<'_>, r#type: Type) {
        let data = &mut self.data;
        match value {
            Value::Null => data.push(0),
            Value::Boolean(value) => data.push(1 + u8::from(*value)),
            Value::Integer(value) => write_number(3, &value.to_le_bytes(), data),
            Value::Real(value) => write_number(4, &value.to_le_bytes(), data),
            Value::Double(value) => write_number(5, &value.to_le_bytes(), data),
            Value::Numeric(_) => {
                self.text.clear();
                write_text(value, r#type, &self.environment, &mut self.text);
                write_bytes(6, self.text.as_bytes(), data);
            }
            Value::Text(text) => write_bytes(7, text.as_bytes(), data),
            Value::Bytes(bytes) => write_bytes(8, bytes, data),
            Value::Json(text) => write_bytes(9, text.as_bytes(), data),
            Value::Array(array) => self.write_array(array, r#type.element()),
            Value::Timestamp(us) => write_number(11, &us.to_le_bytes(), data),
            Value::Date(days) => write_number(12, &days.to_le_bytes(), data),
            Value::Time(us) => write_number(13, &us.to_le_bytes(), data),
            Value::Uuid(bytes) => write_number(14, bytes, data),
        }
    }

    fn write_array(&mut self, array: &Array, element: Type) {
        self.data.push(10);
        let start = begin(&mut self.data);
        self.data.extend_from_slice(&length(array.dimensions.len()));
        for (count, lower) in &array.dimensions {
            self.data.extend_from_slice(&length(*count));
            self.data.extend_from_slice(&lower.to_le_bytes());
        }
        for value in &array.elements {
            self.write(value, element);
        }
        end(start, &mut self.data);
    }
}

impl RowSink for PackedRows {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.types = columns.iter().map(|column| column.r#type.unwrap_or(Type::TEXT)).collect();
        self.version = 0;
        self.data.clear();
        self.data.extend_from_slice(&length(columns.len()));
        for column in columns {
            self.data.extend_from_slice(&type_number(column.r#type).to_le_bytes());
            self.data.extend_from_slice(&length(column.name.len()));
            self.data.extend_from_slice(column.name.as_bytes());
        }
        Ok(())
    }

    fn version(&mut self, version: u64) {
        self.version = version;
    }

    fn is_full(&self) -> bool {
        self.data.len() >= self.piece_bytes
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let start = begin(&mut self.data);
        let version = std::mem::take(&mut self.version);
        self.data.extend_from_slice(&version.to_le_bytes());
        let first = self.data.len();
        for (place, cell) in cells.iter().enumerate() {
            match cell {
                Cell::Json(text) => write_bytes(9, text.as_bytes(), &mut self.data),
                Cell::Value(value) => self.write(value, self.types.get(place).copied().unwrap_or(Type::TEXT)),
            }
        }
        let values = length(self.data.len() - first);
        self.data[start..start + 4].copy_from_slice(&values);
        if self.data.len() > self.bytes_max {
            let max = self.bytes_max;
            return Err(TableError::new(code::LIMIT_EXCEEDED, format!("the answer has more than {max} bytes"))
                .with_hint("Ask for fewer columns, or page with limit and offset."));
        }
        Ok(())
    }
}

/// Room for a length, which [`end`] writes.
fn begin(data: &mut Vec<u8>) -> usize {
    data.extend_from_slice(&[0; 4]);
    data.len() - 4
}

fn end(start: usize, data: &mut [u8]) {
    let bytes = length(data.len() - start - 4);
    data[start..start + 4].copy_from_slice(&bytes);
}

/// The database's limits keep everything far below 4 GiB.
fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

fn write_number(tag: u8, bytes: &[u8], data: &mut Vec<u8>) {
    data.push(tag);
    data.extend_from_slice(bytes);
}

fn write_bytes(tag: u8, bytes: &[u8], data: &mut Vec<u8>) {
    data.push(tag);
    data.extend_from_slice(&length(bytes.len()));
    data.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tables::types::from_text;
    use crate::{Database, Limits, ManualClock, SeededRandom};

    fn environment() -> Environment {
        let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1)));
        Database::in_memory_with(Limits::default(), clock, random).unwrap().environment_utc()
    }

    /// The bytes of one row of one column, without the columns and the row's head.
    #[track_caller]
    fn check(text: &str, r#type: &str, number: u32, expected: &[u8]) {
        let environment = environment();
        let r#type = Type::parse(r#type).unwrap();
        let value = from_text(text, r#type, &environment).unwrap();
        let mut rows = PackedRows::new(usize::MAX, environment);
        rows.begin(&[OutputColumn { name: "a".into(), r#type: Some(r#type) }]).unwrap();
        rows.version(7);
        rows.row(&[Cell::Value(value)]).unwrap();
        let mut whole = vec![1, 0, 0, 0];
        whole.extend_from_slice(&number.to_le_bytes());
        whole.extend_from_slice(&[1, 0, 0, 0, b'a']);
        whole.extend_from_slice(&length(expected.len()));
        whole.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
        whole.extend_from_slice(expected);
        whole.extend_from_slice(&[255; 4]);
        assert_eq!(rows.into_bytes(), whole, "{text}");
    }

    #[test]
    fn values_have_the_form_that_is_documented() {
        check("f", "boolean", 1, &[1]);
        check("t", "boolean", 1, &[2]);
        check("-2", "smallint", 2, &[3, 254, 255, 255, 255, 255, 255, 255, 255]);
        check("1", "integer", 3, &[3, 1, 0, 0, 0, 0, 0, 0, 0]);
        check("-9223372036854775808", "bigint", 4, &[3, 0, 0, 0, 0, 0, 0, 0, 128]);
        check("1", "real", 5, &[4, 0, 0, 128, 63]);
        check("1", "double precision", 6, &[5, 0, 0, 0, 0, 0, 0, 240, 63]);
        check("1.50", "numeric", 7, &[6, 4, 0, 0, 0, b'1', b'.', b'5', b'0']);
        check("ä", "text", 8, &[7, 2, 0, 0, 0, 0xc3, 0xa4]);
        check("", "varchar(3)", 9, &[7, 0, 0, 0, 0]);
        check("a", "char(2)", 10, &[7, 2, 0, 0, 0, b'a', b' ']);
        check("\\x0009", "bytea", 11, &[8, 2, 0, 0, 0, 0, 9]);
        check("1970-01-02", "date", 12, &[12, 1, 0, 0, 0]);
        check("infinity", "date", 12, &[12, 255, 255, 255, 127]);
        check("00:00:00.000256", "time", 13, &[13, 0, 1, 0, 0, 0, 0, 0, 0]);
        check("1969-12-31 23:59:59.999999", "timestamp", 14, &[11, 255, 255, 255, 255, 255, 255, 255, 255]);
        check("-infinity", "timestamptz", 15, &[11, 0, 0, 0, 0, 0, 0, 0, 128]);
        check("07070707-0707-0707-0707-070707070707", "uuid", 16, &[[14].as_slice(), &[7; 16]].concat());
        check("[1]", "jsonb", 17, &[9, 3, 0, 0, 0, b'[', b'1', b']']);
    }

    #[test]
    fn arrays_keep_their_dimensions_and_nulls() {
        check("{}", "boolean[]", 257, &[10, 4, 0, 0, 0, 0, 0, 0, 0]);
        let expected = [10, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1];
        check("{{t,NULL,f}}", "boolean[]", 257, &expected);
        let shifted = [10, 14, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 254, 255, 255, 255, 2, 1];
        check("[-2:-1]={t,f}", "boolean[]", 257, &shifted);
    }

    #[test]
    fn nothing_but_the_columns_and_the_end_is_no_rows_and_pieces_are_the_whole() {
        let environment = environment();
        assert_eq!(PackedRows::new(9, environment.clone()).into_bytes(), [0, 0, 0, 0, 255, 255, 255, 255]);
        let column = [OutputColumn { name: "n".into(), r#type: None }];
        let filled = |piece_bytes: usize| {
            let mut rows = PackedRows::new(usize::MAX, environment.clone());
            rows.set_piece_bytes(piece_bytes);
            rows.begin(&column).unwrap();
            let mut whole = Vec::new();
            for _ in 0..3 {
                rows.row(&[Cell::Json("{}")]).unwrap();
                if rows.is_full() {
                    whole.extend(rows.take_piece());
                }
            }
            whole.extend(rows.into_bytes());
            whole
        };
        assert_eq!(filled(20), filled(usize::MAX));
        let mut rows = PackedRows::new(40, environment);
        rows.begin(&column).unwrap();
        rows.row(&[Cell::Json("{}")]).unwrap();
        assert_eq!(rows.row(&[Cell::Json("{}")]).unwrap_err().code, code::LIMIT_EXCEEDED);
    }
}
