//! Values of every type for properties, near each other and near the edges, and the order that they should have.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::KeyPart;
use crate::tables::types::{Array, Numeric, NumericModifier, Scalar, Type, Value};

const SCALARS: [Scalar; 18] = [
    Scalar::Boolean,
    Scalar::SmallInt,
    Scalar::Integer,
    Scalar::BigInt,
    Scalar::Real,
    Scalar::Double,
    Scalar::Numeric(None),
    Scalar::Numeric(Some(NumericModifier { precision: 40, scale: 3 })),
    Scalar::Text,
    Scalar::Varchar(Some(9)),
    Scalar::Char(4),
    Scalar::Bytea,
    Scalar::Date,
    Scalar::Time,
    Scalar::Timestamp,
    Scalar::TimestampTz,
    Scalar::Uuid,
    Scalar::Jsonb,
];

pub(super) fn any_type() -> impl Strategy<Value = Type> {
    (select(&SCALARS[..]), prop::bool::weighted(0.2)).prop_map(|(scalar, is_array)| Type { scalar, is_array })
}

pub(super) fn any_part() -> impl Strategy<Value = KeyPart> {
    (any_type(), any::<bool>()).prop_map(|(r#type, is_descending)| KeyPart { r#type, is_descending })
}

/// A value of the type, or null.
pub(super) fn value_of(r#type: Type) -> BoxedStrategy<Value<'static>> {
    let value = if r#type.is_array { array_of(r#type.scalar) } else { scalar_of(r#type.scalar) };
    prop_oneof![1 => Just(Value::Null), 9 => value].boxed()
}

/// A value of each type in order.
pub(super) fn values_of(types: impl IntoIterator<Item = Type>) -> impl Strategy<Value = Vec<Value<'static>>> {
    types.into_iter().map(value_of).collect::<Vec<_>>()
}

fn array_of(scalar: Scalar) -> BoxedStrategy<Value<'static>> {
    let shapes: Vec<Vec<(usize, i32)>> = vec![
        vec![],
        vec![(1, 1)],
        vec![(2, 1)],
        vec![(4, 1)],
        vec![(2, 0)],
        vec![(2, -7)],
        vec![(4, 200)],
        vec![(2, 1), (2, 1)],
        vec![(1, 1), (4, 1)],
        vec![(4, 1), (1, 1)],
        vec![(2, 1), (2, 3)],
    ];
    let element = prop_oneof![1 => Just(Value::Null), 4 => scalar_of(scalar)];
    (select(shapes), vec(element, 4))
        .prop_map(|(dimensions, mut elements)| {
            let count = dimensions.iter().map(|&(length, _)| length).product();
            elements.truncate(if dimensions.is_empty() { 0 } else { count });
            Value::Array(Box::new(Array { dimensions, elements }))
        })
        .boxed()
}

fn scalar_of(scalar: Scalar) -> BoxedStrategy<Value<'static>> {
    match scalar {
        Scalar::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Scalar::SmallInt => integers(i16::MIN.into(), i16::MAX.into()).prop_map(Value::Integer).boxed(),
        Scalar::Integer => integers(i32::MIN.into(), i32::MAX.into()).prop_map(Value::Integer).boxed(),
        Scalar::BigInt => integers(i64::MIN, i64::MAX).prop_map(Value::Integer).boxed(),
        Scalar::Real => reals().prop_map(Value::Real).boxed(),
        Scalar::Double => doubles().prop_map(Value::Double).boxed(),
        Scalar::Numeric(None) => numerics().prop_map(Value::Numeric).boxed(),
        Scalar::Numeric(Some(NumericModifier { scale, .. })) => scaled_numerics(scale.unsigned_abs()),
        Scalar::Text | Scalar::Varchar(_) => texts().prop_map(|text| Value::Text(text.into())).boxed(),
        Scalar::Char(characters) => padded_texts(characters as usize),
        Scalar::Bytea => vec(select(&[0, 1, 2, 0x61, 0xfd, 0xfe, 0xff][..]), 0..5)
            .prop_map(|bytes| Value::Bytes(bytes.into()))
            .boxed(),
        Scalar::Date => integers(i32::MIN.into(), i32::MAX.into())
            .prop_map(|days| Value::Date(i32::try_from(days).unwrap()))
            .boxed(),
        Scalar::Time => integers(0, 86_400_000_000).prop_map(Value::Time).boxed(),
        Scalar::Timestamp | Scalar::TimestampTz => integers(i64::MIN, i64::MAX).prop_map(Value::Timestamp).boxed(),
        Scalar::Uuid => {
            (select(&[0, 1, 0x7f, 0x80, 0xfd, 0xfe, 0xff][..]), select(&[0, 0xfe, 0xff][..]), any::<bool>())
                .prop_map(|(first, second, last)| {
                    let mut bytes = [0; 16];
                    (bytes[0], bytes[1], bytes[15]) = (first, second, last.into());
                    Value::Uuid(bytes)
                })
                .boxed()
        }
        Scalar::Jsonb => jsons().prop_map(|json| Value::Json(json.text().into())).boxed(),
    }
}

