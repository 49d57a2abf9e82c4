//! The JSON of a batch, and how it becomes operations.

use std::borrow::Cow;
use std::fmt;

use mantis_db::limits::JSON_INTEGER_MAX;
use mantis_db::{Code as DbCode, Expect, MediaType, Op, SetOptions, Span};
use schemars::JsonSchema;
use serde::de::{Error as _, Expected, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::handlers::kv::shared::ttl_of_body;
use crate::limits;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::wire::bytes::{BytesIn, KeyIn};
use crate::wire::json;
use crate::wire::numbers::{Amount, Whole, number_of, other_type};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Batch")]
pub(crate) struct BatchForm {
    pub(crate) operations: Operations,
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub(crate) atomic: Option<bool>,
}

/// The operations of a batch. Each is converted as soon as it is read: its form is large, and there may be thousands.
pub(crate) struct Operations {
    /// Up to the first that is none.
    read: Vec<Op>,
    /// What is wrong with that one.
    failed: Option<Problem>,
    /// All of them.
    count: usize,
}

impl Operations {
    /// The operations, if there are no more than `operations_max`, and all of them are some.
    pub(crate) fn checked(self, operations_max: usize, key_bytes_max: usize) -> Result<Vec<Op>> {
        let Self { read, failed, count } = self;
        if count > operations_max {
            let detail = format!("the batch has {count} operations; the limit is {operations_max}");
            return Err(Problem::new(DbCode::OperationsTooMany).detail(detail));
        }
        for (index, operation) in read.iter().enumerate() {
            let problem = match key_of(operation).len() {
                0 if !matches!(operation, Op::DeleteSpan(_)) => DbCode::KeyEmpty.into(),
                bytes if bytes > key_bytes_max => {
                    let detail = format!("the key has {bytes} bytes; the limit is {key_bytes_max}");
                    Problem::new(DbCode::KeyTooLong).detail(detail)
                }
                _ => continue,
            };
            return Err(at(index, problem));
        }
        failed.map_or(Ok(read), Err)
    }
}

/// The key of an operation; empty for one on a range.
pub(crate) fn key_of(operation: &Op) -> &[u8] {
    match operation {
        Op::Get(key) | Op::Set(key, ..) | Op::Delete(key, _) | Op::Increment(key, _) | Op::Check(key, _) => key,
        _ => &[],
    }
}

/// A problem with the operation at this index.
fn at(index: usize, problem: Problem) -> Problem {
    let detail = format!("operation {index}: {}", problem.message());
    problem.detail(detail).in_body()
}

impl<'de> Deserialize<'de> for Operations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OperationsVisitor;

        impl<'de> Visitor<'de> for OperationsVisitor {
            type Value = Operations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Operations, A::Error> {
                let mut operations = Operations { read: Vec::new(), failed: None, count: 0 };
                while let Some(json::Object(form)) = list.next_element::<json::Object<OperationForm>>()? {
                    if operations.failed.is_none() {
                        match form.into_op_of_path() {
                            Ok(operation) => operations.read.push(operation),
                            Err(problem) => operations.failed = Some(at(operations.count, problem)),
                        }
                    }
                    operations.count += 1;
                }
                Ok(operations)
            }
        }
        deserializer.deserialize_seq(OperationsVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperationForm {
    op: Verb,
    /// Only where the path names none.
    #[serde(default, deserialize_with = "json::given")]
    pub(crate) bucket: Option<String>,
    #[serde(default, deserialize_with = "json::given")]
    key: Option<KeyIn>,
    #[serde(default, deserialize_with = "json::given")]
    value: Option<ValueIn>,
    #[serde(default)]
    by: Option<Amount>,
    #[serde(default)]
    ttl: Option<Whole>,
    #[serde(default)]
    ttl_ms: Option<Whole>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default, deserialize_with = "json::given")]
    prefix: Option<KeyIn>,
    #[serde(default, deserialize_with = "json::given")]
    start: Option<KeyIn>,
    #[serde(default, deserialize_with = "json::given")]
    end: Option<KeyIn>,
    #[serde(default)]
    if_version: Option<VersionIn>,
    #[serde(default)]
    absent: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Set,
    Delete,
    DeleteSpan,
    Increment,
    Check,
}

