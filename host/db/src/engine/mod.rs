//! The one door to the engine: everything that this crate asks of it.
//!
//! Today's engine is `mantis-store`, in this process and in memory. An engine behind a network will stand beside it, and this is where
//! it comes in: no other file names `mantis_store`, except `lib.rs`, which hands embedders what has no meaning of its own here (files,
//! their check and repair, backups). There is no trait: with one engine it would be a second list of the same methods.
//!
//! | request | here | over a network |
//! |---|---|---|
//! | read one key, newest or at one version | [`Engine::get`], [`View::get`] | the same, asynchronously |
//! | read a range at one version, in order | [`View::visit`] of a [`Snapshot`] or [`Transaction`] | pages in place of a visitor; kept open by [`CursorSnapshots`] |
//! | commit one key if it and its bucket are as expected | [`Engine::write`] | the same: it is declarative already |
//! | commit what a transaction wrote if what it read still holds | [`Engine::begin`], `Transaction::commit_seen` | one request: the reads to validate, the writes to apply |
//! | short work that cannot lose a race | [`Engine::alone`] | a transaction, repeated on conflict |
//! | wait until an outcome is final | [`Engine::settle`]: committed, conflict or unknown ([`outcome`]) | the answer of the commit |
//! | changes in commit order after a cursor, and news of commits | [`Engine::changes`], [`Engine::watch`] | a feed in order for each partition |
//! | remove what expired, free what nobody reads | [`Engine::remove_expired`], [`Engine::prune`] | the engine's own affair |
//! | sizes, state and time | the short methods at the end | the same |
//! | turns of transactions that lose | [`Engine::turn`], [`Engine::wait_for_turns`] | the engine's own queue |
//!
//! A [`Transaction`] also counts its reads and writes for the limits, guards keys whose change must be a conflict (`get_guarded`), and
//! has savepoints. A key's first [`BUCKET_PREFIX_BYTES`](crate::keyspace) name its space, whose size the engine keeps.

mod cursor_snapshots;
mod outcome;
mod view;

use std::sync::Arc;

use mantis_store::disk::Disk;
use mantis_store::{Compacted, Refused, Space, Written as StoredWritten};
#[cfg(not(target_family = "wasm"))]
use tokio::sync::watch;

pub(crate) use cursor_snapshots::CursorSnapshots;
pub(crate) use mantis_store::EntryHeader;
/// A place of a known bug that a test build switches on.
#[cfg(feature = "tables")]
pub(crate) use mantis_store::mutants::mutant;
/// A lock as the engine has it: in a page without the code for waiting.
pub(crate) use mantis_store::sync::Mutex;
#[cfg(not(target_family = "wasm"))]
pub(crate) use mantis_store::{Attached, AttachmentId, Footprint, Part, Places, Turn};
pub use mantis_store::{
    Budget, Clock, Direction, Durability, Expect, Isolation, OpenError, Options as EngineOptions, Random, Recovered,
    Reservation, Stats,
};
pub(crate) use mantis_store::{
    Change as StoredChange, ChangePage, Entry as StoredEntry, Error as EngineError, FeedCursor, KeyRange, OnProgress,
    Savepoint, Snapshot, Store, Transaction, Update, Version,
};
#[cfg(feature = "tables")]
pub(crate) use mantis_store::{Decision, Examined};
#[cfg(not(target_family = "wasm"))]
pub use mantis_store::{DiskEvent, DiskThreads, SystemClock, SystemRandom};
pub(crate) use outcome::{Unsettled, UnsettledError, resting_on};
pub(crate) use view::View;

use crate::Error;

/// One engine, which all sessions share. Cloning gives another handle to the same one.
#[derive(Clone)]
pub(crate) struct Engine(Store);

impl Engine {
    /// An empty engine in memory.
    pub(crate) fn in_memory(options: EngineOptions) -> Self {
        Self(Store::new(options))
    }

    /// The engine whose files are on `disk`.
    pub(crate) fn open(
        options: EngineOptions,
        disk: Arc<dyn Disk>,
        durability: Durability,
    ) -> Result<(Self, Recovered), OpenError> {
        let (store, recovered) = Store::open(options, disk, durability)?;
        Ok((Self(store), recovered))
    }

