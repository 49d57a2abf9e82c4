//! The server's answers, in the terms that all surfaces share.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::StatusCode;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
use serde_json::Value;

use super::Answered;
use crate::answer::{Answer, BatchResult, Commit, Entry};
use crate::scenario::{BatchOperation, Condition};

pub(super) fn applied(operations: &[BatchOperation], body: &Value, commit: Commit) -> Answer {
    let committed = commit.version;
    assert_eq!(version(&body["version"]), committed, "the body and the headers are of one commit");
    let result = |(operation, result): (&BatchOperation, &Value)| {
        assert_eq!(result["success"], true, "an atomic batch fails as a whole");
        if let BatchOperation::Get { .. } = operation {
            let value = Some(&result["value"]).filter(|value| !value.is_null());
            return BatchResult::Entry(value.map(|value| (bytes_of(value), version(&result["version"]))));
        }
        assert_eq!(version(&result["version"]), committed, "one commit for all");
        match operation {
            BatchOperation::Increment { .. } => BatchResult::Number(result["value"].as_i64().unwrap()),
            _ => result["deleted"].as_u64().map_or(BatchResult::Done, BatchResult::Deleted),
        }
    };
    let results = operations.iter().zip(body["results"].as_array().unwrap()).map(result).collect();
    Answer::Applied { commit, results }
}

pub(in crate::surfaces) fn bytes_of(bytes: &Value) -> Vec<u8> {
    match bytes {
        Value::String(text) => text.clone().into_bytes(),
        other => BASE64_STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
    }
}

/// Versions are text.
pub(super) fn number(number: &Value) -> u64 {
    number.as_str().unwrap().parse().unwrap()
}

/// Uncommitted values have no version.
pub(super) fn version(version: &Value) -> u64 {
    if version.is_null() { 0 } else { number(version) }
}

pub(in crate::surfaces) fn list<T>(list: &Value, item: impl FnMut(&Value) -> T) -> Vec<T> {
    list.as_array().unwrap().iter().map(item).collect()
}

pub(super) fn json_of(answer: &Answered) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|error| panic!("{error} in {:?}", answer.body()))
}

pub(super) fn code(answer: &Answered) -> String {
    json_of(answer)["code"].as_str().unwrap().to_owned()
}

pub(super) fn failed(answer: &Answered) -> Answer {
    assert!(!answer.status().is_success());
    Answer::Error(code(answer))
}

pub(super) fn read(answer: &Answered, shown: impl FnOnce(&Value) -> Answer) -> Answer {
    if answer.status().is_success() { shown(&json_of(answer)) } else { failed(answer) }
}

/// The answer for a key that may be missing.
pub(super) fn found<T>(
    answer: &Answered,
    shown: impl FnOnce(Option<T>) -> Answer,
    read: impl FnOnce(&Answered) -> T,
) -> Answer {
    match answer.status() {
        status if status.is_success() => shown(Some(read(answer))),
        StatusCode::NOT_FOUND if code(answer) == "key-not-found" => shown(None),
        _ => failed(answer),
    }
}

pub(super) fn entry(answer: &Answered) -> Entry {
    let header = |name: HeaderName| answer.headers().get(name).map(|value| value.to_str().unwrap());
    let modified = httpdate::parse_http_date(header(LAST_MODIFIED).unwrap()).unwrap();
    let modified_s = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let expires = header(HeaderName::from_static("mantisdb-expires"));
    let expires = expires.map(|text| text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    Entry {
        value: answer.body().to_vec(),
        media_type: header(CONTENT_TYPE).unwrap().to_owned(),
        version: tagged(answer).unwrap_or(0),
        modified_ms: modified_s * 1000,
        expires_at_ms: expires.map(|ms| u64::try_from(ms).unwrap()),
    }
}

/// The version in an answer's `ETag`.
pub(super) fn tagged(answer: &Answered) -> Option<u64> {
    let tag = answer.headers().get(ETAG)?.to_str().unwrap();
    Some(tag.strip_prefix("\"v").and_then(|rest| rest.strip_suffix('"')).unwrap().parse().unwrap())
}

/// The commit in an answer's headers. For an open transaction there is none.
pub(super) fn commit(answer: &Answered) -> Commit {
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    match (header("mantisdb-version"), header("mantisdb-durable")) {
        (None, None) => Commit { version: 0, durable: false },
        (Some(version), Some(durable)) => {
            Commit { version: version.parse().unwrap(), durable: durable.parse().unwrap() }
        }
        shown => panic!("of version and durability one is missing: {shown:?}"),
    }
}

/// The same for the present value, whose tag also names the commit.
pub(super) fn tagged_commit(answer: &Answered) -> Commit {
    let commit = commit(answer);
    assert_eq!(tagged(answer).unwrap_or(0), commit.version);
    commit
}

pub(super) fn deleted_keys(answer: &Answered) -> Answer {
    read(answer, |body| Answer::DeletedKeys { count: body["deleted"].as_u64().unwrap(), commit: commit(answer) })
}

pub(super) fn written(answer: &Answered) -> Answer {
    match answer.status() {
        StatusCode::CREATED | StatusCode::NO_CONTENT => Answer::Written(tagged_commit(answer)),
        StatusCode::PRECONDITION_FAILED => Answer::Refused { current: tagged(answer) },
        _ => failed(answer),
    }
}

/// A missing key is 404 whatever the condition; the condition tells which answer that is.
pub(super) fn deleted_if(answer: &Answered, condition: Condition) -> Answer {
    match (answer.status(), condition) {
        (StatusCode::NO_CONTENT, _) => Answer::Written(commit(answer)),
        (StatusCode::PRECONDITION_FAILED, _) => Answer::Refused { current: tagged(answer) },
        (StatusCode::NOT_FOUND, Condition::Anything | Condition::Absent) if code(answer) == "key-not-found" => {
            Answer::Written(commit(answer))
        }
        (StatusCode::NOT_FOUND, _) if code(answer) == "key-not-found" => Answer::Refused { current: None },
        _ => failed(answer),
    }
}
