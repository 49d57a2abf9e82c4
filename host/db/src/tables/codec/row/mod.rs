//! A row as bytes: any column can be read without looking at the others.
//!
//! | part | bytes |
//! |---|---|
//! | head | varint: 4 times the number of the layout, and 0, 1 or 2 for ends of 1, 2 or 4 bytes |
//! | bits | one for each column, set where it is null, then one for each boolean column; the first is the lowest of the first byte |
//! | fixed | the columns of fixed size in their order, of null zeros (1) |
//! | ends | of each other column, where its bytes end, counted from the start of the first (LE) |
//! | rest | the bytes of these columns in their order, of null none (2) |
//!
//! (1) All LE: smallint 2 bytes, integer 4, bigint 8, real 4, double precision 8, date 4, time 8, timestamps 8; uuid 16 as they are.
//!
//! (2) text, varchar, char with its blanks, jsonb: UTF-8; bytea: the bytes; numeric and arrays: see `variable`.
//!
//! For example `(7, true, null, 'ab')` of `(integer, boolean, text, text)` in layout 0:
//!
//! ```text
//! 00 | 14 | 07 00 00 00 | 00 02 | 61 62
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `shape` | [`RowShape`]: where the columns of one layout are; writing |
//! | `view` | [`RowView`]: the columns of one row in its own layout |
//! | `reader` | [`RowReader`]: rows of any layout of a table as rows of today's |
//! | `variable` | text, bytes, numerics and arrays |
//! | `fixed` | values of fixed size; [`Raw`] |

mod fixed;
mod reader;
mod shape;
#[cfg(test)]
mod tests;
mod variable;
mod view;

pub use fixed::Raw;
pub use reader::{Cast, Row, RowReader};
pub use shape::RowShape;
pub use view::RowView;
