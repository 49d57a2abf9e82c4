//! `mantisdb export`: a bucket to standard output or a file.

use std::io::BufWriter;
use std::path::Path;

use super::context::{self, BUFFER_BYTES};
use crate::cli::{ExportArgs, ExportFormat};
use crate::failure::{Failure, Outcome};
use crate::files::{Output, Permissions};
use crate::transfer::export::{self, Export};

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
    let export = Export { bucket: args.bucket.bucket, format, prefix, to_file };
    let report = if let Some(path) = path {
        let output = Output::open(path, args.force, Permissions::Usual)?;
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, output.handle()?);
        let report = export::run(&client, &export, &mut file).await?;
        file.into_inner().map_err(|error| Failure::file("write", path, error.error()))?;
        output.finish()?;
        report
    } else {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout());
        export::run(&client, &export, &mut output).await?
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

/// The format by a file's name.
fn guess(file: &Path) -> Option<ExportFormat> {
    match file.extension()?.to_str()? {
        "csv" => Some(ExportFormat::Csv),
        "ndjson" | "jsonl" => Some(ExportFormat::Ndjson),
        _ => None,
    }
}
