//! A key and the chain of its versions, newest first.
//!
//! A version and its value are in one allocation behind a thin pointer, which is what the head of a chain swaps: one cache miss from the
//! key to the value, and 48 to 80 bytes a key less than with a separate value (`docs/decisions.md`, 2).

use std::ops::ControlFlow;
use std::sync::atomic::AtomicU32;

use bytes::Bytes;
#[cfg(not(target_family = "wasm"))]
use triomphe::Arc;
use triomphe::ThinArc;

use crate::mutants::mutant;
use crate::sync::{Mutex, Swap};
use crate::types::{Entry, EntryHeader, NEVER_MS, Version, is_past};

/// One version of a key: a [`Header`] and the value's bytes. Cloning shares it.
pub(crate) type Node = ThinArc<Header, u8>;

/// A version without its value.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) version: Version,
    pub(crate) time_ms: u64,
    pub(crate) deadline_ms: u64,
    pub(crate) is_deletion: bool,
    /// The version's place in the queue of [`Garbage`](super::garbage::Garbage), if it superseded another.
    pub(crate) place: AtomicU32,
    /// Under a lock of one byte, not another swapped pointer: readers of old versions are few, and dropping a swapped pointer looks at what
    /// every thread is reading.
    older: Mutex<Option<Node>>,
}

/// A version's value, held as [`Bytes`].
struct Value(Node);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0.slice
    }
}

/// A value as a reader finds it: where it is, so that a copy that shares it is made only where it is asked for.
pub(crate) enum Shown<'n> {
    Stored(&'n Node),
    /// A transaction's own write.
    Own(Entry),
}

impl Shown<'_> {
    #[inline]
    pub(crate) fn header(&self) -> EntryHeader {
        match self {
            Self::Stored(node) => {
                let about = node.about();
                let expires_at_ms = node.expires_at_ms();
                EntryHeader { version: about.version, modified_ms: about.time_ms, expires_at_ms }
            }
            Self::Own(entry) => entry.header(),
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Stored(node) => &node.slice,
            Self::Own(entry) => &entry.value,
        }
    }

    /// The value, shared.
    #[inline]
    pub(crate) fn into_entry(self) -> Entry {
        match self {
            Self::Stored(node) => node.entry(),
            Self::Own(entry) => entry,
        }
    }
}

/// The methods of a [`Node`].
pub(crate) trait NodeExt {
    /// A version that gives the key `value`, or deletes it if there is none, on top of the version `older`.
    fn create(version: Version, time_ms: u64, deadline_ms: u64, value: Option<&[u8]>, older: Option<Node>) -> Self;

    /// The placeholder of a key before its first commit. Readers of any version find no value.
    #[cfg(not(target_family = "wasm"))]
    fn nothing() -> Self;

    /// Assigns a version that is not shared yet to its commit; false if it is shared.
    #[cfg(not(target_family = "wasm"))]
    fn set_commit(&mut self, version: Version, time_ms: u64) -> bool;

    /// The version without its value.
    fn about(&self) -> &Header;

    /// The value, sharing this version's memory; `None` for a deletion.
    fn value(&self) -> Option<Bytes>;

    /// The value with its version and times, whatever the time is. That of a deletion is empty.
    fn entry(&self) -> Entry;

    /// Whether readers see a value at `now_ms`: it is no deletion, and has not expired.
    fn is_live(&self, now_ms: impl FnOnce() -> u64) -> bool;

    /// The version as readers see it at `now_ms`: `None` if it is a deletion or has expired.
    fn live(&self, now_ms: impl FnOnce() -> u64) -> Option<Entry>;

    /// When the value stops being served, if ever.
    fn expires_at_ms(&self) -> Option<u64>;

    /// Until when the value is served; 0 for a deletion.
    fn ends_ms(&self) -> u64;

    /// The number of the version, if readers see it at `now_ms`.
    fn live_version(&self, now_ms: u64) -> Option<Version>;

    /// The version before this one, if it still exists.
    fn older(&self) -> Option<Node>;

    /// Links this version to `older` in place of the one that it superseded, whose own link stays for readers that are there. Only the
    /// writer calls this, when no reader is at the version that is skipped.
    fn set_older(&self, older: Option<Node>);

    /// Cuts the versions that this one superseded, and returns how many. Only the writer calls this, when no reader is at an older version
    /// than this one.
    fn cut_older(&self) -> usize;
}

impl NodeExt for Node {
    fn create(version: Version, time_ms: u64, deadline_ms: u64, value: Option<&[u8]>, older: Option<Node>) -> Self {
        let is_deletion = value.is_none();
        let place = AtomicU32::new(0);
        let header = Header { version, time_ms, deadline_ms, is_deletion, place, older: Mutex::new(older) };
        Self::from_header_and_slice(header, value.unwrap_or_default())
    }

    #[cfg(not(target_family = "wasm"))]
    fn nothing() -> Self {
        Self::create(0, 0, NEVER_MS, None, None)
    }

    #[cfg(not(target_family = "wasm"))]
    fn set_commit(&mut self, version: Version, time_ms: u64) -> bool {
        self.with_arc_mut(|node| match Arc::get_mut(node) {
            Some(node) => {
                let header = node.header_mut();
                (header.version, header.time_ms) = (version, time_ms);
                true
            }
            None => false,
        })
    }

    fn about(&self) -> &Header {
        &self.header.header
    }

