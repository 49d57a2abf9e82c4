//! What is written: rows with values as their writer has them.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

/// One value of a row that is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// Nothing was given.
    Missing,
    /// The raw text of a JSON value.
    Json(&'a str),
    /// A text in the type's input form; null is not among them.
    Text(Cow<'a, str>),
    /// A value of the column's type, or null; a number of another type is converted as an assignment does.
    Value(Value<'a>),
    /// A text in the input form of one of these types, for columns of it: `numeric` and other numbers, `jsonb`, or an array.
    Literal(Literal, Cow<'a, str>),
}

/// The types of [`Input::Literal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    /// Decimal digits.
    Numeric,
    /// The text of a JSON value.
    Json,
    /// `{1,2,NULL}`
    Array,
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

impl<'a> RowBatch<'a> {
    /// A batch of rows, each with a value for each column.
    ///
    /// # Errors
    /// 42701 where a column is named twice, 42601 where a row has more or fewer values.
    pub fn of_rows(
        columns: Vec<Cow<'a, str>>,
        rows: impl IntoIterator<Item = impl IntoIterator<Item = Input<'a>>>,
    ) -> TableResult<Self> {
        let mut seen = HashSet::with_capacity(columns.len());
        if let Some(twice) = columns.iter().find(|name| !seen.insert(&***name)) {
            let message = format!("column \"{twice}\" specified more than once");
            return Err(TableError::new(code::COLUMN_DUPLICATE, message));
        }
        let (mut values, mut count) = (Vec::new(), 0);
        for row in rows {
            let before = values.len();
            values.extend(row);
            count += 1;
            let found = values.len() - before;
            if found != columns.len() {
                let message = format!("row {count} has {found} values for {} columns", columns.len());
                return Err(TableError::new(code::SYNTAX_ERROR, message));
            }
        }
        Ok(Self { columns, values, rows: count })
    }
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
