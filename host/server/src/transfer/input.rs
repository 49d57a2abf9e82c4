//! Files to read, with a bar on a terminal, and unpacked.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::encoding;
use crate::failure::{Exit, Failure, Outcome};
use crate::files::unpacked;
use crate::progress;

const BUFFER_BYTES: usize = 256 << 10;

/// Whether the path stands for standard input.
pub(super) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens a file of text, or standard input for `-`, [as UTF-8](encoding). A bar shows how much of it has been read.
pub(super) fn open(path: &Path) -> Outcome<Box<dyn BufRead + Send>> {
    encoding::decoded(open_bytes(path)?).map_err(|error| Failure::file("read", path, &error))
}

/// Opens a file, or standard input for `-`, unpacked if it is compressed.
pub(super) fn open_bytes(path: &Path) -> Outcome<Box<dyn BufRead + Send>> {
    let failed = |error: io::Error| Failure::file("read", path, &error);
    let (total, input): (_, Box<dyn io::Read + Send>) = if is_standard(path) {
        (None, Box::new(io::stdin()))
    } else {
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        (metadata.is_file().then_some(metadata.len()), Box::new(file))
    };
    let input = unpacked(Box::new(progress::bar(total).wrap_read(input))).map_err(failed)?;
    match input {
        Ok(input) => Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, input))),
        Err(other) => Err(Failure::new(Exit::Local, format!("{} is {}", Failure::name_of(path), other.what))
            .hint(format!("unpack it first, as with `{}`", other.remedy))),
    }
}
