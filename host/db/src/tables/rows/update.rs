//! Updates: of rows that a query matches, and of rows that a batch names by their primary keys.

use std::collections::HashSet;
use std::sync::Arc;

use super::input::{Values, by_primary_key};
use super::statement::{ChangedRow, Statement, check_versions};
use super::target::Target;
use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

impl Statement<'_> {
    /// Gives each of these rows the values of the batch's first row. A batch without columns changes nothing.
    ///
    /// # Errors
    /// Those of constraints and limits.
    pub(crate) fn update(
        &mut self,
        target: &Arc<Target>,
        rows: &[ChangedRow],
        given: &Values<'_>,
        missing_is_default: bool,
    ) -> TableResult<()> {
        if given.columns.is_empty() || given.rows == 0 {
            return Ok(());
        }
        for row in rows {
            let mut changes = Vec::with_capacity(given.columns.len());
            for (&column, value) in given.columns.iter().zip(given.row(0)) {
                let value = match value {
                    Some(value) => value.clone(),
                    None if missing_is_default => self.default_of(target, column)?,
                    None => Value::Null,
                };
                changes.push((column, value));
            }
            let changed = self.change_row(target, row, changes)?;
            self.note(changed);
        }
        Ok(())
    }

    /// Gives each row that the batch names by its primary key the values beside it; what is missing stays. Rows that are not there, or
    /// that are not `wanted`, are passed over.
    ///
    /// # Errors
    /// PGRST102 where a row has no whole primary key, 21000 where two have the same; those of constraints and limits.
    pub(crate) fn update_many(
        &mut self,
        target: &Arc<Target>,
        given: &Values<'_>,
        if_version: Option<u64>,
        wanted: &dyn Fn(&ChangedRow) -> bool,
    ) -> TableResult<()> {
        if given.rows == 0 {
            return Ok(());
        }
        let key_places = key_places(target, given)?;
        let mut named = HashSet::new();
        for row in 0..given.rows {
            let row = given.row(row);
            let key = key_places.iter().map(|&place| row[place].clone().filter(|value| !value.is_null()));
            let key = key.collect::<Option<Vec<_>>>().ok_or_else(|| no_key(target))?;
            let key = by_primary_key(&target.table, &key)?;
            if !named.insert(key.clone()) {
                let message = "UPDATE command cannot affect row a second time";
                return Err(TableError::new(code::CARDINALITY_VIOLATION, message)
                    .with_hint("Ensure that no two rows of the body have the same primary key."));
            }
            let stored = if target.has_row_ids() { self.row_of_entry(target, &key)? } else { self.stored_row(&key)? };
            let stored = stored.filter(wanted);
            if let Some(version) = if_version {
                check_versions(stored.as_slice(), version)?;
            }
            let Some(stored) = stored else { continue };
            let given = given.columns.iter().zip(row);
            let changes: Vec<_> =
                given.filter_map(|(&column, value)| value.clone().map(|value| (column, value))).collect();
            let changed = self.change_row(target, &stored, changes)?;
            self.note(changed);
        }
        Ok(())
    }
}

/// The places of the primary key's columns among those given.
fn key_places(target: &Target, given: &Values<'_>) -> TableResult<Vec<usize>> {
    let columns = target.key_columns();
    if columns.is_empty() {
        let message = format!("table \"{}\" has no primary key to name rows by", target.name());
        return Err(TableError::new(code::NO_CONFLICT_KEY, message));
    }
    let places = columns.iter().map(|column| given.columns.iter().position(|given| given == column));
    places.collect::<Option<_>>().ok_or_else(|| no_key(target))
}

fn no_key(target: &Target) -> TableError {
    let names = target.key_columns().iter().map(|&column| target.table.schema.columns[column].name.as_str());
    TableError::new(code::BODY_INVALID, "Each row of a bulk update must have its primary key")
        .with_details(format!("The primary key is ({}).", names.collect::<Vec<_>>().join(", ")))
}
