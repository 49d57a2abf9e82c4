//! Files that commands write.

use std::fs::Permissions;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::{Exit, Failure, Outcome};

/// Bytes of output that are written at once.
pub(super) const BUFFER_BYTES: usize = 256 << 10;
/// Less what the user's mask takes away, as for any file.
const FILE_MODE: u32 = 0o666;

/// Writes beside the file and puts it in its place at the end, so that a failure leaves the old one, which only `force` replaces.
pub(super) async fn write<T>(
    path: &Path,
    force: bool,
    work: impl AsyncFnOnce(&mut dyn Write) -> Outcome<T>,
) -> Outcome<T> {
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
    let done = work(&mut output).await?;
    let partial = output.into_inner().map_err(|error| failed(error.into_error()))?.into_temp_path();
    if force {
        partial.persist(path).map_err(|error| failed(error.error))?;
        return Ok(done);
    }
    partial.persist_noclobber(path).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => exists(),
        _ => failed(error.error),
    })?;
    Ok(done)
}
