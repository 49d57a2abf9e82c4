//! `POST /kv`: many operations in one request, each by itself or all or nothing.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use mantis_db::{Applied, Code as DbCode, Entry, Kv, Limits, Op, OpResult, Outcome, Refusal};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::blocking::blocking;
use crate::errors::{AnyCode, Code};
use crate::json::{self, BytesOut, Encoding, NumberText};
use crate::kv::form::BatchForm;
use crate::kv::get::{DetailsOut, version_text};
use crate::kv::{self, DETAILS, ENCODING, json_content, list};
use crate::operation::{Answer, Operation, Patience, RequestContent, Tag};
use crate::problem::{Problem, Result};
use crate::request::Request;
use crate::sessions::{Held, TRANSACTION};
use crate::{App, Body, accept, respond};

/// Larger batches are read and run on a thread for long work.
const BODY_BYTES_NOW_MAX: usize = 64 * 1024;

pub(crate) static BATCH: Operation = Operation {
    method: Method::POST,
    id: "applyBatch",
    tag: Tag::KeyValue,
    summary: "Do many operations",
    description: "In order. With `atomic` all of them in one commit, or none: if a key is not as an operation expects, the answer is \
                  409 and names those operations. Without it each stands by itself, and its result says what became of it.",
    query: &[&DETAILS, &ENCODING],
    headers: &[&TRANSACTION],
    body: Some(RequestContent {
        required: true,
        content: &[json_content("Batch")],
        description: "At most 10,000 operations.",
    }),
    answers: &[Answer {
        status: 200,
        description: "What became of each operation, in order.",
        content: &[json_content("BatchResults")],
        headers: &[&kv::VERSION, &kv::DURABLE],
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
    handler: |app, request| Box::pin(batch(app, request)),
    patience: Patience::Configured,
};

#[derive(Serialize)]
struct ResultsOut<'a> {
    results: EachResult<'a>,
    #[serde(flatten)]
    commit: Option<CommitOut>,
}

/// The results, each made when it is written: together they would be several times as large as the answer.
struct EachResult<'a> {
    operations: &'a [Op],
    fates: &'a [Fate],
    encoding: Encoding,
    details: bool,
}

impl Serialize for EachResult<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { operations, fates, encoding, details } = *self;
        let all = operations.iter().zip(fates);
        serializer.collect_seq(all.map(|(operation, fate)| fate.show(key_of(operation), encoding, details)))
    }
}

/// Shown of an atomic batch. Without `atomic` each operation has a commit of its own.
#[derive(Serialize)]
struct CommitOut {
    /// Of the commit, or of the newest one that was seen where nothing was written.
    version: Option<NumberText>,
}

#[derive(Serialize)]
struct ResultOut<'a> {
    key: BytesOut<'a>,
    success: bool,
    value: Option<ValueOut<'a>>,
    version: Option<NumberText>,
    error: Option<ErrorOut<'a>>,
    #[serde(flatten)]
    details: Option<ReadOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
}

/// What is shown of an entry that was read, on request.
#[derive(Serialize)]
struct ReadOut<'a> {
    expires_at: Option<String>,
    #[serde(flatten)]
    details: DetailsOut<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueOut<'a> {
    Bytes(BytesOut<'a>),
    Number(i64),
}

#[derive(Serialize)]
struct ErrorOut<'a> {
    code: &'a str,
    message: &'a str,
}

/// What became of an operation.
enum Fate {
    Read(Option<Entry>),
    Written(u64),
    /// How many keys, and the last commit.
    Deleted(u64, u64),
    Number(i64, u64),
    /// The key was not as expected; this is its version.
    Refused(Option<u64>),
    Failed(mantis_db::Error),
}

