//! Bytes, versions and times in JSON.

use std::fmt;
use std::marker::PhantomData;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::problem;
use crate::failure::Failure;

/// Buckets or tables of an answer: ten times as many as a database has.
pub(super) const LISTED_MAX: usize = 100_000;

/// Reads a list of JSON that has a bound: a text of a few bytes for each item may be large once it is read.
///
/// # Errors
/// It is no list, an item has another form, or there are more than `max`.
pub(super) fn list<'a, T: Deserialize<'a>>(json: &'a RawValue, max: usize) -> Result<Vec<T>, Failure> {
    struct Bounded<T>(usize, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {} items", self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == self.0 {
                    return Err(de::Error::custom(format_args!("a list has more than {} items", self.0)));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    let mut json = serde_json::Deserializer::from_str(json.get());
    json.deserialize_seq(Bounded(max, PhantomData)).map_err(problem::malformed)
}

/// Bytes: a text, or `{"base64": ".."}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Data(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;

        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or an object with a member base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Data, E> {
                Ok(Data(text.as_bytes().to_vec()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut data = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name == "base64" {
                        let Base64(bytes) = map.next_value()?;
                        data = Some(Data(bytes));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                data.ok_or_else(|| de::Error::missing_field("base64"))
            }
        }
        deserializer.deserialize_any(DataVisitor)
    }
}

struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64Visitor;

        impl Visitor<'_> for Base64Visitor {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                BASE64_STANDARD.decode(text).map(Base64).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Base64Visitor)
    }
}

/// A number, as it is or as text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or its text")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A time, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Time(pub(super) u64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;

        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as in RFC 3339")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let timestamp: jiff::Timestamp = text.parse().map_err(E::custom)?;
                Ok(Time(u64::try_from(timestamp.as_millisecond()).unwrap_or(0)))
            }
        }
        deserializer.deserialize_str(TimeVisitor)
    }
}

/// Writes bytes as `{"base64": ".."}`, which every byte survives.
pub(super) fn push_data(bytes: &[u8], json: &mut String) {
    json.push_str("{\"base64\":\"");
    BASE64_STANDARD.encode_string(bytes, json);
    json.push_str("\"}");
}

/// Writes a text.
pub(super) fn push_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_numbers_and_times_are_read() {
        let data = |json| serde_json::from_str::<Data>(json).map(|data| data.0).ok();
        assert_eq!(data("\"a\\u00e4\""), Some("aä".into()));
        assert_eq!(data("{\"base64\":\"AP8=\",\"more\":[1]}"), Some(vec![0, 255]));
        assert_eq!(data("{\"base64\":\"?\"}"), None);
        assert_eq!(data("{}"), None);
        let number = |json| serde_json::from_str::<Number>(json).ok();
        assert_eq!(number("\"18446744073709551615\""), Some(Number(u64::MAX)));
        assert_eq!(number("7"), Some(Number(7)));
        assert_eq!(number("-7"), None);
        assert_eq!(serde_json::from_str::<Time>("\"1970-01-01T00:00:01.500Z\"").ok(), Some(Time(1_500)));
        let mut json = String::new();
        push_data(&[0, 255], &mut json);
        push_text("a\"\n", &mut json);
        assert_eq!(json, "{\"base64\":\"AP8=\"}\"a\\\"\\n\"");
    }
}