impl Verb {
    const ALL: [Self; 6] = [Self::Get, Self::Set, Self::Delete, Self::DeleteSpan, Self::Increment, Self::Check];

    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::DeleteSpan => "delete-span",
            Self::Increment => "increment",
            Self::Check => "check",
        }
    }
}

/// A value, or what an increment adds.
enum ValueIn {
    Bytes(BytesIn),
    Number(i64),
}

/// A version: a decimal number, as text or not. Of what a transaction has written itself it is 0.
pub(crate) struct VersionIn(pub(crate) u64);

impl OperationForm {
    /// The operation of a batch whose path names the bucket.
    fn into_op_of_path(self) -> Result<Op> {
        if self.bucket.is_some() {
            return Err(invalid("the path names the bucket; `POST /api/v1/batch` takes operations on several"));
        }
        self.into_op()
    }

    /// The operation; its key is checked later.
    pub(crate) fn into_op(self) -> Result<Op> {
        self.check_fields()?;
        let expect = self.expect()?;
        let Self { op, key, value, by, ttl, ttl_ms, media_type, .. } = self;
        let Some(KeyIn(key)) = key else { return span(self.prefix, self.start, self.end).map(Op::DeleteSpan) };
        Ok(match op {
            Verb::DeleteSpan => return Err(invalid("`delete-span` takes no `key`")),
            Verb::Get => Op::Get(key),
            Verb::Delete => Op::Delete(key, expect),
            Verb::Check if expect == Expect::Anything => return Err(invalid("`check` needs `if_version` or `absent`")),
            Verb::Check => Op::Check(key, expect),
            Verb::Set => {
                let Some(ValueIn::Bytes(value)) = value else {
                    return Err(invalid(
                        "`set` needs a `value`: text, {\"base64\": \"...\"} or a list of numbers from 0 to 255",
                    ));
                };
                let media_type = match media_type {
                    Some(given) => MediaType::new(&given)?,
                    None if value.text => MediaType::TEXT,
                    None => MediaType::BYTES,
                };
                let ttl_ms = ttl_of(ttl, ttl_ms)?;
                Op::Set(key, value.bytes, SetOptions { media_type, ttl_ms, expect })
            }
            Verb::Increment => match (by, value) {
                (None, None) => Op::Increment(key, 1),
                (Some(Amount(by)), None) | (None, Some(ValueIn::Number(by))) => Op::Increment(key, by),
                (Some(_), Some(_)) => return Err(invalid("`by` and `value` are both given; send one")),
                (None, Some(ValueIn::Bytes(_))) => {
                    return Err(invalid("`increment` needs a whole number of 64 bits"));
                }
            },
        })
    }

    /// Refuses members that the operation does not use.
    fn check_fields(&self) -> Result<()> {
        let taken: &[&str] = match self.op {
            Verb::Get => &["key"],
            Verb::Set => &["key", "value", "ttl", "ttl_ms", "media_type", "if_version", "absent"],
            Verb::Delete | Verb::Check => &["key", "if_version", "absent"],
            Verb::DeleteSpan => &["prefix", "start", "end"],
            Verb::Increment => &["key", "value", "by"],
        };
        let given = [
            ("key", self.key.is_some()),
            ("value", self.value.is_some()),
            ("by", self.by.is_some()),
            ("ttl", self.ttl.is_some()),
            ("ttl_ms", self.ttl_ms.is_some()),
            ("media_type", self.media_type.is_some()),
            ("prefix", self.prefix.is_some()),
            ("start", self.start.is_some()),
            ("end", self.end.is_some()),
            ("if_version", self.if_version.is_some()),
            ("absent", self.absent.is_some()),
        ];
        let verb = self.op.as_str();
        if taken.contains(&"key") && self.key.is_none() {
            return Err(invalid(format!("`{verb}` needs a `key`")));
        }
        match given.into_iter().find(|(name, given)| *given && !taken.contains(name)) {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!("`{verb}` takes no `{name}`"))),
        }
    }

    fn expect(&self) -> Result<Expect> {
        match (&self.if_version, self.absent) {
            (Some(_), Some(_)) => Err(invalid("`if_version` and `absent` are both given; send one")),
            (Some(VersionIn(version)), None) => Ok(Expect::Version(*version)),
            (None, Some(true)) => Ok(Expect::Absent),
            (None, Some(false)) => Ok(Expect::Present),
            (None, None) => Ok(Expect::Anything),
        }
    }
}

