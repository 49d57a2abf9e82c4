//! `mantisdb stats`: the server's statistics.

use serde_json::Value;

use super::context::{self, Output};
use crate::cli::StatsArgs;
use crate::client::Path;
use crate::failure::Outcome;

pub(super) async fn run(args: StatsArgs) -> Outcome {
    let stats: Value = context::client(&args.server)?.get_json(&Path::new("/stats")).await?;
    let mut output = Output::new();
    if args.server.json {
        output.json(&stats)?;
    } else {
        show_all(&mut output, &stats)?;
    }
    output.flush()
}

/// What people look for comes first, and the long list of requests by route last.
fn show_all(output: &mut Output, stats: &Value) -> Outcome {
    let Value::Object(parts) = stats else { return show(output, "", stats) };
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|(name, _)| {
        ["store", "pool"].iter().position(|first| first == name).unwrap_or(2 + usize::from(*name == "http"))
    });
    parts.into_iter().try_for_each(|(name, part)| show(output, name, part))
}

/// A line for each figure, under its path in the JSON.
fn show(output: &mut Output, path: &str, value: &Value) -> Outcome {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            let separator = if path.is_empty() { "" } else { "." };
            show(output, &format!("{path}{separator}{name}"), member)
        }),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(place, item)| show(output, &format!("{path}.{place}"), item))
        }
        Value::String(text) => output.line(format_args!("{path}\t{text}")),
        figure => output.line(format_args!("{path}\t{figure}")),
    }
}
