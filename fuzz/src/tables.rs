//! Keys and rows of tables, whatever their bytes are: what is read is what would be written again, keys are in the order of their values,
//! and what cannot be read is refused.

use std::cmp::Ordering;

use mantis_db::tables::codec::{KeyPart, KeyShape, RowShape, RowView, decode, push, skip};
use mantis_db::tables::types::{NumericModifier, Scalar, Type, Value};
use mantis_db::tables::{TableError, code};

const SCALARS: [Scalar; 18] = [
    Scalar::Boolean,
    Scalar::SmallInt,
    Scalar::Integer,
    Scalar::BigInt,
    Scalar::Real,
    Scalar::Double,
    Scalar::Numeric(None),
    Scalar::Numeric(Some(NumericModifier { precision: 20, scale: 3 })),
    Scalar::Text,
    Scalar::Varchar(None),
    Scalar::Char(4),
    Scalar::Bytea,
    Scalar::Date,
    Scalar::Time,
    Scalar::Timestamp,
    Scalar::TimestampTz,
    Scalar::Uuid,
    Scalar::Jsonb,
];

/// Checks one input: how many columns there are, a byte for the type of each, and the bytes of keys or of a row.
///
/// # Panics
/// It is not read as it should be: that is what is looked for.
pub fn check(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let Some((choices, bytes)) = rest.split_at_checked(usize::from(first >> 1 & 3)) else { return };
    let parts: Vec<_> = choices.iter().map(|&choice| part_of(choice)).collect();
    if first & 1 == 0 {
        check_keys(&parts, bytes);
    } else {
        check_row(&parts, bytes);
    }
}

fn part_of(choice: u8) -> KeyPart {
    let scalar = SCALARS[usize::from(choice & 31) % SCALARS.len()];
    KeyPart { r#type: Type { scalar, is_array: choice & 64 != 0 }, is_descending: choice & 128 != 0 }
}

/// Two keys, one behind the other.
fn check_keys(parts: &[KeyPart], bytes: &[u8]) {
    let shape = KeyShape::new(parts);
    let Some((first, rest)) = check_key(&shape, bytes) else { return };
    let Some((second, behind)) = check_key(&shape, rest) else { return };
    let keys = (&bytes[..bytes.len() - rest.len()], &rest[..rest.len() - behind.len()]);
    let mut orders = parts.iter().zip(first.iter().zip(&second));
    // None where that is up to a value whose order is not told here.
    let order = orders.try_fold(Ordering::Equal, |order, (part, (a, b))| {
        if order.is_ne() {
            return Some(order);
        }
        compare(part.r#type, a, b).map(|order| if part.is_descending { order.reverse() } else { order })
    });
    if let Some(order) = order {
        assert_eq!(keys.0.cmp(keys.1), order, "{first:?} and {second:?}");
    }
    assert!(keys.0 == keys.1 || !(keys.0.starts_with(keys.1) || keys.1.starts_with(keys.0)), "a key begins another");
}

/// The values of the key that the bytes begin with, and the bytes behind it.
fn check_key<'a>(shape: &KeyShape, bytes: &'a [u8]) -> Option<(Vec<Value<'a>>, &'a [u8])> {
    let (values, rest) = shape.decode(bytes).inspect_err(check_error).ok()?;
    let key = &bytes[..bytes.len() - rest.len()];
    let mut again = Vec::new();
    shape.push(&mut again, &values);
    assert_eq!(again, key, "{values:?} has two forms");
    assert_eq!(shape.split(bytes).unwrap(), (key, rest));
    for (part, value) in shape.parts().iter().zip(&values) {
        check_cut_short(*part, value);
    }
    Some((values, rest))
}

fn check_cut_short(part: KeyPart, value: &Value<'_>) {
    let mut bytes = Vec::new();
    push(&mut bytes, value, part.r#type, part.is_descending);
    let cut = &bytes[..bytes.len() - 1];
    check_error(&decode(&mut &cut[..], part.r#type, part.is_descending).unwrap_err());
    check_error(&skip(&mut &cut[..], part.r#type, part.is_descending).unwrap_err());
}

/// The order of two values where it is one that Rust has too.
fn compare(r#type: Type, a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Null, _) | (_, Value::Null) => a.is_null().cmp(&b.is_null()),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Value::Text(a), Value::Text(b)) if matches!(r#type.scalar, Scalar::Char(_)) => {
            a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
        }
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        _ => return None,
    })
}

fn check_row(parts: &[KeyPart], bytes: &[u8]) {
    let types: Vec<_> = parts.iter().map(|part| part.r#type).collect();
    let shape = RowShape::new(&types);
    let view = match RowView::new(&shape, bytes) {
        Ok(view) => view,
        Err(error) => return check_error(&error),
    };
    let mut values = Vec::new();
    for place in 0..view.column_count() {
        let _ = view.raw(place);
        match view.get(place) {
            Ok(value) => values.push(value),
            Err(error) => return check_error(&error),
        }
    }
    let mut again = Vec::new();
    shape.encode(3, &values, &mut again).unwrap();
    let view = RowView::new(&shape, &again).unwrap();
    for (place, value) in values.iter().enumerate() {
        // Not-a-number too.
        assert_eq!(format!("{:?}", view.get(place).unwrap()), format!("{value:?}"));
        assert_eq!(view.is_null(place), value.is_null());
    }
}

fn check_error(error: &TableError) {
    assert_eq!(error.code, code::DATA_CORRUPTED);
}
