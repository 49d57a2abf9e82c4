//! Names of the engine's files.

use crate::types::{AttachmentId, Version};

/// The file that identifies a directory as a store, and has its format.
pub(crate) const STORE: &str = "store.mantis";
/// The suffix of a file's name while it is written. Opening removes such remains of a crash.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// A file that is written to find out whether there is space, and removed.
pub(crate) const SPACE_PROBE: &str = "room";

const SEGMENT: (&str, &str) = ("log-", ".mantis");
const CHECKPOINT: (&str, &str) = ("checkpoint-", ".mantis");
const ATTACHMENT: (&str, &str) = ("attachment-", ".mantis");

/// The segment whose records follow the commit `after`.
pub(crate) fn segment(after: Version) -> String {
    numbered(SEGMENT, after)
}

/// The checkpoint that shows the commit `version`.
pub(crate) fn checkpoint(version: Version) -> String {
    numbered(CHECKPOINT, version)
}

/// The file with the bytes of an attachment, and nothing else.
pub(crate) fn attachment(id: &AttachmentId) -> String {
    let (before, after) = ATTACHMENT;
    format!("{before}{id}{after}")
}

/// Whether a file was being written when a process ended.
pub(crate) fn is_unfinished(name: &str) -> bool {
    let Some(name) = name.strip_suffix(UNFINISHED) else { return false };
    name == STORE || name == SPACE_PROBE || checkpoint_of(name).is_some() || attachment_of(name).is_some()
}

/// Whether a file is the engine's.
pub(crate) fn is_ours(name: &str) -> bool {
    let has_contents = segment_of(name).is_some() || checkpoint_of(name).is_some() || attachment_of(name).is_some();
    name == STORE || has_contents || is_unfinished(name)
}

/// The commit in a segment's name.
pub(crate) fn segment_of(name: &str) -> Option<Version> {
    number(SEGMENT, name)
}

/// The commit in a checkpoint's name.
pub(crate) fn checkpoint_of(name: &str) -> Option<Version> {
    number(CHECKPOINT, name)
}

/// The attachment whose bytes a file has by its name.
pub(crate) fn attachment_of(name: &str) -> Option<AttachmentId> {
    let (before, after) = ATTACHMENT;
    AttachmentId::from_hexadecimal(name.strip_prefix(before)?.strip_suffix(after)?)
}

/// Twenty digits, so that names sort in the order of their commits.
fn numbered((before, after): (&str, &str), version: Version) -> String {
    format!("{before}{version:020}{after}")
}

fn number((before, after): (&str, &str), name: &str) -> Option<Version> {
    let digits = name.strip_prefix(before)?.strip_suffix(after)?;
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}
