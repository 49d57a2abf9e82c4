//! What the operations on keys and values share: parameters, problems, times to live.

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
pub(crate) static CURSOR: Parameter = Parameter {
    name: "cursor",
    kind: Kind::Text { pattern: Pattern::Fixed("^k1[.][A-Za-z0-9_-]+$"), bytes_max: limits::KEYS_CURSOR_BYTES_MAX },
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
pub(crate) static ALL: Parameter =
    Parameter { name: "all", kind: Kind::Flag, description: "With `true` every key of the bucket.", role: Role::Aside };

pub(crate) const KEY_MISSING: AnyCode = AnyCode::Http(Code::KeyNotFound);

/// What can be wrong with a key and a bucket in a path.
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

/// A time to live that stands in JSON, from seconds to milliseconds.
pub(crate) fn ttl_of_body(Whole(seconds): Whole) -> Result<u64> {
    let milliseconds = u64::try_from(seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1000))
        .filter(|ms| (1..=limits::TTL_MS_MAX).contains(ms));
    milliseconds.ok_or_else(|| Problem::new(mantis_db::Code::TtlInvalid).in_body())
}
