//! Version chains: what a record's head points to, and how a writer swaps it.
//!
//! All of them keep one contract. One thread writes. A reader at a snapshot sees the newest version that is not newer
//! than the snapshot, without waiting for the writer's work (only [`locked`] takes a lock, for one pointer's copy).

pub(crate) mod epoch;
pub(crate) mod locked;
pub(crate) mod swapped;
pub(crate) mod thin;

use bytes::Bytes;

/// A version on its way in.
#[derive(Clone, Copy)]
pub(crate) struct Draft<'v> {
    pub(crate) version: u64,
    pub(crate) time_ms: u64,
    pub(crate) deadline_ms: u64,
    pub(crate) value: &'v [u8],
}

/// The point where a record's versions hang.
pub(crate) trait Link: Send + Sync + 'static {
    /// A chain of one version.
    fn new(first: &Draft<'_>) -> Self;

    /// Puts a version in front, then cuts off the one before it, as the engine does when no snapshot needs it.
    fn publish(&self, draft: &Draft<'_>);

    /// The value at `snapshot`, to keep.
    fn get(&self, snapshot: u64) -> Option<Bytes>;

    /// Shows the value at `snapshot` in place; `false` when there is none.
    fn read(&self, snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool;
}
