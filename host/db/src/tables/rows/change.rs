//! One row added, changed or removed: its constraints, its index entries, and what follows for foreign keys.

use std::sync::Arc;

use bytes::Bytes;

use super::existing::check_columns;
use super::statement::{ChangedRow, Orphan, Removal, Statement};
use super::target::{IndexEntry, Target, without_space};
use super::violation::{self, KeyText};
use crate::engine::{View, mutant};
use crate::keyspace::EncodedKey;
use crate::tables::query::execute::StoredRow;
use crate::tables::table::ForeignKey;
use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

impl Statement<'_> {
    /// Adds a row.
    ///
    /// # Errors
    /// 23502, 23514, 23505; 54000 where a key is too long or a limit is reached.
    pub(super) fn add_row(
        &mut self,
        target: &Arc<Target>,
        key: &EncodedKey,
        values: &[Value<'_>],
    ) -> TableResult<ChangedRow> {
        let bytes = self.checked(target, key, values)?;
        self.check_key_is_free(target, key, values)?;
        self.add_checked(target, key, bytes, values)
    }

    /// Adds a row whose constraints hold and whose key is free.
    pub(super) fn add_checked(
        &mut self,
        target: &Arc<Target>,
        key: &EncodedKey,
        bytes: Bytes,
        values: &[Value<'_>],
    ) -> TableResult<ChangedRow> {
        self.transaction.put(key, bytes.clone(), None);
        self.forget_children(target);
        for place in 0..target.table.entries.len() {
            let row = StoredRow { key, version: 0, bytes: &bytes };
            if let Some(entry) = target.entry(place, row, values, &self.context)? {
                mutant!("built-index-not-kept-up" => if target.table.schema.indexes[place].is_building { continue });
                self.put_entry(target, place, &entry, key, values)?;
            }
        }
        self.count_row(key.len() + bytes.len())?;
        self.count_identity(target, None, Some(values));
        for foreign_key in 0..target.table.schema.foreign_keys.len() {
            self.check_parent(target, foreign_key, key, values)?;
        }
        Ok(ChangedRow { key: key[..].into(), version: 0, bytes })
    }

    /// The bytes of a row, once its columns and checks hold.
    ///
    /// # Errors
    /// 23502, 23514.
    pub(super) fn checked(&mut self, target: &Target, key: &[u8], values: &[Value<'_>]) -> TableResult<Bytes> {
        let columns = &target.table.schema.columns;
        if let Some(place) = columns.iter().zip(values).position(|(column, value)| !column.nullable && value.is_null())
        {
            return Err(violation::not_null(target, place, values, self.environment));
        }
        target.table.check_pending(|column| &values[column])?;
        let bytes = target.encode(values, &mut self.buffer)?;
        let row = StoredRow { key, version: 0, bytes: &bytes };
        match target.failed_check(row, &self.context)? {
            Some(name) => Err(violation::check(target, name, values, self.environment)),
            None => Ok(bytes),
        }
    }

    /// What the row at `key` becomes where these columns change.
    ///
    /// # Errors
    /// As [`add_row`](Self::add_row).
    pub(super) fn change_row<'v>(
        &mut self,
        target: &Arc<Target>,
        row: &ChangedRow,
        changes: impl IntoIterator<Item = (usize, Value<'v>)>,
    ) -> TableResult<ChangedRow> {
        let (key, old_bytes) = (&row.key, row.bytes.clone());
        let old = target.decode(&old_bytes)?;
        let mut new = old.clone();
        self.fill(target, &old_bytes, &mut new)?;
        for (column, value) in changes {
            new[column] = value;
        }
        let new_key = match target.has_row_ids() {
            false => target.row_key(&new, None)?,
            true if target.changes_key(&old, &new) && !mutant!("row-stays-under-another-key") => {
                target.row_key(&new, Some(self.draw_row_ids(target, 1)?))?
            }
            true => EncodedKey::from_slice(key),
        };
        let bytes = if mutant!("check-skipped-on-update") {
            target.encode(&new, &mut self.buffer)?
        } else {
            self.checked(target, &new_key, &new)?
        };
        let moves = new_key[..] != key[..];
        self.keep_old(target, row, moves);
        let pending = target.table.schema.pending.as_ref();
        if moves {
            // The change that is under way may have passed the new key already, and never looked at the row.
            pending.map_or(Ok(()), |pending| check_columns(target, pending, &new))?;
            self.check_key_is_free(target, &new_key, &new)?;
            self.transaction.delete(key);
        }
        self.transaction.put(&new_key, bytes.clone(), None);
        for place in 0..target.table.entries.len() {
            let row = StoredRow { key, version: 0, bytes: &old_bytes };
            let before = target.entry_of_old(place, row, &old, &self.context)?;
            let bytes = mutant!("filter-of-the-old-row" => &old_bytes, or &bytes);
            let row = StoredRow { key: &new_key, version: 0, bytes };
            let after = target.entry(place, row, &new, &self.context)?;
            if mutant!("index-not-updated") && !moves {
                continue;
            }
            self.replace_entry(target, place, before, after, key, &new_key, &new)?;
        }
        self.count_row(new_key.len() + bytes.len())?;
        self.count_identity(target, Some(&old), Some(&new));
        let references_differ =
            |foreign_key: &ForeignKey| foreign_key.columns.iter().any(|&column| old[column] != new[column]);
        if moves || target.table.schema.foreign_keys.iter().any(references_differ) {
            self.forget_children(target);
        }
        for (place, foreign_key) in target.table.schema.foreign_keys.iter().enumerate() {
            let is_unchecked = moves && pending.is_some_and(|pending| pending.constraints.contains(&foreign_key.name));
            if is_unchecked || references_differ(foreign_key) {
                self.check_parent(target, place, &new_key, &new)?;
            }
        }
        if target.differs_for_references(&old, &new) && !mutant!("moved-parent-not-followed") {
            let removal = Removal { target: Arc::clone(target), old: old_bytes.clone(), new: Some(bytes.clone()) };
            self.removals.push(removal);
        }
        Ok(ChangedRow { key: new_key[..].into(), version: 0, bytes })
    }

    /// Removes a row.
    ///
    /// # Errors
    /// 54000 where a limit is reached.
    pub(super) fn remove_row(&mut self, target: &Arc<Target>, row: &ChangedRow) -> TableResult<()> {
        self.keep_old(target, row, true);
        self.transaction.delete(&row.key);
        let values = target.decode(&row.bytes)?;
        for place in 0..target.table.entries.len() {
            let row = StoredRow { key: &row.key, version: row.version, bytes: &row.bytes };
            if let Some(entry) = target.entry_of_old(place, row, &values, &self.context)? {
                mutant!("entry-left-after-delete" => continue);
                self.remove_entry(target, place, &entry, row.key)?;
            }
        }
        self.count_row(row.key.len())?;
        self.count_identity(target, Some(&values), None);
        if target.is_referenced() {
            self.removals.push(Removal { target: Arc::clone(target), old: row.bytes.clone(), new: None });
        }
        Ok(())
    }

    /// Has the feed keep a row that is about to change or go, where the table asks for that, and where a row that is `gone` from its key has its
    /// primary key nowhere else. What the transaction itself has written is no old row.
    fn keep_old(&mut self, target: &Target, row: &ChangedRow, is_gone: bool) {
        let schema = &target.table.schema;
        let keeps_key = is_gone && target.has_row_ids() && schema.primary_key.is_some();
        if (keeps_key || schema.keeps_old_rows && row.version > 0) && !mutant!("old-row-not-kept") {
            self.transaction.keep_replaced(&schema.rows.prefix(), row.bytes.len());
        }
    }

    /// The row at a key as the transaction sees it.
    ///
    /// # Errors
    /// Those of the engine.
    pub(super) fn stored_row(&mut self, key: &[u8]) -> TableResult<Option<ChangedRow>> {
        let entry = self.transaction.get(key).map_err(crate::Error::from)?;
        Ok(entry.map(|entry| ChangedRow { key: key.into(), version: entry.version, bytes: entry.value }))
    }

    /// A key that is written is validated by the commit under every isolation: that it was free needs no guard of its own.
    pub(super) fn check_key_is_free(&mut self, target: &Target, key: &[u8], values: &[Value<'_>]) -> TableResult<()> {
        let Some(primary_key) = target.table.schema.clustering() else { return Ok(()) };
        if self.stored_row(key)?.is_none() || mutant!("primary-key-not-looked-up") {
            return Ok(());
        }
        let text = KeyText::of_columns(target, &primary_key.columns, values, self.environment);
        Err(violation::unique(&primary_key.name, &text))
    }

    fn put_entry(
        &mut self,
        target: &Target,
        place: usize,
        entry: &IndexEntry,
        row_key: &[u8],
        values: &[Value<'_>],
    ) -> TableResult<()> {
        if !entry.is_alone {
            self.transaction.put(&entry.key, Bytes::new(), None);
            return Ok(());
        }
        if self.stored_row(&entry.key)?.is_some() && !mutant!("unique-key-not-looked-up") {
            let text = KeyText::of_index(target, place, values, self.environment)?;
            return Err(violation::unique(&target.table.schema.indexes[place].name, &text));
        }
        self.transaction.put(&entry.key, Bytes::copy_from_slice(without_space(row_key)), None);
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "a row before and after, with its entry of one index")]
    fn replace_entry(
        &mut self,
        target: &Target,
        place: usize,
        before: Option<IndexEntry>,
        after: Option<IndexEntry>,
        old_row_key: &[u8],
        row_key: &[u8],
        values: &[Value<'_>],
    ) -> TableResult<()> {
        let moves = old_row_key != row_key;
        if before == after {
            // Its value is the key of the row.
            if let Some(entry) = after.filter(|entry| moves && entry.is_alone) {
                mutant!("moved-row-not-followed" => return Ok(()));
                if self.is_of_another(target, place, &entry, old_row_key)? {
                    let text = KeyText::of_index(target, place, values, self.environment)?;
                    return Err(violation::unique(&target.table.schema.indexes[place].name, &text));
                }
                self.transaction.put(&entry.key, Bytes::copy_from_slice(without_space(row_key)), None);
            }
            return Ok(());
        }
        if let Some(before) = before {
            self.remove_entry(target, place, &before, old_row_key)?;
        }
        match after {
            Some(after) => self.put_entry(target, place, &after, row_key, values),
            None => Ok(()),
        }
    }

    /// Removes a row's entry, unless it is another row's.
    fn remove_entry(&mut self, target: &Target, place: usize, entry: &IndexEntry, row_key: &[u8]) -> TableResult<()> {
        if !self.is_of_another(target, place, entry, row_key)? {
            self.transaction.delete(&entry.key);
        }
        Ok(())
    }

    /// Whether the entry of a row's unique key is another row's. It may be while the index is being built: of a duplicate that has been entered
    /// first, or of one that is gone by the time the build comes to it. The commit is a conflict if that changes by then: the build may enter
    /// this row as soon as the other one is gone.
    fn is_of_another(
        &mut self,
        target: &Target,
        place: usize,
        entry: &IndexEntry,
        row_key: &[u8],
    ) -> TableResult<bool> {
        if !entry.is_alone || !target.table.schema.indexes[place].is_building {
            return Ok(false);
        }
        let stored = if mutant!("built-entry-unguarded") {
            View::get(self.transaction, &entry.key)?
        } else {
            View::get_guarded(self.transaction, &entry.key)?
        };
        Ok(stored.is_some_and(|stored| stored.value != without_space(row_key)))
    }

    fn check_parent(
        &mut self,
        target: &Arc<Target>,
        foreign_key: usize,
        key: &[u8],
        values: &[Value<'_>],
    ) -> TableResult<()> {
        let link = self.link(target, foreign_key)?;
        if !self.has_parent(&link, values)? {
            mutant!("only-first-orphan-checked" => if !self.orphans.is_empty() { return Ok(()) });
            // A later row of the statement may be it.
            self.orphans.push(Orphan { link, key: key.into() });
        }
        Ok(())
    }
}

/// A row that was there a moment ago in the same transaction.
pub(super) fn vanished() -> TableError {
    TableError::new(code::INTERNAL, "a row that an index names does not exist")
}
