//! The JSON of an operation on keys, and how it becomes one.

use std::borrow::Cow;
use std::fmt;

use mantis_db::limits::{JSON_INTEGER_MAX, TTL_MS_MAX};
use mantis_db::{Code, Expect, MediaType, Op, SetOptions, Span};
use serde::de::{Error as _, Expected, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::bytes::{BytesIn, KeyIn};
use crate::error::{FormError, Result};
use crate::json;
use crate::numbers::{Amount, Whole, number_of, other_type};

/// An operation on a key, or on the keys of a span.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationForm {
    op: Verb,
    /// Only where the path names none.
    #[serde(default, deserialize_with = "json::given")]
    pub bucket: Option<String>,
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
#[derive(Debug)]
enum ValueIn {
    Bytes(BytesIn),
    Number(i64),
}

/// A version: a decimal number, as text or not. Of what a transaction has written itself it is 0.
#[derive(Debug)]
pub struct VersionIn(
    /// The version.
    pub u64,
);

impl OperationForm {
    /// The operation; the database checks its key.
    ///
    /// # Errors
    /// A member is missing, or has no use; those of media types and times to live.
    pub fn into_op(self) -> Result<Op> {
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
    let ttl_ms = match (seconds, milliseconds) {
        (Some(_), Some(_)) => return Err(invalid("`ttl` and `ttl_ms` are both given; send one")),
        (None, None) => return Ok(None),
        (Some(seconds), None) => ttl_of_seconds(seconds),
        (None, Some(Whole(ms))) => u64::try_from(ms).ok().filter(|&ms| is_ttl(ms)),
    };
    ttl_ms.map(Some).ok_or_else(|| Code::TtlInvalid.into())
}

/// A time to live in milliseconds; none for one that no value may have.
#[must_use]
pub fn ttl_of_seconds(Whole(seconds): Whole) -> Option<u64> {
    u64::try_from(seconds).ok()?.checked_mul(1_000).filter(|&ms| is_ttl(ms))
}

fn is_ttl(ms: u64) -> bool {
    (1..=TTL_MS_MAX).contains(&ms)
}

fn invalid(message: impl Into<Cow<'static, str>>) -> FormError {
    FormError::invalid(message)
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
            Some(b'"' | b'[' | b'{') => {
                serde_json::from_str(json.get()).map(Self::Bytes).map_err(|error| json::without_place(&error))
            }
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
        let text = serde_json::from_str::<Cow<'_, str>>(json.get())
            .map_err(|error| json::without_place::<D::Error>(&error))?;
        let is_decimal = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let version = if is_decimal { text.parse().ok() } else { None };
        version.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no version such as \"7\"")))
    }
}
