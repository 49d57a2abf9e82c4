//! A store's state: the versions of all keys, who reads and writes them, and, on a disk, what makes commits durable.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
#[cfg(not(target_family = "wasm"))]
use std::sync::atomic::Ordering;

use super::feed::Feed;
use super::map::KeyMap;
use super::registry::Registry;
#[cfg(not(target_family = "wasm"))]
use super::turns::Turns;
use super::watchers::Watchers;
use super::writer_lock::{WriterGuard, WriterLock};
#[cfg(not(target_family = "wasm"))]
use crate::attachments::Attachments;
use crate::durability::Durable;
#[cfg(not(target_family = "wasm"))]
use crate::durability::{CommitTimes, Submission};
#[cfg(not(target_family = "wasm"))]
use crate::types::{Budget, Durability};
use crate::types::{Clock, Options, Random};

/// An ordered, versioned key space in memory. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) map: KeyMap,
    /// The newest commit that readers may see. Stored when everything of that commit is in place.
    pub(crate) visible: AtomicU64,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) feed: Feed,
    pub(crate) watchers: Watchers,
    pub(crate) snapshot_age_ms_max: u64,
    pub(crate) space_prefix_bytes: usize,
    pub(crate) counts: fn(&[u8]) -> bool,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) validated_under_lock_max: u64,
    /// What uncommitted writes are taken from.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) in_flight: Budget,
    /// Bytes of all keys and values; in a page with those of the memory around them.
    pub(crate) bytes: AtomicU64,
    /// For [`durable`](Self::durable).
    #[cfg(not(target_family = "wasm"))]
    durable: Option<Durable>,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) attachments: Attachments,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) writer: WriterLock,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) commit_times: CommitTimes,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) turns: Arc<Turns>,
}

impl Inner {
    /// An empty store that is not durable yet.
    pub(crate) fn new(options: &Options) -> Self {
        let seeds = std::array::from_fn(|_| options.random.next_u64());
        Self {
            map: KeyMap::new(seeds),
            visible: AtomicU64::new(0),
            registry: Registry::default(),
            clock: Arc::clone(&options.clock),
            feed: Feed::new(options.feed_bytes_max, options.feed_age_ms_max),
            watchers: Watchers::default(),
            snapshot_age_ms_max: options.snapshot_age_ms_max,
            space_prefix_bytes: options.space_prefix_bytes,
            counts: options.counts,
            #[cfg(not(target_family = "wasm"))]
            validated_under_lock_max: options.validated_under_lock_max,
            #[cfg(not(target_family = "wasm"))]
            in_flight: options.in_flight.clone(),
            bytes: AtomicU64::new(0),
            #[cfg(not(target_family = "wasm"))]
            durable: None,
            #[cfg(not(target_family = "wasm"))]
            attachments: Attachments::default(),
            random: Arc::clone(&options.random),
            #[cfg(not(target_family = "wasm"))]
            writer: WriterLock::new(Arc::clone(&options.clock)),
            #[cfg(target_family = "wasm")]
            writer: WriterLock::new(),
            #[cfg(not(target_family = "wasm"))]
            commit_times: CommitTimes::default(),
            #[cfg(not(target_family = "wasm"))]
            turns: Arc::new(Turns::new(Arc::clone(&options.clock))),
        }
    }

    /// What makes commits durable; `None` for a store in memory, whose commits are visible at once. In a page all are, and the compiler
    /// removes the code for others (`docs/decisions.md`, 38).
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no disk yet"))]
    pub(crate) fn durable(&self) -> Option<&Durable> {
        #[cfg(not(target_family = "wasm"))]
        return self.durable.as_ref();
        #[cfg(target_family = "wasm")]
        None
    }

    /// Makes the commits of a store durable, before it is shared. Does nothing in a page.
    #[cfg_attr(
        target_family = "wasm",
        allow(
            unused_variables,
            clippy::unused_self,
            clippy::needless_pass_by_value,
            reason = "a page has no disk yet"
        )
    )]
    pub(crate) fn set_durable(&mut self, durable: Durable) {
        #[cfg(not(target_family = "wasm"))]
        {
            self.durable = Some(durable);
        }
    }

    /// When a commit is submitted, if it is one of those that are measured.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    pub(crate) fn submission(&self) -> Option<Submission> {
        let now_us = || self.clock.monotonic_us();
        match self.durable() {
            Some(durable) if durable.durability == Durability::Always => Some(Submission::each(now_us())),
            _ => Submission::one_in_some(self.visible.load(Ordering::Relaxed), now_us),
        }
    }

    /// Waits for the writers' lock.
    pub(crate) fn lock_writer(&self) -> WriterGuard<'_> {
        self.writer.lock()
    }

    /// The writers' lock if nobody holds it.
    pub(crate) fn try_lock_writer(&self) -> Option<WriterGuard<'_>> {
        self.writer.try_lock()
    }

    /// Waits for the writers' lock, for work that may take long.
    pub(crate) fn lock_writer_for_long(&self) -> WriterGuard<'_> {
        self.writer.lock_for_long()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("visible", &self.visible).finish_non_exhaustive()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
