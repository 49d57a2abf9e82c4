//! Parameters and headers that operations of several resources share.

use crate::api::description::{AnswerHeader, Kind, Parameter, PathParameter, Pattern, RequestHeader, Role};
use crate::api::query::Query;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

pub(crate) const TAGS_PATTERN: &str = r#"^(\*|(W/)?"[\x21\x23-\x7e]*"( *, *(W/)?"[\x21\x23-\x7e]*")*)$"#;

pub(crate) static KEY: PathParameter = PathParameter {
    name: "key",
    pattern: None,
    description: "The key: 1 to {key_bytes_max} bytes, percent-encoded. Slashes may be written as they are.",
};
pub(crate) static BUCKET: PathParameter =
    PathParameter { name: "bucket", pattern: Some(Pattern::BucketName), description: "The bucket's name." };
pub(crate) static TRANSACTION_ID: PathParameter =
    PathParameter { name: "id", pattern: Some(Pattern::Fixed("^[0-9a-f]{32}$")), description: "The transaction's id." };
pub(crate) static PLUGIN: PathParameter =
    PathParameter { name: "name", pattern: Some(Pattern::PluginName), description: "The plugin's name." };
pub(crate) static FUNCTION: PathParameter = PathParameter {
    name: "function",
    pattern: None,
    description: "The function's name; `interface.function` for one of an exported interface.",
};
pub(crate) static TABLE: PathParameter =
    PathParameter { name: "table", pattern: None, description: "The table's name, percent-encoded." };
pub(crate) static ROW: PathParameter = PathParameter {
    name: "row",
    pattern: None,
    description: "The values of the row's primary key, percent-encoded, with commas between them.",
};
pub(crate) static ROUTINE: PathParameter = PathParameter {
    name: "routine",
    pattern: None,
    description: "`PLUGIN.FUNCTION`, in kebab-case or snake_case. The plugin's name ends at the first dot.",
};
/// All that a path may name.
pub(crate) static PATH_PARAMETERS: &[&PathParameter] =
    &[&KEY, &BUCKET, &TRANSACTION_ID, &PLUGIN, &FUNCTION, &TABLE, &ROW, &ROUTINE];

pub(crate) static PREFIX: Parameter = Parameter {
    name: "prefix",
    kind: Kind::Key { bytes_min: 0 },
    description: "Only keys with this prefix. Percent-encoded; a plus sign is a plus sign.",
    role: Role::Optional,
};
pub(crate) static LIMIT: Parameter = Parameter {
    name: "limit",
    kind: Kind::PageLimit,
    description: "Entries of a page. A stream has no upper limit, and without `limit` ends at the last key.",
    role: Role::Optional,
};
pub(crate) static ENCODING: Parameter = Parameter {
    name: "encoding",
    kind: Kind::Choice(&["utf8", "base64"]),
    description: "How JSON shows bytes: `base64` shows all keys and values as `{\"base64\": \"...\"}`, `utf8` only those that are not UTF-8.",
    role: Role::Optional,
};

pub(crate) static DROP: Parameter = Parameter {
    name: "drop",
    kind: Kind::Choice(&["true"]),
    description: "Has to be there: a request for a key or a row, whose path a client has shortened at its dots, does not have it.",
    role: Role::Required,
};

/// Refuses to remove a whole bucket for a request that could be meant for one of its keys. Many clients resolve `..` in a path before they
/// send it, so the path of a key can arrive as that of a bucket: only the query says what is wanted.
pub(crate) fn check_drop(query: &Query) -> Result<()> {
    if query.text(&DROP).is_some() {
        return Ok(());
    }
    Err(Problem::new(Code::DropUnconfirmed)
        .detail("nothing was removed; `DELETE /api/v1/buckets/{bucket}?drop=true` removes it with all that is in it"))
}

pub(crate) static IF_MATCH: RequestHeader = RequestHeader {
    name: "if-match",
    pattern: Some(TAGS_PATTERN),
    example: "\"v7\"",
    description: "`*` or entity tags: only if the key exists, or has one of these versions. Compared strongly; the tag of any form of \
                  that version matches.",
};
pub(crate) static IF_NONE_MATCH: RequestHeader = RequestHeader {
    name: "if-none-match",
    pattern: Some(TAGS_PATTERN),
    example: "\"v7\"",
    description: "`*` or entity tags: a write happens only if the key does not exist, or has none of these versions; a read is answered \
                  only if the form that would be sent has none of these tags. Compared weakly.",
};
pub(crate) static IF_MODIFIED_SINCE: RequestHeader = RequestHeader {
    name: "if-modified-since",
    pattern: None,
    example: "Mon, 30 Nov 2026 12:00:00 GMT",
    description: "An HTTP date; ignored beside `If-None-Match`.",
};
pub(crate) static IF_UNMODIFIED_SINCE: RequestHeader = RequestHeader {
    name: "if-unmodified-since",
    pattern: None,
    example: "Mon, 30 Nov 2026 12:00:00 GMT",
    description: "An HTTP date; ignored beside `If-Match`.",
};

pub(crate) static ETAG: AnswerHeader = AnswerHeader {
    name: "etag",
    required: false,
    pattern: Some(r#"^"v[0-9]+(-json(-utf8|-base64)?)?(-gzip|-br|-zstd)?"$"#),
    description: "The version and the form as an entity tag: `\"v7\"` names the stored bytes, `\"v7-json\"` their JSON form; a compressed \
                  form adds its coding, as in `\"v7-gzip\"`. Where the answer shows no value, that of the stored \
                  bytes. Not sent for what a transaction has written and not committed.",
};
pub(crate) static VERSION: AnswerHeader = AnswerHeader {
    name: "mantisdb-version",
    required: false,
    pattern: Some("^[0-9]+$"),
    description: "The commit that did it, the last one of several; the newest that was seen where there was nothing to write. Not sent for \
                  what a transaction has not committed, and before the first commit.",
};
pub(crate) static DURABLE: AnswerHeader = AnswerHeader {
    name: "mantisdb-durable",
    required: false,
    pattern: Some("^(true|false)$"),
    description: "Whether that commit is certain to survive a power cut. Sent with `mantisdb-version`.",
};
pub(crate) static LAST_MODIFIED: AnswerHeader =
    AnswerHeader { name: "last-modified", required: true, pattern: None, description: "When the value was written." };
pub(crate) static VARY: AnswerHeader = AnswerHeader {
    name: "vary",
    required: true,
    pattern: None,
    description: "The request's headers that decide the form: `accept`, and `accept-encoding` where others get it compressed.",
};
