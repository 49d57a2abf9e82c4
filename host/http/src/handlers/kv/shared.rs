//! What the operations on keys and values share: parameters, problems, times to live.

use mantis_forms::operation::ttl_of_seconds;

use crate::api::description::{Kind, Parameter, Pattern, Role};
use crate::api::query::Query;
use crate::limits;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::wire::numbers::Whole;

const TTL_OUT_OF_RANGE: AnyCode = AnyCode::Db(mantis_db::Code::TtlInvalid);

pub(crate) static TTL: Parameter = Parameter {
    name: "ttl",
    kind: Kind::Integer { min: 1, max: limits::TTL_S_MAX, default: None, out_of_range: TTL_OUT_OF_RANGE },
    description: "Time to live, in seconds.",
    role: Role::Optional,
};
pub(crate) static TTL_MS: Parameter = Parameter {
    name: "ttl_ms",
    kind: Kind::Integer { min: 1, max: limits::TTL_MS_MAX, default: None, out_of_range: TTL_OUT_OF_RANGE },
    description: "Time to live, in milliseconds. Takes precedence over `ttl`.",
    role: Role::Optional,
};
pub(crate) static RAW: Parameter = Parameter {
    name: "raw",
    kind: Kind::Flag,
    description: "`true` stores the body as it is, even if it is JSON.",
    role: Role::Optional,
};
pub(crate) static START: Parameter = Parameter {
    name: "start",
    kind: Kind::Key { bytes_min: 0 },
    description: "Start of the range (inclusive).",
    role: Role::Optional,
};
pub(crate) static END: Parameter = Parameter {
    name: "end",
    kind: Kind::Key { bytes_min: 0 },
    description: "End of the range (exclusive).",
    role: Role::Optional,
};
pub(crate) static REVERSE: Parameter = Parameter {
    name: "reverse",
    kind: Kind::Flag,
    description: "`true` lists from the last key to the first.",
    role: Role::Optional,
};
pub(crate) static CURSOR: Parameter = Parameter {
    name: "cursor",
    kind: Kind::Text { pattern: Pattern::Fixed("^k1[.][A-Za-z0-9_-]+$"), bytes_max: limits::KEYS_CURSOR_BYTES_MAX },
    description: "The cursor of the previous page.",
    role: Role::Optional,
};
pub(crate) static VALUES: Parameter = Parameter {
    name: "values",
    kind: Kind::Flag,
    description: "`true` lists entries with values instead of keys.",
    role: Role::Optional,
};
pub(crate) static DETAILS: Parameter = Parameter {
    name: "details",
    kind: Kind::Flag,
    description: "`true` adds the media type and the time of the last write to entries.",
    role: Role::Optional,
};
pub(crate) static NUMBERS: Parameter = Parameter {
    name: "numbers",
    kind: Kind::Choice(&["string"]),
    description: "`string` writes sums as text, as in `\"42\"`: readers that keep numbers as floats, as `JSON.parse` does, lose digits of those \
                  beyond 2^53.",
    role: Role::Optional,
};
pub(crate) static ALL: Parameter = Parameter {
    name: "all",
    kind: Kind::Flag,
    description: "`true` selects every key of the bucket, in place of `prefix`.",
    role: Role::Optional,
};

pub(crate) const KEY_MISSING: AnyCode = AnyCode::Http(Code::KeyNotFound);

/// Problems with a key and a bucket in a path.
pub(crate) const KEY_PROBLEMS: [AnyCode; 4] = [
    AnyCode::Db(mantis_db::Code::KeyEmpty),
    AnyCode::Db(mantis_db::Code::KeyTooLong),
    AnyCode::Db(mantis_db::Code::BucketNameInvalid),
    AnyCode::Http(Code::PathMalformed),
];

/// The time to live that the query gives, in milliseconds.
pub(crate) fn ttl_ms(query: &Query) -> Option<u64> {
    query.integer(&TTL_MS).or_else(|| query.integer(&TTL).map(|seconds| seconds * 1000))
}

/// A time to live in JSON, from seconds to milliseconds.
pub(crate) fn ttl_of_body(seconds: Whole) -> Result<u64> {
    ttl_of_seconds(seconds).ok_or_else(|| Problem::new(mantis_db::Code::TtlInvalid).in_body())
}
