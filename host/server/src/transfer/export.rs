//! The export: a bucket as the file that it was imported from, or in key order in one of the formats.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::order::{self, Entry, Head, Seen};
use super::read::{BYTE_ORDER_MARK, LineEnd};
use crate::cli::ExportFormat;
use crate::client::text::JsonBytes;
use crate::client::{Client, ClientError, Path};
use crate::failure::{Exit, Failure, Outcome};
use crate::progress;

/// Chunks that are fetched ahead.
const CHUNKS_AHEAD: usize = 3;
/// Values requested at once.
const VALUES_AT_ONCE: usize = 1_000;
/// The longest silence in a stream of keys before it counts as broken.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// What to export, and how.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) bucket: String,
    pub(crate) format: ExportFormat,
    /// What separates the columns of CSV.
    pub(crate) delimiter: u8,
    pub(crate) prefix: Option<Vec<u8>>,
    /// Whether the output is a file, rather than standard output.
    pub(crate) to_file: bool,
}

/// The result of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Whether the imported file was reproduced.
    pub(crate) as_imported: bool,
}

/// Writes a bucket to `output`.
pub(crate) async fn run(client: &Client, export: &Export, output: &mut dyn Write) -> Outcome<Report> {
    let bar = if export.to_file { progress::bar(None) } else { progress::output_bar() };
    let mut output = Counted { inner: bar.wrap_write(output), bytes: 0 };
    let is_imported = export.format == ExportFormat::Imported;
    let records = if is_imported {
        let head = order::head(client, &export.bucket).await?.ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("no file's order is recorded for bucket {:?}", export.bucket))
                .hint("`mantisdb import` records it; any other --format writes the records by key")
        })?;
        as_imported(client, &export.bucket, &head, &mut output).await?
    } else {
        by_key(client, export, &mut output).await?
    };
    output.inner.flush().map_err(|error| Failure::stream(&error))?;
    bar.finish_and_clear();
    Ok(Report { records, bytes: output.bytes, as_imported: is_imported })
}

/// Writes the keys of the recorded order, and then the others in key order.
async fn as_imported(client: &Client, bucket: &str, head: &Head, output: &mut Counted<impl Write>) -> Outcome<u64> {
    let mut seen = Seen::default();
    let mut writer = LineWriter::default();
    let mut chunks =
        stream::iter(0..head.chunks).map(|number| fetch_chunk(client.clone(), bucket, number)).buffered(CHUNKS_AHEAD);
    while let Some(pieces) = chunks.try_next().await? {
        for (entry, value) in pieces {
            match (entry, value) {
                (Entry::Text(text), _) => writer.text(output, &text)?,
                (Entry::Record { key, end }, Some(value)) => {
                    writer.record(output, &value, end)?;
                    seen.add(&key);
                }
                // Deleted since.
                (Entry::Record { .. }, None) => {}
            }
        }
    }
    drop(chunks);
    let mut keys = client.lines(&Path::keys(bucket), SILENCE_MAX).await?;
    let mut added: VecDeque<JsonBytes> = VecDeque::new();
    loop {
        let line = keys.next().await?;
        if let Some(line) = &line {
            let key = order::listed_key(line)?;
            if !seen.contains(&key.0) {
                added.push_back(key);
            }
        }
        if added.len() >= VALUES_AT_ONCE || (line.is_none() && !added.is_empty()) {
            let asked = Vec::from(std::mem::take(&mut added));
            for value in fetch_values(client, bucket, &asked).await?.into_iter().flatten() {
                writer.record(output, &value, LineEnd::Lf)?;
            }
        }
        if line.is_none() {
            return Ok(writer.records);
        }
    }
}

/// A chunk with its values. A deleted record has none; text between records that are all deleted is dropped.
async fn fetch_chunk(client: Client, bucket: &str, number: u64) -> Result<Vec<(Entry, Option<Vec<u8>>)>, ClientError> {
    let damaged = |what: &str| ClientError::Unexpected {
        reason: format!("part {number} of the order in bucket {} is {what}", order::bucket_of(bucket)),
    };
    let chunk = match client.get(&order::chunk_path(bucket, number)).await {
        Ok(answer) => {
            answer.whole()?;
            answer.body
        }
        Err(error) if error.status() == Some(404) => return Err(damaged("missing")),
        Err(error) => return Err(error),
    };
    let entries = order::decode(&chunk).ok_or_else(|| damaged("damaged"))?;
    let keys: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Record { key, .. } => Some(JsonBytes(key.clone())),
            Entry::Text(_) => None,
        })
        .collect();
    let mut values = Vec::with_capacity(keys.len());
    for part in keys.chunks(VALUES_AT_ONCE) {
        values.extend(fetch_values(&client, bucket, part).await?);
    }
    if !keys.is_empty() && values.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let mut values = values.into_iter();
    let pair = |entry: Entry| {
        let value = if matches!(entry, Entry::Record { .. }) { values.next().flatten() } else { None };
        (entry, value)
    };
    Ok(entries.into_iter().map(pair).collect())
}