    // A page has one copy of it. Natively a scan of 100 takes a sixth longer with a call for each value.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn value(&self) -> Option<Bytes> {
        if self.about().is_deletion {
            None
        } else if self.slice.is_empty() {
            Some(Bytes::new())
        } else {
            Some(Bytes::from_owner(Value(self.clone())))
        }
    }

    #[inline]
    fn entry(&self) -> Entry {
        let (about, expires_at_ms) = (self.about(), self.expires_at_ms());
        let value = self.value().unwrap_or_default();
        Entry { value, version: about.version, modified_ms: about.time_ms, expires_at_ms }
    }

    #[inline]
    fn is_live(&self, now_ms: impl FnOnce() -> u64) -> bool {
        let is_past = self.expires_at_ms().is_some_and(|deadline_ms| is_past(deadline_ms, now_ms()));
        !self.about().is_deletion && (!is_past || mutant!("expired-is-served"))
    }

    fn live(&self, now_ms: impl FnOnce() -> u64) -> Option<Entry> {
        self.is_live(now_ms).then(|| self.entry())
    }

    fn expires_at_ms(&self) -> Option<u64> {
        Some(self.about().deadline_ms).filter(|&deadline_ms| deadline_ms != NEVER_MS)
    }

    fn ends_ms(&self) -> u64 {
        if self.about().is_deletion { 0 } else { self.about().deadline_ms }
    }

    fn live_version(&self, now_ms: u64) -> Option<Version> {
        (!is_past(self.ends_ms(), now_ms)).then_some(self.about().version)
    }

    fn older(&self) -> Option<Node> {
        self.about().older.lock().clone()
    }

    fn set_older(&self, older: Option<Node>) {
        let left_out = std::mem::replace(&mut *self.about().older.lock(), older);
        drop(left_out);
    }

    fn cut_older(&self) -> usize {
        let mut cut = 0;
        let mut tail = self.about().take_older();
        while let Some(node) = tail {
            cut += 1;
            tail = node.about().take_older();
        }
        cut
    }
}

impl Header {
    /// Detaches the older version.
    fn take_older(&self) -> Option<Node> {
        self.older.lock().take()
    }
}

impl Drop for Header {
    /// Drops a long chain in a loop; the derived drop would recurse once per version.
    fn drop(&mut self) {
        let mut next = self.take_older();
        while let Some(node) = next {
            // A node that somebody else still holds drops its own tail when it is released.
            let is_last = ThinArc::strong_count(&node) == 1;
            next = if is_last { node.about().take_older() } else { None };
        }
    }
}

/// What a reader at some version finds in a chain.
pub(crate) enum Found<R> {
    /// The newest version, which is not newer than the reader's.
    Node(R),
    /// The newest version that is not newer than the reader's, after newer ones in the chain. That is certain for readers whose version is
    /// pinned; for others, if no newer version became visible while they read.
    Older(R),
    /// Every version in the chain is newer than the reader's.
    NotVisible,
}

impl Found<ControlFlow<()>> {
    /// What was answered about the version, where there is one.
    pub(crate) fn or_continue(self) -> ControlFlow<()> {
        match self {
            Self::Node(flow) | Self::Older(flow) => flow,
            Self::NotVisible => ControlFlow::Continue(()),
        }
    }
}

/// A key and its versions. The key never changes; the chain is replaced by one writer at a time and read by anyone.
///
/// The head of the chain and the key's bytes are in one allocation, as a version and its value are. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Record(ThinArc<Swap<Node>, u8>);

impl Record {
    pub(crate) fn new(key: &[u8], first: Node) -> Self {
        Self(ThinArc::from_header_and_slice(Swap::new(first), key))
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.0.slice
    }

    /// Whether the two are one record, not just of one key.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.head(), other.head())
    }

    fn head(&self) -> &Swap<Node> {
        &self.0.header.header
    }

    /// Shows `see` the version that a reader at `version` finds.
    pub(crate) fn at<R>(&self, version: Version, see: impl FnOnce(&Node) -> R) -> Found<R> {
        let head = self.head().load();
        if head.about().version <= version {
            return Found::Node(see(&head));
        }
        let mut next = head.older();
        while let Some(node) = next {
            if node.about().version <= version {
                return Found::Older(see(&node));
            }
            next = node.older();
        }
        Found::NotVisible
    }

    /// The newest version, published or not. Only the writer may act on it.
    pub(crate) fn newest<R>(&self, see: impl FnOnce(&Node) -> R) -> R {
        see(&self.head().load())
    }

    /// Puts `node`, which was made on top of the newest version, on the chain. Only the writer calls this.
    pub(crate) fn push(&self, node: Node) {
        self.head().store(node);
    }

    /// Removes the newest version from the chain, whose head is `older` afterwards. Only the writer calls this, for a version that no
    /// reader has seen.
    pub(crate) fn pop(&self, older: Node) {
        self.head().store(older);
    }

    /// Whether every reader finds the key without a value: it is deleted, and either no reader is at a version before `horizon`, or nothing
    /// is left before the deletion, which is `visible`.
    pub(crate) fn is_dead(&self, horizon: Version, visible: Version) -> bool {
        self.newest(|node| {
            let about = node.about();
            about.is_deletion && (about.version <= horizon || (about.version <= visible && node.older().is_none()))
        })
    }

    /// Whether the key has had no version yet.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_unused(&self) -> bool {
        self.newest(|node| node.about().version == 0)
    }
}
