//! Keys and values, spans, batches of keys, buckets.

use std::fmt::Write;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use mantis_db::{
    Applied, Code, Counted, Deleted, Direction, Entry, Error, Expect, Limits, MediaType, Op, OpResult, Outcome,
    Refusal, ScanOptions, SetOptions, Span, Written,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::form::{Data, LISTED_MAX, Number, Time, list, push_data, push_text};
use super::problem::{self, Lost, RefusedIn};
use super::session::{Session, tag, written};
use super::url::Path;
use super::wire::{Answer, Request};
use crate::failure::Failure;
use crate::far::{Bucket, Scanned};

/// A longer key has no place in a path; the server refuses it in any case.
const KEY_BYTES_MAX: usize = 4_096;
/// Keys of a page that is only counted.
const COUNTED_PAGE: usize = 1_000;

/// An entry, or the result of an operation.
#[derive(Deserialize)]
struct EntryIn {
    #[serde(default)]
    key: Option<Data>,
    #[serde(default)]
    value: Option<Data>,
    #[serde(default)]
    version: Option<Number>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    modified_at: Option<Time>,
    #[serde(default)]
    expires_at: Option<Time>,
    #[serde(default)]
    deleted: Option<u64>,
    #[serde(default)]
    error: Option<ErrorIn>,
}

#[derive(Deserialize)]
struct ErrorIn {
    code: String,
    message: String,
}

impl EntryIn {
    /// The entry; none where the key is missing.
    fn entry(self) -> Result<Option<Entry>, Failure> {
        let Some(Data(value)) = self.value else { return Ok(None) };
        let media_type = self.media_type.as_deref().map_or(Ok(MediaType::default()), MediaType::new);
        Ok(Some(Entry {
            value: value.into(),
            media_type: media_type.map_err(problem::malformed)?,
            version: self.version.unwrap_or_default().0,
            modified_ms: self.modified_at.unwrap_or_default().0,
            expires_at_ms: self.expires_at.map(|time| time.0),
        }))
    }
}

/// An entry of which only the version is known.
fn at_version(version: u64) -> Entry {
    Entry { value: Bytes::new(), media_type: MediaType::default(), version, modified_ms: 0, expires_at_ms: None }
}

pub(super) fn get(session: &mut Session, bucket: &str, key: &[u8]) -> Result<Option<Entry>, Failure> {
    match apply_all(session, bucket, &[Op::Get(key.to_vec())])? {
        (Applied::Committed { mut results, .. }, _) => match results.pop() {
            Some(OpResult::Entry(entry)) => Ok(entry),
            _ => Err(problem::malformed("a read has no entry")),
        },
        (Applied::Refused(_), _) => Err(problem::malformed("a read was refused")),
    }
}

pub(super) fn get_many(session: &mut Session, bucket: &str, keys: &[&[u8]]) -> Result<Vec<Option<Entry>>, Failure> {
    let max = Limits::default().get_many_keys_max;
    if keys.len() > max {
        let message = format!("the call asks for {} keys; the limit is {max}", keys.len());
        return Err(Error::new(Code::KeysTooMany, message).into());
    }
    let operations: Vec<_> = keys.iter().map(|key| Op::Get(key.to_vec())).collect();
    let (Applied::Committed { results, .. }, _) = apply_all(session, bucket, &operations)? else {
        return Err(problem::malformed("a read was refused"));
    };
    let entry = |result| match result {
        OpResult::Entry(entry) => Ok(entry),
        _ => Err(problem::malformed("a read has no entry")),
    };
    results.into_iter().map(entry).collect()
}

pub(super) fn set(
    session: &mut Session,
    bucket: &str,
    key: &[u8],
    value: &[u8],
    options: &SetOptions,
) -> Result<Outcome, Failure> {
    let media_type = options.media_type.as_str();
    // These are no header, or one that says more than what kind of bytes it is.
    let is_header = media_type.trim() == media_type && !media_type.starts_with("application/vnd.mantisdb");
    let is_short = (1..=KEY_BYTES_MAX).contains(&key.len());
    let path = Path::key(bucket, key).filter(|_| is_header && is_short && options.expect != Expect::Version(0));
    let Some(path) = path else { return set_in_batch(session, bucket, key, value, options) };
    let ttl_ms = options.ttl_ms.map(|ms| ms.min(i64::MAX.unsigned_abs()).to_string());
    let path = path.with("raw", "true").with_some("ttl_ms", ttl_ms);
    let request = Request { body: Bytes::copy_from_slice(value), ..Request::write(Method::PUT, path) };
    let request = request.header("content-type", media_type);
    let request = match options.expect {
        Expect::Anything => request,
        Expect::Absent => request.header("if-none-match", "*"),
        Expect::Present => request.header("if-match", "*"),
        Expect::Version(version) => request.header("if-match", format!("\"v{version}\"")),
    };
    match session.send(request) {
        Ok(answer) => {
            Ok(Outcome::Written(Written { replaced: answer.status != StatusCode::CREATED, ..written(&answer) }))
        }
        Err(Lost::Refused(refused)) if refused.problem.code == "precondition-failed" => {
            Ok(Outcome::Refused(tag(&refused.headers).map(at_version)))
        }
        Err(lost) => Err(lost.into()),
    }
}

/// A key that has no path, or a media type that is no header. It is read too, to tell whether it was there.
fn set_in_batch(
    session: &mut Session,
    bucket: &str,
    key: &[u8],
    value: &[u8],
    options: &SetOptions,
) -> Result<Outcome, Failure> {
    let operations = [Op::Get(key.to_vec()), Op::Set(key.to_vec(), value.to_vec(), options.clone())];
    match apply_all(session, bucket, &operations)? {
        (Applied::Committed { results, .. }, commit) => {
            let replaced = matches!(results.first(), Some(OpResult::Entry(Some(_))));
            Ok(Outcome::Written(Written { replaced, ..commit }))
        }
        (Applied::Refused(refusals), _) => Ok(refused(refusals)),
    }
}

fn refused(refusals: Vec<Refusal>) -> Outcome {
    Outcome::Refused(refusals.into_iter().next().and_then(|refusal| refusal.current))
}

pub(super) fn delete(session: &mut Session, bucket: &str, key: &[u8], expect: Expect) -> Result<Outcome, Failure> {
    match apply_all(session, bucket, &[Op::Delete(key.to_vec(), expect)])? {
        (Applied::Committed { results, .. }, commit) => {
            let replaced = matches!(results.first(), Some(OpResult::Deleted(1..)));
            Ok(Outcome::Written(Written { replaced, ..commit }))
        }
        (Applied::Refused(refusals), _) => Ok(refused(refusals)),
    }
}

pub(super) fn increment(session: &mut Session, bucket: &str, key: &[u8], by: i64) -> Result<Counted, Failure> {
    match apply_all(session, bucket, &[Op::Increment(key.to_vec(), by)])? {
        (Applied::Committed { results, .. }, written) => match results.first() {
            Some(OpResult::Number(number)) => Ok(Counted { number: *number, written }),
            _ => Err(problem::malformed("an increment has no number")),
        },
        (Applied::Refused(_), _) => Err(problem::malformed("an increment was refused")),
    }
}

pub(super) fn apply(session: &mut Session, bucket: &str, operations: &[Op]) -> Result<Applied, Failure> {
    apply_all(session, bucket, operations).map(|(applied, _)| applied)
}

/// Does operations, all or none, and tells their commit.
fn apply_all(session: &mut Session, bucket: &str, operations: &[Op]) -> Result<(Applied, Written), Failure> {
    let answer = match send_batch(session, bucket, operations, true) {
        Ok(answer) => answer,
        Err(Lost::Refused(refused)) if refused.problem.code == "check-failed" => {
            let refusals = refused.problem.operations(operations.len())?.into_iter().map(|refused| {
                let RefusedIn { index, version } = serde_json::from_str(refused.get()).map_err(problem::malformed)?;
                Ok(Refusal { index, current: version.map(|version| at_version(version.0)) })
            });
            let refusals = refusals.collect::<Result<_, Failure>>()?;
            let nothing = Written { version: 0, durable: false, replaced: false };
            return Ok((Applied::Refused(refusals), nothing));
        }
        Err(lost) => return Err(lost.into()),
    };
    let results = results_of(&answer, operations)?;
    let results = operations.iter().zip(results).map(|(operation, result)| result_of(operation, result));
    let commit = written(&answer);
    let results = results.collect::<Result<_, _>>()?;
    Ok((Applied::Committed { version: commit.version, durable: commit.durable, results }, commit))
}

fn send_batch(session: &mut Session, bucket: &str, operations: &[Op], is_atomic: bool) -> Result<Answer, Lost> {
    let mut json = String::from("{\"operations\":[");
    let mut is_write = false;
    for (index, operation) in operations.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        push_operation(operation, &mut json)?;
        is_write |= !matches!(operation, Op::Get(_) | Op::Check(..));
    }
    // Writing to a string does not fail.
    let _ = write!(json, "],\"atomic\":{is_atomic}}}");
    let path = Path::keys(bucket).with("details", "true").with("encoding", "base64").with("numbers", "string");
    let request = Request { is_write, is_safe: !is_write, ..Request::read(Method::POST, path) };
    session.send(request.json(json))
}

