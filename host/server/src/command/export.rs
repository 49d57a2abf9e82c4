//! `mantisdb export`: a bucket to standard output or a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::context;
use crate::cli::ExportArgs;
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::transfer::export::{self, Export, Report};

const BUFFER_BYTES: usize = 256 << 10;

pub(super) async fn run(args: ExportArgs) -> Outcome {
    let mut client = context::client(&args.server)?;
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let export = Export { bucket: args.bucket.bucket, format: args.format, by_key: args.by_key, prefix };
    let report = if let Some(path) = &args.output {
        to_file(&mut client, &export, path).await?
    } else {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout());
        export::run(&mut client, &export, &mut output).await?
    };
    // Standard output may be the data.
    if args.server.json {
        eprintln!("{}", serde_json::json!(report));
    } else if args.output.is_some() {
        let (records, bytes) = (context::count(report.records, "record"), context::count(report.bytes, "byte"));
        eprintln!("{records} exported, {bytes}");
    }
    Ok(())
}

/// Writes beside the file and puts it in its place at the end, so that a failure leaves the old one.
async fn to_file(client: &mut Client, export: &Export, path: &Path) -> Outcome<Report> {
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, File::create(&part).map_err(failed)?);
    let written = match export::run(client, export, &mut output).await {
        Ok(report) => output.flush().and_then(|()| std::fs::rename(&part, path)).map(|()| report).map_err(failed),
        Err(failure) => Err(failure),
    };
    written.inspect_err(|_| drop(std::fs::remove_file(&part)))
}
