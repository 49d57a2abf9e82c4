//! Reads of a store's current state, and snapshots.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::{Found, Inner, Node, NodeExt, Shown, Snapshot, Store};
use crate::types::{Durability, Entry, EntryHeader, Options, Version};

impl Store {
    /// An empty store in memory.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a store's options are made for it")]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Inner::new(&options)))
    }

    /// The newest value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        let inner = &*self.0;
        loop {
            let visible = inner.visible.load(Ordering::Acquire);
            match inner.map.find(key, |record| record.at(visible, |node| node.live(|| inner.clock.now_ms())))? {
                Found::Node(entry) => return entry,
                // Either newer versions are not published yet, or the version for `visible` was pruned meanwhile.
                Found::Older(entry) if inner.visible.load(Ordering::Acquire) == visible => return entry,
                Found::NotVisible if inner.visible.load(Ordering::Acquire) == visible => return None,
                Found::Older(_) | Found::NotVisible => {}
            }
        }
    }

    /// Shows `see` the newest value of `key`, borrowed, and returns what it made of it; none where there is no value. Costs less than
    /// [`get`](Self::get) where the value is copied anyway. `see` is called again where another commit became visible meanwhile: what it
    /// made before is dropped.
    pub fn read<R>(&self, key: &[u8], mut see: impl FnMut(&EntryHeader, &[u8]) -> R) -> Option<R> {
        let inner = &*self.0;
        let mut show = |node: &Node| {
            let shown = Shown::Stored(node);
            node.is_live(|| inner.clock.now_ms()).then(|| see(&shown.header(), shown.bytes()))
        };
        loop {
            let visible = inner.visible.load(Ordering::Acquire);
            match inner.map.find(key, |record| record.at(visible, &mut show))? {
                Found::Node(made) => return made,
                // As in `get`.
                Found::Older(made) if inner.visible.load(Ordering::Acquire) == visible => return made,
                Found::NotVisible if inner.visible.load(Ordering::Acquire) == visible => return None,
                Found::Older(_) | Found::NotVisible => {}
            }
        }
    }

    /// The newest commit.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.visible.load(Ordering::Acquire)
    }

    /// The newest commit, visible or not. Takes the writer lock.
    #[must_use]
    pub fn newest(&self) -> Version {
        self.0.lock_writer().last
    }

    /// Pins the current state of the store for reading.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.0)
    }

    /// The store's identity, which stays the same when it is opened again; `None` in memory.
    #[must_use]
    pub fn identity(&self) -> Option<u64> {
        self.0.durable().map(|durable| durable.store)
    }

    /// When commits are acknowledged; `None` in memory, where nothing is durable.
    #[must_use]
    pub fn durability(&self) -> Option<Durability> {
        self.0.durable().map(|durable| durable.durability)
    }

    /// Whether the commit `version` is certain to survive a power cut.
    #[must_use]
    pub fn is_durable(&self, version: Version) -> bool {
        self.0.durable().is_some_and(|durable| version <= durable.synced.load(Ordering::Acquire))
    }

    /// The clock's time, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// The time by the clock that is never set, in microseconds since some moment.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.0.clock.monotonic_us()
    }
}