fn results_of(answer: &Answer, operations: &[Op]) -> Result<Vec<EntryIn>, Failure> {
    #[derive(Deserialize)]
    struct Results<'a> {
        #[serde(borrow)]
        results: &'a RawValue,
    }
    let Results { results } = answer.json()?;
    let results: Vec<EntryIn> = list(results, operations.len())?;
    if results.len() == operations.len() {
        Ok(results)
    } else {
        Err(problem::malformed(format!("{} results of {} operations", results.len(), operations.len())))
    }
}

fn result_of(operation: &Op, result: EntryIn) -> Result<OpResult, Failure> {
    Ok(match operation {
        Op::Get(_) => OpResult::Entry(result.entry()?),
        Op::Increment(..) => {
            let number = result.value.and_then(|Data(text)| String::from_utf8(text).ok()?.parse().ok());
            OpResult::Number(number.ok_or_else(|| problem::malformed("an increment has no number"))?)
        }
        Op::Delete(..) | Op::DeleteSpan(_) => OpResult::Deleted(result.deleted.unwrap_or(0)),
        _ => OpResult::Done,
    })
}

fn push_operation(operation: &Op, json: &mut String) -> Result<(), Failure> {
    let member = |name: &str, bytes: &[u8], json: &mut String| {
        json.push_str(",\"");
        json.push_str(name);
        json.push_str("\":");
        push_data(bytes, json);
    };
    let (verb, key) = match operation {
        // A check of nothing only names a key.
        Op::Get(key) | Op::Check(key, Expect::Anything) => ("get", key),
        Op::Set(key, ..) => ("set", key),
        Op::Delete(key, _) => ("delete", key),
        Op::Increment(key, _) => ("increment", key),
        Op::Check(key, _) => ("check", key),
        Op::DeleteSpan(span) => {
            json.push_str("{\"op\":\"delete-span\"");
            for (name, bound) in bounds(span) {
                member(name, bound, json);
            }
            json.push('}');
            return Ok(());
        }
        _ => return Err(Failure::misuse("an operation that servers do not have")),
    };
    json.push_str("{\"op\":\"");
    json.push_str(verb);
    json.push('"');
    member("key", key, json);
    // Writing to a string does not fail.
    let _ = match operation {
        Op::Set(_, value, options) => {
            member("value", value, json);
            json.push_str(",\"media_type\":");
            push_text(options.media_type.as_str(), json);
            if let Some(ms) = options.ttl_ms {
                let _ = write!(json, ",\"ttl_ms\":{}", ms.min(i64::MAX.unsigned_abs()));
            }
            push_condition(options.expect, json)
        }
        Op::Delete(_, expect) | Op::Check(_, expect) => push_condition(*expect, json),
        Op::Increment(_, by) => write!(json, ",\"by\":{by}"),
        _ => Ok(()),
    };
    json.push('}');
    Ok(())
}

