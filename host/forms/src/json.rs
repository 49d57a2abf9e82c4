//! Reading JSON.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{FormError, Result};

/// Reads a text. What is no JSON is malformed; JSON of another form is invalid.
///
/// # Errors
/// [`FormError::Malformed`], [`FormError::Invalid`].
pub fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T> {
    // All text at once is checked faster than one string after the other.
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    parsed.map_err(|error| self::error(body, &error))
}

/// The error of a text that cannot be read.
#[must_use]
pub fn error(body: &[u8], error: &serde_json::Error) -> FormError {
    if let Some(encoding) = mantis_db::json_encoding_error(body) {
        return FormError::Malformed(encoding.to_owned());
    }
    let message = mantis_db::json_error(error);
    if error.is_data() { FormError::invalid(message) } else { FormError::Malformed(message) }
}

/// The error of a part of a text that is read by itself: its place in the part is none in the text.
pub(crate) fn without_place<E: serde::de::Error>(error: &serde_json::Error) -> E {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    E::custom(text.strip_suffix(&place).unwrap_or(&text))
}

/// A structure that is written as an object alone: serde would take a list of its members in their order as well.
#[derive(Debug)]
pub struct Object<T>(
    /// What it has.
    pub T,
);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// For members that may be left out but not be null.
///
/// # Errors
/// Those of the member.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
