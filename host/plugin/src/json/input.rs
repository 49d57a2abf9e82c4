//! From JSON to a component's values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Number;
use wasmtime::component::Val;

use super::tree::Json;
use super::{F32_MAX, JSON_INTEGER_MAX, nullable};
use crate::{Case, Field, ValueType};

/// The reason why a value does not fit, and its place, which is put together from the inside out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadInput {
    pub(crate) place: String,
    pub(crate) reason: String,
}

type Result<T> = std::result::Result<T, BadInput>;

fn bad<T>(reason: impl Into<String>) -> Result<T> {
    Err(BadInput { place: String::new(), reason: reason.into() })
}

fn expected<T>(what: &str, got: &Json) -> Result<T> {
    let got = match got {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) | Json::Rounded(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    bad(format!("expected {what}, got {got}"))
}

impl BadInput {
    fn within(mut self, step: &str) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{step}{dot}{}", self.place);
        self
    }
}

/// The arguments of a function, from an array in the parameters' order or an object by their names. Their values may take
/// `bytes_max` bytes of the host's memory.
pub(crate) fn arguments(params: &[Field], arguments: Json, bytes_max: usize) -> Result<Vec<Val>> {
    let mut reader = Reader { bytes_left: bytes_max, bytes_max };
    let outcome = match arguments {
        Json::Object(members) => {
            reader.fields(params, members).map(|fields| fields.into_iter().map(|(_, value)| value).collect())
        }
        Json::Array(items) => reader.positional(params, items),
        Json::Null => reader.positional(params, Vec::new()),
        other => expected("an array of arguments, or an object by the parameters' names", &other),
    };
    outcome.map_err(|error| if error.place.is_empty() { error.within("arguments") } else { error })
}

struct Reader {
    bytes_left: usize,
    bytes_max: usize,
}

