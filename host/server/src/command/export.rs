//! `mantisdb export`: a bucket to standard output or a file.

use std::io::BufWriter;
use std::path::Path;

use super::context::{self, BUFFER_BYTES};
use crate::cli::{ExportArgs, ExportFormat};
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::files::{Output, Packed, Packing, Permissions, extension};
use crate::transfer::export::{self, Export, Report};

pub(super) async fn run(args: ExportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let to_file = path.is_some();
    let format = args.format.or_else(|| guess(path?)).unwrap_or(ExportFormat::Ndjson);
    if format == ExportFormat::Imported && (prefix.is_some() || args.by_key) {
        return Err(Failure::usage("--format imported writes a whole file in its own order")
            .hint("leave out --prefix and --by-key, or choose another format"));
    }
    let is_tsv = path.and_then(extension).as_deref() == Some("tsv");
    let delimiter = if is_tsv { b'\t' } else { b',' };
    let bucket = args.bucket.bucket.clone();
    let export = Export { bucket: args.bucket.bucket, format, delimiter, prefix, to_file };
    let report = if let Some(path) = path {
        let packing = Packing::of(path)?;
        let output = Output::open(path, args.force, Permissions::Usual)?;
        let failed = |error: std::io::Error| Failure::file("write", path, &error);
        let mut file = Packed::new(output.handle()?, packing).map_err(failed)?;
        let report = export::run(&client, &export, &mut file).await.map_err(|failure| failure.of_file(path))?;
        found(&client, &bucket, &report).await?;
        file.finish().map_err(failed)?;
        output.finish()?;
        report
    } else {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout());
        let report = export::run(&client, &export, &mut output).await?;
        found(&client, &bucket, &report).await?;
        report
    };
    // Standard output may be the data.
    if args.server.json {
        eprintln!("{}", serde_json::json!(report));
    } else if to_file {
        let (records, bytes) = (context::count(report.records, "record"), context::count(report.bytes, "byte"));
        eprintln!("{records} exported, {bytes}");
    }
    Ok(())
}

/// Of a bucket that does not exist nothing is exported, and no file is made.
async fn found(client: &Client, bucket: &str, report: &Report) -> Outcome {
    if report.records == 0 { context::check_bucket(client, bucket).await } else { Ok(()) }
}

/// The format by a file's name.
fn guess(file: &Path) -> Option<ExportFormat> {
    match extension(file)?.as_str() {
        "csv" | "tsv" => Some(ExportFormat::Csv),
        "ndjson" | "jsonl" => Some(ExportFormat::Ndjson),
        _ => None,
    }
}
