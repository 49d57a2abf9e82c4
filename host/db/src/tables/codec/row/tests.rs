//! The laws of rows, of every type.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::tables::codec::samples::{any_type, value_of, values_of};
use crate::tables::schema::TableSchema;
use crate::tables::schema::table::{Column, Layout, SpaceId};
use crate::tables::types::{Array, Numeric, Scalar, Type, Value};
use crate::tables::{TableError, TableResult, code};

const INTEGER: Type = Type::scalar(Scalar::Integer);
const BOOLEAN: Type = Type::scalar(Scalar::Boolean);

fn encoded(types: &[Type], layout: u32, values: &[Value<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    RowShape::new(types).encode(layout, values, &mut bytes).unwrap();
    bytes
}

fn typed_rows() -> impl Strategy<Value = (Vec<Type>, Vec<Value<'static>>)> {
    vec(any_type(), 0..12).prop_flat_map(|types| (Just(types.clone()), values_of(types)))
}

/// Reads all columns of what may be a row, and says whether all could be read.
fn read_all(shape: &RowShape, bytes: &[u8]) -> TableResult<Vec<Value<'static>>> {
    let view = RowView::new(shape, bytes)?;
    // From the last: no column needs another.
    let read = (0..view.column_count()).rev().map(|place| {
        let _ = view.raw(place);
        view.get(place).map(Value::into_owned)
    });
    let mut values = read.collect::<TableResult<Vec<_>>>()?;
    values.reverse();
    Ok(values)
}

