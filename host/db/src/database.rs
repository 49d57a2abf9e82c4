//! [`Database`]: one engine, and the state that all sessions share.

#[cfg(feature = "tables")]
use std::any::Any;
use std::sync::Arc;
#[cfg(feature = "tables")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(target_family = "wasm"))]
use tokio::sync::watch;

use crate::disk::Disk;
use crate::engine::{
    Budget, Clock, CursorSnapshots, Durability, Engine, EngineOptions, Mutex, OnProgress, OpenError, Random, Recovered,
    Stats, Store,
};
#[cfg(not(target_family = "wasm"))]
use crate::keyspace::catalog;
use crate::keyspace::{BUCKET_PREFIX_BYTES, Dropped, is_of_bucket};
use crate::limits::SEGMENT_BYTES_MIN;
#[cfg(not(target_family = "wasm"))]
use crate::upkeep::Upkeep;
use crate::{Code, Error, LimitInvalid, Limits, Result};

/// How a database is kept on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageOptions {
    /// When a commit is acknowledged.
    pub durability: Durability,
    /// Bytes of log after which a checkpoint is due; it bounds the time to open the database.
    pub checkpoint_bytes: u64,
}

impl Default for StorageOptions {
    /// [`Durability::Always`], and a checkpoint after 256 MiB of log.
    fn default() -> Self {
        Self { durability: Durability::Always, checkpoint_bytes: 256 << 20 }
    }
}

/// One database in this process. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Database(
    pub(crate) Arc<Inner>,
    /// The threads that keep it running, where it brings them along. They have handles without this.
    #[cfg(not(target_family = "wasm"))]
    Option<Arc<Upkeep>>,
);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    /// The cursor prefix of this incarnation of the store.
    pub(crate) epoch: u64,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) cursor_snapshots: Mutex<CursorSnapshots>,
    /// Dropped buckets and spaces with keys that nobody is removing.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) dropped: Mutex<Vec<Dropped>>,
    /// Those without keys whose names are kept for the feed, each with the commit that removed the last key.
    pub(crate) former_names: Mutex<Vec<(u64, Dropped)>>,
    /// The catalogue of tables, which this room below does not know.
    #[cfg(feature = "tables")]
    pub(crate) tables: OnceLock<Box<dyn Any + Send + Sync>>,
    /// What writes of rows keep between statements, likewise.
    #[cfg(feature = "tables")]
    pub(crate) rows: OnceLock<Box<dyn Any + Send + Sync>>,
    closed: AtomicBool,
    #[cfg(not(target_family = "wasm"))]
    is_read_only: bool,
    /// No commit follows those that are visible.
    #[cfg(not(target_family = "wasm"))]
    has_ended: AtomicBool,
    /// Asked before each write.
    has_room: HasRoom,
}

/// Whether the memory has room for so many bytes more, and for the work beside them.
pub type HasRoom = fn(bytes: usize) -> bool;

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("version", &self.0.engine.version()).finish_non_exhaustive()
    }
}

