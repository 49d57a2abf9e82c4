//! `mantisdb import`: records from a file or standard input.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::{self, Output};
use crate::cli::{Format, ImportArgs};
use crate::client::text::printable_lines;
use crate::failure::{Exit, Failure, Outcome};
use crate::files::extension;
use crate::transfer::import::{self, Import, Report};

pub(super) async fn run(args: ImportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let json = args.server.json;
    let report = import::run(&client, plan(args)?).await?;
    if !json {
        for problem in &report.problems {
            eprintln!("line {}: {}", problem.line, printable_lines(&problem.message));
        }
        let more = report.problem_count - report.problems.len() as u64;
        if more > 0 {
            eprintln!("and {more} more");
        }
    }
    show(&report, json)?;
    if report.problem_count == 0 {
        return Ok(());
    }
    let exit = if report.refused { Exit::Server } else { Exit::Local };
    Err(Failure::new(exit, format!("{} not imported", context::count(report.problem_count, "record"))))
}

fn show(report: &Report, json: bool) -> Outcome {
    let seconds = report.elapsed.as_secs_f64();
    if json {
        let problems = report.problems.iter();
        let problems: Vec<_> =
            problems.map(|problem| json!({"line": problem.line, "message": problem.message})).collect();
        let mut output = Output::new();
        output.json(&json!({
            "records": report.records, "duplicates": report.duplicates, "failed": report.problem_count,
            "problems": problems,
            "seconds": (seconds * 1_000.0).round() / 1_000.0, "order_kept": report.order_kept,
        }))?;
        return output.flush();
    }
    let records = context::count(report.records, "record");
    match report.duplicates {
        0 => eprintln!("{records} imported in {seconds:.1} s"),
        count => eprintln!("{records} imported in {seconds:.1} s, {} skipped", context::count(count, "duplicate")),
    }
    Ok(())
}

fn plan(args: ImportArgs) -> Outcome<Import> {
    let file = args.file.unwrap_or_else(|| PathBuf::from("-"));
    let has_columns = args.key.is_some() || args.delimiter.is_some();
    let format = args.format.or_else(|| guess(&file)).or_else(|| has_columns.then_some(Format::Csv));
    if format != Some(Format::Csv) && (args.value.is_some() || args.delimiter.is_some() || args.no_header) {
        return Err(Failure::usage(
            "--value, --delimiter and --no-header apply only to csv, and the file is read as another format",
        )
        .hint("add --format csv"));
    }
    if format == Some(Format::Lines) && args.key.is_some() {
        return Err(Failure::usage("--key applies only to csv and ndjson; with lines, each line is its own key"));
    }
    if format == Some(Format::Csv) && args.key.is_none() {
        return Err(
            Failure::usage("the key's column is not given").hint("add --key COLUMN: its name, or its number from 1")
        );
    }
    let is_tsv = extension(&file).as_deref() == Some("tsv");
    Ok(Import {
        bucket: args.bucket.bucket,
        format,
        key: args.key,
        value: args.value,
        delimiter: context::delimiter(args.delimiter.as_deref().unwrap_or(if is_tsv { "\t" } else { "," }))?,
        has_header: !args.no_header,
        key_prefix: args.key_prefix.map(|prefix| prefix.as_bytes().to_vec()).unwrap_or_default(),
        ttl_ms: context::ttl_ms(args.ttl.as_deref())?,
        skip_duplicates: args.skip_duplicates,
        keep_order: !args.no_order,
        as_bytes: args.bytes,
        file,
    })
}

/// The format by a file's name.
fn guess(file: &Path) -> Option<Format> {
    match extension(file)?.as_str() {
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" | "tsv" => Some(Format::Csv),
        _ => None,
    }
}
