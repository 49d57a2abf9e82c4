//! `mantisdb watch`: changes as they happen.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::context::{self, Output};
use crate::cli::WatchArgs;
use crate::client::text::{JsonBytes, escape, printable_json, printable_lines};
use crate::client::{Client, ClientError, Lines, Path};
use crate::failure::{Exit, Failure, Outcome};

/// The server sends something every 15 s even when nothing happens; a silence of three times that is a broken connection.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The pause before the first attempt to connect again; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn run(args: WatchArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let mut path = Path::new("/api/v1/changes")
        .with("bucket", args.bucket.as_deref().map(str::as_bytes))
        .with("prefix", prefix.as_deref())
        .with("table", args.table.as_deref().map(str::as_bytes))
        .with("select", args.select.as_deref().map(str::as_bytes))
        .with("values", Some(b"true"))
        .with("progress", Some(b"true"));
    for filter in &args.filters {
        path = path.with_query(filter);
    }
    let mut watch = Watch {
        output: Output::new(),
        as_json: args.server.json,
        left: args.limit.unwrap_or(u64::MAX),
        cursor: args.since.clone(),
        is_known: false,
    };
    let mut lines = client.lines(&watch.path(&path), SILENCE_MAX).await?;
    loop {
        let lost = match watch.follow(&mut lines).await {
            Ok(()) => return Ok(()),
            Err(End::Over(failure)) => return Err(failure),
            Err(End::Lost(failure)) => failure,
        };
        lines = again(&client, &path, &watch, lost, Duration::from_millis(args.reconnect.ms)).await?;
    }
}

/// Connects again, behind the last change that was shown.
async fn again(client: &Client, path: &Path, watch: &Watch, lost: Failure, patience: Duration) -> Outcome<Lines> {
    if patience.is_zero() {
        return Err(resumable(lost, watch.place()));
    }
    eprintln!("{}; connecting again", printable_lines(&lost.message));
    let mut until = Instant::now() + patience;
    let mut pause = PAUSE_FIRST;
    loop {
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
        match client.lines(&watch.path(path), SILENCE_MAX).await {
            Ok(lines) => {
                eprintln!("connected again");
                return Ok(lines);
            }
            // A server that starts or ends is one to wait for.
            Err(error) if error.status() == Some(503) => until = Instant::now() + patience,
            Err(error) if error.status().is_some() => return Err(resumable(error.into(), watch.place())),
            Err(error) if Instant::now() >= until => return Err(resumable(error.into(), watch.place())),
            Err(_) => {}
        }
    }
}

/// A feed that is shown.
struct Watch {
    output: Output,
    as_json: bool,
    left: u64,
    /// Where to go on from. It also moves while the filters exclude all commits.
    cursor: Option<String>,
    /// Whether the server has named it.
    is_known: bool,
}

/// Why a feed ended.
enum End {
    /// The connection was lost.
    Lost(Failure),
    /// There is nothing to go on with.
    Over(Failure),
}

impl Watch {
    fn path(&self, path: &Path) -> Path {
        path.clone().with("since", self.cursor.as_deref().map(str::as_bytes))
    }

    fn place(&self) -> Option<&str> {
        self.cursor.as_deref().filter(|_| self.is_known)
    }

    /// Shows changes until there are as many as were asked for.
    async fn follow(&mut self, lines: &mut Lines) -> Result<(), End> {
        while self.left > 0 {
            match lines.next().await {
                Ok(Some(line)) => self.show(&line)?,
                Ok(None) => return Err(End::Lost(Failure::new(Exit::Server, "the server ended the feed"))),
                Err(error) => return Err(End::Lost(error.into())),
            }
        }
        Ok(())
    }

    fn show(&mut self, line: &[u8]) -> Result<(), End> {
        let unexpected = |error: serde_json::Error| ClientError::Unexpected { reason: mantis_db::json_error(&error) };
        let written: &RawValue = serde_json::from_slice(line).map_err(unexpected)?;
        let line: Value = serde_json::from_str(written.get()).map_err(unexpected)?;
        if let Some(error) = line.get("error") {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            let message = format!("the server ended the feed: {} ({})", text("message"), text("code"));
            return Err(End::Over(Failure::new(Exit::Server, message)));
        }
        if line.get("kind").is_some() {
            self.left -= 1;
            if self.as_json {
                self.output.json(&written)?;
            } else {
                self.output.line(show(&line, written))?;
            }
            self.output.flush()?;
        }
        if let Some(place) = line["cursor"].as_str() {
            self.cursor = Some(place.to_owned());
            self.is_known = true;
        }
        Ok(())
    }
}

impl From<ClientError> for End {
    fn from(error: ClientError) -> Self {
        Self::Over(error.into())
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Over(failure)
    }
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
                line.push_str(&printable_json(row.get()));
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
    let line = format!("{kind}\t{}\t{}", escape(text("bucket").as_bytes()), bytes("key"));
    if kind == "put" { format!("{line}\t{}", bytes("value")) } else { line }
}
