//! A directory of the file system.

#![allow(clippy::disallowed_methods, reason = "this is the Disk of native programs, all that touches files here")]

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile};

/// The file whose lock tells other processes that the directory is in use.
const LOCK: &str = "lock";

/// A directory of the file system.
#[derive(Debug, Clone)]
pub struct DirectoryDisk {
    path: PathBuf,
    is_read_only: bool,
}

impl DirectoryDisk {
    /// The directory `path`. It is made if it does not exist, with those above it, and all of their names are durable then.
    ///
    /// # Errors
    /// The directory cannot be made, or its name cannot be made durable. What was made is removed again as far as possible.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        create_all(&path, sync_parent)?;
        Ok(Self { path, is_read_only: false })
    }

    /// The directory `path`, which must exist, for reading alone: whatever would change it fails, and locking it makes no file. Where
    /// there is no file to lock, nobody has ever opened a store there, and nobody is kept out.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn read_only(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::read_dir(&path)?;
        Ok(Self { path, is_read_only: true })
    }

    /// The directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.is_read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }
}

/// Makes the directory `path` and those above it that are missing, and has `sync` make the name of each durable.
fn create_all(path: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(path)?;
    let synced = missing.iter().rev().try_for_each(|made| sync(made));
    if synced.is_err() {
        // The next attempt would take what it found for durable.
        for made in missing {
            let _ = fs::remove_dir(made);
        }
    }
    synced
}

/// Makes the name `path`, and all beside it, durable.
///
/// # Errors
/// The directory that `path` lies in cannot be opened or synced.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_names(parent.unwrap_or(Path::new(".")))
}

/// Makes the names in `directory` durable.
fn sync_names(directory: &Path) -> io::Result<()> {
    // Windows makes names durable by itself and cannot open a directory as a file.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

impl Disk for DirectoryDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut options = OpenOptions::new();
        if self.is_read_only {
            options.read(true);
        } else {
            options.create(true).truncate(false).write(true);
        }
        let file = match options.open(self.at(LOCK)) {
            Err(error) if self.is_read_only && error.kind() == io::ErrorKind::NotFound => return Ok(Box::new(())),
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for file in fs::read_dir(&self.path)? {
            let file = file?;
            // What has a name that the engine would not give is not the engine's.
            if let Ok(name) = file.file_name().into_string()
                && file.file_type()?.is_file()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check_writable()?;
        Ok(Box::new(OpenOptions::new().read(true).write(true).create_new(true).open(self.at(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(!self.is_read_only).open(self.at(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check_writable()?;
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_writable()?;
        fs::remove_file(self.at(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        sync_names(&self.path)
    }
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(self, bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Makes `path` below a new directory where `a` exists, and compares the names that are made durable with those expected.
    #[track_caller]
    fn check_synced(path: &str, expected: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        let below = |name: &str| directory.path().join(name);
        fs::create_dir(below("a")).unwrap();
        let synced = RefCell::new(Vec::new());
        let sync = |made: &Path| {
            assert!(made.is_dir(), "{made:?} is synced before it is made");
            synced.borrow_mut().push(made.to_owned());
            sync_parent(made)
        };
        create_all(&below(path), sync).unwrap();
        assert!(below(path).is_dir());
        assert_eq!(synced.take(), expected.iter().map(|name| below(name)).collect::<Vec<_>>(), "{path}");
        create_all(&below(path), |again| panic!("{again:?} was there")).unwrap();
    }

    #[test]
    fn the_name_of_each_directory_that_is_made_is_made_durable() {
        check_synced("a", &[]);
        check_synced("a/", &[]);
        check_synced("b", &["b"]);
        check_synced("a/b", &["a/b"]);
        check_synced("a/b/c/d/", &["a/b", "a/b/c", "a/b/c/d"]);
    }

    #[test]
    fn a_relative_path_has_a_directory_above_it() {
        // Nothing is made: tests share the process's directory.
        for path in ["data", "./data", "/"] {
            sync_parent(Path::new(path)).unwrap();
        }
        create_all(Path::new("."), |_| panic!("it is there")).unwrap();
        assert!(sync_parent(Path::new("no-such-directory/data")).is_err());
    }

    #[test]
    fn a_directory_whose_name_is_not_durable_is_not_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let sync = |made: &Path| if made.ends_with("b") { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) };
        let failed = create_all(&directory.path().join("a/b"), sync);
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
