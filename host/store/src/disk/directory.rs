//! A directory of the file system.

#![allow(clippy::disallowed_methods, reason = "this is the Disk of native programs, all that touches files here")]

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{io, str};

use parking_lot::Mutex;
use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, OFlags, flock, fsync, renameat, statat, unlinkat};

use super::place::{Identity, Place, Registered};
use super::{Disk, DiskFile, Displaced, Modes};
use crate::format::names;
use crate::mutants::mutant;

/// The lock file. Programs of earlier versions lock nothing else.
const LOCK: &str = "lock";

/// A directory of the file system. Cloning gives another handle to the same one.
///
/// The directory is opened once and its files are opened relative to it, so neither its name nor the process's current directory matters
/// afterwards. If the name leads elsewhere, or a file was replaced by another, writes fail: the next start would not find them. A child of
/// the process that opened the directory writes nothing.
#[derive(Debug, Clone)]
pub struct DirectoryDisk {
    directory: Arc<Directory>,
    /// Keeps others out while this or a clone of it lives; `None` where each use locks by itself.
    held: Option<Arc<Lock>>,
}

#[derive(Debug)]
struct Directory {
    place: Place,
    is_read_only: bool,
    /// While the directory is locked: which file has which of the engine's names. Nobody else makes, renames or removes any.
    files: Mutex<Option<BTreeMap<String, Identity>>>,
}

impl DirectoryDisk {
    /// The directory `path`. Creates it, for its owner alone, and its missing parents, and makes their names durable.
    ///
    /// # Errors
    /// The directory cannot be created or opened, or its name cannot be made durable. What was created is removed as far as possible.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with_modes(path, Modes::OWNER)
    }

    /// The same with other permissions of what is created. Missing parents have the usual ones.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_modes(path: impl Into<PathBuf>, modes: Modes) -> io::Result<Self> {
        let path = path.into();
        create_all(&path, modes.directory, sync_parent)?;
        Self::open(&path, modes.files, false)
    }

    /// The directory `path`, which must exist, read-only: changes fail, and locking creates no file.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn read_only(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open(&path.into(), Modes::OWNER.files, true)
    }

    fn open(path: &Path, file_mode: u32, is_read_only: bool) -> io::Result<Self> {
        let place = Place::open(path, file_mode).map_err(|error| reason(path, error))?;
        let directory = Directory { place, is_read_only, files: Mutex::default() };
        Ok(Self { directory: Arc::new(directory), held: None })
    }

    /// The same directory, locked once for everything done through the result, so that nobody gets in between two steps.
    ///
    /// # Errors
    /// As for [`lock`](Disk::lock).
    pub fn locked(&self) -> io::Result<Self> {
        Ok(Self { directory: Arc::clone(&self.directory), held: Some(Arc::new(Lock::take(&self.directory)?)) })
    }

    /// The directory's path, made absolute when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.place.name()
    }

    /// Checks that the path still leads to the directory.
    ///
    /// # Errors
    /// The directory was moved, replaced or removed.
    pub fn check_place(&self) -> io::Result<()> {
        self.directory.place.check()
    }

    fn file(&self, name: &str, file: OwnedFd) -> Box<dyn DiskFile> {
        Box::new(DirectoryFile { file: file.into(), name: name.to_owned(), directory: Arc::clone(&self.directory) })
    }
}

impl Directory {
    /// Fails unless names may be created, changed and removed.
    fn check_writable(&self) -> io::Result<()> {
        if self.is_read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.place.check_process()?;
        self.place.check()
    }

