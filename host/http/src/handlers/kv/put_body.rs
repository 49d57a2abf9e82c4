//! The JSON body of `PUT /kv/{key}`: a form that holds the value, or a document that is the value.
//!
//! `application/json` may be either. It is the form if its only members are `value` and optionally `ttl`, each once, and `value` is text,
//! a list of bytes or a base64 object; any other document is stored as it is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::limits;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::wire::bytes::{BytesIn, NOT_BASE64};
use crate::wire::json;
use crate::wire::numbers::Whole;

/// What to do where a form is not as it should be.
const HINT: &str = "Send {\"value\": ..., \"ttl\": seconds}, or add `?raw=true` to store the JSON document as it is.";

/// A value in JSON.
#[derive(Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueForm {
    pub(super) value: BytesIn,
    /// Seconds that the value is served.
    #[serde(default)]
    #[schemars(with = "Option<i64>", range(min = 1, max = limits::TTL_S_MAX))]
    pub(super) ttl: Option<Whole>,
}

/// A body of `application/json`.
pub(super) struct AnyJson;

/// Reads a body that is always the form.
pub(super) fn read_form(body: &[u8]) -> Result<ValueForm> {
    let json::Object(form) = json::parse(body).map_err(|problem| problem.hint(HINT))?;
    Ok(form)
}

/// Reads a body of `application/json`: `None` for a document that is not the form.
///
/// # Errors
/// `body-malformed` where it is no JSON; `body-invalid` for a form whose time to live or base64 cannot be read.
pub(super) fn read_any(body: &[u8]) -> Result<Option<ValueForm>> {
    if let Some(problem) = json::encoding_problem(body) {
        return Err(problem);
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to() + 1;
        Problem::new(Code::BodyMalformed).detail(format!("JSON is UTF-8, and the body is not: see byte {place}"))
    })?;
    if text.trim_ascii_start().starts_with('{')
        && let Ok(Members(members)) = serde_json::from_str(text)
    {
        return members.map_or(Ok(None), Candidate::form);
    }
    // Nothing of a document is read but its grammar: names and texts may have escapes that are no characters.
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(None),
        Err(error) => Err(Problem::new(Code::BodyMalformed).detail(mantis_db::json_error(&error))),
    }
}

/// The members of an object that has those of a form and no others.
struct Members<'b>(Option<Candidate<'b>>);

struct Candidate<'b> {
    value: &'b RawValue,
    ttl: Option<&'b RawValue>,
}

impl Candidate<'_> {
    /// The form, if the value is of one of its shapes.
    fn form(self) -> Result<Option<ValueForm>> {
        let value = match serde_json::from_str(self.value.get()) {
            Ok(value) => value,
            Err(_) if is_base64_object(self.value) => {
                return Err(Problem::new(Code::BodyInvalid).detail(NOT_BASE64).hint(HINT));
            }
            Err(_) => return Ok(None),
        };
        let ttl = self.ttl.map_or(Ok(None), |ttl| serde_json::from_str(ttl.get())).map_err(|_| {
            Problem::new(Code::BodyInvalid).detail("`ttl` must be a whole number of seconds").hint(HINT)
        })?;
        Ok(Some(ValueForm { value, ttl }))
    }
}

