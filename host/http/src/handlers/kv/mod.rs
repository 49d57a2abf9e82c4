//! Keys and values: one file per operation, and here what they share.

use http::{HeaderName, HeaderValue, Response};
use mantis_db::{Entry, limits};

use crate::api::operation::{Answer, AnswerHeader, Content, RequestHeader, Shape};
use crate::api::query::{Kind, Parameter, Pattern, Query, Role};
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::respond;

pub(crate) mod batch;
pub(crate) mod clear;
pub(crate) mod delete;
mod form;
pub(crate) mod get;
pub(crate) mod increment;
pub(crate) mod list;
pub(crate) mod put;
mod stream;

pub(crate) use stream::write_line;

/// When a value stops being served: RFC 3339, because `Expires` means something else and has only seconds.
pub(crate) const MANTISDB_EXPIRES: &str = "mantisdb-expires";
/// The commit that an answer is about.
const MANTISDB_VERSION: &str = "mantisdb-version";
/// Whether a write is certain to survive a power cut.
const MANTISDB_DURABLE: &str = "mantisdb-durable";

pub(crate) const TTL_S_MAX: u64 = limits::TTL_MS_MAX / 1000;
const TTL_OUT_OF_RANGE: AnyCode = AnyCode::Db(mantis_db::Code::TtlInvalid);
/// What a cursor of the longest key takes.
const CURSOR_BYTES_MAX: usize = 2 * limits::KEY_BYTES_MAX;
/// Entries of a page when the request does not say, or as many as there may be.
pub(crate) const PAGE_ENTRIES: usize = 100;

pub(crate) static TTL: Parameter = Parameter {
    name: "ttl",
    kind: Kind::Integer { min: 1, max: TTL_S_MAX, default: None, out_of_range: TTL_OUT_OF_RANGE },
    description: "How long the value is served, in seconds.",
    role: Role::Optional,
};
pub(crate) static TTL_MS: Parameter = Parameter {
    name: "ttl_ms",
    kind: Kind::Integer { min: 1, max: limits::TTL_MS_MAX, default: None, out_of_range: TTL_OUT_OF_RANGE },
    description: "How long the value is served, in milliseconds. Counts before `ttl`.",
    role: Role::Optional,
};
pub(crate) static RAW: Parameter = Parameter {
    name: "raw",
    kind: Kind::Flag,
    description: "With `true` the body is the value as it is, also when it is JSON.",
    role: Role::Aside,
};
pub(crate) static PREFIX: Parameter = Parameter {
    name: "prefix",
    kind: Kind::Key { bytes_min: 0 },
    description: "Only keys that begin with these bytes. Percent-encoded; a plus sign is a plus sign.",
    role: Role::Optional,
};
pub(crate) static START: Parameter = Parameter {
    name: "start",
    kind: Kind::Key { bytes_min: 0 },
    description: "Only keys from this one on, itself included.",
    role: Role::Optional,
};
pub(crate) static END: Parameter = Parameter {
    name: "end",
    kind: Kind::Key { bytes_min: 0 },
    description: "Only keys before this one.",
    role: Role::Optional,
};
pub(crate) static REVERSE: Parameter = Parameter {
    name: "reverse",
    kind: Kind::Flag,
    description: "With `true` from the largest key down.",
    role: Role::Optional,
};
pub(crate) static LIMIT: Parameter = Parameter {
    name: "limit",
    kind: Kind::PageLimit,
    description: "Entries of a page. A stream takes larger ones too, and without it has no end but the last key.",
    role: Role::Optional,
};
pub(crate) static CURSOR: Parameter = Parameter {
    name: "cursor",
    kind: Kind::Text { pattern: Pattern::Fixed("^k1[.][A-Za-z0-9_-]+$"), bytes_max: CURSOR_BYTES_MAX },
    description: "The cursor of the page before: the answer goes on behind it.",
    role: Role::Optional,
};
pub(crate) static VALUES: Parameter = Parameter {
    name: "values",
    kind: Kind::Flag,
    description: "With `true` entries with their values instead of keys.",
    role: Role::Optional,
};
pub(crate) static DETAILS: Parameter = Parameter {
    name: "details",
    kind: Kind::Flag,
    description: "With `true` entries with their media type and the time of their last write as well.",
    role: Role::Optional,
};
pub(crate) static ENCODING: Parameter = Parameter {
    name: "encoding",
    kind: Kind::Choice(&["utf8", "base64"]),
    description: "How JSON writes bytes: `base64` writes all keys and values as `{\"base64\": \"...\"}`, `utf8` only those that are not UTF-8.",
    role: Role::Optional,
};
pub(crate) static ALL: Parameter =
    Parameter { name: "all", kind: Kind::Flag, description: "With `true` every key of the bucket.", role: Role::Aside };

