//! The database: one engine, and what all sessions share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::disk::Disk;
use crate::engine::{
    Clock, CursorSnapshots, Durability, Engine, EngineOptions, OnProgress, OpenError, Random, Recovered, Stats, Store,
};
use crate::keyspace::{BUCKET_PREFIX_BYTES, BucketId};
#[cfg(not(target_family = "wasm"))]
use crate::keyspace::{DROPPED_BUCKETS, FORMER_NAMES};
use crate::{Code, Error, Grants, LimitInvalid, Limits, Result, Session, buckets};

/// Keys that housekeeping removes in one commit, so that it holds up a writer for some ten microseconds.
const EXPIRED_KEYS_PER_COMMIT: usize = 4;
/// Commits that one call of housekeeping makes, so that its caller gets its thread back within some tenths of a second.
const EXPIRED_COMMITS_PER_CALL: usize = 4_000;
/// Versions that it frees under one hold of the writers' lock, and holds that one call makes.
const PRUNED_PER_HOLD: usize = 8;
const PRUNED_HOLDS_PER_CALL: usize = 8_000;

/// The size at which the log's segments are full, however small it is kept.
const SEGMENT_BYTES_MIN: u64 = 4 << 10;

/// How a database on a disk is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// When a commit is acknowledged.
    pub durability: Durability,
    /// Bytes of log after which a checkpoint is due; bounds the time that opening takes.
    pub checkpoint_bytes: u64,
}

impl Default for Keeping {
    /// [`Durability::Always`], and a checkpoint after 256 MiB of log.
    fn default() -> Self {
        Self { durability: Durability::Always, checkpoint_bytes: 256 << 20 }
    }
}

/// One database in this process. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Database(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    /// Tells this life of the store from others, in cursors of the change feed.
    pub(crate) epoch: u64,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) cursor_snapshots: Mutex<CursorSnapshots>,
    /// Dropped buckets whose keys nobody is removing.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) dropped_buckets: Mutex<Vec<BucketId>>,
    /// Dropped buckets without keys whose names are kept for the feed, and the commit that each was done with.
    pub(crate) former_names: Mutex<Vec<(u64, BucketId)>>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("version", &self.0.engine.version()).finish_non_exhaustive()
    }
}

impl Database {
    /// An empty database in memory. Its contents end with the process.
    ///
    /// # Errors
    /// [`LimitInvalid`]: it could not keep to a limit. Where it is compiled for a page nobody checks.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mantis_db::{Database, Limits, ManualClock, SeededRandom};
    /// let database = Database::in_memory(Limits::default(), Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)))?;
    /// assert_eq!(database.version(), 0);
    /// # Ok::<(), mantis_db::LimitInvalid>(())
    /// ```
    #[inline]
    pub fn in_memory(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> std::result::Result<Self, LimitInvalid> {
        // A page's limits are its program's own, and every byte of a page is downloaded.
        #[cfg(not(target_family = "wasm"))]
        limits.check()?;
        let engine = Engine::in_memory(options(&limits, clock, &random));
        Ok(Self::over(engine, limits, random))
    }

    /// The database on `disk`, which is made if there is none, and what was found there.
    ///
    /// Under [`Durability::Always`] nothing is committed until [`DiskThreads`](crate::DiskThreads) are started for the [`store`](Self::store),
    /// or after they have ended: writes are refused with `storage-failed`.
    ///
    /// # Errors
    /// [`OpenError`]: it could not keep to a limit, the disk's contents cannot be trusted, or it does not work. Nothing was changed.
    pub fn open(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        disk: Arc<dyn Disk>,
        keeping: Keeping,
    ) -> std::result::Result<(Self, Recovered), OpenError> {
        Self::open_watched(limits, clock, random, disk, keeping, None)
    }

    /// As [`open`](Self::open), and tells `on_progress` how many bytes of how many it has read.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_watched(
        limits: Limits,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        disk: Arc<dyn Disk>,
        keeping: Keeping,
        on_progress: Option<OnProgress>,
    ) -> std::result::Result<(Self, Recovered), OpenError> {
        limits.check().map_err(|invalid| OpenError::Options(Box::new(invalid)))?;
        let mut options = options(&limits, clock, &random);
        options.on_progress = on_progress;
        options.checkpoint_bytes = keeping.checkpoint_bytes;
        // Segments are what the log is given back in.
        options.segment_bytes_max =
            options.segment_bytes_max.min((keeping.checkpoint_bytes / 4).max(SEGMENT_BYTES_MIN));
        let (engine, recovered) = Engine::open(options, disk, keeping.durability)?;
        Ok((Self::over(engine, limits, random), recovered))
    }