/// Keys with a prefix, or from a start to an end; all of them when nothing is given.
fn span(prefix: Option<KeyIn>, start: Option<KeyIn>, end: Option<KeyIn>) -> Result<Span> {
    match (prefix, start, end) {
        (None, None, None) => Ok(Span::All),
        (Some(KeyIn(prefix)), None, None) => Ok(Span::Prefix(prefix)),
        (Some(_), ..) => Err(invalid("`prefix` cannot be combined with `start` or `end`")),
        (None, start, end) => Ok(Span::Between { start: start.map(|key| key.0), end: end.map(|key| key.0) }),
    }
}

fn ttl_of(seconds: Option<Whole>, milliseconds: Option<Whole>) -> Result<Option<u64>> {
    match (seconds, milliseconds) {
        (Some(_), Some(_)) => Err(invalid("`ttl` and `ttl_ms` are both given; send one")),
        (seconds, None) => seconds.map(ttl_of_body).transpose(),
        (None, Some(Whole(given))) => {
            let ttl_ms = u64::try_from(given).ok().filter(|ms| (1..=limits::TTL_MS_MAX).contains(ms));
            ttl_ms.map(Some).ok_or_else(|| DbCode::TtlInvalid.into())
        }
    }
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(Code::BodyInvalid).detail(detail)
}

impl<'de> Deserialize<'de> for Verb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct VerbVisitor;

        impl Visitor<'_> for VerbVisitor {
            type Value = Verb;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "one of {}", Verb::ALL.map(Verb::as_str).join(", "))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Verb, E> {
                let verb = Verb::ALL.into_iter().find(|verb| verb.as_str() == text);
                verb.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(VerbVisitor)
    }
}

impl<'de> Deserialize<'de> for ValueIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ValueExpected;

        impl Expected for ValueExpected {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "text, {\"base64\": \"...\"}, a list of numbers from 0 to 255, or a whole number of 64 bits",
                )
            }
        }
        let json = <&RawValue>::deserialize(deserializer)?;
        match json.get().as_bytes().first() {
            Some(b'"' | b'[' | b'{') => serde_json::from_str(json.get()).map(Self::Bytes).map_err(json::without_place),
            _ if number_of(json).is_some() => Whole::read(json).map(|Whole(number)| Self::Number(number)),
            _ => Err(other_type(json, &ValueExpected)),
        }
    }
}

