//! jsonb: JSON whose text is canonical, as PostgreSQL prints it: keys are unique and ordered by length then bytes, numbers are exact.
//!
//! | module | holds |
//! |---|---|
//! | `tree` | [`Json`]: a JSON text taken apart, and its canonical text |
//! | `order` | PostgreSQL's order |
//! | `parser` | a text to a tree, with PostgreSQL's errors |
//! | `scan` | members and elements of a canonical text, without a tree |
//! | `contains` | whether one holds another (`@>`) |
//! | `escape` | strings between quotes |

mod contains;
mod escape;
mod order;
mod parser;
mod scan;
mod tree;

#[cfg(test)]
mod tests;

pub use contains::json_contains;
pub(super) use escape::escape;
pub(super) use order::compare;
pub use parser::JSON_DEPTH_MAX;
pub(super) use parser::canonical;
pub(super) use scan::{element, is_array, is_object, items, member, string};
pub(super) use tree::Json;
pub use tree::json_parts_bytes;
