//! JSON bodies: reading them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// Reads a JSON body. What is no JSON is malformed; JSON of another form is invalid.
pub(crate) fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T> {
    // All text at once is checked faster than one string after the other.
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    parsed.map_err(|error| problem(body, &error))
}

/// The problem of a body that cannot be read.
pub(crate) fn problem(body: &[u8], error: &serde_json::Error) -> Problem {
    if let Some(problem) = encoding_problem(body) {
        return problem;
    }
    let code = if error.is_data() { Code::BodyInvalid } else { Code::BodyMalformed };
    Problem::new(code).detail(mantis_db::json_error(error))
}

/// The error of a part of a body that is read by itself: its place in the part is none in the body.
pub(crate) fn without_place<E: serde::de::Error>(error: serde_json::Error) -> E {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    E::custom(text.strip_suffix(&place).unwrap_or(&text))
}

/// The problem of a body in another encoding, if its first bytes show it.
pub(crate) fn encoding_problem(body: &[u8]) -> Option<Problem> {
    mantis_db::json_encoding_error(body).map(|detail| Problem::new(Code::BodyMalformed).detail(detail))
}

/// A structure that is written as an object alone: serde would take a list of its members in their order as well.
pub(crate) struct Object<T>(pub(crate) T);

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
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