fn is_base64_object(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Base64<'v> {
        #[serde(borrow)]
        base64: &'v RawValue,
    }
    let is_object = value.get().starts_with('{');
    is_object && serde_json::from_str(value.get()).is_ok_and(|Base64 { base64 }| base64.get().starts_with('"'))
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Members<'de>, A::Error> {
                let (mut value, mut ttl, mut has_others) = (None, None, false);
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    match &*name {
                        "value" if value.is_none() => value = Some(map.next_value()?),
                        "ttl" if ttl.is_none() => ttl = Some(map.next_value()?),
                        // Another one, or one that is there twice.
                        _ => {
                            has_others = true;
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let value = value.filter(|_| !has_others);
                Ok(Members(value.map(|value| Candidate { value, ttl })))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl JsonSchema for AnyJson {
    fn schema_name() -> Cow<'static, str> {
        "JsonToStore".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let form = generator.subschema_for::<ValueForm>();
        json_schema!({
            "description": "The form that holds a value, or any other JSON document, which is stored as it is.",
            "anyOf": [
                form,
                {"not": {
                    "type": "object",
                    "properties": {
                        "value": {"anyOf": [
                            {"type": "string"},
                            {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
                            {
                                "type": "object",
                                "properties": {"base64": {"type": "string"}},
                                "required": ["base64"],
                                "additionalProperties": false,
                            },
                        ]},
                        "ttl": {},
                    },
                    "required": ["value"],
                    "additionalProperties": false,
                }},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value, whether it was text, and its time to live.
    type Form<'f> = (&'f [u8], bool, Option<i64>);

    #[track_caller]
    fn check(body: &str, expected: std::result::Result<Option<Form<'_>>, &str>) {
        let read = read_any(body.as_bytes()).map_err(|problem| problem.code().as_str());
        let read = read.as_ref().map(|form| {
            form.as_ref().map(|form| (&form.value.bytes[..], form.value.text, form.ttl.map(|Whole(seconds)| seconds)))
        });
        assert_eq!(read.map_err(|code| *code), expected, "{body}");
    }

    #[test]
    fn only_a_value_and_its_time_to_live_are_the_form() {
        check(r#"{"value":"a"}"#, Ok(Some((b"a", true, None))));
        check(r#" { "ttl" : 5 , "value" : [72,105] } "#, Ok(Some((b"Hi", false, Some(5)))));
        check(r#"{"value":{"base64":"/w=="},"ttl":null}"#, Ok(Some((&[255], false, None))));
        check(r#"{"value":[]}"#, Ok(Some((b"", false, None))));
        check(r#"{"v\u0061lue":"\u00e9"}"#, Ok(Some(("\u{e9}".as_bytes(), true, None))));
        check(r#"{"value":"a","ttl":-1}"#, Ok(Some((b"a", true, Some(-1)))));
        for document in [
            "{}",
            "[]",
            "[1,2]",
            "5",
            "null",
            "\"text\"",
            r#"{"name":"Ann"}"#,
            r#"{"ttl":5}"#,
            r#"{"value":null}"#,
            r#"{"value":5}"#,
            r#"{"value":true}"#,
            r#"{"value":[256]}"#,
            r#"{"value":[-1]}"#,
            r#"{"value":[1.5]}"#,
            r#"{"value":["a"]}"#,
            r#"{"value":{}}"#,
            r#"{"value":{"a":1}}"#,
            r#"{"value":{"base64":5}}"#,
            r#"{"value":{"base64":"YQ==","a":1}}"#,
            r#"{"value":{"base64":"YQ==","base64":"YQ=="}}"#,
            r#"{"value":"a","more":1}"#,
            r#"{"Value":"a"}"#,
            r#"{"value":"a","value":"b"}"#,
            r#"{"value":"a","ttl":1,"ttl":1}"#,
            r#"{"value":"\ud800"}"#,
            r#"{"\ud800":1}"#,
            r#"{"value":1e999}"#,
        ] {
            check(document, Ok(None));
        }
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check(&nested, Ok(None));
        check(&format!(r#"{{"value":{nested}}}"#), Ok(None));
    }

    #[test]
    fn a_form_that_cannot_be_read_is_no_document() {
        for body in [
            r#"{"value":{"base64":"?"}}"#,
            r#"{"value":{"base64":"YQ"}}"#,
            r#"{"value":"a","ttl":1.5}"#,
            r#"{"value":"a","ttl":"soon"}"#,
        ] {
            check(body, Err("body-invalid"));
        }
        for body in ["", " ", "{", "{\"value\":", "{\"a\":1,}", "nul", "[1]]", "{'a':1}", "\u{feff}{}", "{\"a\":01}"] {
            check(body, Err("body-malformed"));
        }
        assert!(read_any(b"\"\xff\"").unwrap_err().message().contains("byte 2"));
    }
}