impl<'de> Deserialize<'de> for VersionIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?;
        if number_of(json).is_some() {
            let Whole(number) = Whole::read::<D::Error>(json)?;
            let version = u64::try_from(number).map_err(|_| D::Error::custom("a version is not negative"))?;
            // A larger number may have lost digits on its way through somebody's floats.
            return if version > JSON_INTEGER_MAX {
                Err(D::Error::custom("a version beyond 2^53 - 1 is written as text"))
            } else {
                Ok(Self(version))
            };
        }
        if !json.get().starts_with('"') {
            return Err(other_type(json, &"a version such as \"7\""));
        }
        let text = serde_json::from_str::<Cow<'_, str>>(json.get()).map_err(json::without_place::<D::Error>)?;
        let is_decimal = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let version = if is_decimal { text.parse().ok() } else { None };
        version.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no version such as \"7\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&Op>) {
        let operations = json::parse::<Operations>(format!("[{json}]").as_bytes());
        let operations = operations.and_then(|operations| operations.checked(1, 4_096)).ok();
        assert_eq!(operations.as_deref().and_then(<[Op]>::first), expected, "{json}");
    }

    #[test]
    fn operations_parse_in_one_way_only() {
        let key = || b"k".to_vec();
        let set =
            |ttl_ms, expect| Op::Set(key(), b"v".to_vec(), SetOptions { media_type: MediaType::TEXT, ttl_ms, expect });
        check(r#"{"op":"get","key":"k"}"#, Some(&Op::Get(key())));
        check(r#"{"op":"set","key":"k","value":"v"}"#, Some(&set(None, Expect::Anything)));
        check(r#"{"op":"set","key":"k","value":"v","ttl":2}"#, Some(&set(Some(2000), Expect::Anything)));
        check(r#"{"op":"set","key":"k","value":"v","absent":true}"#, Some(&set(None, Expect::Absent)));
        check(r#"{"op":"set","key":"k","value":"v","if_version":"7"}"#, Some(&set(None, Expect::Version(7))));
        check(r#"{"op":"delete","key":"k","if_version":7}"#, Some(&Op::Delete(key(), Expect::Version(7))));
        check(r#"{"op":"increment","key":"k"}"#, Some(&Op::Increment(key(), 1)));
        check(r#"{"op":"increment","key":"k","by":-5}"#, Some(&Op::Increment(key(), -5)));
        check(r#"{"op":"increment","key":"k","by":"-5"}"#, Some(&Op::Increment(key(), -5)));
        check(r#"{"op":"increment","key":"k","by":"five"}"#, None);
        check(r#"{"op":"increment","key":"k","value":5}"#, Some(&Op::Increment(key(), 5)));
        check(r#"{"op":"increment","key":"k","value":5.0}"#, Some(&Op::Increment(key(), 5)));
        check(r#"{"op":"check","key":"k","absent":false}"#, Some(&Op::Check(key(), Expect::Present)));
        let html =
            SetOptions { media_type: MediaType::new("text/html").unwrap(), ttl_ms: Some(5), expect: Expect::Anything };
        let form = r#"{"op":"set","key":"k","value":"v","media_type":"text/html","ttl_ms":5}"#;
        check(form, Some(&Op::Set(key(), b"v".to_vec(), html)));
        let nulls = r#"{"op":"set","key":"k","value":"v","ttl":null,"ttl_ms":null,"by":null,"if_version":null,"absent":null,"media_type":null}"#;
        check(nulls, Some(&set(None, Expect::Anything)));
        check(r#"{"op":"increment","key":"k","by":null}"#, Some(&Op::Increment(key(), 1)));
        check(r#"{"op":"delete-span"}"#, Some(&Op::DeleteSpan(Span::All)));
        check(r#"{"op":"delete-span","prefix":"k"}"#, Some(&Op::DeleteSpan(Span::Prefix(key()))));
        let from = Span::Between { start: Some(key()), end: None };
        check(r#"{"op":"delete-span","start":"k"}"#, Some(&Op::DeleteSpan(from)));
    }

    #[test]
    fn fields_of_other_operations_are_refused() {
        for json in [
            r#"["get","k"]"#,
            r#"{"op":{"get":null},"key":"k"}"#,
            r#"{"op":"get","key":"k","value":"v"}"#,
            r#"{"op":"get","key":"k","absent":true}"#,
            r#"{"op":"set","key":"k"}"#,
            r#"{"op":"set","key":"k","value":5}"#,
            r#"{"op":"set","key":"k","value":"v","by":1}"#,
            r#"{"op":"set","key":"k","value":"v","absent":true,"if_version":"7"}"#,
            r#"{"op":"set","key":"k","value":"v","if_version":"seven"}"#,
            r#"{"op":"set","key":"k","value":"v","if_version":""}"#,
            r#"{"op":"set","value":"v"}"#,
            r#"{"op":"set","key":"k","value":"v","ttl":1,"ttl_ms":1}"#,
            r#"{"op":"delete","key":"k","ttl":1}"#,
            r#"{"op":"delete","key":"k","media_type":"text/html"}"#,
            r#"{"op":"delete-span","key":"k"}"#,
            r#"{"op":"delete-span","prefix":"a","end":"b"}"#,
            r#"{"op":"increment","key":"k","by":1,"value":1}"#,
            r#"{"op":"increment","key":"k","by":1.5}"#,
            r#"{"op":"increment","key":"k","by":1.0000000000000000001}"#,
            r#"{"op":"increment","key":"k","value":1.0000000000000000001}"#,
            r#"{"op":"set","key":"k","value":[1.0000000000000000001]}"#,
            r#"{"op":"set","key":"k","value":"v","ttl":1.0000000000000000001}"#,
            r#"{"op":"delete","key":"k","if_version":7.0000000000000000001}"#,
            r#"{"op":"delete","key":"k","if_version":-1}"#,
            r#"{"op":"increment","key":"k","value":"1"}"#,
            r#"{"op":"check","key":"k"}"#,
            r#"{"op":"drop","key":"k"}"#,
            r#"{"op":"get","key":5}"#,
            r#"{"op":"get","key":"k","extra":1}"#,
            r#"{"op":"get","key":"k","value":null}"#,
            r#"{"op":"get","key":""}"#,
            r#"{"op":"check","key":"k","if_version":null}"#,
            r#"{"op":"delete-span","prefix":null}"#,
        ] {
            check(json, None);
        }
    }
}