impl Reader {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            return bad(format!("the arguments take more than {} bytes of memory", self.bytes_max));
        };
        self.bytes_left = left;
        Ok(())
    }

    fn positional(&mut self, params: &[Field], items: Vec<Json>) -> Result<Vec<Val>> {
        if items.len() > params.len() {
            return bad(format!("expected {} arguments, got {}", params.len(), items.len()));
        }
        let mut items = items.into_iter();
        params.iter().map(|param| self.member(param, items.next())).collect()
    }

    /// An absent optional member is none; any other must be there.
    fn member(&mut self, field: &Field, value: Option<Json>) -> Result<Val> {
        let read = match value {
            Some(value) => self.read(&field.value_type, value),
            None if nullable(&field.value_type) => Ok(Val::Option(None)),
            None => bad("it is missing"),
        };
        read.map_err(|error| error.within(&field.name))
    }

    fn fields(&mut self, fields: &[Field], mut members: BTreeMap<String, Json>) -> Result<Vec<(String, Val)>> {
        let values: Vec<_> = fields.iter().map(|field| (field, members.remove(&field.name))).collect();
        // Before what is missing: a misspelt name is both.
        if let Some(unknown) = members.keys().next() {
            let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            let unknown: String = unknown.chars().take(80).collect();
            return bad(format!("{unknown:?} is not known here; there is {}", listed(&names)));
        }
        values.into_iter().map(|(field, value)| Ok((field.name.clone(), self.member(field, value)?))).collect()
    }

    fn read(&mut self, value_type: &ValueType, value: Json) -> Result<Val> {
        self.spend(size_of::<Val>())?;
        match value_type {
            ValueType::Bool => match value {
                Json::Bool(flag) => Ok(Val::Bool(flag)),
                other => expected("a boolean", &other),
            },
            ValueType::S8 => integer(&value).map(Val::S8),
            ValueType::U8 => integer(&value).map(Val::U8),
            ValueType::S16 => integer(&value).map(Val::S16),
            ValueType::U16 => integer(&value).map(Val::U16),
            ValueType::S32 => integer(&value).map(Val::S32),
            ValueType::U32 => integer(&value).map(Val::U32),
            ValueType::S64 => integer(&value).map(Val::S64),
            ValueType::U64 => integer(&value).map(Val::U64),
            ValueType::F32 => float(&value).and_then(single).map(Val::Float32),
            ValueType::F64 => float(&value).map(Val::Float64),
            ValueType::Char => character(&value).map(Val::Char),
            ValueType::String => match value {
                Json::String(text) => self.spend(text.len()).map(|()| Val::String(text)),
                other => expected("a string", &other),
            },
            ValueType::Bytes => self.bytes(value),
            ValueType::List(element) => match value {
                Json::Array(items) => self.items(items.into_iter().map(|item| (&**element, item))).map(Val::List),
                other => expected("an array", &other),
            },
            ValueType::Tuple(elements) => match value {
                Json::Array(items) if items.len() == elements.len() => {
                    self.items(elements.iter().zip(items)).map(Val::Tuple)
                }
                other => expected(&format!("an array of {}", elements.len()), &other),
            },
            ValueType::Record(fields) => match value {
                Json::Object(members) => self.fields(fields, members).map(Val::Record),
                other => expected("an object", &other),
            },
            ValueType::Variant(cases) => self.variant(cases, value),
            ValueType::Enum(names) => match value {
                Json::String(name) => known(name, names).map(Val::Enum),
                other => expected(&format!("one of {}", listed(names)), &other),
            },
            ValueType::Flags(names) => flags(names, value),
            ValueType::Option(inner) => self.option(inner, value),
            ValueType::Result { ok, err } => self.result(ok.as_deref(), err.as_deref(), value),
        }
    }

    fn items<'t>(&mut self, items: impl Iterator<Item = (&'t ValueType, Json)>) -> Result<Vec<Val>> {
        let read = |(index, (element, item)): (usize, (&ValueType, Json))| {
            self.read(element, item).map_err(|error| error.within(&format!("[{index}]")))
        };
        items.enumerate().map(read).collect()
    }

    fn bytes(&mut self, value: Json) -> Result<Val> {
        let bytes = match value {
            Json::String(text) => text.into_bytes(),
            Json::Array(items) => {
                return self.items(items.into_iter().map(|item| (&ValueType::U8, item))).map(Val::List);
            }
            Json::Object(mut members) if members.len() == 1 => match members.remove("base64") {
                Some(Json::String(text)) => match STANDARD.decode(text) {
                    Ok(bytes) => bytes,
                    Err(_) => return bad(mantis_db::NOT_BASE64),
                },
                _ => return bad("expected {\"base64\": \"..\"}"),
            },
            other => return expected("a string, {\"base64\": \"..\"} or an array of bytes", &other),
        };
        self.spend(bytes.len().saturating_mul(size_of::<Val>()))?;
        Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
    }

    fn variant(&mut self, cases: &[Case], value: Json) -> Result<Val> {
        let names = || cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>();
        let (name, payload) = match value {
            Json::String(name) => (name, None),
            Json::Object(members) if members.len() == 1 => match members.into_iter().next() {
                Some((name, payload)) => (name, Some(payload)),
                None => return bad("expected one member"),
            },
            other => return expected(&format!("one of {} as {{\"case\": ..}} or \"case\"", listed(&names())), &other),
        };
        let name = known(name, &names())?;
        let payload_type = cases.iter().find(|case| case.name == name).and_then(|case| case.payload.as_ref());
        let payload = self.payload(&name, payload_type, payload)?;
        Ok(Val::Variant(name, payload))
    }

    /// The payload of a case: a value if it has a type, nothing or null if it has none.
    fn payload(&mut self, name: &str, value_type: Option<&ValueType>, value: Option<Json>) -> Result<Option<Box<Val>>> {
        match (value_type, value) {
            (None, None | Some(Json::Null)) => Ok(None),
            (None, Some(_)) => bad(format!("{name:?} carries nothing")),
            (Some(ValueType::Option(_)), None) => Ok(Some(Box::new(Val::Option(None)))),
            (Some(_), None) => bad(format!("{name:?} carries a value: {{\"{name}\": ..}}")),
            (Some(value_type), Some(value)) => {
                let value = self.read(value_type, value).map_err(|error| error.within(name))?;
                Ok(Some(Box::new(value)))
            }
        }
    }

    fn option(&mut self, inner: &ValueType, value: Json) -> Result<Val> {
        let value = match value {
            Json::Null => return Ok(Val::Option(None)),
            Json::Object(mut members) if nullable(inner) && members.len() == 1 => match members.remove("some") {
                Some(value) => value,
                None => return bad("expected {\"some\": ..} or null"),
            },
            other if nullable(inner) => return expected("{\"some\": ..} or null", &other),
            value => value,
        };
        Ok(Val::Option(Some(Box::new(self.read(inner, value)?))))
    }

    fn result(&mut self, ok: Option<&ValueType>, err: Option<&ValueType>, value: Json) -> Result<Val> {
        const FORM: &str = "{\"ok\": ..} or {\"err\": ..}";
        let Json::Object(members) = value else { return expected(FORM, &value) };
        let mut members = members.into_iter();
        match (members.next(), members.next()) {
            (Some((name, value)), None) if name == "ok" => Ok(Val::Result(Ok(self.payload("ok", ok, Some(value))?))),
            (Some((name, value)), None) if name == "err" => {
                Ok(Val::Result(Err(self.payload("err", err, Some(value))?)))
            }
            _ => bad(format!("expected {FORM}")),
        }
    }
}

