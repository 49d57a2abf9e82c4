//! What a plan is made by besides the query: sizes, and how the rows are used.

use crate::engine::KeyRange;
use crate::tables::table::SpaceId;

/// What a planner knows of sizes.
pub(crate) trait Sizes {
    /// How many keys a space has.
    fn keys(&self, space: SpaceId) -> u64;

    /// How many keys a range has, counted up to `keys_max`.
    fn count(&self, range: &KeyRange, keys_max: u64) -> u64;
}

/// What the planner may assume of how the rows are used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    /// Reading stops after so many rows that pass.
    pub(crate) rows_max: Option<u64>,
    /// Whether the order matters.
    pub(crate) is_ordered: bool,
}
