//! The import: one thread reads the file and fills batches, which are sent one after the other.

use std::io::{BufReader, Cursor, Read};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use serde_json::Value;
use tokio::sync::mpsc;

use super::encode::Encoder;
use super::infer::Inference;
use super::rejects::Rejects;
use super::rows::{DOCUMENT_BYTES_MAX, Rows, RowsForm};
use crate::cli::RowFormat;
use crate::client::{Client, ClientError, Path};
use crate::failure::{Exit, Failure, Outcome};
use crate::transfer::input;
use crate::transfer::retry::{REQUEST_TIMEOUT, Repeat, with_retries};

/// Rows of a batch, and bytes of its JSON, after which it is sent. A row of more is sent alone.
const BATCH_ROWS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Filled batches that wait to be sent.
const BATCHES_WAITING_MAX: usize = 2;
/// Bytes of standard input that types are inferred from.
const SAMPLE_BYTES: u64 = 8 << 20;

/// What to import, and how.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) table: String,
    /// `-` for standard input.
    pub(crate) file: PathBuf,
    pub(crate) form: RowsForm,
    /// What stands for null in CSV, beside nothing.
    pub(crate) null: Option<String>,
    /// The primary key of the table to create, which may have no columns.
    pub(crate) create: Option<Vec<String>>,
    pub(crate) upsert: bool,
    pub(crate) on_conflict: Option<String>,
    pub(crate) rejects: Option<PathBuf>,
}

/// The result of an import.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    /// Whether the server refused one of them, rather than the file being invalid.
    pub(crate) refused: bool,
    pub(crate) elapsed: Duration,
}