impl Database {
    /// An empty database in memory, with a clock and randomness of the caller's, who also calls [`maintain`](Self::maintain). Its contents end with the last handle.
    ///
    /// # Errors
    /// [`LimitInvalid`]: a limit that no database can enforce. A page's build does not check.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mantis_db::{Database, Limits, ManualClock, SeededRandom};
    /// let database = Database::in_memory_with(Limits::default(), Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)))?;
    /// assert_eq!(database.version(), 0);
    /// # Ok::<(), mantis_db::LimitInvalid>(())
    /// ```
    #[inline]
    pub fn in_memory_with(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> std::result::Result<Self, LimitInvalid> {
        Self::in_memory_within(limits, clock, random, |_| true)
    }

    /// As [`in_memory_with`](Self::in_memory_with), for a program whose memory has an end: before each write `has_room` says whether there is room
    /// for it. What it refuses is `store-full`; reads and deletions go on.
    ///
    /// # Errors
    /// As [`in_memory_with`](Self::in_memory_with).
    pub fn in_memory_within(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        has_room: HasRoom,
    ) -> std::result::Result<Self, LimitInvalid> {
        // A page's program chooses its limits, and every byte of a page is downloaded.
        #[cfg(not(target_family = "wasm"))]
        limits.check()?;
        let engine = Engine::in_memory(options(&limits, clock, &random));
        Ok(Self::over(engine, limits, random, has_room, false))
    }

    /// Opens the database on `disk`, or makes one, and reports what was recovered. For callers with a clock, randomness, threads and
    /// housekeeping of their own: [`open`](Self::open) brings all of them along.
    ///
    /// Under [`Durability::Always`] only running [`DiskThreads`](crate::DiskThreads) of the [`store`](Self::store) commit anything:
    /// without them writes are refused with `storage-failed`. Expired keys are freed by [`maintain`](Self::maintain).
    ///
    /// # Errors
    /// [`OpenError`]: a limit is invalid, the disk's contents cannot be trusted, or the disk fails. Nothing was changed.
    pub fn open_with(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        disk: Arc<dyn Disk>,
        storage: StorageOptions,
    ) -> std::result::Result<(Self, Recovered), OpenError> {
        Self::open_watched(limits, clock, random, disk, storage, None)
    }

    /// As [`open_with`](Self::open_with), and calls `on_progress` with the bytes read so far and their total.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open_watched(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        disk: Arc<dyn Disk>,
        storage: StorageOptions,
        on_progress: Option<OnProgress>,
    ) -> std::result::Result<(Self, Recovered), OpenError> {
        limits.check().map_err(|invalid| OpenError::Options(Box::new(invalid)))?;
        let mut options = options(&limits, clock, &random);
        options.on_progress = on_progress;
        options.checkpoint_bytes = storage.checkpoint_bytes;
        // The log is freed in whole segments.
        options.segment_bytes_max =
            options.segment_bytes_max.min((storage.checkpoint_bytes / 4).max(SEGMENT_BYTES_MIN));
        let (engine, recovered) = Engine::open(options, disk, storage.durability)?;
        Ok((Self::over(engine, limits, random, |_| true, false), recovered))
    }