pub(crate) static IF_MATCH: RequestHeader = RequestHeader {
    name: "if-match",
    pattern: Some(TAGS_PATTERN),
    description: "`*` or entity tags: only if the key exists, or has one of these versions. Compared strongly; the tag of any form of a \
                  version stands for it.",
    role: Role::Aside,
};
pub(crate) static IF_NONE_MATCH: RequestHeader = RequestHeader {
    name: "if-none-match",
    pattern: Some(TAGS_PATTERN),
    description: "`*` or entity tags: a write happens only if the key does not exist, or has none of these versions; a read is answered \
                  only if the form that would be sent has none of these tags. Compared weakly.",
    role: Role::Aside,
};
pub(crate) static IF_MODIFIED_SINCE: RequestHeader = RequestHeader {
    name: "if-modified-since",
    pattern: None,
    description: "An HTTP date; ignored beside `If-None-Match`.",
    role: Role::Aside,
};
pub(crate) static IF_UNMODIFIED_SINCE: RequestHeader = RequestHeader {
    name: "if-unmodified-since",
    pattern: None,
    description: "An HTTP date; ignored beside `If-Match`.",
    role: Role::Aside,
};
const TAGS_PATTERN: &str = r#"^(\*|(W/)?"[\x21\x23-\x7e]*"( *, *(W/)?"[\x21\x23-\x7e]*")*)$"#;

pub(crate) static ETAG: AnswerHeader = AnswerHeader {
    name: "etag",
    required: false,
    pattern: Some(r#"^"v[0-9]+(-json(-utf8|-base64)?)?(-gzip|-br|-zstd)?"$"#),
    description: "The version and the form as an entity tag: `\"v7\"` names the stored bytes, `\"v7-json\"` their JSON form; behind either \
                  stands the coding where it is compressed, as in `\"v7-gzip\"`. Where the answer shows no value, that of the stored \
                  bytes. Not sent for what a transaction has written and not committed.",
};
pub(crate) static VERSION: AnswerHeader = AnswerHeader {
    name: MANTISDB_VERSION,
    required: false,
    pattern: Some("^[0-9]+$"),
    description: "The commit that did it, the last one of several; the newest that was seen where there was nothing to write. Not sent for \
                  what a transaction has not committed, and before the first commit.",
};
pub(crate) static DURABLE: AnswerHeader = AnswerHeader {
    name: MANTISDB_DURABLE,
    required: false,
    pattern: Some("^(true|false)$"),
    description: "Whether that commit is certain to survive a power cut. Sent with `mantisdb-version`.",
};
pub(crate) static LAST_MODIFIED: AnswerHeader =
    AnswerHeader { name: "last-modified", required: true, pattern: None, description: "When the value was written." };
pub(crate) static EXPIRES: AnswerHeader = AnswerHeader {
    name: MANTISDB_EXPIRES,
    required: false,
    pattern: None,
    description: "When the value stops being served (RFC 3339), if it does.",
};

pub(crate) const KEY_MISSING: AnyCode = AnyCode::Http(Code::KeyNotFound);

/// Says which commit a write has come to, and whether that is certain to survive a power cut.
pub(crate) fn tell_written(response: &mut Response<Body>, version: u64, durable: bool) {
    response.headers_mut().extend(written_headers(version, durable));
}

/// What is not committed is not spoken of.
pub(crate) fn written_headers(version: u64, durable: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let told = [
        (HeaderName::from_static(MANTISDB_VERSION), HeaderValue::from(version)),
        (HeaderName::from_static(MANTISDB_DURABLE), HeaderValue::from_static(if durable { "true" } else { "false" })),
    ];
    told.into_iter().filter(move |_| version != 0)
}

/// What can be wrong with a key and a bucket in a path.
pub(crate) const KEY_PROBLEMS: [AnyCode; 4] = [
    AnyCode::Db(mantis_db::Code::KeyEmpty),
    AnyCode::Db(mantis_db::Code::KeyTooLong),
    AnyCode::Db(mantis_db::Code::BucketNameInvalid),
    AnyCode::Http(Code::PathMalformed),
];

/// An answer of JSON by the name of its schema.
pub(crate) const fn json_content(schema: &'static str) -> Content {
    Content { media: respond::JSON, shape: Shape::Schema(schema) }
}

pub(crate) const fn no_content(
    status: u16,
    description: &'static str,
    headers: &'static [&'static AnswerHeader],
) -> Answer {
    Answer { status, description, content: &[], headers }
}

/// The time to live that the query gives, in milliseconds.
pub(crate) fn ttl_ms(query: &Query) -> Option<u64> {
    query.integer(&TTL_MS).or_else(|| query.integer(&TTL).map(|seconds| seconds * 1000))
}

/// The header that says when an entry expires.
pub(crate) fn expires(entry: &Entry) -> Option<HeaderValue> {
    entry.expires_at_ms.and_then(|ms| HeaderValue::from_str(&respond::rfc3339(ms)).ok())
}