fn integers(min: i64, max: i64) -> impl Strategy<Value = i64> {
    let edges =
        [0, 118, 119, 120, 255, 256, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, 0xffff_ffff, 1 << 32, i64::MAX - 1];
    let near = (select(edges.to_vec()), -2_i64..3, any::<bool>()).prop_map(|(edge, by, is_negative)| {
        let value = edge.saturating_add(by);
        if is_negative { value.wrapping_neg() } else { value }
    });
    let shifted = (any::<i64>(), 0..64).prop_map(|(value, by)| value >> by);
    prop_oneof![near, shifted, Just(min), Just(max)].prop_map(move |value| value.clamp(min, max))
}

fn reals() -> impl Strategy<Value = f32> {
    let edges =
        [0.0, -0.0, 1.0, 1.5, -1.0, f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    prop_oneof![select(edges.to_vec()), any::<u32>().prop_map(f32::from_bits)]
}

fn doubles() -> impl Strategy<Value = f64> {
    let edges =
        [0.0, -0.0, 1.0, 1.5, -1.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    prop_oneof![select(edges.to_vec()), any::<u64>().prop_map(f64::from_bits)]
}

/// Those of up to 38 digits are small, others large.
fn numeric(digits: &str, scale: i64) -> Numeric {
    let unscaled: BigInt = digits.parse().unwrap();
    let is_small = unscaled.magnitude().to_string().len() <= 38;
    match (i128::try_from(&unscaled), u16::try_from(scale)) {
        (Ok(unscaled), Ok(scale)) if is_small => Numeric::Small { unscaled, scale },
        _ => Numeric::Large(Box::new(BigDecimal::new(unscaled, scale))),
    }
}

fn numerics() -> impl Strategy<Value = Numeric> {
    prop_oneof![
        1 => Just(Numeric::NaN),
        8 => ("-?(0|[1-9][0-9]{0,4}|[1-9]0{0,4}|[1-9][0-9]{15,22}|[1-9][0-9]{36,39})", 0_i64..6)
            .prop_map(|(digits, scale)| numeric(&digits, scale)),
        2 => ("-?([1-9]0{0,2}|[1-9][0-9]{0,80})", -300_i64..300).prop_map(|(digits, scale)| numeric(&digits, scale)),
    ]
}

fn scaled_numerics(scale: u16) -> BoxedStrategy<Value<'static>> {
    "-?(0|[1-9][0-9]{0,5}|[1-9]0{0,5}|[1-9][0-9]{30,38})"
        .prop_map(move |digits| Value::Numeric(numeric(&digits, scale.into())))
        .boxed()
}

fn texts() -> impl Strategy<Value = String> {
    let characters = ['\0', '\u{1}', '\u{2}', ' ', 'a', 'b', '"', '\\', '\n', '\u{7f}', 'é', '\u{ffff}', '\u{10ffff}'];
    let short = vec(select(characters.to_vec()), 0..5).prop_map(|characters| characters.into_iter().collect());
    prop_oneof![8 => short, 1 => "a{80,90}", 1 => any::<String>()]
}

fn padded_texts(characters: usize) -> BoxedStrategy<Value<'static>> {
    vec(select(&['\t', ' ', 'a', 'b', 'é'][..]), characters)
        .prop_map(|characters| Value::Text(characters.into_iter().collect::<String>().into()))
        .boxed()
}

/// JSON, in the order of PostgreSQL's types.
#[derive(Debug, Clone)]
enum Json {
    Null,
    String(String),
    Number(Numeric),
    Boolean(bool),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn jsons() -> impl Strategy<Value = Json> {
    let string = || texts().prop_map(|text| text.replace('\0', ""));
    let number = numerics().prop_filter("JSON has no NaN", |number| !matches!(number, Numeric::NaN));
    let leaf = prop_oneof![
        Just(Json::Null),
        string().prop_map(Json::String),
        number.prop_map(Json::Number),
        any::<bool>().prop_map(Json::Boolean),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let members = vec((string(), inner.clone()), 0..4).prop_map(|mut members| {
            members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            members.dedup_by(|(a, _), (b, _)| a == b);
            Json::Object(members)
        });
        // Longer than what has its length in a byte.
        let long = inner.clone().prop_map(|inner| Json::Array(vec![inner; 130]));
        prop_oneof![8 => vec(inner, 0..4).prop_map(Json::Array), 8 => members, 1 => long]
    })
}