#[track_caller]
fn check_raw(raw: Raw<'_>, value: &Value<'_>) {
    let expected = match value {
        Value::Null => Raw::Null,
        Value::Boolean(value) => Raw::Boolean(*value),
        Value::Integer(value) | Value::Time(value) | Value::Timestamp(value) => Raw::Integer(*value),
        Value::Date(days) => Raw::Integer((*days).into()),
        Value::Real(value) => Raw::Real(*value),
        Value::Double(value) => Raw::Double(*value),
        Value::Text(text) | Value::Json(text) => Raw::Bytes(text.as_bytes()),
        Value::Bytes(bytes) => Raw::Bytes(bytes),
        Value::Uuid(bytes) => Raw::Bytes(bytes),
        Value::Numeric(_) | Value::Array(_) => return assert!(matches!(raw, Raw::Bytes(_))),
    };
    assert_eq!(format!("{raw:?}"), format!("{expected:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reading_gives_back_what_was_written((types, values) in typed_rows(), layout in any::<u32>()) {
        let bytes = encoded(&types, layout, &values);
        let shape = RowShape::new(&types);
        // Also not-a-number is the same.
        prop_assert_eq!(format!("{:?}", read_all(&shape, &bytes).unwrap()), format!("{values:?}"));
        let view = RowView::new(&shape, &bytes).unwrap();
        for (place, value) in values.iter().enumerate() {
            prop_assert_eq!(view.is_null(place), value.is_null());
            check_raw(view.raw(place).unwrap(), value);
        }
    }

    #[test]
    fn a_row_cut_short_or_with_more_behind_is_refused((types, values) in typed_rows()) {
        let shape = RowShape::new(&types);
        let mut bytes = encoded(&types, 3, &values);
        for length in 0..bytes.len() {
            prop_assert_eq!(RowView::new(&shape, &bytes[..length]).unwrap_err().code, code::DATA_CORRUPTED);
        }
        bytes.push(0);
        prop_assert_eq!(RowView::new(&shape, &bytes).unwrap_err().code, code::DATA_CORRUPTED);
    }

    #[test]
    fn a_changed_row_never_panics((types, values) in typed_rows(), changes in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut bytes = encoded(&types, 0, &values);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Err(error) = read_all(&RowShape::new(&types), &bytes) {
            prop_assert_eq!(error.code, code::DATA_CORRUPTED);
        }
    }

    #[test]
    fn bytes_that_are_no_row_never_panic(types in vec(any_type(), 0..6), bytes in vec(any::<u8>(), 0..60)) {
        let _ = read_all(&RowShape::new(&types), &bytes);
    }

    #[test]
    fn bytes_that_are_no_array_never_panic(r#type in any_type(), bytes in vec(any::<u8>(), 0..40)) {
        let _ = variable::read_array(&bytes, r#type.scalar);
        let _ = variable::read_scalar(&bytes, r#type.scalar);
    }

    #[test]
    fn a_value_of_another_type_is_refused(r#type in any_type(), (other, value) in typed_value()) {
        let alike = |r#type: Type| (std::mem::discriminant(&r#type.scalar), r#type.is_array);
        let mut bytes = b"before".to_vec();
        let written = RowShape::new(&[r#type]).encode(0, &[value], &mut bytes);
        if let Err(error) = written {
            prop_assert_eq!(error.code, code::DATATYPE_MISMATCH);
            prop_assert_ne!(alike(r#type), alike(other));
            prop_assert_eq!(bytes, b"before");
        }
    }
}

fn typed_value() -> impl Strategy<Value = (Type, Value<'static>)> {
    any_type().prop_flat_map(|r#type| (Just(r#type), value_of(r#type)))
}

#[track_caller]
fn check_bytes(r#type: Type, value: Value<'static>, bytes: &[u8]) {
    assert_eq!(encoded(&[r#type], 0, &[value]), bytes);
}

/// What is on disks must be read by later versions.
#[test]
fn the_bytes_of_rows_stay() {
    let types = [INTEGER, BOOLEAN, Type::TEXT, Type::TEXT];
    let values = [Value::Integer(7), Value::Boolean(true), Value::Null, Value::Text("ab".into())];
    assert_eq!(encoded(&types, 0, &values), [0, 0b1_0100, 7, 0, 0, 0, 0, 2, b'a', b'b']);
    assert_eq!(encoded(&types, 40, &values)[..3], [0xa0, 0x01, 0b1_0100]);
    let text = "a".repeat(256);
    assert_eq!(encoded(&[Type::TEXT], 0, &[Value::Text(text.clone().into())])[..5], [1, 0, 0, 1, b'a']);
    let text = text.repeat(256);
    assert_eq!(encoded(&[Type::TEXT], 0, &[Value::Text(text.into())])[..7], [2, 0, 0, 0, 1, 0, b'a']);

    let numeric = Type::scalar(Scalar::Numeric(None));
    check_bytes(numeric, Value::Numeric(Numeric::NaN), &[0, 0, 0]);
    check_bytes(numeric, Value::Numeric(Numeric::Small { unscaled: 0, scale: 2 }), &[0, 0, 1, 4]);
    check_bytes(numeric, Value::Numeric(Numeric::Small { unscaled: -1_250, scale: 2 }), &[0, 0, 3, 4, 0x1e, 0xfb]);
    let array = |elements: Vec<Value<'static>>| {
        Value::Array(Box::new(Array { dimensions: vec![(elements.len(), 1)], elements }))
    };
    let of = |scalar| Type { scalar, is_array: true };
    let elements = vec![Value::Integer(5), Value::Null];
    check_bytes(of(Scalar::SmallInt), array(elements), &[0, 0, 8, 0x81, 2, 2, 0b10, 5, 0, 0, 0]);
    let elements = vec![Value::Text("a".into()), Value::Null];
    check_bytes(of(Scalar::Text), array(elements), &[0, 0, 6, 0x81, 2, 2, 2, b'a', 0]);
}

#[test]
fn a_number_too_large_for_its_column_is_refused() {
    let mut bytes = Vec::new();
    let refused = RowShape::new(&[INTEGER]).encode(0, &[Value::Integer(1 << 31)], &mut bytes).unwrap_err();
    assert_eq!((refused.code, bytes.len()), (code::DATATYPE_MISMATCH, 0));
    let refused = RowShape::new(&[INTEGER, INTEGER]).encode(0, &[Value::Integer(1)], &mut bytes).unwrap_err();
    assert_eq!(refused.code, code::DATATYPE_MISMATCH);
}

fn column(id: u32, r#type: Type, missing: Value<'static>) -> Column {
    Column {
        id,
        name: format!("c{id}"),
        r#type,
        nullable: true,
        default: None,
        identity: false,
        allowed: None,
        comment: None,
        missing,
    }
}

/// A table whose columns 1, 2 and 3 came, changed and went.
fn altered_table() -> TableSchema {
    let layout = |columns: &[(u32, Type)]| Layout { columns: columns.to_vec() };
    TableSchema {
        name: "books".into(),
        rows: SpaceId(1),
        version: 4,
        comment: None,
        columns: vec![
            column(3, Type::TEXT, Value::Text("unknown".into())),
            column(1, Type::scalar(Scalar::BigInt), Value::Null),
        ],
        primary_key: None,
        row_keys: crate::tables::table::RowKeys::Id,
        indexes: vec![],
        foreign_keys: vec![],
        referenced_by: vec![],
        checks: vec![],
        keeps_old_rows: false,
        layouts: vec![
            layout(&[(1, INTEGER), (2, Type::TEXT)]),
            layout(&[(1, Type::scalar(Scalar::BigInt)), (2, Type::TEXT)]),
            layout(&[(3, Type::TEXT), (1, Type::scalar(Scalar::BigInt))]),
        ],
        next_column_id: 4,
        counts_since: 1,
        pending: None,
    }
}

fn cast(value: Value<'_>, from: Type, to: Type) -> TableResult<Value<'static>> {
    match (value, from, to) {
        (Value::Integer(value), from, _) if from == INTEGER && value != 13 => Ok(Value::Integer(value * 10)),
        _ => Err(TableError::new(code::CANNOT_COERCE, "no such cast")),
    }
}

#[test]
fn rows_of_older_layouts_have_the_columns_of_today() {
    let schema = altered_table();
    let reader = RowReader::new(&schema, cast);
    let (title, number) = (Value::Text("title".into()), Value::Integer(7));
    let written = |layout: usize, values: &[Value<'static>]| {
        let types: Vec<_> = schema.layouts[layout].columns.iter().map(|&(_, r#type)| r#type).collect();
        encoded(&types, layout.try_into().unwrap(), values)
    };
    let check = |bytes: &[u8], columns: [TableResult<Value<'_>>; 2]| {
        let row = reader.open(bytes).unwrap();
        assert_eq!(row.column_count(), 2);
        for (place, column) in columns.into_iter().enumerate() {
            assert_eq!(row.is_null(place).ok(), column.as_ref().ok().map(Value::is_null));
            assert_eq!(row.column(place), column);
        }
    };
    let unknown = || Ok(Value::Text("unknown".into()));
    check(&written(0, &[number.clone(), title.clone()]), [unknown(), Ok(Value::Integer(70))]);
    check(&written(0, &[Value::Null, title.clone()]), [unknown(), Ok(Value::Null)]);
    let no_cast = Err(TableError::new(code::CANNOT_COERCE, "no such cast"));
    check(&written(0, &[Value::Integer(13), title.clone()]), [unknown(), no_cast]);
    check(&written(1, &[number.clone(), title.clone()]), [unknown(), Ok(number.clone())]);
    check(&written(2, &[Value::Null, number.clone()]), [Ok(Value::Null), Ok(number.clone())]);

    let (layout, shape) = reader.today().unwrap();
    let mut bytes = Vec::new();
    shape.encode(layout, &[title.clone(), number.clone()], &mut bytes).unwrap();
    check(&bytes, [Ok(title), Ok(number)]);
    assert_eq!(reader.open(&bytes).unwrap().raw(0), Ok(Some(Raw::Bytes(b"title"))));
    let older = written(0, &[Value::Null, Value::Null]);
    assert_eq!([0, 1].map(|column| reader.open(&older).unwrap().raw(column)), [Ok(None), Ok(None)]);
}

#[test]
fn a_row_of_an_unknown_layout_is_refused() {
    let reader = RowReader::new(&altered_table(), cast);
    for layout in [3, 4, u32::MAX] {
        let bytes = encoded(&[Type::TEXT, INTEGER], layout, &[Value::Null, Value::Null]);
        assert_eq!(reader.open(&bytes).unwrap_err().code, code::DATA_CORRUPTED);
    }
    // Ends of 8 bytes, and a number beyond all.
    for head in [&[0b1011][..], &[0xff; 10], &[0x80], &[]] {
        assert_eq!(reader.open(head).unwrap_err().code, code::DATA_CORRUPTED);
    }
}

#[test]
fn an_array_that_says_it_is_huge_is_refused() {
    let mut bytes = vec![0x81];
    variable::push_varint(&mut bytes, u64::MAX >> 8);
    bytes.push(2);
    for scalar in [Scalar::Text, Scalar::Uuid, Scalar::Boolean] {
        assert_eq!(variable::read_array(&bytes, scalar).unwrap_err().code, code::DATA_CORRUPTED);
    }
}