async fn batch(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    request.expect_media(&[respond::JSON])?;
    let config = &app.0.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    let large = body.len() > BODY_BYTES_NOW_MAX;
    let work = Work {
        body,
        limits: app.0.database.limits().clone(),
        session: app.session_for(request).await?,
        bucket: request.bucket()?.into_owned(),
        encoding: list::encoding(&request.query),
        details: request.query.flag(&DETAILS),
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
    encoding: Encoding,
    details: bool,
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
        let Self { operations, atomic, work: Work { limits, mut session, bucket, encoding, details, .. } } = self;
        let mut kv = session.kv(&bucket)?;
        let (fates, version, commit) = if atomic {
            let (fates, version) = all_or_nothing(&mut kv, &operations, encoding).await?;
            (fates, version, Some(CommitOut { version: version_text(version) }))
        } else {
            let fates = one_by_one(&mut kv, &operations, Room::new(limits.answer_bytes_max, encoding)).await;
            let commits = operations.iter().zip(&fates).map(|(operation, fate)| fate.commit(operation));
            let newest = commits.max().unwrap_or(0);
            (fates, newest, None)
        };
        let durable = kv.is_durable(version);
        let results = EachResult { operations: &operations, fates: &fates, encoding, details };
        let mut response = respond::json(StatusCode::OK, &ResultsOut { results, commit });
        kv::tell_written(&mut response, version, durable);
        Ok(response)
    }
}

/// What the values of an answer may take, written as JSON.
struct Room {
    bytes_max: usize,
    /// What they take, or the most that they can take.
    used: usize,
    is_exact: bool,
    encoding: Encoding,
}

impl Room {
    fn new(bytes_max: usize, encoding: Encoding) -> Self {
        Self { bytes_max, used: 0, is_exact: false, encoding }
    }

    /// Takes room for one more value. An error when there is not enough: the value is then not kept.
    fn take(&mut self, entry: &Entry, before: &[Fate]) -> mantis_db::Result<()> {
        let most = BytesOut::length_max(entry.value.len());
        // What is far from the limit need not be counted.
        if !self.is_exact && self.used + most <= self.bytes_max {
            self.used += most;
            return Ok(());
        }
        let exact = |entry: &Entry| BytesOut(&entry.value, self.encoding).length();
        if !self.is_exact {
            let entries =
                before.iter().filter_map(|fate| if let Fate::Read(entry) = fate { entry.as_ref() } else { None });
            self.used = entries.map(exact).sum();
        }
        let added = exact(entry);
        self.is_exact = true;
        if self.used + added > self.bytes_max {
            return Err(mantis_db::Error::new(
                DbCode::AnswerTooLarge,
                format!("with this value the batch would answer more than {} bytes of values", self.bytes_max),
            ));
        }
        self.used += added;
        Ok(())
    }
}

/// What became of each. Writes that follow each other share the wait until they are durable.
async fn one_by_one(kv: &mut Kv<'_>, operations: &[Op], mut room: Room) -> Vec<Fate> {
    let mut fates: Vec<Fate> = Vec::with_capacity(operations.len());
    kv.defer_settling(true);
    let mut settled = 0;
    for operation in operations {
        // A reader sees what stands before it.
        if !matches!(operation, Op::Set(..) | Op::Delete(..) | Op::Increment(..)) {
            settle(kv, &mut fates[settled..]).await;
            settled = fates.len();
        }
        let mut fate = do_one(kv, operation).await;
        if let Ok(Fate::Read(Some(entry))) = &fate
            && let Err(error) = room.take(entry, &fates)
        {
            fate = Err(error);
        }
        fates.push(fate.unwrap_or_else(Fate::Failed));
    }
    settle(kv, &mut fates[settled..]).await;
    // What was refused may have been so by commits of others that could still be taken back: their outcome is awaited, whatever it is.
    if fates.iter().any(|fate| matches!(fate, Fate::Refused(_) | Fate::Failed(_))) {
        let _ = kv.settled_newest().await;
    }
    kv.defer_settling(false);
    fates
}

/// Waits for commits, and notes those that were taken back.
async fn settle(kv: &Kv<'_>, fates: &mut [Fate]) {
    for fate in fates {
        if let Fate::Written(version) | Fate::Deleted(_, version) | Fate::Number(_, version) = *fate
            && let Err(error) = kv.settled(version).await
        {
            *fate = Fate::Failed(error);
        }
    }
}

