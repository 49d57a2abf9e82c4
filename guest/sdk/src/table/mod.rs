//! Typed rows.
//!
//! ```ignore
//! use mantis_guest::table::{Numeric, Row, Table, Timestamp};
//!
//! #[derive(Row)]
//! struct Invoice {
//!     id: i64,
//!     client_id: i64,
//!     total: Numeric,
//!     paid_at: Option<Timestamp>,
//!     #[row(column = "type")]
//!     kind: String,
//! }
//!
//! let invoices = Table::open("invoices")?;
//! let one: Option<Invoice> = invoices.get(7_i64)?;
//! let large: Vec<Invoice> =
//!     invoices.filter("total=gt.$1&paid_at=is.null").bind(1_000_i64).order("total.desc").limit(10).rows()?;
//! invoices.filter("id=eq.$1").bind(7_i64).set("type", "final").update()?;
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `handle` | [`Table`]: one table; single rows, inserts |
//! | `select` | [`Select`]: which rows, and what is done with them |
//! | `row` | [`Row`]: a struct as a row, which `#[derive(Row)]` implements |
//! | `value` | [`FromValue`], [`IntoValue`], and the types that Rust lacks |
//! | `packed` | rows as bytes to values |

mod handle;
mod packed;
mod row;
mod select;
mod value;

pub use crate::bindings::mantis::db::tables::{Changed, OnConflict, Value};
pub use handle::{Insert, Table};
pub use mantis_guest_derive::Row;
pub use packed::unpack;
pub use row::{IntoKey, Row, Values};
pub use select::Select;
pub use value::{Array, Date, FromValue, IntoValue, Json, Numeric, Time, Timestamp, Uuid};
