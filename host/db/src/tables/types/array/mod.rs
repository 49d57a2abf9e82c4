//! Arrays: their literals, and what one holds of another.
//!
//! | module | holds |
//! |---|---|
//! | `literal` | `{1,2,{..}}`, read and written |
//! | `overlap` | containment and overlap |

mod literal;
mod overlap;

#[cfg(test)]
mod tests;

pub(super) use literal::{DIMENSIONS_MAX, read, too_many_dimensions, write};
pub use overlap::{array_contains, array_overlaps};