fn push_condition(expect: Expect, json: &mut String) -> std::fmt::Result {
    match expect {
        Expect::Anything => Ok(()),
        Expect::Absent => json.write_str(",\"absent\":true"),
        Expect::Present => json.write_str(",\"absent\":false"),
        Expect::Version(version) => write!(json, ",\"if_version\":\"{version}\""),
    }
}

/// The bounds of a span by the names of parameters.
fn bounds(span: &Span) -> Vec<(&'static str, &[u8])> {
    match span {
        Span::Prefix(prefix) if !prefix.is_empty() => vec![("prefix", prefix)],
        Span::Between { start, end } => {
            let start = start.as_deref().filter(|start| !start.is_empty()).map(|start| ("start", start));
            start.into_iter().chain(end.as_deref().map(|end| ("end", end))).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a span has no keys, because all are at or after its end. It cannot be said in a query.
fn ends_at_once(span: &Span) -> bool {
    matches!(span, Span::Between { end: Some(end), .. } if end.is_empty())
}

pub(super) fn scan(
    session: &mut Session,
    bucket: &str,
    options: &ScanOptions,
    keys_only: bool,
) -> Result<Scanned, Failure> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow, default)]
        keys: Option<&'a RawValue>,
        #[serde(borrow, default)]
        entries: Option<&'a RawValue>,
        cursor: Option<String>,
    }
    check_limit(options.limit)?;
    if ends_at_once(&options.span) {
        return Ok(Scanned::default());
    }
    let mut path = Path::keys(bucket).with("limit", options.limit.to_string()).with("encoding", "base64");
    for (name, bound) in bounds(&options.span) {
        path = path.with(name, bound);
    }
    if options.direction == Direction::Reverse {
        path = path.with("reverse", "true");
    }
    if !keys_only {
        path = path.with("values", "true").with("details", "true");
    }
    let request = Request::get(path.with_some("cursor", options.cursor.as_ref()));
    let answer = session.send(request.header("accept", "application/json"))?;
    let page: Page<'_> = answer.json()?;
    let keys: Vec<Data> = page.keys.map_or_else(|| Ok(Vec::new()), |keys| list(keys, options.limit))?;
    let whole: Vec<EntryIn> = page.entries.map_or_else(|| Ok(Vec::new()), |whole| list(whole, options.limit))?;
    let mut entries: Vec<_> = keys.into_iter().map(|Data(key)| (key, None)).collect();
    for mut entry in whole {
        let key = entry.key.take().unwrap_or_default().0;
        let entry = entry.entry()?.ok_or_else(|| problem::malformed("an entry has no value"))?;
        entries.push((key, Some(entry)));
    }
    Ok(Scanned { entries, cursor: page.cursor.map(String::into_bytes) })
}

