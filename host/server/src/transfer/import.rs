//! The import: one thread reads the file and fills batches, and several requests send them.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use mantis_db::limits::KEY_BYTES_MAX;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::batch::{Batch, Batcher, Problem, Taken};
use super::input;
use super::order::{self, Companion, Head};
use super::read::csv::{self, Column, ColumnsError};
use super::read::{Contents, LineReader, Piece, Record, Records, Source, is_exported, lines, ndjson};
use super::retry::{Repeat, retried, with_retries};
use crate::cli::Format;
use crate::client::{Client, ClientError, KeyOptions, Path};
use crate::failure::{Exit, Failure, Outcome};

/// Concurrent requests.
const REQUESTS_AT_ONCE: usize = 4;
/// Filled batches that wait to be sent.
const BATCHES_WAITING_MAX: usize = 4;
/// Problems reported with their lines; further ones are counted.
const PROBLEMS_KEPT_MAX: usize = 20;

/// Bytes by which the format of a file without a name is judged.
const SAMPLE_BYTES: u64 = 64 << 10;

/// What to import, and how.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Import {
    pub(crate) bucket: String,
    /// `-` for standard input.
    pub(crate) file: PathBuf,
    /// None for lines, unless the first of them is one that `export` writes.
    pub(crate) format: Option<Format>,
    /// Whether anything is taken as it is, rather than text alone.
    pub(crate) as_bytes: bool,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) delimiter: u8,
    pub(crate) has_header: bool,
    pub(crate) key_prefix: Vec<u8>,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) skip_duplicates: bool,
    /// Whether the file's order is recorded, where values are the file's text.
    pub(crate) keep_order: bool,
}

impl Import {
    /// Whether a value is the text of its record: otherwise the file cannot be reassembled.
    fn values_are_records(&self, format: Format) -> bool {
        match format {
            Format::Lines => true,
            Format::Csv => self.value.is_none(),
            Format::Ndjson => self.key.is_some(),
        }
    }
}

/// The result of an import.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    /// The first problems found.
    pub(crate) problems: Vec<Problem>,
    pub(crate) problem_count: u64,
    /// Whether the server refused a record, rather than the file being invalid.
    pub(crate) refused: bool,
    pub(crate) elapsed: Duration,
    /// Whether `export` will reproduce the file.
    pub(crate) order_kept: bool,
}

impl Report {
    fn add(&mut self, line: u64, message: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_KEPT_MAX {
            self.problems.push(Problem { line, message: message.into() });
        }
    }

    fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.problem_count += other.problem_count;
        self.refused |= other.refused;
        let room = PROBLEMS_KEPT_MAX.saturating_sub(self.problems.len());
        self.problems.extend(other.problems.into_iter().take(room));
    }
}

/// Imports a file. Records that cannot be imported are in the report; the others are.
pub(crate) async fn run(client: &Client, mut import: Import) -> Outcome<Report> {
    #[allow(clippy::disallowed_methods, reason = "the command is native")]
    let started = Instant::now();
    let (source, format) = open(&import)?;
    import.keep_order &= import.values_are_records(format);
    let companion = companion(client, &import).await?;
    let bucket: Arc<str> = import.bucket.as_str().into();
    let keep_order = import.keep_order;
    let (sender, mut receiver) = mpsc::channel(BATCHES_WAITING_MAX);
    let reading = tokio::task::spawn_blocking(move || read(source, &import, &sender));
    let mut report = Report::default();
    // A file without a record changes nothing.
    if let Some(first) = receiver.recv().await {
        // Otherwise `export` would apply the previous file's order.
        if companion == Companion::Order {
            order::forget(client, &bucket).await?;
        }
        if keep_order {
            order::write_head(client, &bucket, &Head { format, is_complete: false, chunks: 0, records: 0 }).await?;
        }
        let batches = Batches { first: Some(first), rest: receiver };
        let chunks = send(client, &bucket, keep_order, batches, &mut report).await?;
        if keep_order && report.records == 0 {
            order::forget(client, &bucket).await?;
        } else if keep_order {
            let head = Head { format, is_complete: true, chunks, records: report.records };
            order::write_head(client, &bucket, &head).await?;
            report.order_kept = true;
        }
    }
    let read = reading.await.map_err(|error| Failure::new(Exit::Local, error))?;
    report.merge(read.map_err(|failure| stopped(failure, report.records))?);
    report.problems.sort_by_key(|problem| problem.line);
    report.elapsed = started.elapsed();
    Ok(report)
}

