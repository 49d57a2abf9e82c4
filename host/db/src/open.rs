//! [`OpenOptions`]: a database with all that it needs: the machine's clock and randomness, threads, housekeeping.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
#[cfg(unix)]
use crate::disk::{DirectoryDisk, Modes};
use crate::engine::{
    Clock, DiskEvent, DiskThreads, Durability, OnProgress, OpenError, Random, SystemClock, SystemRandom,
};
use crate::upkeep::Upkeep;
use crate::{Database, Limits, StorageOptions};

/// What hears of the disk's events.
type OnDiskEvent = Arc<dyn Fn(DiskEvent) + Send + Sync>;

/// How to open a database. What is opened has all it needs inside: the machine's clock and randomness, the threads that write the log and
/// checkpoints, and one for housekeeping (expiry, freeing). No runtime is needed.
///
/// ```
/// use mantis_db::{Durability, OpenOptions};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("data");
/// let database = OpenOptions::new().durability(Durability::Interval { ms: 100 }).open(&path)?;
/// database.close()?;
/// let reader = OpenOptions::new().read_only(true).open(&path)?;
/// assert_eq!(reader.version(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct OpenOptions {
    limits: Limits,
    storage: StorageOptions,
    is_read_only: bool,
    #[cfg(unix)]
    modes: Modes,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    on_progress: Option<OnProgress>,
    on_disk_event: OnDiskEvent,
}

impl OpenOptions {
    /// The default limits, [`Durability::Always`], reading and writing.
    pub fn new() -> Self {
        Self {
            limits: Limits::default(),
            storage: StorageOptions::default(),
            is_read_only: false,
            #[cfg(unix)]
            modes: Modes::OWNER,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            on_progress: None,
            on_disk_event: Arc::new(|_| ()),
        }
    }

    /// When a commit is acknowledged. [`Durability::Always`] at first.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.storage.durability = durability;
        self
    }

    /// Sizes, counts and times that the database enforces.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How it is kept on the disk: [`durability`](Self::durability), and how much log there may be before a checkpoint.
    pub fn storage(mut self, storage: StorageOptions) -> Self {
        self.storage = storage;
        self
    }

    /// Whether to read the directory as it is now and change nothing in it, ever. Writes are then refused with the code `read-only`.
    ///
    /// All of it is read into memory, so that what another process commits afterwards is not seen. While a process has the directory open
    /// for writing, opening fails with [`OpenError::InUse`]; readers hold the lock only while they read, so that several may have opened
    /// one directory, and a writer may open it while they go on.
    pub fn read_only(mut self, is_read_only: bool) -> Self {
        self.is_read_only = is_read_only;
        self
    }

    /// The permissions of the directory and its files, where opening makes them. For the owner alone at first.
    #[cfg(unix)]
    pub fn modes(mut self, modes: Modes) -> Self {
        self.modes = modes;
        self
    }

    /// Another clock than the machine's: for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness than the machine's: for tests. What comes from it must not be guessed by clients.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Calls `on_progress` with the bytes read so far and their total, while the directory is read.
    pub fn on_progress(mut self, on_progress: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(on_progress));
        self
    }

    /// Calls `on_disk_event` with checkpoints and errors of the disk, for the program's log; writes get errors all the same.
    ///
    /// It runs on a thread of the database, which waits for it, and with it commits do: let it return soon. If it panics, that event is
    /// lost, and nothing else. It may close the database or drop a handle to it.
    pub fn on_disk_event(mut self, on_disk_event: impl Fn(DiskEvent) + Send + Sync + 'static) -> Self {
        self.on_disk_event = Arc::new(on_disk_event);
        self
    }

    /// Opens the database in the directory `path`, and makes both if they do not exist.
    ///
    /// One process has it open at a time, and has it open once: clone the handle. When the last clone is dropped, with all sessions, the
    /// database is [closed](Database::close).
    ///
    /// # Errors
    /// [`OpenError`]: the directory cannot be made or read, another process has it open, this one has, its contents cannot be trusted, or a
    /// limit is invalid. Nothing was changed, but for a directory that was made.
    #[cfg(unix)]
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Database, OpenError> {
        let path = path.as_ref();
        let disk = if self.is_read_only {
            DirectoryDisk::read_only(path)
        } else {
            DirectoryDisk::with_modes(path, self.modes)
        };
        let disk = disk.map_err(|error| OpenError::Io { doing: format!("opening {}", path.display()), error })?;
        self.open_on(Arc::new(disk))
    }

    /// As [`open`](Self::open), with files elsewhere than in a directory: a [`MemoryDisk`](crate::disk::MemoryDisk), say.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(&self, disk: Arc<dyn Disk>) -> Result<Database, OpenError> {
        let (limits, clock, random) = (self.limits.clone(), Arc::clone(&self.clock), Arc::clone(&self.random));
        let on_progress = self.on_progress.clone();
        if self.is_read_only {
            let (database, recovered) = Database::read_only_with(limits, clock, random, &*disk, on_progress)?;
            let upkeep = Upkeep::idle(database.store().clone(), Some(recovered));
            return Ok(database.kept_by(upkeep));
        }
        let (database, recovered) = Database::open_watched(limits, clock, random, disk, self.storage, on_progress)?;
        let on_disk_event = Arc::clone(&self.on_disk_event);
        let threads = DiskThreads::start(database.store(), Box::new(move |event| on_disk_event(event)));
        let threads = threads.map_err(starting)?;
        kept(database, Some(recovered), Some(threads))
    }

    /// An empty database in memory. Its contents end with the last handle.
    ///
    /// # Errors
    /// [`OpenError`]: a limit is invalid, or a thread cannot be started.
    pub fn in_memory(&self) -> Result<Database, OpenError> {
        let (limits, clock, random) = (self.limits.clone(), Arc::clone(&self.clock), Arc::clone(&self.random));
        let database =
            Database::in_memory_with(limits, clock, random).map_err(|invalid| OpenError::Options(Box::new(invalid)))?;
        kept(database, None, None)
    }
}

/// A database with a thread for its housekeeping.
fn kept(
    database: Database,
    recovered: Option<crate::Recovered>,
    disk: Option<DiskThreads>,
) -> Result<Database, OpenError> {
    // Without upkeep of its own: this thread ends with the handles of others.
    let (store, kept) = (database.store().clone(), database.clone());
    let upkeep = Upkeep::start(store, recovered, disk, move || kept.maintain()).map_err(starting)?;
    Ok(database.kept_by(upkeep))
}

fn starting(error: std::io::Error) -> OpenError {
    OpenError::Io { doing: "starting the database's threads".into(), error }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("limits", &self.limits)
            .field("storage", &self.storage)
            .field("is_read_only", &self.is_read_only)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database in the directory `path`, and makes both if they do not exist: [`OpenOptions::open`] with the default options. Each
    /// commit is on the disk when it is acknowledged.
    ///
    /// ```
    /// use mantis_db::Database;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("data");
    /// let database = Database::open(&path)?;
    /// assert!(database.recovered().is_some_and(|recovered| recovered.is_new));
    /// database.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    #[cfg(unix)]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        OpenOptions::new().open(path)
    }

    /// An empty database in memory, with the default options: [`OpenOptions::in_memory`].
    ///
    /// # Errors
    /// As [`OpenOptions::in_memory`].
    pub fn in_memory() -> Result<Self, OpenError> {
        OpenOptions::new().in_memory()
    }
}