/// Refuses what is no page, as the database does.
pub(super) fn check_limit(limit: usize) -> Result<(), Failure> {
    let max = Limits::default().page_entries_max;
    if (1..=max).contains(&limit) {
        return Ok(());
    }
    let message = format!("a page has 1 to {max} entries, not {limit}");
    Err(Error::new(Code::LimitOutOfRange, message).into())
}

/// Transfers the keys, but none of the values.
pub(super) fn count(session: &mut Session, bucket: &str, span: &Span) -> Result<u64, Failure> {
    let mut options = ScanOptions { span: span.clone(), limit: COUNTED_PAGE, ..ScanOptions::default() };
    let mut count = 0;
    loop {
        let page = scan(session, bucket, &options, true)?;
        count += page.entries.len() as u64;
        options.cursor = page.cursor;
        if options.cursor.is_none() {
            return Ok(count);
        }
    }
}

/// A batch that is not atomic: the server deletes in commits of up to 1,000 keys.
pub(super) fn delete_span(session: &mut Session, bucket: &str, span: &Span) -> Result<Deleted, Failure> {
    if ends_at_once(span) {
        return Ok(Deleted { keys: 0, version: 0, durable: false });
    }
    let operations = [Op::DeleteSpan(span.clone())];
    let answer = send_batch(session, bucket, &operations, false)?;
    let result = results_of(&answer, &operations)?.pop();
    let Some(EntryIn { deleted, error, .. }) = result else { return Err(problem::malformed("there is no result")) };
    let (keys, commit) = (deleted.unwrap_or(0), written(&answer));
    match error {
        None => Ok(Deleted { keys, version: commit.version, durable: commit.durable }),
        Some(error) => {
            let status = problem::status_of(&error.code, StatusCode::OK, true);
            Err(Failure { deleted: keys, ..Failure::new(status, &error.code, error.message) })
        }
    }
}

pub(super) fn buckets(session: &mut Session) -> Result<Vec<Bucket>, Failure> {
    #[derive(Deserialize)]
    struct Listed<'a> {
        #[serde(borrow)]
        buckets: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct BucketIn {
        name: String,
        keys: u64,
    }
    let answer = session.send_alone(&Request::get(Path::new("/buckets")))?;
    let Listed { buckets } = answer.json()?;
    let buckets: Vec<BucketIn> = list(buckets, LISTED_MAX)?;
    // The names go into JSON as they are.
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !buckets.iter().all(|bucket| is_name(&bucket.name)) {
        return Err(problem::malformed("a bucket's name"));
    }
    Ok(buckets.into_iter().map(|BucketIn { name, keys }| Bucket { name, keys }).collect())
}

pub(super) fn drop_bucket(session: &mut Session, bucket: &str) -> Result<Deleted, Failure> {
    #[derive(Deserialize)]
    struct Dropped {
        deleted: u64,
    }
    let path = Path::new("/buckets").part(bucket).with("drop", "true");
    let answer = session.send(Request::write(Method::DELETE, path))?;
    let (Dropped { deleted }, commit) = (answer.json()?, written(&answer));
    Ok(Deleted { keys: deleted, version: commit.version, durable: commit.durable })
}
