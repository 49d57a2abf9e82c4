//! The calls of `wit/tables.wit`, for every host of plugins: each is a statement of its session, and means the same on a server and in a page.
//!
//! | module | holds |
//! |---|---|
//! | `call` | [`Call`]: a query with its arguments, and what is done with it |
//! | `given` | values and rows that a plugin gives: bounds, arguments, what is written |
//! | `answer` | [`AnswerHead`], [`PackedRows`]: rows on their way to a plugin, as many as an answer may hold |
//! | `packed` | values back to back, in the form of `packed-rows`: written and read |
//!
//! How values of WIT look in memory is the host's own business, and so are handles, deadlines and transactions.

mod answer;
mod call;
mod given;
mod packed;

pub use answer::{AnswerHead, PackedRows, ROW_BYTES, VALUE_BYTES, Weight};
pub use call::{Call, insert};
pub use given::{ARGUMENTS_MAX, argument, arguments};
pub use packed::{pack, text_of, unpack};
