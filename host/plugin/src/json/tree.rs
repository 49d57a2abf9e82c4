//! JSON as a call takes it.

use std::collections::BTreeMap;
use std::fmt;

use mantis_db::json_integer;
use mantis_db::limits::JSON_INTEGER_MAX;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// The JSON of a call's arguments. It is as [`serde_json::Value`] is, but tells a number that is not whole from a whole one that is its
/// nearest float: where a component takes an integer, `1.0000000000000000001` is not 1.
///
/// ```
/// # use mantis_plugin::Json;
/// let arguments = Json::parse(b"[1, 1.0000000000000000001]").unwrap();
/// assert_eq!(arguments, Json::Array(vec![Json::from(serde_json::json!(1)), Json::Rounded(1.0)]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number: whole if it is written so, or else the nearest float.
    Number(Number),
    /// The nearest float of a number that is not whole, though the float is.
    Rounded(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object. Of members with the same name the last one counts.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a JSON text of at most 127 levels.
    ///
    /// # Errors
    /// The text is not JSON in UTF-8, is nested more deeply, or has a number beyond the range of a float.
    pub fn parse(json: &[u8]) -> serde_json::Result<Self> {
        // Of what is not UTF-8 the reader says where.
        let Ok(text) = std::str::from_utf8(json) else {
            let invalid = serde_json::from_slice::<Value>(json).map(Self::from);
            return invalid.and_then(|_| Err(serde_json::Error::custom("the text is not UTF-8")));
        };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let mut numbers = Numbers { texts: NumberTexts(text), passed: 0 };
        let value = Reader(&mut numbers).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

/// The numbers of a text, in step with its reader, which tells only their floats.
struct Numbers<'t> {
    texts: NumberTexts<'t>,
    /// Numbers that were read since the last text.
    passed: usize,
}

impl Numbers<'_> {
    fn pass(&mut self) {
        self.passed += 1;
    }

    /// A number that was read as a float.
    fn float(&mut self, float: f64) -> Json {
        #[allow(clippy::cast_precision_loss, reason = "exact")]
        let may_be_whole = float.fract() == 0.0 && float.abs() <= JSON_INTEGER_MAX as f64;
        if may_be_whole {
            let text = self.texts.nth(std::mem::take(&mut self.passed));
            if text.is_none_or(|text| json_integer(text).is_none()) {
                return Json::Rounded(float);
            }
        } else {
            self.pass();
        }
        Number::from_f64(float).map_or(Json::Null, Json::Number)
    }
}

/// The texts of the numbers in a JSON text, one after the other. As far as it is asked, the text is known to be JSON.
struct NumberTexts<'t>(&'t str);

impl<'t> Iterator for NumberTexts<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let bytes = self.0.as_bytes();
        let mut at = 0;
        loop {
            match bytes.get(at)? {
                b'"' => at = string_end(bytes, at + 1)?,
                b'-' | b'0'..=b'9' => break,
                _ => at += 1,
            }
        }
        let is_of_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let length = bytes[at..].iter().take_while(|byte| is_of_number(byte)).count();
        let (number, rest) = self.0.get(at..)?.split_at_checked(length)?;
        self.0 = rest;
        Some(number)
    }
}

/// The place after the quote that ends a string.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

struct Reader<'r, 't>(&'r mut Numbers<'t>);

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        self.0.pass();
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        self.0.pass();
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(self.0.float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Reader(self.0))? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key()? {
            members.insert(name, map.next_value_seed(Reader(self.0))?);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of the numbers that are not whole while their floats are.
    #[track_caller]
    fn check(json: &str, expected: &[f64]) {
        fn find(json: &Json, found: &mut Vec<f64>) {
            match json {
                Json::Rounded(number) => found.push(*number),
                Json::Array(items) => items.iter().for_each(|item| find(item, found)),
                Json::Object(members) => members.values().for_each(|member| find(member, found)),
                _ => {}
            }
        }
        let (read, mut found) = (Json::parse(json.as_bytes()).unwrap(), Vec::new());
        find(&read, &mut found);
        assert_eq!(found, expected, "{json}");
        if expected.is_empty() {
            assert_eq!(read, serde_json::from_str::<Value>(json).unwrap().into(), "{json}");
        }
    }

    #[test]
    fn a_number_that_is_not_whole_is_known_wherever_it_is() {
        check("1.0000000000000000001", &[1.0]);
        check("[1,-2,3.0,4e0,5.5,1e300,18446744073709551615,-0,\"\",true,null]", &[]);
        check("[1,-2,3.0,1.0000000000000000001,4,5.0,1e-400,6]", &[1.0, 0.0]);
        check(
            r#"{"a 7.5 \" 8":[{"b\\":1.0000000000000000001},"9\u0041"],"c":2,"d":0.99999999999999999999}"#,
            &[1.0, 1.0],
        );
        check(" [ 9007199254740990.9999 , 9007199254740993.1 , 2.0 ] ", &[9_007_199_254_740_991.0]);
        check("{\"a\":1.0000000000000000001,\"a\":2.0,\"b\":3.0}", &[]);
    }

    #[test]
    fn what_is_no_json_is_refused_as_by_any_reader() {
        let nested = b"[".repeat(128);
        for json in [&b""[..], b"[1", b"1 2", b"[01]", b"\"\xff\"", b"1e400", b"nul", &nested[..]] {
            assert!(Json::parse(json).is_err() && serde_json::from_slice::<Value>(json).is_err(), "{json:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn each_number_is_judged_by_its_own_text(numbers in proptest::collection::vec((-50_i64..50, 0_usize..4), 0..40)) {
            let forms = |(number, form): &(i64, usize)| match form {
                0 => number.to_string(),
                1 => format!("{number}.0"),
                2 => format!("{number}.0000000000000000000001"),
                _ => format!("\"{number}.5\""),
            };
            let text = format!("[{}]", numbers.iter().map(forms).collect::<Vec<_>>().join(","));
            let Ok(Json::Array(items)) = Json::parse(text.as_bytes()) else { panic!("{text}") };
            for ((number, form), item) in numbers.iter().zip(&items) {
                // The float next to zero is not whole by itself.
                proptest::prop_assert_eq!(matches!(item, Json::Rounded(_)), *form == 2 && *number != 0, "{}", text);
            }
        }
    }
}
