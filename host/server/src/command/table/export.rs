//! `mantisdb table export`: rows to standard output or a file.

use std::io::BufWriter;
use std::path::Path;

use super::import::guess;
use crate::cli::{RowFormat, TableExportArgs};
use crate::command::context::{self, BUFFER_BYTES, Plain};
use crate::failure::{Failure, Outcome};
use crate::files::{Output, Packed, Packing, Permissions, extension};
use crate::transfer::table::export::{self, Export};

pub(super) async fn run(args: TableExportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let format = args.format.or_else(|| guess(path?)).unwrap_or(RowFormat::Ndjson);
    let query = args.query.unwrap_or_default();
    context::check_query(&query)?;
    let is_tsv = path.and_then(extension).as_deref() == Some("tsv");
    let delimiter = if is_tsv { '\t' } else { ',' };
    let export = Export { table: args.name, format, delimiter, query, to_file: path.is_some() };
    let report = if let Some(path) = path {
        let packing = Packing::of(path)?;
        let output = Output::open(path, args.force, Permissions::Usual)?;
        let failed = |error: std::io::Error| Failure::file("write", path, &error);
        let mut file = Packed::new(output.handle()?, packing).map_err(failed)?;
        let report = export::run(&client, &export, &mut file).await.map_err(|failure| failure.of_file(path))?;
        file.finish().map_err(failed)?;
        output.finish()?;
        report
    } else {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, Plain(std::io::stdout()));
        export::run(&client, &export, &mut output).await?
    };
    // Standard output may be the data.
    if args.server.json {
        eprintln!("{}", serde_json::json!(report));
    } else if export.to_file {
        let (rows, bytes) = (context::count(report.rows, "row"), context::count(report.bytes, "byte"));
        eprintln!("{rows} exported, {bytes}");
    }
    if report.moments > 1 && !args.server.json {
        eprintln!(
            "note: the rows are of {} moments: a snapshot is kept for a minute, and the export went on by primary key",
            report.moments
        );
    }
    Ok(())
}
