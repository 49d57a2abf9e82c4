//! A directory's place: its handle, the name by which it was opened, and whether that name still leads to it.
//!
//! All operations are relative to the handle, so that no other directory is ever written to, whatever happens to the name or to the
//! process's current directory. A name that leads elsewhere is still an error, because the next start would look there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use parking_lot::Mutex;
use rustix::fs::{
    AtFlags, CWD, Dev, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, open, openat, stat, statat,
};
use rustix::io::Errno;

use super::{Displaced, Modes, OpenHere};
use crate::mutants::mutant;

/// The system's identity of a file or directory, whatever its name. It is unique while a handle is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    device: Dev,
    inode: u64,
}

impl Identity {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }

    /// The identity of an open file.
    pub(super) fn of_open(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::of(&fstat(file)?))
    }
}

/// A directory that was opened by a name.
#[derive(Debug)]
pub(super) struct Place {
    handle: OwnedFd,
    identity: Identity,
    /// Absolute from the start, because the process's current directory may change. Links in it are followed again each time, so that a
    /// link that was redirected is noticed.
    name: PathBuf,
    /// The process that opened it.
    process: u32,
    /// The permissions of files that are made.
    file_mode: u32,
}

impl Place {
    /// Opens the directory `path`, in which files are made with the permissions `file_mode`.
    pub(super) fn open(path: &Path, file_mode: u32) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let name = std::path::absolute(path)?;
        let handle = open(&name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let identity = Identity::of_open(&handle)?;
        Ok(Self { handle, identity, name, process: process::id(), file_mode })
    }

    /// The name by which it was opened.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    pub(super) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// The arguments for a call relative to the directory, for the file `name`.
    pub(super) fn at<'n>(&self, name: &'n str) -> (BorrowedFd<'_>, Cow<'n, Path>) {
        mutant!("directory-by-name" => return (CWD, self.name.join(name).into()));
        (self.handle.as_fd(), Path::new(name).into())
    }

    /// The identity of the file that now has the name `name`, if any.
    pub(super) fn identity_of(&self, name: &str) -> io::Result<Option<Identity>> {
        let (directory, path) = self.at(name);
        match statat(directory, &*path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Identity::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the file `name`; refuses a link of that name.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let (directory, path) = self.at(name);
        let mode = Mode::from_bits_truncate(self.file_mode);
        let file = openat(directory, &*path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode)?;
        if flags.contains(OFlags::EXCL) && self.file_mode != Modes::OWNER.files {
            // What was asked for, whatever the umask takes away.
            fchmod(&file, mode)?;
        }
        Ok(file)
    }

    /// A child of the process that opened the directory shares its handles and locks, and must leave the files alone.
    pub(super) fn check_process(&self) -> io::Result<()> {
        if process::id() == self.process {
            return Ok(());
        }
        let what = "a child of the process that opened the directory writes nothing into it";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
    }

    /// Checks that the name still leads to the directory.
    ///
    /// # Errors
    /// [`Displaced`] if it does not. A name that may not be examined is no error: the answer is unknown.
    pub(super) fn check(&self) -> io::Result<()> {
        mutant!("directory-by-name" => return Ok(()));
        let found = match stat(&self.name) {
            // Some network file systems renumber files.
            Ok(stat)
                if Identity::of(&stat) == self.identity || Identity::of(&stat) == Identity::of_open(&self.handle)? =>
            {
                return Ok(());
            }
            Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => "another directory",
            Ok(_) => "something that is no directory",
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => "nothing",
            Err(Errno::ACCESS | Errno::PERM) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (name, now) = (self.name.display(), self.now().unwrap_or_default());
        Err(Displaced::error(format!(
            "the store's directory was moved, replaced or removed: {name} leads to {found} now; what was committed is in the \
             directory that was opened{now}; put it back under its name and start again"
        )))
    }

    /// The directory's current path in brackets, as far as the system knows.
    fn now(&self) -> Option<String> {
        let path = fs::read_link(format!("/proc/self/fd/{}", self.handle.as_raw_fd())).ok()?;
        Some(format!(" (now {})", path.display()))
    }

    /// Keeps all others out, this process included, until the result is dropped. The lock is the directory's own, so no name in it has to
    /// stay. `None` where the file system locks no directories.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it is locked already.
    pub(super) fn lock(&self) -> io::Result<Option<OwnedFd>> {
        // A handle of its own: the lock ends with the last copy of it, in this process and in its children.
        let own = openat(&self.handle, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        match flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(own)),
            Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
            // As over NFS, which locks only what is open for writing.
            Err(Errno::BADF | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Registers that this process has a store open here, until the result is dropped.
    ///
    /// # Errors
    /// [`OpenHere`] if it has one open already.
    pub(super) fn register(&self) -> io::Result<Registered> {
        if OPEN_STORES.lock().insert(self.identity) { Ok(Registered(self.identity)) } else { Err(OpenHere::error()) }
    }
}

/// The directories of all stores that this process has open.
static OPEN_STORES: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());

/// An entry of [`OPEN_STORES`].
#[derive(Debug)]
pub(super) struct Registered(Identity);

impl Drop for Registered {
    fn drop(&mut self) {
        OPEN_STORES.lock().remove(&self.0);
    }
}
