//! Parents and children of rows by their keys.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::link::Link;
use super::statement::Statement;
use super::target::Target;
use crate::engine::{Direction, KeyRange, StoredEntry, View, mutant};
use crate::keyspace::space_prefix;
use crate::tables::table::Reference;
use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

impl Statement<'_> {
    /// A foreign key of the table.
    ///
    /// # Errors
    /// PGRST205 where its target does not exist.
    pub(super) fn link(&mut self, child: &Arc<Target>, foreign_key: usize) -> TableResult<Arc<Link>> {
        let name = (child.table.schema.rows, foreign_key);
        if let Some(link) = self.links.get(&name) {
            return Ok(Arc::clone(link));
        }
        let parent = self.target(&child.table.schema.foreign_keys[foreign_key].target)?;
        let link = Arc::new(Link::new(Arc::clone(child), foreign_key, parent)?);
        self.links.insert(name, Arc::clone(&link));
        Ok(link)
    }

    /// The foreign key that references a table.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub(super) fn link_of(&mut self, reference: &Reference) -> TableResult<Arc<Link>> {
        let child = self.target(&reference.table)?;
        let place = child.table.schema.foreign_keys.iter().position(|key| key.name == reference.foreign_key);
        let place = place.ok_or_else(|| {
            let message = format!("foreign key \"{}\" does not exist", reference.foreign_key);
            TableError::new(code::DATA_CORRUPTED, message)
        })?;
        self.link(&child, place)
    }

    /// Whether the parent of a child is there, or it needs none. The commit is a conflict if the parent goes by then.
    ///
    /// # Errors
    /// Those of the engine.
    pub(super) fn has_parent(&mut self, link: &Link, child: &[Value<'_>]) -> TableResult<bool> {
        match link.parent_of(child, self.environment) {
            Ok(key) if mutant!("parent-unguarded") => Ok(View::get(self.transaction, &key)?.is_some()),
            Ok(key) => Ok(View::get_guarded(self.transaction, &key)?.is_some()),
            Err(needs_none) => Ok(needs_none),
        }
    }

    /// Whether a parent with these values, as its children have them, is there again.
    ///
    /// # Errors
    /// Those of the engine.
    pub(super) fn is_there(&mut self, link: &Link, values: &[Value<'_>]) -> TableResult<bool> {
        match link.parent_with(values, self.environment) {
            Some(key) => Ok(View::get_guarded(self.transaction, &key)?.is_some()),
            None => Ok(false),
        }
    }

    /// The keys of the rows that reference parents with these values, each with the place of its parent's; only the first for each
    /// parent if no more are wanted. The commit is a conflict if another one adds or changes such rows by then.
    ///
    /// # Errors
    /// 54000 where there are more than the statement may change; those of the engine.
    pub(super) fn children(
        &mut self,
        link: &Link,
        parents: &[Vec<Value<'static>>],
        first_only: bool,
    ) -> TableResult<Vec<(usize, Box<[u8]>)>> {
        let mut found = Found { keys: Vec::new(), first_only, outcome: Ok(()) };
        let mut scattered = HashMap::new();
        for (place, values) in parents.iter().enumerate() {
            match link.children_of(values) {
                Some(range) => self.visit_children(&range, &mut found, |key, entry| {
                    link.child_at(key, &entry.value).map(|key| Some((place, key)))
                })?,
                None => drop(scattered.insert(link.encoded(values), place)),
            }
        }
        if !scattered.is_empty() {
            // All rows are looked at once, however many parents there are.
            let range = KeyRange::prefix(&space_prefix(link.child.table.schema.rows.0));
            self.visit_children(&range, &mut found, |key, entry| {
                let row = link.child.table.reader.open(&entry.value)?;
                let values = link.definition().columns.iter().map(|&column| row.column(column));
                let values = values.collect::<TableResult<SmallVec<[Value<'_>; 4]>>>()?;
                Ok(scattered.get(&link.encoded(&values)).map(|&place| (place, key.into())))
            })?;
        }
        Ok(found.keys)
    }

    fn visit_children(
        &mut self,
        range: &KeyRange,
        found: &mut Found,
        child: impl Fn(&[u8], &StoredEntry) -> TableResult<Option<(usize, Box<[u8]>)>>,
    ) -> TableResult<()> {
        let max = self.database.limits().statement_rows_max;
        let mut see = |key: &[u8], entry: StoredEntry| match child(key, &entry) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(child)) => {
                found.keys.push(child);
                if found.first_only || found.keys.len() > max {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
            Err(error) => {
                found.outcome = Err(error);
                ControlFlow::Break(())
            }
        };
        if mutant!("children-unguarded") {
            View::visit(self.transaction, range, Direction::Forward, &mut see)?;
        } else {
            View::visit_guarded(self.transaction, range, Direction::Forward, &mut see)?;
        }
        std::mem::replace(&mut found.outcome, Ok(()))?;
        self.check_rows(if found.first_only { 0 } else { found.keys.len() })
    }
}

struct Found {
    keys: Vec<(usize, Box<[u8]>)>,
    first_only: bool,
    outcome: TableResult<()>,
}