/// A table that was created for the file.
#[derive(Debug)]
pub(crate) struct Created {
    /// False where it was there already, with the same schema.
    pub(crate) is_new: bool,
    pub(crate) columns: Vec<(String, &'static str)>,
    /// Rows that the types were inferred from.
    pub(crate) rows: u64,
    /// Whether these were all.
    pub(crate) is_whole: bool,
}

/// A row that is ready to be sent.
#[derive(Debug)]
struct Ready {
    line: u64,
    json: Vec<u8>,
    /// Its text in the file, where rejected rows are kept.
    raw: Vec<u8>,
}

/// What the reading thread hands out.
#[derive(Debug)]
enum Piece {
    Batch(Vec<Ready>),
    /// A row that the file has no valid text of.
    Invalid {
        line: u64,
        message: String,
        raw: Vec<u8>,
    },
}

/// Imports a file; `tell` is called when a table was created for it.
pub(crate) async fn run(client: &Client, import: Import, tell: impl FnOnce(&Created)) -> Outcome<Report> {
    #[allow(clippy::disallowed_methods, reason = "the command is native")]
    let started = Instant::now();
    let rejects = import.rejects.as_deref().map(Rejects::create).transpose()?;
    let mut made = None;
    let (rows, document) = if let Some(primary_key) = &import.create {
        let (rows, inference, is_whole) = infer(&import)?;
        let (document, is_new) = create(client, &import.table, &inference, primary_key).await?;
        let columns = inference.columns().map(|(name, r#type)| (name.to_owned(), r#type)).collect();
        tell(&Created { is_new, columns, rows: inference.rows, is_whole });
        made = is_new.then(|| import.table.clone());
        (rows, document)
    } else {
        let document = client.get_json(&Path::schema(&import.table)).await?;
        (open(&import.file, input::open(&import.file)?, &import.form)?, document)
    };
    let mut report = Report::default();
    let sent = send_all(client, import, rows, &document, rejects, &mut report).await;
    if let (Err(failure), Some(table)) = (&sent, &made)
        && report.rows == 0
        && drop_if_empty(client, table).await
    {
        let message = format!("{}; the table is dropped again", failure.message);
        return Err(sent.map_or_else(|failure| Failure { message, ..failure }, |()| Failure::new(Exit::Local, "")));
    }
    sent?;
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Drops a table that was created for a file of which nothing was imported. False where others have put rows into it, or it stays.
async fn drop_if_empty(client: &Client, table: &str) -> bool {
    let rows = client.get_json::<Vec<Value>>(&Path::table(table).with_query("limit=1")).await;
    if !rows.is_ok_and(|rows| rows.is_empty()) {
        return false;
    }
    client.request(Method::DELETE, &Path::schema(table), &[], Bytes::new()).await.is_ok()
}

/// Sends all rows, and those that do not fit to `rejects`.
async fn send_all(
    client: &Client,
    import: Import,
    rows: Rows,
    document: &Value,
    mut rejects: Option<Rejects>,
    report: &mut Report,
) -> Outcome {
    let encoder =
        Encoder::new(rows.columns().unwrap_or_default(), document, import.null.clone()).map_err(|message| {
            Failure::usage(format!("{message}; nothing was written"))
                .hint("check --delimiter; for a file without a header, name the columns with --columns")
        })?;
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
    let target = Target::new(client, &import);
    let keeps_raw = import.rejects.is_some();
    let file = import.file;
    let reading = tokio::task::spawn_blocking(move || read(rows, &encoder, keeps_raw, &file, &sender));
    let sent = send(&target, receiver, rejects.as_mut(), report).await;
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }
    sent?;
    let read = reading.await.map_err(|error| Failure::new(Exit::Local, error))?;
    read.map_err(|mut failure| {
        failure.message = format!("{}; {}", failure.message, before(report.rows));
        failure
    })
}

fn open(path: &FilePath, input: Box<dyn std::io::BufRead + Send>, form: &RowsForm) -> Outcome<Rows> {
    Rows::open(input, form).map_err(|error| Failure::file("read", path, &error))
}

/// Looks at the whole of a file, or at the beginning of standard input; the rows from the first on, and whether these were all.
fn infer(import: &Import) -> Outcome<(Rows, Inference, bool)> {
    let (path, form) = (&*import.file, &import.form);
    let is_stream = input::is_standard(path) || !path.is_file();
    let mut source = input::open(path)?;
    if !is_stream {
        let inference = look(open(path, source, form)?, import, true)?;
        return Ok((open(path, input::open(path)?, form)?, inference, true));
    }
    let mut sample = Vec::new();
    let bytes_max = if form.format == RowFormat::Json { DOCUMENT_BYTES_MAX + 1 } else { SAMPLE_BYTES };
    source.by_ref().take(bytes_max).read_to_end(&mut sample).map_err(|error| Failure::file("read", path, &error))?;
    let is_whole = (sample.len() as u64) < bytes_max;
    let inference = look(open(path, Box::new(Cursor::new(sample.clone())), form)?, import, is_whole)?;
    let again = BufReader::new(Cursor::new(sample).chain(source));
    Ok((open(path, Box::new(again), form)?, inference, is_whole))
}

/// Infers types from rows. The last one of a part may be cut off, and is left out.
fn look(mut rows: Rows, import: &Import, is_whole: bool) -> Outcome<Inference> {
    let mut inference = Inference::new(rows.columns().unwrap_or_default());
    let mut last = None;
    loop {
        let next = rows.next().map_err(|error| Failure::file("read", &import.file, &error))?;
        let is_end = next.is_none();
        let row = std::mem::replace(&mut last, next);
        if let Some(row) = row.filter(|_| !is_end || is_whole)
            && let Ok(fields) = &row.fields
        {
            inference.add(fields, import.null.as_deref());
        }
        if is_end {
            break;
        }
    }
    if inference.columns().next().is_none() {
        return Err(Failure::new(Exit::Local, format!("{} has no columns to infer types of", import.file.display())));
    }
    Ok(inference)
}

/// Creates a table. Returns its schema document, and whether it is new.
async fn create(client: &Client, table: &str, inference: &Inference, key: &[String]) -> Outcome<(Value, bool)> {
    if let Some(missing) = key.iter().find(|key| inference.columns().all(|(name, _)| name != **key)) {
        return Err(Failure::usage(format!("the file has no column {missing:?} for the primary key")));
    }
    let body = inference.document(key).to_string();
    let headers = [(CONTENT_TYPE, "application/json")];
    let created = client.request(Method::PUT, &Path::schema(table), &headers, body.into()).await;
    let answer = created.map_err(|error| {
        let differs = error.code() == "42P07";
        let failure = Failure::from(error);
        if differs { failure.hint("import into the table as it is, without --create") } else { failure }
    })?;
    Ok((answer.json()?, answer.status == 201))
}

/// Reads the file to its end and hands out batches.
fn read(mut rows: Rows, encoder: &Encoder, keeps_raw: bool, file: &FilePath, pieces: &mpsc::Sender<Piece>) -> Outcome {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(|error| Failure::file("read", file, &error))? {
        let raw = |raw: Vec<u8>| if keeps_raw { raw } else { Vec::new() };
        let (ready, invalid) = match encoder.encode(&row) {
            Ok(json) => (Some(Ready { line: row.line, json, raw: raw(row.raw) }), None),
            Err(message) => (None, Some(Piece::Invalid { line: row.line, message, raw: raw(row.raw) })),
        };
        let more = ready.as_ref().map_or(0, |ready| ready.json.len());
        let is_full = batch.len() >= BATCH_ROWS_MAX || bytes + more > BATCH_BYTES_MAX || invalid.is_some();
        if is_full && !batch.is_empty() {
            bytes = 0;
            // Where nobody receives, sending has failed, and reports why itself.
            if pieces.blocking_send(Piece::Batch(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
        bytes += more;
        batch.extend(ready);
        if let Some(invalid) = invalid
            && pieces.blocking_send(invalid).is_err()
        {
            return Ok(());
        }
    }
    if !batch.is_empty() {
        let _ = pieces.blocking_send(Piece::Batch(batch));
    }
    Ok(())
}

/// Where rows are sent, and how.
struct Target<'a> {
    client: &'a Client,
    path: Path,
    prefer: &'static str,
}

impl<'a> Target<'a> {
    fn new(client: &'a Client, import: &Import) -> Self {
        let path = Path::table(&import.table).with("on_conflict", import.on_conflict.as_deref().map(str::as_bytes));
        // Of JSON a row may lack members that another has.
        let prefer = if import.upsert {
            "return=minimal, missing=default, resolution=merge-duplicates"
        } else {
            "return=minimal, missing=default"
        };
        Self { client, path, prefer }
    }

    async fn insert(&self, rows: &[Ready]) -> Result<(), ClientError> {
        let bytes = rows.iter().map(|row| row.json.len() + 1).sum::<usize>();
        let mut body = Vec::with_capacity(bytes + 1);
        for row in rows {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(&row.json);
        }
        body.push(b']');
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (ACCEPT, "application/json"),
            (HeaderName::from_static("prefer"), self.prefer),
        ];
        with_retries(self.client, Repeat::IfNotBegun, Method::POST, &self.path, &headers, Bytes::from(body))
            .await
            .map(drop)
    }
}

/// Sends all batches; of one that is refused the halves, down to the row that does not fit.
async fn send(
    target: &Target<'_>,
    mut pieces: mpsc::Receiver<Piece>,
    mut rejects: Option<&mut Rejects>,
    report: &mut Report,
) -> Outcome {
    while let Some(piece) = pieces.recv().await {
        let batch = match piece {
            Piece::Batch(batch) => batch,
            Piece::Invalid { line, message, raw } => {
                let failure = Failure::new(Exit::Local, &message);
                reject(rejects.as_deref_mut(), report, line, failure, "", &raw)?;
                continue;
            }
        };
        let mut ranges: Vec<Range<usize>> = std::iter::once(0..batch.len()).collect();
        while let Some(range) = ranges.pop() {
            let rows = &batch[range.clone()];
            let Some(first) = rows.first() else { continue };
            match target.insert(rows).await {
                Ok(()) => report.rows += rows.len() as u64,
                Err(error) if !is_about_rows(&error) => return Err(broken(error, report.rows, first.line)),
                Err(error) if rows.len() == 1 => {
                    report.refused = true;
                    let code = error.code().to_owned();
                    reject(rejects.as_deref_mut(), report, first.line, error.into(), &code, &first.raw)?;
                }
                Err(_) => {
                    let middle = range.start + rows.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
            }
        }
    }
    Ok(())
}

/// Whether the server refused these rows, rather than every request.
fn is_about_rows(error: &ClientError) -> bool {
    matches!(error.status(), Some(400 | 409 | 413 | 422))
}

/// Keeps a row that does not fit, or ends the import with it.
fn reject(
    rejects: Option<&mut Rejects>,
    report: &mut Report,
    line: u64,
    failure: Failure,
    code: &str,
    raw: &[u8],
) -> Outcome {
    if let Some(rejects) = rejects {
        report.rejected += 1;
        return rejects.add(line, code, &failure.message, raw);
    }
    let mut failure = failure;
    failure.message = format!("line {line}: {}; {}", failure.message, before(report.rows));
    failure.document.entry("detail").or_insert_with(|| failure.message.clone().into());
    failure.document.insert("line".to_owned(), line.into());
    failure.document.insert("rows".to_owned(), report.rows.into());
    Err(match failure.hint {
        Some(_) => failure,
        None => failure.hint("--rejects FILE keeps the rows that do not fit, and goes on"),
    })
}

fn before(rows: u64) -> String {
    match rows {
        0 => "nothing was imported".to_owned(),
        1 => "the row before it is imported".to_owned(),
        rows => format!("the {rows} rows before it are imported"),
    }
}

/// The server is gone, or takes no rows at all.
fn broken(error: ClientError, rows: u64, line: u64) -> Failure {
    // What a request did that has no answer is not known.
    let is_refused = matches!(error, ClientError::Refused { .. } | ClientError::Unreachable { .. })
        && error.code() != REQUEST_TIMEOUT;
    let mut failure = Failure::from(error);
    if rows > 0 || !is_refused {
        let rest = if is_refused { "are not" } else { "may be, in part" };
        failure.message = format!("{}; {rows} rows are imported, those from line {line} on {rest}", failure.message);
    }
    failure
}
