//! `mantisdb stats`: the server's figures.

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
        show(&mut output, "", &stats)?;
    }
    output.flush()
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
