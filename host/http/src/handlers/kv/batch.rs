//! `POST /kv`: many operations in one request, each by itself or all or nothing.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use mantis_db::{
    Applied, AppliedEach, Budget, Code as DbCode, Each, Entry, Interrupt, Kv, Limits, Op, OpResult, Refusal,
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::api::blocking::{blocking, text};
use crate::api::common;
use crate::api::common::ENCODING;
use crate::api::description::{Answer, RequestContent, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::presence::{Absence, Presence};
use crate::api::query::Query;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::form::{BatchForm, key_of};
use crate::handlers::kv::increment::Sum;
use crate::handlers::kv::shared::{DETAILS, NUMBERS};
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, media, respond};
use crate::state::sessions::Held;
use crate::state::{Operation, State};
use crate::wire::bytes::{BytesOut, Encoding};
use crate::wire::numbers::{NumberText, version_text};
use crate::wire::{json, time, written};

/// Larger batches are read and run on a thread for long work.
const BODY_BYTES_NOW_MAX: usize = 64 * 1024;

/// How many times the limit of an answer is counted in values that don't fit; others are then taken at the most that they can be.
const COUNTED_ANSWERS_MAX: usize = 4;

pub(crate) static BATCH: Operation = Operation {
    method: Method::POST,
    id: "applyBatch",
    tag: Tag::KeyValue,
    summary: "Run a batch of operations",
    description: "In order. With `atomic` all of them are one commit, or none is applied: if a condition fails, the answer is 409 and \
                  names the operations. Without it each operation succeeds or fails on its own, as its result says.",
    query: &[&DETAILS, &ENCODING, &NUMBERS],
    headers: &[&TRANSACTION],
    body: Some(RequestContent {
        required: true,
        content: &[json_content::<BatchForm>()],
        description: "The operations, in order.",
    }),
    answers: &[Answer {
        status: 200,
        description: "The result of each operation, in order.",
        content: &[json_content::<ResultsOut<'_>>()],
        headers: &[&common::VERSION, &common::DURABLE],
    }],
    problems: &[
        AnyCode::Http(Code::BodyMalformed),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::CheckFailed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Db(DbCode::BucketNameInvalid),
        AnyCode::Db(DbCode::OperationsTooMany),
        AnyCode::Db(DbCode::AnswerTooLarge),
        AnyCode::Db(DbCode::TransactionTooLarge),
        AnyCode::Db(DbCode::NotAnInteger),
        AnyCode::Db(DbCode::IntegerOverflow),
        AnyCode::Db(DbCode::BucketsTooMany),
        AnyCode::Db(DbCode::StoreFull),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(batch(state, request)),
    timeout: TimeoutPolicy::Configured,
};

/// The outcome of a batch.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchResults", deny_unknown_fields)]
struct ResultsOut<'a> {
    #[schemars(with = "Vec<ResultOut<'a>>")]
    results: EachResult<'a>,
    /// With `atomic`: the commit of the batch, or the newest one that it saw where it wrote nothing. Null in a transaction, and before
    /// the first commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NumberText>")]
    #[allow(clippy::option_option, reason = "left out, null, or a version")]
    version: Option<Option<NumberText>>,
}

/// The results, each made when it is written: together they would be several times as large as the answer.
struct EachResult<'a> {
    operations: &'a [Op],
    results: &'a [Each],
    style: Style,
}

/// How results are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) encoding: Encoding,
    pub(crate) details: bool,
    pub(crate) numbers_are_text: bool,
}

impl Style {
    /// As the query asks for.
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            encoding: Encoding::of(query),
            details: query.flag(&DETAILS),
            numbers_are_text: query.text(&NUMBERS).is_some(),
        }
    }
}

impl Serialize for EachResult<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { operations, results, style } = *self;
        let all = operations.iter().zip(results);
        serializer.collect_seq(all.map(|(operation, each)| show(each, operation, style)))
    }
}

/// The outcome of an operation.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchResult", deny_unknown_fields)]
struct ResultOut<'a> {
    key: BytesOut<'a>,
    success: bool,
    value: Option<ValueOut<'a>>,
    /// The commit that wrote it. Null for what a transaction has written and not committed.
    version: Option<NumberText>,
    error: Option<ErrorOut<'a>>,
    /// With `details=true`, of an entry that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    #[allow(clippy::option_option, reason = "left out, null, or a time")]
    expires_at: Option<Option<String>>,
    /// With `details=true`, of an entry that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    media_type: Option<&'a str>,
    /// With `details=true`, of an entry that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    modified_at: Option<String>,
    /// How many keys a `delete-span` deleted: with `details=true`, and where it failed half way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    deleted: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum ValueOut<'a> {
    Bytes(BytesOut<'a>),
    Sum(Sum),
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure", deny_unknown_fields)]
struct ErrorOut<'a> {
    code: &'a str,
    message: &'a str,
}

