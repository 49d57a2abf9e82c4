//! The file of rows that do not fit: a JSON object a line with the row's `line`, the `reason` and its `code`, and the `row` as it was.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::client::text::JsonBytes;
use crate::failure::{Exit, Failure, Outcome};

/// Writes rows that do not fit.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    output: BufWriter<File>,
    count: u64,
}

#[derive(Serialize)]
struct Rejected<'a> {
    line: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    reason: &'a str,
    row: JsonBytes,
}

impl Rejects {
    /// A new file.
    ///
    /// # Errors
    /// A file of that name is there, or cannot be made.
    pub(super) fn create(path: &Path) -> Outcome<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::new(Exit::Local, format!("{} exists", path.display()))
                .hint("it may have the rows that an import refused: remove it, or choose another name"),
            _ => Failure::file("write", path, &error),
        })?;
        Ok(Self { path: path.to_owned(), output: BufWriter::new(file), count: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn add(&mut self, line: u64, code: &str, reason: &str, row: &[u8]) -> Outcome {
        self.count += 1;
        let rejected = Rejected { line, code, reason, row: JsonBytes(row.to_vec()) };
        let written = serde_json::to_writer(&mut self.output, &rejected).map_err(Into::into);
        written.and_then(|()| self.output.write_all(b"\n")).map_err(|error| Failure::file("write", &self.path, &error))
    }

    /// Completes the file; it goes if nothing is in it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn finish(mut self) -> Outcome {
        let failed = |error: std::io::Error| Failure::file("write", &self.path, &error);
        self.output.flush().map_err(failed)?;
        if self.count == 0 { std::fs::remove_file(&self.path).map_err(failed) } else { Ok(()) }
    }
}