/// What became of each, and the version that the batch was done at.
async fn all_or_nothing(kv: &mut Kv<'_>, operations: &[Op], encoding: Encoding) -> Result<(Vec<Fate>, u64)> {
    let weigh = |entry: &Entry| BytesOut(&entry.value, encoding).length();
    match kv.apply_weighed(operations, &weigh).await.map_err(|error| Problem::from(error).in_body())? {
        Applied::Refused(refusals) => Err(check_failed(&refusals, operations, encoding)),
        Applied::Committed { version, results, .. } => {
            let fates = results.into_iter().map(|result| match result {
                OpResult::Entry(entry) => Fate::Read(entry),
                OpResult::Number(number) => Fate::Number(number, version),
                OpResult::Deleted(keys) => Fate::Deleted(keys, version),
                _ => Fate::Written(version),
            });
            Ok((fates.collect(), version))
        }
    }
}

async fn do_one(kv: &mut Kv<'_>, operation: &Op) -> mantis_db::Result<Fate> {
    let outcome = match operation {
        Op::Get(key) => return Ok(Fate::Read(kv.get(key).await?)),
        Op::Increment(key, by) => {
            let counted = kv.increment(key, *by).await?;
            return Ok(Fate::Number(counted.number, counted.written.version));
        }
        Op::Check(key, expect) => {
            let version = kv.get(key).await?.map(|entry| entry.version);
            return Ok(if expect.holds(version) {
                Fate::Written(version.unwrap_or(0))
            } else {
                Fate::Refused(version)
            });
        }
        Op::Set(key, value, options) => kv.set_with(key, value, options).await?,
        Op::Delete(key, expect) => match kv.delete_if(key, *expect).await? {
            Outcome::Written(written) => return Ok(Fate::Deleted(written.replaced.into(), written.version)),
            refused @ Outcome::Refused(_) => refused,
        },
        Op::DeleteSpan(span) => {
            let deleted = kv.delete_span(span).await?;
            return Ok(Fate::Deleted(deleted.keys, deleted.version));
        }
        // No form leads to another operation.
        _ => Outcome::Refused(None),
    };
    Ok(match outcome {
        Outcome::Written(written) => Fate::Written(written.version),
        Outcome::Refused(current) => Fate::Refused(current.map(|entry| entry.version)),
    })
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

pub(super) fn key_of(operation: &Op) -> &[u8] {
    match operation {
        Op::Get(key) | Op::Set(key, ..) | Op::Delete(key, _) | Op::Increment(key, _) | Op::Check(key, _) => key,
        _ => &[],
    }
}

impl Fate {
    /// The commit that an operation has made; 0 for none.
    fn commit(&self, operation: &Op) -> u64 {
        match self {
            Self::Written(_) if matches!(operation, Op::Check(..)) => 0,
            Self::Written(version) | Self::Deleted(_, version) | Self::Number(_, version) => *version,
            Self::Read(_) | Self::Refused(_) | Self::Failed(_) => 0,
        }
    }

    fn show<'a>(&'a self, key: &'a [u8], encoding: Encoding, details: bool) -> ResultOut<'a> {
        let mut out = ResultOut {
            key: BytesOut(key, encoding),
            success: true,
            value: None,
            version: None,
            error: None,
            details: None,
            deleted: None,
        };
        match self {
            Self::Read(entry) => {
                out.details = entry.as_ref().filter(|_| details).map(|entry| ReadOut {
                    expires_at: entry.expires_at_ms.map(respond::rfc3339),
                    details: DetailsOut::of(entry),
                });
                out.value = entry.as_ref().map(|entry| ValueOut::Bytes(BytesOut(&entry.value, encoding)));
                out.version = entry.as_ref().and_then(|entry| version_text(entry.version));
            }
            Self::Written(version) => out.version = version_text(*version),
            Self::Deleted(keys, version) => {
                out.version = version_text(*version);
                out.deleted = details.then_some(*keys);
            }
            Self::Number(number, version) => {
                out.value = Some(ValueOut::Number(*number));
                out.version = version_text(*version);
            }
            Self::Refused(version) => {
                let code = Code::PreconditionFailed;
                out.success = false;
                out.version = version.and_then(version_text);
                out.error = Some(ErrorOut { code: code.as_str(), message: "the key is not as the operation expects" });
            }
            Self::Failed(error) => {
                out.success = false;
                out.error = Some(ErrorOut { code: error.code().as_str(), message: error.message() });
            }
        }
        out
    }
}