impl Json {
    fn text(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::String(string) => serde_json::to_string(string).unwrap(),
            Self::Number(number) => decimal(number).to_plain_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Array(elements) => format!("[{}]", elements.iter().map(Self::text).collect::<Vec<_>>().join(", ")),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| {
                    format!("{}: {}", serde_json::to_string(name).unwrap(), value.text())
                };
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn of_text(text: &str) -> Self {
        // Numbers as they are written: `serde_json`'s own lose digits.
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(text).unwrap();
        match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Boolean(true),
            b'f' => Self::Boolean(false),
            b'"' => Self::String(serde_json::from_str(text).unwrap()),
            b'[' => {
                let elements: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(raw.get()).unwrap();
                Self::Array(elements.iter().map(|element| Self::of_text(element.get())).collect())
            }
            b'{' => Self::Object(members(text)),
            _ => {
                let (unscaled, scale) = text.parse::<BigDecimal>().unwrap().into_bigint_and_exponent();
                Self::Number(numeric(&unscaled.to_string(), scale))
            }
        }
    }

    fn rank(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Boolean(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => compare_numerics(a, b),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => {
                a.len().cmp(&b.len()).then_with(|| first_difference(a.iter().zip(b).map(|(a, b)| a.compare(b))))
            }
            (Self::Object(a), Self::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
                first_difference(a.iter().zip(b).map(|(a, b)| a.0.cmp(&b.0).then_with(|| a.1.compare(&b.1))))
            }),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn compare_at_top(&self, other: &Self) -> Ordering {
        let is_empty = |json: &Self| matches!(json, Self::Array(elements) if elements.is_empty());
        is_empty(other).cmp(&is_empty(self)).then_with(|| self.compare(other))
    }
}

/// The members in the order of the text.
fn members(text: &str) -> Vec<(String, Json)> {
    struct Members;
    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = Vec<(String, Json)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Box<serde_json::value::RawValue>>()? {
                members.push((name, Json::of_text(value.get())));
            }
            Ok(members)
        }
    }
    serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(text), Members).unwrap()
}

fn first_difference(orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn decimal(value: &Numeric) -> BigDecimal {
    match value {
        Numeric::NaN => panic!("NaN is no decimal"),
        Numeric::Small { unscaled, scale } => BigDecimal::new((*unscaled).into(), (*scale).into()),
        Numeric::Large(value) => (**value).clone(),
    }
}

fn compare_numerics(a: &Numeric, b: &Numeric) -> Ordering {
    match (a, b) {
        (Numeric::NaN, Numeric::NaN) => Ordering::Equal,
        (Numeric::NaN, _) => Ordering::Greater,
        (_, Numeric::NaN) => Ordering::Less,
        _ => decimal(a).cmp(&decimal(b)),
    }
}

/// The order of two values of the type, ascending with nulls last.
pub(super) fn compare(r#type: Type, a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => a.is_null().cmp(&b.is_null()),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => compare_floats((*a).into(), (*b).into()),
        (Value::Double(a), Value::Double(b)) => compare_floats(*a, *b),
        (Value::Numeric(a), Value::Numeric(b)) => compare_numerics(a, b),
        (Value::Text(a), Value::Text(b)) if matches!(r#type.scalar, Scalar::Char(_)) => {
            a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
        }
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Json(a), Value::Json(b)) => Json::of_text(a).compare_at_top(&Json::of_text(b)),
        (Value::Array(a), Value::Array(b)) => {
            let elements = a.elements.iter().zip(&b.elements);
            let bounds = |array: &Array| array.dimensions.iter().map(|&(_, bound)| bound).collect::<Vec<_>>();
            let lengths = |array: &Array| array.dimensions.iter().map(|&(length, _)| length).collect::<Vec<_>>();
            first_difference(elements.map(|(a, b)| compare(r#type.element(), a, b)))
                .then(a.elements.len().cmp(&b.elements.len()))
                .then(a.dimensions.len().cmp(&b.dimensions.len()))
                .then_with(|| lengths(a).cmp(&lengths(b)))
                .then_with(|| bounds(a).cmp(&bounds(b)))
        }
        _ => panic!("values of different types: {a:?}, {b:?}"),
    }
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The order of two values in an index.
pub(super) fn compare_part(part: KeyPart, a: &Value<'_>, b: &Value<'_>) -> Ordering {
    let order = compare(part.r#type, a, b);
    if part.is_descending { order.reverse() } else { order }
}
