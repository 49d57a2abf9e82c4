//! What opening a store found, or why it failed.

use std::{fmt, io};

use crate::format::{FORMAT, names};
use crate::types::{AttachmentId, Checkpoint, Version};

/// What an interrupted restore or repair leaves is no store.
pub(crate) const HALF_RESTORED: &str = "a restore or repair into this directory was interrupted; run it again";

/// A part of a store or a backup, shown while it is read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Part<'a> {
    /// An entry at the newest commit.
    Entry {
        /// Its key.
        key: &'a [u8],
        /// The commit that wrote it.
        version: Version,
        /// Its value.
        value: &'a [u8],
    },
    /// An attachment that is there and intact; may be shown repeatedly.
    Attachment(AttachmentId),
}

/// What opening a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Whether there was no store before.
    pub is_new: bool,
    /// The checkpoint that the log was applied to.
    pub checkpoint: Option<Checkpoint>,
    /// Damaged checkpoints that were skipped: the file, the offset, and the damage.
    pub passed_over: Vec<(String, u64, &'static str)>,
    /// Segments of the log that were read.
    pub segments: usize,
    /// Commits that were applied again on top of the checkpoint.
    pub commits: u64,
    /// The bytes of these commits in the log.
    pub log_bytes: u64,
    /// The torn end that was cut off the log: the file, the offset, and how many bytes. They were never acknowledged as durable.
    pub cut: Option<(String, u64, u64)>,
    /// The newest commit.
    pub version: Version,
    /// Keys in the store that count ([`Options::counts`](crate::Options)).
    pub keys: u64,
    /// Attachments that the store refers to and whose files are missing.
    pub attachments_missing: Vec<AttachmentId>,
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &format_args!("{} key{}", self.keys, plural(self.keys)))
    }
}

impl Recovered {
    /// As it displays itself, with `contents` for the number of keys: of a caller who counts something else.
    #[must_use]
    pub fn with_contents(&self, contents: &dyn fmt::Display) -> impl fmt::Display {
        fmt::from_fn(move |f| self.write(f, contents))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, contents: &dyn fmt::Display) -> fmt::Result {
        if self.is_new {
            return write!(f, "new store");
        }
        write!(f, "{contents} at version {}", self.version)?;
        if let Some(checkpoint) = &self.checkpoint {
            write!(f, ", from the checkpoint at version {}", checkpoint.version)?;
        }
        let (commits, segments) = (self.commits, self.segments);
        write!(
            f,
            ", {commits} commit{} from {segments} segment{} of the log",
            plural(commits),
            plural(segments as u64)
        )?;
        for (file, offset, what) in &self.passed_over {
            write!(f, "; passed over {file}: {what} (offset {offset})")?;
        }
        if let Some((file, offset, bytes)) = &self.cut {
            write!(f, "; cut {bytes} bytes of an unfinished write off {file} at offset {offset}")?;
        }
        for id in &self.attachments_missing {
            write!(f, "; {} is missing", names::attachment(id))?;
        }
        Ok(())
    }
}

/// Why a store was not opened. Nothing was changed on the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the directory.
    #[error("another process is using the store")]
    InUse,
    /// This process has a store open in the directory.
    #[error("this process already has the store open")]
    InUseHere,
    /// The directory has no store, and was to be read only.
    #[error("there is no store in the directory")]
    Missing,
    /// A later program wrote it.
    #[error("{file} is in format {format}, which this program cannot read (it reads format {known})", known = FORMAT)]
    Newer {
        /// The file.
        file: String,
        /// The version of its format.
        format: u32,
    },
    /// Durable data is damaged.
    #[error("{file}, offset {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it, in bytes.
        offset: u64,
        /// The damage.
        what: String,
    },
    /// The options are not valid.
    #[error("{0}")]
    Options(Box<dyn std::error::Error + Send + Sync>),
    /// The disk failed.
    #[error("{doing}: {error}")]
    Io {
        /// The step that failed.
        doing: String,
        /// The error of the disk.
        error: io::Error,
    },
}

impl OpenError {
    /// Whether this is what an interrupted restore or repair has left: it is to be run again.
    #[must_use]
    pub fn is_half_restored(&self) -> bool {
        matches!(self, Self::Damaged { what, .. } if what == HALF_RESTORED)
    }

    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.into(), offset, what: what.into() }
    }
}

/// Adds the step that failed to an error of the disk.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, OpenError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, OpenError> {
        self.map_err(|error| OpenError::Io { doing: what(), error })
    }
}