async fn batch(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    request.expect_media(&[media::JSON])?;
    let config = &state.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    let large = body.len() > BODY_BYTES_NOW_MAX;
    let presence = Presence::new();
    let work = Work {
        body,
        limits: state.database.limits().clone(),
        session: state.session_for(request).await?,
        bucket: request.bucket()?.into_owned(),
        style: Style::of(&request.query),
        in_flight: request.in_flight.clone(),
        absence: presence.absence(),
    };
    if large {
        return blocking(|| async { work.read()?.run().await }).await;
    }
    let batch = work.read()?;
    // How long deleting a span takes depends on what is stored.
    let spans = batch.operations.iter().any(|operation| matches!(operation, Op::DeleteSpan(_)));
    if spans { blocking(|| batch.run()).await } else { batch.run().await }
}

/// All that a batch needs, so that it can move to another thread.
struct Work {
    body: Bytes,
    limits: Limits,
    session: Held,
    bucket: String,
    style: Style,
    in_flight: Budget,
    absence: Absence,
}

/// A batch that has been read.
struct Batch {
    operations: Vec<Op>,
    atomic: bool,
    work: Work,
}

impl Work {
    fn read(mut self) -> Result<Batch> {
        // Not kept while the batch waits for the disk.
        let body = std::mem::take(&mut self.body);
        let json::Object(BatchForm { operations, atomic }) = json::parse(&body)?;
        let operations = operations.checked(self.limits.batch_operations_max, self.limits.key_bytes_max)?;
        Ok(Batch { operations, atomic: atomic.unwrap_or(false), work: self })
    }
}

impl Batch {
    async fn run(self) -> Result<Response<Body>> {
        let Self { operations, atomic, work } = self;
        let Work { limits, mut session, bucket, style, in_flight, absence, .. } = work;
        let encoding = style.encoding;
        // What has not begun when the client is gone is not done, and what is all or nothing leaves nothing.
        let is_gone = || absence.is_known();
        let mut kv = session.kv(&bucket)?.interrupted(Interrupt::when(&is_gone));
        let (results, version, durable, commit) = if atomic {
            let (results, version, durable) = all_or_nothing(&mut kv, &operations, encoding).await?;
            (results, version, durable, Some(version_text(version)))
        } else {
            let mut room = Room::new(limits.answer_bytes_max, encoding);
            let AppliedEach { results, version, durable } =
                kv.apply_each_kept(&operations, &mut |entry| room.take(entry)).await?;
            (results, version, durable, None)
        };
        drop(session);
        let json = text(&in_flight, (operations, results, commit), move |(operations, results, commit), text| {
            let results = EachResult { operations, results, style };
            text.push_json(&ResultsOut { results, version: *commit })
        });
        let mut response = respond::bytes(StatusCode::OK, media::JSON, json.await?);
        written::set_commit_headers(&mut response, version, durable);
        Ok(response)
    }
}

/// What the values of an answer may take, written as JSON.
struct Room {
    bytes_max: usize,
    /// What they take, or the most that they can take.
    used: usize,
    /// The values that were counted at the most that they can take; none once they are counted exactly.
    estimated: Option<Vec<Bytes>>,
    /// Bytes of values that may still be counted.
    countable: usize,
    encoding: Encoding,
}

impl Room {
    fn new(bytes_max: usize, encoding: Encoding) -> Self {
        let countable = bytes_max.saturating_mul(COUNTED_ANSWERS_MAX);
        Self { bytes_max, used: 0, estimated: Some(Vec::new()), countable, encoding }
    }

    /// Takes room for one more value. An error when there is not enough: the value is then not kept.
    fn take(&mut self, entry: &Entry) -> mantis_db::Result<()> {
        let most = BytesOut::length_max(entry.value.len());
        // What is far from the limit need not be counted.
        if let Some(estimated) = &mut self.estimated
            && self.used + most <= self.bytes_max
        {
            self.used += most;
            estimated.push(entry.value.clone());
            return Ok(());
        }
        if let Some(estimated) = self.estimated.take() {
            self.used = estimated.iter().map(|value| self.exact(value)).sum();
        }
        // Values that don't fit could be counted without end.
        let is_countable = entry.value.len() <= self.countable;
        let added = if is_countable { self.exact(&entry.value) } else { most };
        self.countable = self.countable.saturating_sub(entry.value.len());
        if self.used + added > self.bytes_max {
            return Err(self.too_large());
        }
        self.used += added;
        Ok(())
    }

