//! `mantisdb table import`: the rows of a file into a table.

use std::path::{Path as FilePath, PathBuf};

use serde_json::json;

use super::grid::Grid;
use crate::cli::{RowFormat, TableImportArgs};
use crate::client::text::printable;
use crate::command::context::{self, Output};
use crate::failure::{Exit, Failure, Outcome};
use crate::files::extension;
use crate::transfer::table::RowsForm;
use crate::transfer::table::import::{self, Created, Import};

pub(super) async fn run(args: TableImportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let json = args.server.json;
    let rejects = args.rejects.clone();
    let mut inferred = None;
    let table = args.name.clone();
    let report = import::run(&client, plan(args)?, |created| {
        if json {
            inferred = Some(describe(created));
        } else {
            show(&table, created);
        }
    });
    let report = report.await?;
    let seconds = report.elapsed.as_secs_f64();
    if json {
        let mut output = Output::new();
        let mut document = json!({
            "rows": report.rows, "rejected": report.rejected, "seconds": (seconds * 1_000.0).round() / 1_000.0,
        });
        if let Some(inferred) = inferred {
            document["inferred"] = inferred;
        }
        output.json(&document)?;
        output.flush()?;
    } else {
        eprintln!("{} imported in {seconds:.1} s", context::count(report.rows, "row"));
    }
    if report.rejected == 0 {
        return Ok(());
    }
    let exit = if report.refused { Exit::Server } else { Exit::Local };
    let failure = Failure::new(exit, format!("{} not imported", context::count(report.rejected, "row")));
    Err(match rejects {
        Some(file) => failure.hint(format!("{} has them, with line and reason", file.display())),
        None => failure,
    })
}

fn describe(created: &Created) -> serde_json::Value {
    let columns: Vec<_> =
        created.columns.iter().map(|(name, r#type)| json!({ "name": name, "type": r#type })).collect();
    json!({ "created": created.is_new, "columns": columns, "rows": created.rows, "all_rows": created.is_whole })
}

/// What was inferred, on standard error.
fn show(table: &str, created: &Created) {
    let what = if created.is_new { "created" } else { "exists with this schema" };
    let rows = context::count(created.rows, "row");
    let part = if created.is_whole { "all" } else { "the first" };
    eprintln!("table {} {what}; types inferred from {part} {rows}:", printable(table));
    let mut grid = Grid::new(["column", "type"]);
    for (name, r#type) in &created.columns {
        grid.row([name.as_str().into(), (*r#type).into()]);
    }
    for line in grid.lines(None).skip(2) {
        eprintln!("  {line}");
    }
}

fn plan(args: TableImportArgs) -> Outcome<Import> {
    let file = args.file.unwrap_or_else(|| PathBuf::from("-"));
    let format = args.format.unwrap_or_else(|| guess(&file).unwrap_or(RowFormat::Csv));
    if format != RowFormat::Csv && (args.delimiter.is_some() || args.null.is_some() || !args.columns.is_empty()) {
        return Err(Failure::usage("--delimiter, --null and --columns apply only to csv").hint("add --format csv"));
    }
    let is_tsv = extension(&file).as_deref() == Some("tsv");
    let delimiter = context::delimiter(args.delimiter.as_deref().unwrap_or(if is_tsv { "\t" } else { "," }))?;
    Ok(Import {
        table: args.name,
        form: RowsForm { format, delimiter, columns: args.columns },
        file,
        null: args.null,
        create: args.create.then_some(args.primary_key),
        upsert: args.upsert,
        on_conflict: args.on_conflict,
        rejects: args.rejects,
    })
}

/// The format by a file's name.
pub(super) fn guess(file: &FilePath) -> Option<RowFormat> {
    match extension(file)?.as_str() {
        "csv" | "tsv" => Some(RowFormat::Csv),
        "ndjson" | "jsonl" => Some(RowFormat::Ndjson),
        "json" => Some(RowFormat::Json),
        _ => None,
    }
}
