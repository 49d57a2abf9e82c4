//! Queries: from a tree to rows.
//!
//! | module | holds |
//! |---|---|
//! | `texts` | [`QueryTexts`]: queries by their texts, each parsed once |
//! | `bound` | a query with its names resolved: the form between `bind` and the rest |
//! | `bind` | a dialect's tree and schemas to a bound query; the relationships between tables |
//! | `plan` | which rows are read, and in which order: primary key, index, or all |
//! | `execute` | rows: filter, embed, group, sort, page |
//! | `sink` | where rows go: [`RowSink`] |
//! | `json` | [`JsonRows`]: rows as JSON text |
//! | `packed` | [`PackedRows`]: rows as bytes |
//! | `answer` | what a select answers besides its rows |
//! | `explain` | a plan as a document |

mod answer;
pub(crate) mod bind;
pub(crate) mod bound;
pub(crate) mod execute;
pub(crate) mod explain;
mod json;
mod packed;
pub(crate) mod plan;
mod sink;
mod texts;

pub use answer::{Count, Selected};
pub use explain::Explanation;
pub use json::{JsonForm, JsonRows};
pub use packed::{PACKED_ARRAY, PACKED_END, PackedRows, type_number};
pub use sink::{Cell, OutputColumn, RowSink};
pub use texts::{QueryText, QueryTexts};
