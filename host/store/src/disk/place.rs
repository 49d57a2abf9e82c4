//! Where a directory is: a handle of it, the name it was opened by, and whether the one still leads to the other.
//!
//! Everything in the directory is done relative to the handle, so that no other directory is ever written to, whatever becomes of the
//! name and of the process's current directory. A name that leads elsewhere is an error all the same: the next start would look there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use parking_lot::Mutex;
use rustix::fs::{AtFlags, CWD, Dev, FlockOperation, Mode, OFlags, Stat, flock, fstat, open, openat, stat, statat};
use rustix::io::Errno;

use super::{Displaced, OpenHere};
use crate::mutants::mutant;

/// What the system knows a file or a directory by, whatever its name. No other has it while a handle is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    device: Dev,
    inode: u64,
}

impl Identity {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }

    /// That of an open file.
    pub(super) fn of_open(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::of(&fstat(file)?))
    }
}

/// A directory that was opened by a name.
#[derive(Debug)]
pub(super) struct Place {
    handle: OwnedFd,
    identity: Identity,
    /// Absolute from the beginning: the process's current directory may change. Links in it are followed again each time, so that one
    /// that is made to lead elsewhere is noticed.
    name: PathBuf,
    /// The process that opened it.
    process: u32,
}

impl Place {
    /// Opens the directory `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let name = std::path::absolute(path)?;
        let handle = open(&name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let identity = Identity::of_open(&handle)?;
        Ok(Self { handle, identity, name, process: process::id() })
    }

    /// The name that it was opened by.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    pub(super) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// What a call relative to a directory takes for the file `name`.
    pub(super) fn at<'n>(&self, name: &'n str) -> (BorrowedFd<'_>, Cow<'n, Path>) {
        mutant!("directory-by-name" => return (CWD, self.name.join(name).into()));
        (self.handle.as_fd(), Path::new(name).into())
    }

    /// The identity of the file that has the name `name` now, if there is one.
    pub(super) fn identity_of(&self, name: &str) -> io::Result<Option<Identity>> {
        let (directory, path) = self.at(name);
        match statat(directory, &*path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Identity::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the file `name`, and no link of that name.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let (directory, path) = self.at(name);
        Ok(openat(directory, &*path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::from_raw_mode(0o666))?)
    }

    /// A child of the process that opened the directory shares its handles and its locks, and must leave the files alone.
    pub(super) fn check_process(&self) -> io::Result<()> {
        if process::id() == self.process {
            return Ok(());
        }
        let what = "a child of the process that opened the directory writes nothing into it";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
    }

    /// Whether its name still leads to it.
    ///
    /// # Errors
    /// [`Displaced`] where it does not. Where the name may not be looked at, that is not known, and no error.
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

    /// Where the directory is now, in brackets, as far as the system knows.
    fn now(&self) -> Option<String> {
        let path = fs::read_link(format!("/proc/self/fd/{}", self.handle.as_raw_fd())).ok()?;
        Some(format!(" (now {})", path.display()))
    }

    /// Keeps all others out, this process included, until what is returned is dropped. The lock is the directory's own: no name in it
    /// has to stay for that. None where the file system locks no directories.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where somebody has it.
    pub(super) fn lock(&self) -> io::Result<Option<OwnedFd>> {
        // A handle of its own: it is let go of with the last copy, in this process and in its children.
        let own = openat(&self.handle, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        match flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(own)),
            Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
            // As over NFS, which locks what is open for writing alone.
            Err(Errno::BADF | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that this process has a store open here, until what is returned is dropped.
    ///
    /// # Errors
    /// [`OpenHere`] where it has one already.
    pub(super) fn register(&self) -> io::Result<Registered> {
        if OPEN_STORES.lock().insert(self.identity) { Ok(Registered(self.identity)) } else { Err(OpenHere::error()) }
    }
}

/// The directories of the stores that this process has open.
static OPEN_STORES: Mutex<BTreeSet<Identity>> = Mutex::new(BTreeSet::new());

/// An entry among them.
#[derive(Debug)]
pub(super) struct Registered(Identity);

impl Drop for Registered {
    fn drop(&mut self) {
        OPEN_STORES.lock().remove(&self.0);
    }
}
