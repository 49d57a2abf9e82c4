//! The maps under test, with one interface.

pub(crate) mod baseline;
pub(crate) mod chained;
pub(crate) mod node;
pub(crate) mod overwriting;
pub(crate) mod versioned;

use bytes::Bytes;

use crate::link::Draft;

/// A multi-version ordered map. One thread writes, any number read.
pub(crate) trait Shape: Send + Sync {
    /// Writes a version and prunes the one before it.
    fn put(&self, key: &[u8], draft: &Draft<'_>);

    /// The key's value at `snapshot`, to keep.
    fn get(&self, key: &[u8], snapshot: u64) -> Option<Bytes>;

    /// Shows the key's value at `snapshot` in place; `false` when there is none.
    fn read(&self, key: &[u8], snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool;

    /// Gives out up to `count` entries from `from` on, in order.
    fn scan(&self, from: &[u8], count: usize, snapshot: u64, visit: &mut dyn FnMut(&[u8], Bytes));
}
