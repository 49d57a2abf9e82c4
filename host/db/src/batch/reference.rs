//! Values that earlier operations of a batch made.

use std::borrow::Cow;

use super::operation::{Argument, Reference};
use crate::tables::types::Value;
use crate::tables::{Input, RowBatch, TableError, TableResult, Written, code};

/// The keys of the rows that the operations so far have written.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Wrote>);

/// What an operation has written.
#[derive(Debug)]
struct Wrote {
    rows: u64,
    /// Columns and texts of the primary key, where it was one row.
    key: Vec<(String, String)>,
}

impl Keys {
    /// Notes what the next operation has done; none where it is one that writes no rows.
    pub(super) fn push(&mut self, written: Option<&Written>) {
        let key = written.and_then(|written| written.key.as_deref()).unwrap_or_default();
        let text = |filter: &str| filter.strip_prefix("eq.").unwrap_or(filter).to_owned();
        let key = key.iter().map(|(column, filter)| (column.clone(), text(filter))).collect();
        self.0.push(Wrote { rows: written.map_or(0, |written| written.affected), key });
    }

    /// The value that a reference names, as text.
    ///
    /// # Errors
    /// 21000 where the operation has not written one row; 42703 where its primary key has no such column.
    fn value(&self, reference: &Reference) -> TableResult<&str> {
        let Reference { operation, column } = reference;
        let wrote = self.0.get(*operation);
        let rows = wrote.map_or(0, |wrote| wrote.rows);
        if rows != 1 {
            let message = format!("a value is that of operation {operation}, which has written {rows} rows, not one");
            return Err(TableError::new(code::CARDINALITY_VIOLATION, message));
        }
        let mut key = wrote.into_iter().flat_map(|wrote| &wrote.key);
        key.find(|(name, _)| name == column).map(|(_, text)| text.as_str()).ok_or_else(|| {
            let message = format!("the primary key of operation {operation}'s row has no column \"{column}\"");
            TableError::new(code::COLUMN_UNDEFINED, message).with_hint("Only columns of a primary key are passed on.")
        })
    }

    /// The values of a query's arguments.
    ///
    /// # Errors
    /// Those of references.
    pub(super) fn arguments(&self, arguments: &[Argument]) -> TableResult<Vec<Value<'static>>> {
        let value = |argument: &Argument| match argument {
            Argument::Value(value) => Ok(value.clone()),
            Argument::Reference(reference) => {
                self.value(reference).map(|text| Value::Text(Cow::Owned(text.to_owned())))
            }
        };
        arguments.iter().map(value).collect()
    }

    /// The rows with these columns added.
    ///
    /// # Errors
    /// Those of references; 42701 where a row has the column already.
    pub(super) fn rows<'r>(
        &self,
        rows: &'r RowBatch<'_>,
        from: &[(Cow<'_, str>, Reference)],
    ) -> TableResult<Cow<'r, RowBatch<'r>>> {
        if from.is_empty() {
            return Ok(Cow::Borrowed(rows));
        }
        let mut columns = rows.columns.clone();
        let mut added = Vec::with_capacity(from.len());
        for (column, reference) in from {
            if columns.contains(column) {
                let message = format!("column \"{column}\" specified more than once");
                return Err(TableError::new(code::COLUMN_DUPLICATE, message));
            }
            columns.push(Cow::Owned(column.to_string()));
            added.push(Input::Text(Cow::Owned(self.value(reference)?.to_owned())));
        }
        let stride = rows.columns.len();
        let mut values = Vec::with_capacity(rows.rows * columns.len());
        for row in 0..rows.rows {
            values.extend_from_slice(&rows.values[row * stride..][..stride]);
            values.extend_from_slice(&added);
        }
        Ok(Cow::Owned(RowBatch { columns, values, rows: rows.rows }))
    }
}