    /// What is on `disk` now, in memory.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn open_read_only(options: EngineOptions, disk: &dyn Disk) -> Result<(Self, Recovered), OpenError> {
        let (store, recovered) = Store::open_read_only(options, disk)?;
        Ok((Self(store), recovered))
    }

    /// The embedded engine itself, for what keeps it running: the log's thread, checkpoints, backups.
    pub(crate) fn embedded(&self) -> &Store {
        &self.0
    }

    /// What all work in flight is taken from.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn in_flight(&self) -> &Budget {
        self.0.in_flight()
    }

    /// The newest visible value of a key.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<StoredEntry> {
        self.0.get(key)
    }

    /// Shows `see` the newest visible value of a key, borrowed, perhaps more than once: what it made last is the answer.
    #[inline]
    pub(crate) fn read<R>(&self, key: &[u8], see: impl FnMut(&EntryHeader, &[u8]) -> R) -> Option<R> {
        self.0.read(key, see)
    }

    /// The present state, pinned. Reads of it fail once it is older than the limit.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// A transaction: it reads one version, notes what it reads, buffers what it writes, and is validated when it commits.
    pub(crate) fn begin(&self, isolation: Isolation) -> Transaction {
        self.0.begin_with(isolation)
    }

    /// Commits one key if it is as expected and the key of `unchanged` still has its version. Returns the outcome and the
    /// version that it rests on.
    ///
    /// # Errors
    /// `Conflict` when the key of `unchanged` has changed, `StorageFailed`.
    #[inline]
    pub(crate) fn write(
        &self,
        key: &[u8],
        update: Update,
        expect: Expect,
        unchanged: Option<(&[u8], Version)>,
    ) -> Result<(Result<StoredWritten, Refused>, Version), EngineError> {
        self.0.write_seen(key, update, expect, unchanged)
    }

    /// Runs `work` while no other commit can happen, and commits what it wrote if it succeeds. Every other writer waits meanwhile, so that
    /// `work` is short and bounded; it must not write, count or remove through the engine.
    pub(crate) fn alone<T, E>(&self, work: impl FnOnce(&mut Transaction) -> Result<T, E>) -> Unsettled<T, E> {
        let (outcome, seen) = self.0.exclusively_seen(work);
        resting_on(seen, outcome)
    }

    /// Lets those go first who wait to write: between two steps of work that calls [`alone`](Self::alone) several times in a row.
    pub(crate) fn yield_to_writers(&self) {
        self.0.yield_to_writers();
    }

    /// Waits until the commit is final.
    ///
    /// # Errors
    /// `disk-full`: it did not happen. `storage-failed`: its outcome is unknown until the engine is opened again.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) async fn settled(&self, version: Version) -> Result<(), Error> {
        Ok(self.0.settled(version).await?)
    }

    /// Waits until the commit that a transaction lost against is final, whatever its outcome; returns before its maker is woken.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) async fn rival_settled(&self, version: Version) {
        let _ = self.0.settled_rival(version).await;
    }

    /// Waits until the commit that an outcome rests on is final, so that no answer can be revoked; if that commit did not happen, its error
    /// is the answer. Returns the version and whether it survives a power cut. Version 0 is final: that of an open transaction, and of an
    /// outcome that rests on nothing.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) async fn settle<T, E: From<Error>>(&self, outcome: Unsettled<T, E>) -> Result<(T, Version, bool), E> {
        let version = match &outcome {
            Ok((_, version)) => *version,
            Err(unsettled) => unsettled.seen,
        };
        self.0.settled(version).await.map_err(Error::from)?;
        let (value, version) = outcome.map_err(|unsettled| unsettled.error)?;
        Ok((value, version, self.is_durable(version)))
    }

    /// The outcome at once: a page's engine is in memory, where nothing has to be waited for.
    #[cfg(target_family = "wasm")]
    #[allow(clippy::unused_self, reason = "a page has no disk yet")]
    pub(crate) fn settle<T, E>(&self, outcome: Unsettled<T, E>) -> std::future::Ready<Result<(T, Version, bool), E>> {
        let settled = outcome.map(|(value, version)| (value, version, false));
        std::future::ready(settled.map_err(|unsettled| unsettled.error))
    }

    /// Whether the commit is certain to survive a power cut. Version 0 is no commit.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_durable(&self, version: Version) -> bool {
        version > 0 && self.0.is_durable(version)
    }

    /// At most `changes_max` committed changes after `since` whose key `wanted` accepts. One call examines a bounded number of changes:
    /// a page may be empty before the end of the feed.
    ///
    /// # Errors
    /// The newest version that is no longer kept, when changes after `since` are missing or `since` is ahead of the newest commit.
    pub(crate) fn changes(
        &self,
        since: FeedCursor,
        changes_max: usize,
        wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<ChangePage, Version> {
        self.0.changes(since, changes_max, wanted).map_err(|Compacted { dropped, .. }| dropped)
    }

    /// As [`changes`](Self::changes), for a caller that looks at values too, and may end the page.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    #[cfg(feature = "tables")]
    pub(crate) fn changes_decided(
        &self,
        since: FeedCursor,
        changes_max: usize,
        decide: impl FnMut(&Examined<'_>) -> Decision,
    ) -> Result<ChangePage, Version> {
        self.0.changes_decided(since, changes_max, decide).map_err(|Compacted { dropped, .. }| dropped)
    }

    /// Where the oldest change that is still kept begins.
    pub(crate) fn feed_start(&self) -> FeedCursor {
        self.0.feed_start()
    }

    /// Drops the changes up to `version` from the feed.
    pub(crate) fn forget_changes(&self, version: Version) {
        self.0.forget_changes(version);
    }

    /// The newest visible commit, as it changes. Commits may be skipped; the newest is always seen.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn watch(&self) -> watch::Receiver<Version> {
        self.0.watch()
    }

    /// Removes up to `keys_max` expired keys in one commit, and revokes snapshots that are too old. Returns how many keys it removed.
    pub(crate) fn remove_expired(&self, keys_max: usize) -> usize {
        self.0.maintain(keys_max)
    }

    /// Frees up to `versions_max` versions that no reader can see. Returns how many it examined.
    pub(crate) fn prune(&self, versions_max: usize) -> usize {
        self.0.prune(versions_max)
    }

    /// The newest visible commit.
    pub(crate) fn version(&self) -> Version {
        self.0.version()
    }

    /// The identity that stays the same when the engine is opened again; `None` in memory.
    pub(crate) fn identity(&self) -> Option<u64> {
        self.0.identity()
    }

    /// Bytes of all keys and values, expired ones included until they are removed.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Keys and bytes of the space whose keys begin with `prefix`.
    pub(crate) fn space(&self, prefix: &[u8]) -> Space {
        self.0.space(prefix)
    }

    /// As [`space`](Self::space), and none during a large commit: a plan waits for no writer, and a statement that runs alone not for itself.
    #[cfg(feature = "tables")]
    pub(crate) fn try_space(&self, prefix: &[u8]) -> Option<Space> {
        self.0.try_space(prefix)
    }

    /// Counters and sizes.
    pub(crate) fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Whether it takes writes at all.
    ///
    /// # Errors
    /// `storage-failed`, with the reason: it takes none until it is opened again.
    pub(crate) fn check_disk(&self) -> Result<(), Error> {
        Ok(self.0.check_disk()?)
    }

    /// Whether the last write found no space on the disk.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.0.is_disk_full()
    }

    /// The clock, in milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    /// The clock that is never set, in microseconds since some moment.
    pub(crate) fn monotonic_us(&self) -> u64 {
        self.0.monotonic_us()
    }
}

/// Turns of transactions that lose repeatedly, and work ahead of the writers' lock: a page has neither.
#[cfg(not(target_family = "wasm"))]
impl Engine {
    /// Queues a transaction that has lost, and waits for its turn. `None` if it continues without one.
    pub(crate) async fn turn(&self, footprint: Arc<Footprint>) -> Option<Turn> {
        self.0.turn(footprint).await
    }

    /// Whether any transaction has a turn or waits for one.
    #[inline]
    pub(crate) fn has_turns(&self) -> bool {
        self.0.has_turns()
    }

    /// Waits until a commit would disturb no turn, for the time of a turn at most.
    pub(crate) async fn wait_for_turns(&self, disturbs: &(dyn Fn(&Footprint) -> bool + Sync)) {
        self.0.wait_for_turns(disturbs).await;
    }

    /// Inserts new keys without values ahead of a large commit that will write them, so that it holds the writers' lock for less time.
    /// Unused ones are removed when the result is dropped.
    pub(crate) fn insert_ahead<'k>(&self, keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Places<'_> {
        self.0.make_places(keys)
    }
}
