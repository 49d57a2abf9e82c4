//! The query language of tables: PostgREST's dialect, from text to a tree.
//!
//! A [`Query`] is what the parameters of a request say, in the order of their parts: what to [select](Selection), which rows
//! ([`Condition`]), in which [order](Order), how many, and the same for each embedded table. Nothing here knows a
//! table: whether a column exists, and what type its text must have, is for whoever runs the query.
//!
//! ```
//! use mantis_dialect::{Operator, Parser, Condition};
//!
//! let query = Parser::default().query([
//!     ("select", "id,name,studio:studios(city)"),
//!     ("born", "gte.1960-01-01"),
//!     ("order", "born.desc.nullslast"),
//! ])?;
//! assert_eq!(query.select.as_ref().map(Vec::len), Some(3));
//! let Condition::Compare(comparison) = &query.root.filter[0] else { panic!("a comparison") };
//! assert_eq!((&*comparison.subject.field.name, comparison.operator), ("born", Operator::GreaterOrEqual));
//!
//! let error = Parser::default().query([("select", "id,,name")]).unwrap_err();
//! assert_eq!((error.parameter(), error.offset()), ("select", 3));
//! # Ok::<(), mantis_dialect::ParseError>(())
//! ```
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | `tree` | the query tree |
//! | `parser` | parameters to a tree: which parameter is what, its limits |
//! | `select`, `filter`, `order` | the grammar of one parameter each |
//! | `name`, `value`, `text` | what they share: names and JSON paths; operands, lists, array literals; the input |
//! | `write` | a tree as text again, which parses to the same tree |
//! | `error` | where a text is wrong, and what was expected there |
//!
//! # What it does not do
//!
//! No HTTP: percent-decoding, `Prefer`, `Range` and media types are the HTTP crate's. No storage, no runtime, no clock: it compiles
//! to `wasm32-unknown-unknown`. No types: `gt.10` compares with the text `10`.

#![deny(missing_docs)]

mod error;
mod filter;
mod name;
mod order;
mod parser;
mod select;
mod text;
mod tree;
mod value;
mod write;

pub use error::{ErrorKind, ParseError};
pub use parser::{Limits, Parser};
pub use tree::{
    Aggregate, Aggregation, Cast, Comparison, Condition, Direction, Embed, EmbedQuery, Field, Is, Join, JsonStep, Name,
    Nulls, Operand, Operator, Order, OrderSubject, Part, Quantifier, Query, Select, Selection, Subject,
};
pub use value::array_elements;