    fn over(engine: Engine, limits: Limits, random: Arc<dyn Random>) -> Self {
        Self(Arc::new(Inner {
            epoch: engine.identity().unwrap_or_else(|| random.next_u64()),
            #[cfg(not(target_family = "wasm"))]
            dropped_buckets: Mutex::new(
                buckets::numbers(&engine, DROPPED_BUCKETS).into_iter().map(|(_, id)| id).collect(),
            ),
            #[cfg(not(target_family = "wasm"))]
            former_names: Mutex::new(buckets::numbers(&engine, FORMER_NAMES)),
            #[cfg(target_family = "wasm")]
            former_names: Mutex::default(),
            engine,
            random,
            cursor_snapshots: Mutex::new(CursorSnapshots::new(limits.cursor_snapshots_max, limits.cursor_age_ms_max)),
            limits,
            closed: AtomicBool::new(false),
        }))
    }

    /// The engine below, for what keeps it going: writing the log, checkpoints, figures.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.0.engine.embedded()
    }

    /// A session that may do everything.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone(), Arc::new(Grants::all()))
    }

    /// A session that may do what `grants` say.
    #[must_use]
    pub fn session_with(&self, grants: Arc<Grants>) -> Session {
        Session::new(self.clone(), grants)
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
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

    /// Tells of every commit by its version; commits may be skipped over, the newest is always seen.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.engine.watch()
    }

    /// Housekeeping: removes what has expired, frees what nobody can read any more. Call it a few times a second.
    pub fn maintain(&self) {
        let dropped = self.0.cursor_snapshots.lock().take_idle(self.0.engine.monotonic_us());
        drop(dropped);
        for _ in 0..EXPIRED_COMMITS_PER_CALL {
            if self.0.engine.remove_expired(EXPIRED_KEYS_PER_COMMIT) < EXPIRED_KEYS_PER_COMMIT {
                break;
            }
            give_way();
        }
        #[cfg(not(target_family = "wasm"))]
        buckets::remove_left_behind(self);
        buckets::forget_names(self);
        // What a snapshot kept for long is freed soon after it, and not only as fast as new commits come.
        for _ in 0..PRUNED_HOLDS_PER_CALL {
            if self.0.engine.prune(PRUNED_PER_HOLD) < PRUNED_PER_HOLD {
                break;
            }
            give_way();
        }
    }

    /// The engine's figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.engine.stats()
    }

    /// Refuses writes from now on, with the code `read-only`; reads go on.
    pub fn close_for_writes(&self) {
        self.0.closed.store(true, Ordering::Release);
    }

    /// Why writes would be refused now, if they would.
    ///
    /// # Errors
    /// `read-only` after [`close_for_writes`](Self::close_for_writes), `store-full` at the limit of bytes, `storage-failed`; `disk-full`
    /// from a write that was refused for that until one is taken, or there is found to be room.
    pub fn check_writable(&self) -> Result<()> {
        self.check_room(1)?;
        // Those who write try all the same: that is how they learn that there is room again.
        if self.0.engine.is_disk_full() {
            return Err(Error::new(Code::DiskFull, "The disk is full; writes are refused until there is room."));
        }
        Ok(())
    }

    /// Whether `bytes` more may be written. What they replace counts until it is gone.
    pub(crate) fn check_room(&self, bytes: usize) -> Result<()> {
        self.check_open()?;
        let (held, max) = (self.0.engine.bytes(), self.0.limits.store_bytes_max);
        if held.saturating_add(bytes as u64) > max {
            return Err(Error::new(Code::StoreFull, format!("the store holds {held} bytes; the limit is {max}")));
        }
        Ok(())
    }

    /// Like [`check_writable`](Self::check_writable) for writes that take no room.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::ReadOnly, "the database is shutting down and takes no writes"));
        }
        if self.0.engine.has_failed() {
            // What the disk said is for the log.
            return Err(Code::StorageFailed.into());
        }
        Ok(())
    }
}

/// Gives whatever else wants the processor its turn now, rather than while writers wait for the lock.
#[allow(clippy::disallowed_methods, reason = "in a page, which has one thread, it does nothing")]
pub(crate) fn give_way() {
    std::thread::yield_now();
}

fn options(limits: &Limits, clock: Arc<dyn Clock>, random: &Arc<dyn Random>) -> EngineOptions {
    let mut options = EngineOptions::new(clock, Arc::clone(random));
    options.feed_bytes_max = limits.feed_bytes_max;
    options.feed_age_ms_max = limits.feed_age_ms_max;
    options.snapshot_age_ms_max = limits.transaction_age_ms_max;
    options.space_prefix_bytes = BUCKET_PREFIX_BYTES;
    options
}
