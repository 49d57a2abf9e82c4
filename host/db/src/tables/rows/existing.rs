//! Older rows against what a change of the schema has added: they are looked at beside writers, who keep to it already.

use std::sync::Arc;

use bytes::Bytes;

use super::statement::Statement;
use super::target::{Target, without_space};
use super::violation::{self, KeyText};
use crate::engine::mutant;
use crate::tables::query::execute::StoredRow;
use crate::tables::schema::alter::contains_nulls;
use crate::tables::schema::cast::cast_whole;
use crate::tables::table::Pending;
use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

impl Statement<'_> {
    /// Gives a row the values that it lacks in columns that are being filled, checks that it keeps to what is pending, and adds its entries
    /// to the indexes that are being built.
    ///
    /// # Errors
    /// 23502, 23503, 23505, 23514, 22P02, 54000 for a key that is too long; those of casts.
    pub(crate) fn check_existing(&mut self, target: &Arc<Target>, key: &[u8], bytes: &Bytes) -> TableResult<()> {
        let schema = &target.table.schema;
        let Some(pending) = &schema.pending else { return Ok(()) };
        let mut values = target.decode(bytes)?;
        let is_filled = self.fill(target, bytes, &mut values)?;
        let filled = is_filled.then(|| target.encode(&values, &mut self.buffer)).transpose()?;
        if let Some(filled) = &filled {
            if schema.keeps_old_rows {
                self.transaction.keep_replaced(&schema.rows.prefix(), bytes.len());
            }
            self.transaction.put(key, filled.clone(), None);
            // Of another column, the counter knows the value; to load it may take a look at all rows, while writers wait.
            if target.table.identity().is_some_and(|place| pending.filled.contains(&schema.columns[place].id)) {
                self.count_identity(target, None, Some(&values));
            }
        }
        let bytes = filled.as_ref().unwrap_or(bytes);
        check_columns(target, pending, &values)?;
        let row = StoredRow { key, version: 0, bytes };
        if !pending.constraints.is_empty()
            && let Some(name) = target.failed_check(row, &self.context)?
        {
            let message =
                format!("check constraint \"{name}\" of relation \"{}\" is violated by some row", schema.name);
            return Err(TableError::new(code::CHECK_VIOLATION, message));
        }
        for (place, foreign_key) in schema.foreign_keys.iter().enumerate() {
            if !pending.constraints.contains(&foreign_key.name) {
                continue;
            }
            let link = self.link(target, place)?;
            if !self.has_parent(&link, &values)? {
                let text = KeyText::of_columns(target, &foreign_key.columns, &values, self.environment);
                return Err(violation::no_parent(&schema.name, &foreign_key.name, &text, &foreign_key.target));
            }
        }
        for (place, index) in schema.indexes.iter().enumerate() {
            if index.is_building {
                self.enter(target, place, key, bytes, &values)?;
            }
        }
        Ok(())
    }

    /// Gives a row values of its own in the columns that are being filled and that it is older than. Returns whether there are any.
    ///
    /// # Errors
    /// 2200H where the type of an identity has no more numbers; those of casts.
    pub(super) fn fill(&self, target: &Target, bytes: &[u8], values: &mut [Value<'_>]) -> TableResult<bool> {
        let filled = target.table.schema.pending.as_ref().map(|pending| &pending.filled);
        let Some(filled) = filled.filter(|filled| !filled.is_empty()) else { return Ok(false) };
        let row = target.table.reader.open(bytes)?;
        let mut is_filled = false;
        for (place, column) in target.table.schema.columns.iter().enumerate() {
            if filled.contains(&column.id) && row.is_missing(place) && !mutant!("older-rows-not-filled") {
                values[place] = self.default_of(target, place)?;
                is_filled = true;
            }
        }
        Ok(is_filled)
    }

    /// Adds a row's entry to an index that is being built. A writer may have done so already.
    fn enter(
        &mut self,
        target: &Arc<Target>,
        place: usize,
        key: &[u8],
        bytes: &Bytes,
        values: &[Value<'_>],
    ) -> TableResult<()> {
        mutant!("older-rows-not-entered" => return Ok(()));
        let row = StoredRow { key, version: 0, bytes };
        let Some(entry) = target.entry(place, row, values, &self.context)? else { return Ok(()) };
        let value = if entry.is_alone { Bytes::copy_from_slice(without_space(key)) } else { Bytes::new() };
        match self.stored_row(&entry.key)? {
            None => self.transaction.put(&entry.key, value, None),
            Some(there) if there.bytes == value => {}
            Some(_) if mutant!("duplicate-entered") => self.transaction.put(&entry.key, value, None),
            Some(_) => {
                let name = &target.table.schema.indexes[place].name;
                let text = KeyText::of_index(target, place, values, self.environment)?;
                let message = format!("could not create unique index \"{name}\"");
                let error = TableError::new(code::UNIQUE_VIOLATION, message);
                return Err(error.with_details(format!("{text} is duplicated.")));
            }
        }
        Ok(())
    }
}

/// Checks what is pending of single columns.
///
/// # Errors
/// 22P02, 23502; those of casts.
pub(super) fn check_columns(target: &Target, pending: &Pending, values: &[Value<'_>]) -> TableResult<()> {
    let schema = &target.table.schema;
    for (column, value) in schema.columns.iter().zip(values) {
        if value.is_null() {
            if pending.not_null.contains(&column.id) {
                return Err(contains_nulls(&schema.name, &column.name));
            }
            continue;
        }
        if let (Value::Text(text), Some(allowed)) = (value, &column.allowed)
            && pending.allowed.contains(&column.id)
            && allowed.iter().all(|value| *value != **text)
        {
            let message = format!("invalid input value for enum {}: \"{}\"", column.name, text.escape_debug());
            return Err(TableError::new(code::TEXT_INVALID, message));
        }
        if let Some((_, to)) = pending.casts.iter().find(|(id, _)| *id == column.id) {
            cast_whole(value, column.r#type, *to)?;
        }
    }
    Ok(())
}
