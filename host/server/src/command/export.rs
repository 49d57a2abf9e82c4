//! `mantisdb export`: a bucket to standard output or a file.

use std::io::BufWriter;
use std::path::Path;

use super::{context, file};
use crate::cli::ExportArgs;
use crate::failure::Outcome;
use crate::transfer::export::{self, Export};

pub(super) async fn run(args: ExportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let to_file = path.is_some();
    let export = Export { bucket: args.bucket.bucket, format: args.format, by_key: args.by_key, prefix, to_file };
    let report = if let Some(path) = path {
        file::write(path, args.force, async |output| export::run(&client, &export, output).await).await?
    } else {
        let mut output = BufWriter::with_capacity(file::BUFFER_BYTES, std::io::stdout());
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
