//! The ids of rows in tables without a primary key.
//!
//! The next one is kept in memory, and found at the end of the table's rows when it is first needed: ids of rows that are gone may come
//! again after a restart, which nobody can see. Numbers are drawn outside of transactions, so that inserts don't conflict.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::target::{Target, without_space};
use crate::engine::{Direction, KeyRange, Mutex, View};
use crate::keyspace::space_prefix;
use crate::tables::codec::KeyShape;
use crate::tables::table::{RowKeys, SpaceId};
use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

/// The next id of each table whose rows have one.
#[derive(Debug, Default)]
pub(super) struct RowIds(Mutex<HashMap<SpaceId, i64>>);

impl RowIds {
    /// The first of `count` ids that nobody else gets.
    ///
    /// # Errors
    /// 54000 where the numbers are used up; those of the view.
    pub(super) fn draw(&self, view: &mut dyn View, target: &Target, count: usize) -> TableResult<i64> {
        let space = target.table.schema.rows;
        let mut next = self.0.lock();
        // Whoever inserted a row since the start drew its id here: the first to draw sees all rows, however old its view is.
        let first = match next.get(&space) {
            Some(&first) => first,
            None => after_last(view, target)?,
        };
        let after = i64::try_from(count).ok().and_then(|count| first.checked_add(count));
        let after = after.ok_or_else(|| {
            TableError::new(code::LIMIT_EXCEEDED, format!("table \"{}\" has no row id left", target.name()))
        })?;
        next.insert(space, after);
        Ok(first)
    }
}

/// One past the last id in the table.
fn after_last(view: &mut dyn View, target: &Target) -> TableResult<i64> {
    let mut last = Ok(0);
    let range = KeyRange::prefix(&space_prefix(target.table.schema.rows.0));
    let is_behind_null = target.table.schema.row_keys == RowKeys::IdBehindNull;
    view.visit(&range, Direction::Reverse, &mut |key, _, _| {
        let key = without_space(key);
        // Nulls come last: what does not begin with one is of a former primary key.
        if !is_behind_null || KeyShape::begins_with_null(key) {
            last = target.table.row_key.decode(key).map(|(values, _)| match values[..] {
                [.., Value::Integer(id)] => id,
                _ => 0,
            });
        }
        ControlFlow::Break(())
    })?;
    Ok(last?.saturating_add(1))
}