    fn exact(&self, value: &[u8]) -> usize {
        BytesOut(value, self.encoding).length()
    }

    fn too_large(&self) -> mantis_db::Error {
        let max = self.bytes_max;
        let message = format!("with this value the batch would answer more than {max} bytes of values");
        mantis_db::Error::new(DbCode::AnswerTooLarge, message)
    }
}

/// The outcome of each, the version of the batch, and whether that is certain to survive a power cut.
async fn all_or_nothing(kv: &mut Kv<'_>, operations: &[Op], encoding: Encoding) -> Result<(Vec<Each>, u64, bool)> {
    let weigh = |entry: &Entry| BytesOut(&entry.value, encoding).length();
    match kv.apply_weighed(operations, &weigh).await.map_err(|error| Problem::from(error).in_body())? {
        Applied::Refused(refusals) => Err(check_failed(&refusals, operations, encoding)),
        Applied::Committed { version, durable, results } => {
            let each = results.into_iter().map(|result| match result {
                // The version of what was read is shown with it.
                OpResult::Entry(entry) => {
                    Each::Done { version: version_of(entry.as_ref()), result: OpResult::Entry(entry) }
                }
                result => Each::Done { result, version },
            });
            Ok((each.collect(), version, durable))
        }
    }
}

fn version_of(entry: Option<&Entry>) -> u64 {
    entry.map_or(0, |entry| entry.version)
}

fn check_failed(refusals: &[Refusal], operations: &[Op], encoding: Encoding) -> Problem {
    let named: Vec<_> = refusals
        .iter()
        .map(|refusal| {
            let key = operations.get(refusal.index).map(key_of).unwrap_or_default();
            let version = refusal.current.as_ref().and_then(|entry| version_text(entry.version));
            json!({"index": refusal.index, "key": BytesOut(key, encoding), "version": version})
        })
        .collect();
    Problem::new(Code::CheckFailed).member("operations", named.into())
}

fn show<'a>(each: &'a Each, operation: &'a Op, style: Style) -> ResultOut<'a> {
    let Style { encoding, details, .. } = style;
    let mut out = ResultOut {
        key: BytesOut(key_of(operation), encoding),
        success: true,
        value: None,
        version: None,
        error: None,
        expires_at: None,
        media_type: None,
        modified_at: None,
        deleted: None,
    };
    match each {
        Each::Done { result, version } => {
            out.version = version_text(*version);
            match result {
                OpResult::Entry(entry) => {
                    if let Some(entry) = entry.as_ref().filter(|_| details) {
                        out.expires_at = Some(entry.expires_at_ms.map(time::rfc3339));
                        out.media_type = Some(entry.media_type.as_str());
                        out.modified_at = Some(time::rfc3339(entry.modified_ms));
                    }
                    out.value = entry.as_ref().map(|entry| ValueOut::Bytes(BytesOut(&entry.value, encoding)));
                }
                OpResult::Number(number) => out.value = Some(ValueOut::Sum(Sum::of(*number, style.numbers_are_text))),
                OpResult::Deleted(keys) => out.deleted = details.then_some(*keys),
                _ => {}
            }
        }
        Each::Refused(version) => {
            let code = Code::PreconditionFailed;
            out.success = false;
            out.version = version.and_then(version_text);
            out.error =
                Some(ErrorOut { code: code.as_str(), message: "the key does not meet the operation's condition" });
        }
        Each::Failed(error) => {
            out.success = false;
            out.error = Some(ErrorOut { code: error.code().as_str(), message: error.message() });
            out.deleted = Some(error.deleted()).filter(|&keys| keys > 0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use mantis_db::MediaType;

    use super::*;

    fn entry(value: &[u8]) -> Entry {
        Entry {
            value: Bytes::copy_from_slice(value),
            media_type: MediaType::default(),
            version: 1,
            modified_ms: 0,
            expires_at_ms: None,
        }
    }

    #[test]
    fn values_that_do_not_fit_are_not_counted_without_end() {
        let mut room = Room::new(1_000, Encoding::Text);
        let (large, plain) = (entry(&[1; 900]), entry(&[b'x'; 400]));
        room.take(&plain).unwrap();
        for _ in 0..10 {
            room.take(&large).unwrap_err();
        }
        // It would fit, but is taken at the most that it can be.
        room.take(&plain).unwrap_err();
        room.take(&entry(b"x")).unwrap();
    }
}