    /// The files with the engine's names, and others that `wanted` accepts.
    fn list(&self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.place.handle())? {
            let entry = entry?;
            // A name that is not UTF-8 is not one of the engine's.
            let Ok(name) = str::from_utf8(entry.file_name().to_bytes()) else { continue };
            if name == LOCK || !wanted(name) {
                continue;
            }
            let file_type = match entry.file_type() {
                // Not every file system reports it.
                FileType::Unknown => {
                    let stat = statat(self.place.handle(), entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                known => known,
            };
            if file_type.is_file() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Records which files exist.
    fn note_files(&self) -> io::Result<()> {
        mutant!("directory-by-name" => return Ok(()));
        let mut files = BTreeMap::new();
        for name in self.list(names::is_ours)? {
            if let Some(identity) = self.place.identity_of(&name)? {
                files.insert(name, identity);
            }
        }
        *self.files.lock() = Some(files);
        Ok(())
    }

    /// Fails if `name` leads to another file than the expected one.
    fn check_file(&self, name: &str, expected: Identity) -> io::Result<()> {
        let found = match self.place.identity_of(name)? {
            Some(found) if found == expected => return Ok(()),
            Some(_) => "replaced by another",
            None => "moved or removed",
        };
        let path = self.place.name().join(name);
        Err(Displaced::error(format!("the store's file {} was {found} by somebody else", path.display())))
    }

    /// Forgets a known file that is about to be removed or renamed.
    ///
    /// # Errors
    /// The name leads to another file than the known one, which must be left alone.
    fn release(&self, name: &str) -> io::Result<Option<Identity>> {
        let mut files = self.files.lock();
        let Some(files) = files.as_mut() else { return Ok(None) };
        let Some(&known) = files.get(name) else {
            return match self.place.identity_of(name)? {
                Some(_) => Err(self.made_by_others(name)),
                None => Err(io::ErrorKind::NotFound.into()),
            };
        };
        self.check_file(name, known)?;
        files.remove(name);
        Ok(Some(known))
    }

    fn made_by_others(&self, name: &str) -> io::Error {
        let path = self.place.name().join(name);
        Displaced::error(format!("the file {} was put among the store's by somebody else", path.display()))
    }

    /// The error for an existing file that this process did not create, if that is known.
    fn foreign(&self, name: &str) -> Option<io::Error> {
        let is_foreign = self.files.lock().as_ref().is_some_and(|files| !files.contains_key(name));
        is_foreign.then(|| self.made_by_others(name))
    }

    /// Remembers a file.
    fn know(&self, name: &str, identity: Option<Identity>) {
        if let (Some(files), Some(identity)) = (self.files.lock().as_mut(), identity) {
            files.insert(name.to_owned(), identity);
        }
    }
}

/// Creates the directory `path` with the permissions `mode`, and its missing parents, and calls `sync` to make each name durable.
fn create_all(path: &Path, mode: u32, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    if !missing.is_empty() {
        create(path, mode).map_err(|error| reason(path, error))?;
    }
    let synced = missing.iter().rev().try_for_each(|made| sync(made));
    if synced.is_err() {
        // The next attempt would take these names for durable.
        for made in missing {
            let _ = fs::remove_dir(made);
        }
    }
    synced
}

fn create(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        // Somebody else was faster.
        Err(error) if is_taken(&error) && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        // What was asked for, whatever the umask takes away.
        Ok(()) if mode != Modes::OWNER.directory => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Ok(()) => Ok(()),
    }
}

/// Why `path` is no directory and cannot become one, where the system's error says it of nothing: "File exists".
fn reason(path: &Path, error: io::Error) -> io::Error {
    let in_the_way = path.ancestors().filter(|part| !part.as_os_str().is_empty()).find_map(|part| {
        let stat = fs::symlink_metadata(part).ok()?;
        let said = match (fs::metadata(part), stat.file_type().is_symlink()) {
            (Ok(behind), _) if behind.is_dir() => return None,
            (Err(_), true) => format!("{} is a link to something that does not exist", part.display()),
            (Ok(_), true) => format!("{} is a link to a file, not to a directory", part.display()),
            (_, false) => format!("{} is a file, not a directory", part.display()),
        };
        Some(said)
    });
    match in_the_way {
        Some(said) => io::Error::new(error.kind(), said),
        None => error,
    }
}

/// Makes the name `path`, and all names beside it, durable.
///
/// # Errors
/// The parent directory of `path` cannot be opened or synced.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_names(parent.unwrap_or(Path::new(".")))
}

/// Makes the names in `directory` durable.
fn sync_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

impl Disk for DirectoryDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        match &self.held {
            Some(held) => Ok(Box::new(Arc::clone(held))),
            None => Ok(Box::new(Lock::take(&self.directory)?)),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list(|_| true)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.directory.check_writable()?;
        let made = self.directory.place.open_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL);
        let file = made.map_err(|error| self.directory.foreign(name).filter(|_| is_taken(&error)).unwrap_or(error))?;
        self.directory.know(name, Some(Identity::of_open(&file)?));
        Ok(self.file(name, file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let flags = if self.directory.is_read_only { OFlags::RDONLY } else { OFlags::RDWR };
        Ok(self.file(name, self.directory.place.open_file(name, flags)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let directory = &*self.directory;
        directory.check_writable()?;
        let replaced = match directory.release(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            released => released?,
        };
        let renamed = directory.release(from).inspect_err(|_| directory.know(to, replaced))?;
        let ((old, old_path), (new, new_path)) = (directory.place.at(from), directory.place.at(to));
        match renameat(old, &*old_path, new, &*new_path) {
            Ok(()) => directory.know(to, renamed),
            Err(error) => {
                directory.know(to, replaced);
                directory.know(from, renamed);
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let directory = &*self.directory;
        directory.check_writable()?;
        let removed = directory.release(name)?;
        let (at, path) = directory.place.at(name);
        Ok(unlinkat(at, &*path, AtFlags::empty()).inspect_err(|_| directory.know(name, removed))?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.place.check_process()?;
        fsync(self.directory.place.handle())?;
        self.directory.place.check()
    }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// Locks the file that programs of earlier versions lock. `None` if it does not exist and must not be created: no such program uses the
/// directory then.
fn lock_file(directory: &Directory, is_all: bool) -> io::Result<Option<File>> {
    let flags = if directory.is_read_only { OFlags::RDONLY } else { OFlags::RDWR | OFlags::CREATE };
    let file = match directory.place.open_file(LOCK, flags) {
        Err(error) if directory.is_read_only && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => File::from(opened?),
    };
    match file.try_lock() {
        Ok(()) if is_all => directory.check_file(LOCK, Identity::of_open(&file)?).map(|()| Some(file)),
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Keeps others out of the directory.
#[derive(Debug)]
struct Lock {
    directory: Arc<Directory>,
    file: Option<File>,
    own: Option<OwnedFd>,
    _registered: Registered,
}

impl Lock {
    fn take(directory: &Arc<Directory>) -> io::Result<Self> {
        directory.place.check_process()?;
        directory.place.check()?;
        let registered = directory.place.register()?;
        let own = directory.place.lock()?;
        let file = lock_file(directory, own.is_none())?;
        directory.note_files()?;
        if let (None, Some(file)) = (&own, &file) {
            // Nothing else keeps others out, so this file must stay in place.
            directory.know(LOCK, Some(Identity::of_open(file)?));
        }
        Ok(Self { directory: Arc::clone(directory), file, own, _registered: registered })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        *self.directory.files.lock() = None;
        // A child shares the locks and must not let others in beside its parent. In the parent the locks end here, not with the last copy
        // of a handle, which a child that is about to run another program may still hold.
        if self.directory.place.check_process().is_ok() {
            let _ = self.own.as_ref().map(|own| flock(own, FlockOperation::Unlock));
            let _ = self.file.as_ref().map(File::unlock);
        }
    }
}

/// An open file of a directory.
struct DirectoryFile {
    file: File,
    /// The name by which it was opened.
    name: String,
    directory: Arc<Directory>,
}

impl DiskFile for DirectoryFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFile::read_at(&self.file, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.directory.place.check_process()?;
        DiskFile::write_at(&self.file, bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.directory.place.check_process()?;
        self.file.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.place.check_process()?;
        self.file.sync_data()?;
        self.check_place()
    }

    fn check_place(&self) -> io::Result<()> {
        self.directory.place.check()?;
        // Files that this process removed or renamed itself are not in the map.
        let known = |name: &str| self.directory.files.lock().as_ref().and_then(|files| files.get(name).copied());
        for name in [&*self.name, LOCK] {
            if let Some(known) = known(name) {
                self.directory.check_file(name, known)?;
            }
        }
        Ok(())
    }
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
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

    /// Creates `path` below a new directory that contains `a`, and compares the names made durable with the expected ones.
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
        create_all(&below(path), 0o700, sync).unwrap();
        assert!(below(path).is_dir());
        assert_eq!(synced.take(), expected.iter().map(|name| below(name)).collect::<Vec<_>>(), "{path}");
        create_all(&below(path), 0o700, |again| panic!("{again:?} was there")).unwrap();
    }

    #[test]
    fn each_created_directory_gets_a_durable_name() {
        check_synced("a", &[]);
        check_synced("a/", &[]);
        check_synced("b", &["b"]);
        check_synced("a/b", &["a/b"]);
        check_synced("a/b/c/d/", &["a/b", "a/b/c", "a/b/c/d"]);
    }

    #[test]
    fn a_relative_path_has_a_directory_above_it() {
        // Nothing is created: all tests share the process's current directory.
        for path in ["data", "./data", "/"] {
            sync_parent(Path::new(path)).unwrap();
        }
        create_all(Path::new("."), 0o700, |_| panic!("it is there")).unwrap();
        assert!(sync_parent(Path::new("no-such-directory/data")).is_err());
    }

    #[test]
    fn a_directory_whose_name_is_not_durable_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let sync = |made: &Path| if made.ends_with("b") { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) };
        let failed = create_all(&directory.path().join("a/b"), 0o700, sync);
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