    /// The database on `disk` as it is now, to be read only.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn read_only_with(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        disk: &dyn Disk,
        on_progress: Option<OnProgress>,
    ) -> std::result::Result<(Self, Recovered), OpenError> {
        limits.check().map_err(|invalid| OpenError::Options(Box::new(invalid)))?;
        let mut options = options(&limits, clock, &random);
        options.on_progress = on_progress;
        let (engine, recovered) = Engine::open_read_only(options, disk)?;
        Ok((Self::over(engine, limits, random, |_| true, true), recovered))
    }

    /// This handle, and with it all its clones from now on, keeps these threads running.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn kept_by(self, upkeep: Upkeep) -> Self {
        Self(self.0, Some(Arc::new(upkeep)))
    }

    #[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "a page opens no directory"))]
    fn over(engine: Engine, limits: Limits, random: Arc<dyn Random>, has_room: HasRoom, is_read_only: bool) -> Self {
        let inner = Inner {
            epoch: engine.identity().unwrap_or_else(|| random.next_u64()),
            #[cfg(not(target_family = "wasm"))]
            dropped: Mutex::new(catalog::dropped(&engine)),
            #[cfg(not(target_family = "wasm"))]
            former_names: Mutex::new(catalog::former_names(&engine)),
            #[cfg(target_family = "wasm")]
            former_names: Mutex::default(),
            #[cfg(feature = "tables")]
            tables: OnceLock::new(),
            #[cfg(feature = "tables")]
            rows: OnceLock::new(),
            engine,
            random,
            cursor_snapshots: Mutex::new(CursorSnapshots::new(limits.cursor_snapshots_max, limits.cursor_age_ms_max)),
            limits,
            closed: AtomicBool::new(false),
            #[cfg(not(target_family = "wasm"))]
            is_read_only,
            #[cfg(not(target_family = "wasm"))]
            has_ended: AtomicBool::new(is_read_only),
            has_room,
        };
        Self(
            Arc::new(inner),
            #[cfg(not(target_family = "wasm"))]
            None,
        )
    }

    /// The embedded engine, for what keeps it running: its threads, checkpoints, backups, disk statistics.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.0.engine.embedded()
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What all work in flight is taken from, in bytes: [`Limits::in_flight_bytes_max`].
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn in_flight(&self) -> &Budget {
        self.0.engine.in_flight()
    }

    /// The newest commit.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.engine.version()
    }

    /// The store's clock, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.engine.now_ms()
    }

    /// Fills `buffer` with bytes that a client cannot guess.
    pub fn random(&self, buffer: &mut [u8]) {
        self.0.random.fill(buffer);
    }

    /// The version of the newest commit, as it changes. Commits may be skipped; the newest is always seen.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.engine.watch()
    }

    /// The engine's statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.engine.stats()
    }

    /// What opening it found. None in memory, and where opening returned it: [`open_with`](Self::open_with).
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn recovered(&self) -> Option<&Recovered> {
        self.1.as_ref().and_then(|upkeep| upkeep.recovered())
    }

    /// Whether it was opened to be read only.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.is_read_only
    }

    /// Closes the database, for all handles and sessions: writes are refused from now on, with the code `read-only`; those that were
    /// accepted are on the disk, whatever the durability; its threads have ended; and the directory is free for others to open. Reads go on,
    /// from memory, until the last handle is dropped. Closing it again does nothing.
    ///
    /// It waits for the disk, as a commit does, and needs no runtime. Dropping the last handle does the same, and has nobody to give an
    /// error to.
    ///
    /// # Errors
    /// `storage-failed`: the disk has failed before, or failed to take the last commits. The database is closed all the same.
    #[cfg(not(target_family = "wasm"))]
    pub fn close(&self) -> Result<()> {
        self.close_for_writes();
        if let Some(upkeep) = &self.1 {
            upkeep.end();
        }
        let shut_down = self.store().shut_down();
        self.0.has_ended.store(true, Ordering::Release);
        self.store().wake_watchers();
        Ok(shut_down?)
    }

    /// Whether no commit follows those that are visible: it was closed, or opened to be read only.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Acquire)
    }

    /// Refuses writes from now on, with the code `read-only`; reads go on.
    pub fn close_for_writes(&self) {
        self.0.closed.store(true, Ordering::Release);
    }

    /// Why writes would be refused now, if they would.
    ///
    /// # Errors
    /// `read-only` after [`close_for_writes`](Self::close_for_writes), `store-full` at the limit of bytes, `storage-failed`; `disk-full`
    /// after a write that was refused for it, until a write succeeds or the disk is found to have space.
    pub fn check_writable(&self) -> Result<()> {
        self.check_room(1)?;
        // Only a report: writes are attempted all the same, and so find out when there is space again.
        if self.0.engine.is_disk_full() {
            return Err(Error::new(Code::DiskFull, "The disk is full; writes are refused until there is space."));
        }
        Ok(())
    }

    /// Checks that `bytes` more may be written. The values that they replace count until they are freed.
    ///
    /// # Errors
    /// As [`check_writable`](Self::check_writable), but `disk-full`.
    pub fn check_room(&self, bytes: usize) -> Result<()> {
        self.check_open()?;
        let (held, max) = (self.0.engine.bytes(), self.0.limits.store_bytes_max);
        if held.saturating_add(bytes as u64) > max {
            return Err(Error::new(Code::StoreFull, format!("the store is full: its limit is {max} bytes")));
        }
        if !(self.0.has_room)(bytes) {
            // What the feed keeps of the past is worth less than room for the present; who follows to the end misses nothing.
            self.0.engine.forget_changes(self.0.engine.version());
        }
        if !(self.0.has_room)(bytes) {
            return Err(Code::StoreFull.into());
        }
        Ok(())
    }

    /// As [`check_room`](Self::check_room), for writes that need no space.
    pub(crate) fn check_open(&self) -> Result<()> {
        #[cfg(not(target_family = "wasm"))]
        if self.0.is_read_only {
            return Err(Error::new(Code::ReadOnly, "the database was opened read-only and takes no writes"));
        }
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::ReadOnly, "the database is shutting down and takes no writes"));
        }
        // The disk's own error goes to the log.
        self.0.engine.check_disk()
    }
}

fn options(limits: &Limits, clock: Arc<dyn Clock>, random: &Arc<dyn Random>) -> EngineOptions {
    let mut options = EngineOptions::new(clock, Arc::clone(random));
    options.feed_bytes_max = limits.feed_bytes_max;
    options.feed_age_ms_max = limits.feed_age_ms_max;
    options.snapshot_age_ms_max = limits.transaction_age_ms_max;
    options.space_prefix_bytes = BUCKET_PREFIX_BYTES;
    options.counts = is_of_bucket;
    options.in_flight = Budget::new(limits.in_flight_bytes_max);
    options
}