/// The state of the order's bucket. It must not be a user's own, if the order is to be recorded.
async fn companion(client: &Client, import: &Import) -> Outcome<Companion> {
    let name = order::bucket_of(&import.bucket);
    if import.keep_order && name.len() > mantis_db::limits::BUCKET_NAME_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the file's order cannot be recorded: the bucket name {name:?} is too long"
        ))
        .hint("import without it (--no-order), or into a bucket with a shorter name"));
    }
    let companion = order::companion(client, &import.bucket).await?;
    if import.keep_order && companion == Companion::Foreign {
        return Err(Failure::new(
            Exit::Local,
            format!("the file's order would be recorded in bucket {name:?}, which has other keys; nothing was written"),
        )
        .hint("import without it (--no-order), or into a bucket of another name"));
    }
    Ok(companion)
}

/// What the tasks that send have in common.
#[derive(Debug, Default)]
struct Progress {
    /// Records that the server has stored.
    stored: AtomicU64,
    /// Whether one of them has failed: the others end with the batch that they are sending.
    has_failed: AtomicBool,
}

/// Sends all batches, several at once. Returns how many there were.
async fn send(
    client: &Client,
    bucket: &Arc<str>,
    keep_order: bool,
    batches: Batches,
    report: &mut Report,
) -> Outcome<u64> {
    let (batches, progress) = (Arc::new(Mutex::new(batches)), Arc::new(Progress::default()));
    let mut sending = JoinSet::new();
    for _ in 0..REQUESTS_AT_ONCE {
        let (batches, progress) = (Arc::clone(&batches), Arc::clone(&progress));
        sending.spawn(send_batches(client.clone(), Arc::clone(bucket), keep_order, batches, progress));
    }
    // The last task to end drops it, which ends the reading.
    drop(batches);
    let (mut chunks, mut failed) = (0, None);
    while let Some(sent) = sending.join_next().await {
        match sent.map_err(|error| Failure::new(Exit::Local, error))? {
            Ok((part, sent_chunks)) => {
                report.merge(part);
                chunks += sent_chunks;
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        None => Ok(chunks),
        Some(error) => Err(stopped(error.into(), progress.stored.load(Ordering::Relaxed))),
    }
}

/// A failure in the middle of an import, with what was stored before.
fn stopped(failure: Failure, stored: u64) -> Failure {
    if stored == 0 {
        return failure;
    }
    let mut failure = failure;
    // The server's sentence is about its last request.
    let message = failure.message.replace("; nothing was written", "");
    let records = if stored == 1 { "1 record was".to_owned() } else { format!("{stored} records were") };
    failure.message = format!("{message}; {records} stored before, and an import of the same file stores them again");
    failure.document.insert("detail".to_owned(), failure.message.clone().into());
    failure.document.insert("records".to_owned(), stored.into());
    failure
}

/// Batches as they are packed.
struct Batches {
    first: Option<Batch>,
    rest: mpsc::Receiver<Batch>,
}

impl Batches {
    async fn next(&mut self) -> Option<Batch> {
        match self.first.take() {
            Some(batch) => Some(batch),
            None => self.rest.recv().await,
        }
    }
}

fn open(import: &Import) -> Outcome<(Source, Format)> {
    let failed = |error: io::Error| Failure::file("read", &import.file, &error);
    let (mut input, contents) = if import.as_bytes {
        (input::open_bytes(&import.file)?, Contents::Bytes)
    } else {
        (input::open(&import.file)?, Contents::Text)
    };
    let format = if let Some(format) = import.format {
        format
    } else {
        let (is_exported, whole) = sniff(input).map_err(failed)?;
        input = whole;
        if is_exported { Format::Ndjson } else { Format::Lines }
    };
    let mut lines = LineReader::new(input, contents);
    let has_mark = lines.take_mark().map_err(failed)?;
    let records = match format {
        Format::Lines => Records::Lines(lines::Reader(lines)),
        Format::Ndjson => {
            Records::Ndjson(ndjson::Reader::new(lines, import.key.clone(), jiff::Timestamp::now().as_second()))
        }
        Format::Csv => Records::Csv(Box::new(columns(lines, import)?)),
    };
    Ok((Source::new(has_mark, records), format))
}

/// Whether the first line of a file is one that `export` writes, and the whole file again. Of a long line only the beginning is seen.
fn sniff(mut input: Box<dyn BufRead + Send>) -> io::Result<(bool, Box<dyn BufRead + Send>)> {
    let mut sample = Vec::new();
    input.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    Ok((is_exported(&sample), Box::new(io::Cursor::new(sample).chain(input))))
}

/// Reads records of columns, once the columns are found.
fn columns(lines: LineReader, import: &Import) -> Outcome<csv::Reader> {
    let key = Column::new(import.key.as_deref().unwrap_or("1"));
    let value = import.value.as_deref().map(Column::new);
    let reader = csv::Reader::new(lines, import.delimiter, key, value, import.has_header);
    let mut reader = reader
        .map_err(|message| Failure::usage(message).hint("give the column's number, or import a file with a header"))?;
    reader.find_columns().map_err(|error| match error {
        ColumnsError::Read(error) => Failure::file("read", &import.file, &error),
        ColumnsError::Unknown(message) => Failure::usage(format!("{message}; nothing was written"))
            .hint("check --delimiter; for a file without a header, use --no-header and a column's number"),
    })?;
    Ok(reader)
}

/// Reads the file to its end and hands out batches.
fn read(mut source: Source, import: &Import, batches: &mpsc::Sender<Batch>) -> Outcome<Report> {
    let mut report = Report::default();
    let mut batcher = Batcher::default();
    while let Some(found) = source.next().map_err(|error| Failure::file("read", &import.file, &error))? {
        match found.piece.and_then(|piece| finish(piece, import)) {
            Err(message) => report.add(found.line, message),
            Ok(piece) => match batcher.add(found.line, piece) {
                Taken::Yes => {}
                Taken::Duplicate(_) if import.skip_duplicates => report.duplicates += 1,
                Taken::Duplicate(before) => {
                    report.add(found.line, format!("duplicate key: line {before} has it with another value; skipped"));
                }
            },
        }
        if batcher.batch.is_full() && batches.blocking_send(batcher.take()).is_err() {
            // Sending has failed, and reports why itself.
            return Ok(report);
        }
    }
    // Text alone is not sent as the only batch: its order would belong to a bucket that does not exist.
    if !batcher.batch.is_empty() && (batcher.batch.number > 0 || batcher.batch.records > 0) {
        let _ = batches.blocking_send(batcher.take());
    }
    Ok(report)
}

/// Applies the options for all records: prefix and time to live.
fn finish(piece: Piece, import: &Import) -> Result<Piece, String> {
    let Piece::Record(mut record) = piece else { return Ok(piece) };
    if !import.key_prefix.is_empty() {
        record.key = [&import.key_prefix[..], &record.key].concat();
    }
    if record.key.len() > KEY_BYTES_MAX {
        return Err(format!("the key has {} bytes; a key has at most {KEY_BYTES_MAX}", record.key.len()));
    }
    record.ttl_ms = import.ttl_ms.or(record.ttl_ms);
    Ok(Piece::Record(record))
}

/// Sends batches until there are no more. Returns their report and their count.
async fn send_batches(
    client: Client,
    bucket: Arc<str>,
    keep_order: bool,
    batches: Arc<Mutex<Batches>>,
    progress: Arc<Progress>,
) -> Result<(Report, u64), ClientError> {
    let (mut report, mut count) = (Report::default(), 0);
    while !progress.has_failed.load(Ordering::Relaxed) {
        let Some(batch) = batches.lock().await.next().await else { break };
        count += 1;
        let sent = send_batch(&client, &bucket, keep_order, batch, &progress, &mut report).await;
        sent.inspect_err(|_| progress.has_failed.store(true, Ordering::Relaxed))?;
    }
    Ok((report, count))
}

async fn send_batch(
    client: &Client,
    bucket: &str,
    keep_order: bool,
    mut batch: Batch,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), ClientError> {
    report.records += batch.records;
    send_operations(client, bucket, &batch, progress, report).await?;
    for (line, record) in std::mem::take(&mut batch.alone) {
        match send_alone(client, bucket, record).await {
            Ok(()) => {
                progress.stored.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if is_about_one_record(&error) => refuse(report, line, &error.to_string()),
            Err(error) => return Err(error),
        }
    }
    if keep_order {
        let (path, chunk) = (order::chunk_path(bucket, batch.number), batch.chunk.into_bytes());
        with_retries(client, Repeat::Always, Method::PUT, &path, &[(CONTENT_TYPE, OCTETS)], chunk).await?;
    }
    Ok(())
}

const OCTETS: &str = "application/octet-stream";

fn refuse(report: &mut Report, line: u64, message: &str) {
    report.refused = true;
    report.records = report.records.saturating_sub(1);
    report.add(line, message);
}

#[derive(Deserialize)]
struct BatchAnswer {
    results: Vec<OperationResult>,
}

#[derive(Deserialize)]
struct OperationResult {
    success: bool,
    #[serde(default)]
    error: Value,
}

/// Sends a batch's operations: all at once, and where the server refuses that, in halves.
async fn send_operations(
    client: &Client,
    bucket: &str,
    batch: &Batch,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), ClientError> {
    let path = Path::keys(bucket);
    let mut ranges: Vec<_> = std::iter::once(0..batch.operation_count()).collect();
    while let Some(operations) = ranges.pop() {
        if operations.is_empty() {
            continue;
        }
        let body = batch.request(operations.clone());
        match with_retries(client, Repeat::Always, Method::POST, &path, &[(CONTENT_TYPE, "application/json")], body)
            .await
        {
            Ok(answer) => {
                let BatchAnswer { results } = answer.json()?;
                // A record without a result cannot be reported as imported.
                if results.len() != operations.len() {
                    return Err(ClientError::Unexpected {
                        reason: "the batch has the wrong number of results".to_owned(),
                    });
                }
                for (operation, result) in operations.zip(results) {
                    if result.success {
                        progress.stored.fetch_add(1, Ordering::Relaxed);
                    } else {
                        refuse(report, batch.line(operation), &message(&result.error));
                    }
                }
            }
            // One record is refused, or the batch is too large: halves isolate it, and are smaller.
            Err(error) if operations.len() > 1 && is_about_one_record(&error) => {
                let middle = operations.start + operations.len() / 2;
                ranges.push(middle..operations.end);
                ranges.push(operations.start..middle);
            }
            Err(error) if is_about_one_record(&error) => {
                refuse(report, batch.line(operations.start), &error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn send_alone(client: &Client, bucket: &str, record: Record) -> Result<(), ClientError> {
    let media_type = record.media_type.as_deref().unwrap_or(OCTETS);
    let options = KeyOptions { media_type, ttl_ms: record.ttl_ms, ..KeyOptions::default() };
    let value = Bytes::from(record.value);
    retried(Repeat::Always, || client.write_key(bucket, &record.key, value.clone(), &options)).await.map(drop)
}

/// Whether the server refused this record, rather than every request.
fn is_about_one_record(error: &ClientError) -> bool {
    matches!(error.status(), Some(400 | 413 | 414 | 415 | 422))
}

fn message(error: &Value) -> String {
    let member = |name| error.get(name).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
    let text = error.as_str().or_else(|| member("detail")).or_else(|| member("title")).or_else(|| member("message"));
    match (text, member("code")) {
        (Some(text), Some(code)) => format!("{} ({code})", text.trim_end_matches('.')),
        (Some(text), None) => text.to_owned(),
        (None, Some(code)) => code.to_owned(),
        (None, None) => "the server refused the record".to_owned(),
    }
}
