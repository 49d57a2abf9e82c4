//! A file that is being written beside its target, as `NAME.mantisdb-XXXXXX.partial`.
//!
//! It is locked for as long as its process writes it. A signal removes it before the process ends; of one that was killed the next run
//! for the same target finds the file without its lock, and removes it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::OFlags;
use tempfile::TempPath;

const MARK: &str = ".mantisdb-";
const SUFFIX: &str = ".partial";
/// Bytes of the target's name that are in the partial file's: all of it where the file system has room for the rest.
const NAME_BYTES_MAX: usize = 200;
/// Random characters of a name.
const RANDOM: usize = 6;

/// The files that are being written, and directories that are still empty. Whoever holds the lock may rename and remove them.
static UNDER_WAY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes all files that are being written, and directories made for nothing, for the end of the process: none can be completed any
/// more.
pub(crate) fn remove_all() {
    let under_way = UNDER_WAY.lock();
    // What is in a directory goes before it.
    for path in under_way.iter().rev() {
        // A directory with something in it stays.
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
    }
    // For ever: what another thread is about to complete stays incomplete.
    std::mem::forget(under_way);
}

/// A directory that this command has made, and that goes at a signal if nothing is in it; or a file of it, that goes before.
pub(crate) struct Fresh(PathBuf);

impl Fresh {
    pub(crate) fn new(path: &Path) -> Self {
        UNDER_WAY.lock().insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        UNDER_WAY.lock().remove(&self.0);
    }
}

/// A file beside its target. Dropping it removes it.
pub(super) struct Partial {
    pub(super) file: File,
    path: Option<TempPath>,
}

impl Partial {
    /// A new file with these permissions, less what the user's mask takes away, for the target `path`. What killed processes have left for
    /// that target is removed.
    pub(super) fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let (directory, prefix) = (parent(path), prefix(path));
        clear(directory, &prefix);
        loop {
            let made = tempfile::Builder::new()
                .permissions(fs::Permissions::from_mode(mode))
                .prefix(&prefix)
                .rand_bytes(RANDOM)
                .suffix(SUFFIX)
                .tempfile_in(directory)
                .map_err(without_path)?;
            let (file, path) = made.into_parts();
            UNDER_WAY.lock().insert(path.to_path_buf());
            let partial = Self { file, path: Some(path) };
            // Where files cannot be locked, none is cleared either.
            let _ = partial.file.lock();
            // Another process may have taken it for a remainder before it was locked.
            if partial.path.as_deref().is_some_and(|path| leads_to(path, &partial.file)) {
                return Ok(partial);
            }
        }
    }

    /// Gives the file the name `path`, in place of the file of that name only if it `replaces` it.
    pub(super) fn complete(mut self, path: &Path, replaces: bool) -> io::Result<()> {
        let mut under_way = UNDER_WAY.lock();
        let Some(partial) = self.path.take() else { return Ok(()) };
        let name = partial.to_path_buf();
        let named = if replaces { partial.persist(path) } else { partial.persist_noclobber(path) };
        under_way.remove(&name);
        // An error has the file in it, which goes with it.
        named.map_err(|error| error.error)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            UNDER_WAY.lock().remove(&*path);
        }
    }
}

/// The error without the partial file's name, which the user has not given.
fn without_path(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, "its directory does not exist"),
        io::ErrorKind::NotADirectory => io::Error::new(io::ErrorKind::NotADirectory, "it is not in a directory"),
        kind @ (io::ErrorKind::PermissionDenied
        | io::ErrorKind::StorageFull
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::QuotaExceeded) => kind.into(),
        _ => error,
    }
}

/// The directory that `path` lies in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn prefix(path: &Path) -> OsString {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut prefix = OsStr::from_bytes(&name[..name.len().min(NAME_BYTES_MAX)]).to_owned();
    prefix.push(MARK);
    prefix
}

/// Whether the name is this file's.
fn leads_to(path: &Path, file: &File) -> bool {
    match (path.symlink_metadata(), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

/// Removes the files of killed processes. One that is locked is being written.
fn clear(directory: &Path, prefix: &OsStr) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if is_partial(entry.file_name().as_bytes(), prefix.as_bytes()) {
            let path = entry.path();
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&path);
            if let Ok(file) = opened
                && file.metadata().is_ok_and(|metadata| metadata.is_file())
                && file.try_lock().is_ok()
                && leads_to(&path, &file)
            {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn is_partial(name: &[u8], prefix: &[u8]) -> bool {
    let random = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_nobody_writes_any_more_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let (target, other) = (directory.path().join("a"), directory.path().join("a.b"));
        let at = |name: &str| directory.path().join(name);
        // What a killed process leaves, what another target has, and what only resembles it.
        for name in
            ["a.mantisdb-x1Y2z3.partial", "a.b.mantisdb-x1Y2z3.partial", "a.mantisdb-x1Y2.partial", "a.x1Y2z3.partial"]
        {
            fs::write(at(name), "left").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", at("a.mantisdb-linked.partial")).unwrap();
        let first = Partial::create(&target, 0o600).unwrap();
        let second = Partial::create(&target, 0o600).unwrap();
        let found = names(directory.path());
        assert!(!found.contains(&"a.mantisdb-x1Y2z3.partial".to_owned()) && found.len() == 6, "{found:?}");
        drop(Partial::create(&other, 0o600).unwrap());
        assert_eq!(names(directory.path()).len(), 5, "the other target's");
        writeln!(&first.file, "whole").unwrap();
        first.complete(&target, false).unwrap();
        assert!(second.complete(&target, false).is_err(), "it is there already");
        assert_eq!(fs::read(&target).unwrap(), b"whole\n");
        assert_eq!(names(directory.path()).len(), 4);
        assert!(UNDER_WAY.lock().iter().all(|path| !path.starts_with(directory.path())));
    }

    #[test]
    fn a_name_of_any_length_has_room() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("n".repeat(255));
        Partial::create(&target, 0o600).unwrap().complete(&target, true).unwrap();
        assert!(target.exists());
    }
}
