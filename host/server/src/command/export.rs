//! `mantisdb export`: a bucket to standard output or a file.

use std::io::BufWriter;
use std::path::Path;

use super::context::{self, BUFFER_BYTES};
use crate::cli::ExportArgs;
use crate::failure::{Failure, Outcome};
use crate::files::{Output, Permissions};
use crate::transfer::export::{self, Export};

pub(super) async fn run(args: ExportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let to_file = path.is_some();
    let export = Export { bucket: args.bucket.bucket, format: args.format, by_key: args.by_key, prefix, to_file };
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
