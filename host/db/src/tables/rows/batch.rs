//! What is written: rows with values as their writer has them.

use std::borrow::Cow;

use crate::tables::types::Value;

/// One value of a row that is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// Nothing was given.
    Missing,
    /// The raw text of a JSON value.
    Json(&'a str),
    /// A text in the type's input form; null is not among them.
    Text(Cow<'a, str>),
    /// A value of the column's type, or null.
    Value(Value<'a>),
}

/// Rows that are written: their columns, and their values row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowBatch<'a> {
    /// The names of the columns. None is named twice.
    pub columns: Vec<Cow<'a, str>>,
    /// The values of all rows, one row after the other.
    pub values: Vec<Input<'a>>,
    /// How many rows; `values` has so many times as many values as `columns`.
    pub rows: usize,
}

/// What an insert does about a row whose key is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resolution {
    /// It fails: 23505.
    #[default]
    Fail,
    /// The row that is there stays (`ignore-duplicates`).
    Ignore,
    /// The row that is there gets the values given (`merge-duplicates`).
    Merge,
}
