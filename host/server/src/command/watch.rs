//! `mantisdb watch`: changes as they happen.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::context::{self, Output};
use crate::cli::WatchArgs;
use crate::client::text::{JsonBytes, escape};
use crate::client::{ClientError, Path};
use crate::failure::{Exit, Failure, Outcome};

/// The server sends something every 15 s even when nothing happens; a silence of three times that is a broken connection.
const SILENCE_MAX: Duration = Duration::from_secs(45);

pub(super) async fn run(args: WatchArgs) -> Outcome {
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let mut path = Path::new("/api/v1/changes")
        .with("bucket", args.bucket.as_deref().map(str::as_bytes))
        .with("prefix", prefix.as_deref())
        .with("table", args.table.as_deref().map(str::as_bytes))
        .with("select", args.select.as_deref().map(str::as_bytes))
        .with("values", Some(b"true"))
        .with("progress", Some(b"true"))
        .with("since", args.since.as_deref().map(str::as_bytes));
    for filter in &args.filters {
        path = path.with_query(filter);
    }
    let mut lines = context::client(&args.server)?.lines(&path, SILENCE_MAX).await?;
    let mut output = Output::new();
    let mut left = args.limit.unwrap_or(u64::MAX);
    // The cursor to resume from, which also moves while the filters exclude all commits.
    let mut cursor = None;
    while left > 0 {
        let Some(line) = lines.next().await.map_err(|error| resumable(error.into(), cursor.as_deref()))? else {
            return Err(resumable(Failure::new(Exit::Server, "the server ended the feed"), cursor.as_deref()));
        };
        let unexpected = |error: serde_json::Error| ClientError::Unexpected { reason: error.to_string() };
        let written: &RawValue = serde_json::from_slice(&line).map_err(unexpected)?;
        let line: Value = serde_json::from_str(written.get()).map_err(unexpected)?;
        if let Some(error) = line.get("error") {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            let message = format!("the server ended the feed: {} ({})", text("message"), text("code"));
            return Err(Failure::new(Exit::Server, message));
        }
        if let Some(place) = line["cursor"].as_str() {
            cursor = Some(place.to_owned());
        }
        if line.get("kind").is_none() {
            continue;
        }
        left -= 1;
        if args.server.json {
            output.json(&written)?;
        } else {
            output.line(show(&line, written))?;
        }
        output.flush()?;
    }
    Ok(())
}

/// Adds the cursor to resume from to a failure, if one is known.
fn resumable(failure: Failure, cursor: Option<&str>) -> Failure {
    match cursor {
        Some(cursor) => failure.hint(format!("`--since {cursor}` goes on from there")),
        None => failure,
    }
}

/// The rows of a change as they are written: columns in their order, numbers with all their digits.
#[derive(Deserialize)]
struct Rows<'l> {
    #[serde(borrow, default)]
    key: Option<&'l RawValue>,
    #[serde(borrow, default)]
    row: Option<&'l RawValue>,
    #[serde(borrow, default)]
    old: Option<&'l RawValue>,
}

/// What happened, and to what, separated by tabs: bucket, key and value; or table, and key, row and old row as JSON; or the table alone.
fn show(change: &Value, written: &RawValue) -> String {
    if let Some(table) = change["table"].as_str() {
        let kind = change["kind"].as_str().unwrap_or_default();
        let mut line = format!("{kind}\t{}", escape(table.as_bytes()));
        if let Ok(Rows { key, row, old }) = serde_json::from_str(written.get()) {
            for row in [key, row, old].into_iter().flatten() {
                line.push('\t');
                line.push_str(&printable(row.get()));
            }
        }
        return line;
    }
    let text = |name: &str| change[name].as_str().unwrap_or_default();
    let bytes = |name: &str| {
        let value = change.get(name).cloned().unwrap_or_default();
        serde_json::from_value::<JsonBytes>(value).map(|bytes| escape(&bytes.0)).unwrap_or_default()
    };
    let kind = text("kind");
    let line = format!("{kind}\t{}\t{}", text("bucket"), bytes("key"));
    if kind == "put" { format!("{line}\t{}", bytes("value")) } else { line }
}

/// JSON without the control characters that it may have as they are: a terminal would obey them.
fn printable(json: &str) -> String {
    let escaped = |character: char| format!("\\u{:04x}", u32::from(character));
    json.chars().map(|character| if character.is_control() { escaped(character) } else { character.into() }).collect()
}