fn flags(names: &[String], value: Json) -> Result<Val> {
    let Json::Array(items) = value else { return expected("an array of strings", &value) };
    if items.len() > names.len() {
        return bad(format!("at most {} flags can be set", names.len()));
    }
    let read = |item| match item {
        Json::String(name) => known(name, names),
        other => expected(&format!("one of {}", listed(names)), &other),
    };
    items.into_iter().map(read).collect::<Result<_>>().map(Val::Flags)
}

fn known(name: String, names: &[impl AsRef<str>]) -> Result<String> {
    if names.iter().any(|known| known.as_ref() == name) {
        return Ok(name);
    }
    let name: String = name.chars().take(80).collect();
    bad(format!("{name:?} is not known here; there is {}", listed(names)))
}

/// The first few names, for a message.
fn listed(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 16;
    if names.is_empty() {
        return "nothing".into();
    }
    let shown: Vec<_> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn integer<T: TryFrom<i128>>(value: &Json) -> Result<T> {
    let number = match value {
        Json::Number(number) => whole(number),
        Json::Rounded(_) => None,
        // The form of an integer that a JSON number might not carry exactly.
        Json::String(text) => canonical(text),
        other => return expected("an integer", other),
    };
    let fitting = number.and_then(|number| T::try_from(number).ok());
    fitting.map_or_else(|| bad(format!("expected an integer from {} to {}", least::<T>(), greatest::<T>())), Ok)
}

/// The smallest number of a type of 64 bits at most.
fn least<T: TryFrom<i128>>() -> i128 {
    if T::try_from(-1).is_ok() { -(1 << (size_of::<T>() * 8 - 1)) } else { 0 }
}

/// The largest one.
fn greatest<T: TryFrom<i128>>() -> i128 {
    let sign_bits = usize::from(T::try_from(-1).is_ok());
    (1 << (size_of::<T>() * 8 - sign_bits)) - 1
}

/// The integer, if this is how it is written: without a sign that says nothing, and without leading zeros.
fn canonical(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    text.parse().ok().filter(|_| is_plain)
}

/// The nearest float of 32 bits; one beyond the largest is refused, because it would become infinite.
fn single(number: f64) -> Result<f32> {
    if number.is_finite() && number.abs() > F32_MAX {
        return bad(format!("expected a number between -{F32_MAX:e} and {F32_MAX:e}"));
    }
    #[allow(clippy::cast_possible_truncation, reason = "rounding to the nearest is what a float is")]
    Ok(number as f32)
}

fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    // 1e3 and 2.0 are integers as well.
    let float = number.as_f64()?;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "exact in this range")]
    let exact = float.fract() == 0.0 && float.abs() <= JSON_INTEGER_MAX as f64;
    #[allow(clippy::cast_possible_truncation, reason = "a whole number in range")]
    exact.then_some(float as i128)
}

fn float(value: &Json) -> Result<f64> {
    let number = match value {
        Json::Number(number) => number.as_f64(),
        Json::Rounded(number) => Some(*number),
        Json::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    number.map_or_else(|| expected("a number, \"NaN\", \"Infinity\" or \"-Infinity\"", value), Ok)
}

fn character(value: &Json) -> Result<char> {
    let Json::String(text) = value else { return expected("a string of one character", value) };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => bad("expected a string of one character"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<i128>) {
        let value = Json::parse(json.as_bytes()).unwrap();
        assert_eq!(integer::<i64>(&value).ok().map(i128::from), expected, "{json}");
    }

    #[test]
    fn no_integer_is_taken_for_another() {
        for (json, number) in [
            ("5", 5),
            ("5.0", 5),
            ("-1e2", -100),
            ("9007199254740991.0", (1 << 53) - 1),
            ("9007199254740993", (1 << 53) + 1),
            ("\"9007199254740993\"", (1 << 53) + 1),
            ("9223372036854775807", i64::MAX.into()),
            ("-9223372036854775808", i64::MIN.into()),
        ] {
            check(json, Some(number));
        }
        for json in [
            "5.5",
            "1.0000000000000000001",
            "0.99999999999999999999",
            "1e-400",
            "9007199254740990.9999",
            "9007199254740992.0",
            "9007199254740993.0",
            "-9007199254740993.0",
            "9.007199254740993e15",
            "9223372036854775808",
            "1e19",
            "1e300",
            "\"5.0\"",
            "\"\"",
        ] {
            check(json, None);
        }
    }

    #[test]
    fn a_float_is_the_nearest_of_what_is_written() {
        for (json, expected) in [("1.0000000000000000001", 1.0_f64), ("1e-400", 0.0), ("0.1", 0.1), ("3", 3.0)] {
            assert_eq!(float(&Json::parse(json.as_bytes()).unwrap()).unwrap().to_bits(), expected.to_bits(), "{json}");
        }
    }
}
