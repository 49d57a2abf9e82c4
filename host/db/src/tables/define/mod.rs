//! Definitions of tables: what [`Session`] does with them. None of it belongs to a transaction of the session; each change is one commit of
//! the catalogue.
//!
//! | module | holds |
//! |---|---|
//! | `alter` | [`Session::alter_table`]; building indexes and checking rows beside writers |
//! | `create` | [`Session::create_table`] |
//! | `drop` | [`Session::drop_table`]: the table is gone at once, its keys go in small commits |
//! | `show` | [`Session::describe_table`], [`Session::describe_tables`], [`Session::definitions`] |
//! | `change` | what the changes share: the grants, the commit, the numbers of spaces |

pub(crate) mod alter;
mod change;
mod create;
mod drop;
mod show;

pub use alter::TableAltered;
pub use create::Created;
pub use drop::TableDropped;
pub use show::{Definitions, DescribeLimits};

#[cfg(doc)]
use crate::Session;