#[derive(Serialize)]
struct GetBatch<'a> {
    operations: Vec<Get<'a>>,
}

#[derive(Serialize)]
struct Get<'a> {
    op: &'static str,
    key: &'a JsonBytes,
}

#[derive(Deserialize)]
struct GetAnswer {
    results: Vec<Got>,
}

#[derive(Deserialize)]
struct Got {
    value: Option<JsonBytes>,
    error: Option<GetError>,
}

#[derive(Deserialize)]
struct GetError {
    code: String,
    message: String,
}

/// The code of a value that did not fit into the batch's answer.
const ANSWER_TOO_LARGE: &str = mantis_db::Code::AnswerTooLarge.as_str();

/// The values of keys; none for a key that does not exist.
async fn fetch_values(client: &Client, bucket: &str, keys: &[JsonBytes]) -> Result<Vec<Option<Vec<u8>>>, ClientError> {
    let operations = keys.iter().map(|key| Get { op: "get", key }).collect();
    let body = serde_json::to_vec(&GetBatch { operations }).unwrap_or_default();
    let answer: GetAnswer = client.post_json(&Path::keys(bucket), body.into()).await?;
    if answer.results.len() != keys.len() {
        return Err(ClientError::Unexpected { reason: "the batch has the wrong number of results".to_owned() });
    }
    let mut values = Vec::with_capacity(keys.len());
    for (key, Got { value, error }) in keys.iter().zip(answer.results) {
        values.push(match error {
            None => value.map(|value| value.0),
            Some(error) if error.code == ANSWER_TOO_LARGE => fetch_alone(client, bucket, key).await?,
            Some(GetError { code, message }) => {
                return Err(ClientError::Unexpected {
                    reason: format!("a value could not be read: {message} ({code})"),
                });
            }
        });
    }
    Ok(values)
}

/// The value of a key, whatever its size; none for a key that does not exist.
async fn fetch_alone(client: &Client, bucket: &str, key: &JsonBytes) -> Result<Option<Vec<u8>>, ClientError> {
    match client.read_key(bucket, &key.0).await {
        Ok(entry) => Ok(Some(entry.value.to_vec())),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes all keys, or those with a prefix, in their own order.
async fn by_key(client: &Client, export: &Export, output: &mut Counted<impl Write>) -> Outcome<u64> {
    #[derive(Deserialize)]
    struct Line {
        key: JsonBytes,
        value: JsonBytes,
    }
    let path = Path::keys(&export.bucket).with("values", Some(b"true")).with("prefix", export.prefix.as_deref());
    let mut lines = client.lines(&path, SILENCE_MAX).await?;
    let mut records = 0;
    if export.format == ExportFormat::Csv {
        output.write_all(&csv_record(b"key", b"value", export.delimiter)?)?;
    }
    while let Some(line) = lines.next().await? {
        records += 1;
        match export.format {
            ExportFormat::Ndjson | ExportFormat::Imported => {
                output.write_all(&line)?;
                output.write_all(b"\n")?;
            }
            format => {
                let Line { key, value } = serde_json::from_slice(&line)
                    .map_err(|error| ClientError::Unexpected { reason: mantis_db::json_error(&error) })?;
                if format == ExportFormat::Lines {
                    output.write_all(&value.0)?;
                    output.write_all(b"\n")?;
                } else {
                    output.write_all(&csv_record(&key.0, &value.0, export.delimiter)?)?;
                }
            }
        }
    }
    Ok(records)
}

fn csv_record(key: &[u8], value: &[u8], delimiter: u8) -> Outcome<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Local, error);
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record([key, value]).map_err(|error| failed(&error))?;
    writer.into_inner().map_err(|error| failed(&error))
}

/// Writes records and text, and ends a line that has no end before the next.
#[derive(Debug, Default)]
struct LineWriter {
    records: u64,
    unended: bool,
}

impl LineWriter {
    fn record(&mut self, output: &mut Counted<impl Write>, value: &[u8], end: LineEnd) -> Outcome {
        self.end_line(output)?;
        output.write_all(value)?;
        output.write_all(end.as_bytes())?;
        self.unended = end == LineEnd::File;
        self.records += 1;
        Ok(())
    }

    fn text(&mut self, output: &mut Counted<impl Write>, text: &[u8]) -> Outcome {
        self.end_line(output)?;
        output.write_all(text)?;
        self.unended = !text.ends_with(b"\n") && !text.ends_with(b"\r") && text != BYTE_ORDER_MARK;
        Ok(())
    }

    fn end_line(&mut self, output: &mut Counted<impl Write>) -> Outcome {
        if std::mem::take(&mut self.unended) { output.write_all(b"\n") } else { Ok(()) }
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Counted<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Outcome {
        self.bytes += bytes.len() as u64;
        self.inner.write_all(bytes).map_err(|error| Failure::stream(&error))
    }
}
