//! `mantisdb export`: a bucket to standard output or a file.

use std::fs::Permissions;
use std::io::{BufWriter, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::context;
use crate::cli::ExportArgs;
use crate::client::Client;
use crate::failure::{Exit, Failure, Outcome};
use crate::transfer::export::{self, Export, Report};

const BUFFER_BYTES: usize = 256 << 10;
/// Less what the user's mask takes away, as for any file.
const FILE_MODE: u32 = 0o666;

pub(super) async fn run(args: ExportArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let prefix = args.prefix.as_deref().map(|prefix| context::key(prefix, &args.form)).transpose()?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let to_file = path.is_some();
    let export = Export { bucket: args.bucket.bucket, format: args.format, by_key: args.by_key, prefix, to_file };
    let report = if let Some(path) = path {
        write_file(&client, &export, path, args.force).await?
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

/// Writes beside the file and puts it in its place at the end, so that a failure leaves the old one.
async fn write_file(client: &Client, export: &Export, path: &Path, force: bool) -> Outcome<Report> {
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let exists = || {
        Failure::new(Exit::Local, format!("{} exists", path.display()))
            .hint("choose another name, or replace it with --force")
    };
    if !force && path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let partial = tempfile::Builder::new()
        .permissions(Permissions::from_mode(FILE_MODE))
        .prefix(&name)
        .suffix(".partial")
        .tempfile_in(parent)
        .map_err(failed)?;
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, partial);
    let report = export::run(client, export, &mut output).await?;
    let partial = output.into_inner().map_err(|error| failed(error.into_error()))?.into_temp_path();
    if force {
        partial.persist(path).map_err(|error| failed(error.error))?;
        return Ok(report);
    }
    partial.persist_noclobber(path).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => exists(),
        _ => failed(error.error),
    })?;
    Ok(report)
}
