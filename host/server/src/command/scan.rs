//! `mantisdb scan`: keys, or keys and values, in order.

use mantis_db::json_error;
use serde::Deserialize;

use super::context::{self, Output};
use crate::cli::ScanArgs;
use crate::client::text::{JsonBytes, escape};
use crate::client::{ClientError, Path};
use crate::failure::Outcome;
use crate::progress;

/// A line of a listing.
#[derive(Deserialize)]
struct Line {
    key: JsonBytes,
    /// Only with `values`.
    value: Option<JsonBytes>,
}

pub(super) async fn run(args: ScanArgs) -> Outcome {
    let bytes =
        |text: &Option<std::ffi::OsString>| text.as_deref().map(|text| context::key(text, &args.form)).transpose();
    let path = Path::keys(&args.bucket.bucket)
        .with("prefix", bytes(&args.prefix)?.as_deref())
        .with("start", bytes(&args.start)?.as_deref())
        .with("end", bytes(&args.end)?.as_deref())
        .with("reverse", args.reverse.then_some(b"true"))
        .with("values", args.values.then_some(b"true"))
        .with("details", (args.values && args.server.json).then_some(b"true"));
    let silence_max = context::timeout(&args.server);
    let client = context::client(&args.server)?;
    let mut lines = client.lines(&path, silence_max).await?;
    let mut output = Output::new();
    let bar = progress::output_bar();
    let mut is_empty = true;
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0
        && let Some(line) = lines.next().await?
    {
        left -= 1;
        is_empty = false;
        bar.inc(line.len() as u64);
        if args.server.json {
            output.json_text(&line)?;
            continue;
        }
        let Line { key, value } =
            serde_json::from_slice(&line).map_err(|error| ClientError::Unexpected { reason: json_error(&error) })?;
        match value {
            Some(value) => output.line(format_args!("{}\t{}", escape(&key.0), escape(&value.0)))?,
            None => output.line(escape(&key.0))?,
        }
    }
    bar.finish_and_clear();
    if is_empty {
        context::check_bucket(&client, &args.bucket.bucket).await?;
    }
    output.flush()
}
