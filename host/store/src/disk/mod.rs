//! Where the engine's files live: one directory, behind a trait, so that tests can fail any operation and cut the power.
//!
//! | implementation | is |
//! |---|---|
//! | [`DirectoryDisk`] | a directory of the file system (not in a browser page) |
//! | [`MemoryDisk`] | files in memory |
//!
//! Nothing here waits for anything but the disk, starts a thread, or needs a runtime.

#[cfg(unix)]
mod directory;
mod memory;
#[cfg(unix)]
mod place;

use std::any::Any;
use std::io::{self, Read};

#[cfg(unix)]
pub use directory::{DirectoryDisk, sync_parent};
pub use memory::MemoryDisk;
#[cfg(any(test, feature = "testing"))]
pub(crate) use memory::{in_memory, overwrite};

/// The files of one directory. Names are plain: letters, digits, `-` and `.`.
pub trait Disk: Send + Sync + 'static {
    /// Keeps others out of the directory while the result lives.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it is locked already.
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// The names of the files, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates a file. Its name is durable after [`sync_directory`](Self::sync_directory).
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file, and replaces one of that name. Durable after [`sync_directory`](Self::sync_directory).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`sync_directory`](Self::sync_directory).
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the current names durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// The length in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads bytes from `offset` into `buffer`, and returns how many; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes` at `offset`, and returns how many. The file grows as needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file, or extends it with zeros.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes contents and length durable.
    fn sync(&self) -> io::Result<()>;

    /// Checks that writes would be found again: the file and its directory still have their names. Part of [`sync`](Self::sync) where names
    /// can change.
    fn check_place(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The permissions of a directory that is made, and of the files that are made in it, as in `chmod`. What is there keeps its own.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// Of the directory.
    pub directory: u32,
    /// Of its files.
    pub files: u32,
}

#[cfg(unix)]
impl Modes {
    /// For the owner alone: 0700 and 0600.
    pub const OWNER: Self = Self { directory: 0o700, files: 0o600 };
}

#[cfg(unix)]
impl Default for Modes {
    fn default() -> Self {
        Self::OWNER
    }
}

/// A directory or a file was moved, replaced or removed by somebody else: writes would not be found under its name.
#[cfg(unix)]
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Displaced(String);

#[cfg(unix)]
impl Displaced {
    fn error(what: String) -> io::Error {
        io::Error::other(Self(what))
    }
}

/// Whether an error means that further writes would not be found again, so that trying again is of no use.
#[cfg(unix)]
pub(crate) fn is_displaced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Displaced>)
}

/// As above; a page has no directory.
#[cfg(not(unix))]
pub(crate) fn is_displaced(_: &io::Error) -> bool {
    false
}

/// This process has a store open in the directory already.
#[cfg(unix)]
#[derive(Debug, thiserror::Error)]
#[error("this process has opened the directory already")]
struct OpenHere;

#[cfg(unix)]
impl OpenHere {
    fn error() -> io::Error {
        io::Error::new(io::ErrorKind::WouldBlock, Self)
    }
}

/// Whether a lock was refused because this process holds it.
#[cfg(unix)]
pub(crate) fn is_open_here(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<OpenHere>)
}

/// Fills `buffer` from `offset` as far as the file goes, and returns how many bytes were read.
pub(crate) fn read_full(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_all(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a file from its start.
pub(crate) struct Sequential<'f> {
    file: &'f dyn DiskFile,
    offset: u64,
}

impl<'f> Sequential<'f> {
    pub(crate) fn new(file: &'f dyn DiskFile) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
