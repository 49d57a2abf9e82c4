//! Parents and children of rows by their keys.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::link::{ByValues, Link};
use super::statement::Statement;
use super::target::Target;
use crate::engine::{Direction, EntryHeader, KeyRange, View, mutant};
use crate::keyspace::space_prefix;
use crate::tables::sort::sort_by;
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
            Ok(key) => Ok(View::exists_guarded(self.transaction, &key)?),
            Err(needs_none) => Ok(needs_none),
        }
    }

    /// Whether a parent with these values, as its children have them, is there again.
    ///
    /// # Errors
    /// Those of the engine.
    pub(super) fn is_there(&mut self, link: &Link, values: &[Value<'_>]) -> TableResult<bool> {
        match link.parent_with(values, self.environment) {
            Some(key) => Ok(View::exists_guarded(self.transaction, &key)?),
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
        let mut wanted = HashMap::new();
        for (place, values) in parents.iter().enumerate() {
            match link.children_of(values) {
                Some(range) => self.visit_children(&range, &mut found, |key, value| {
                    link.child_at(key, value).map(|key| Some((place, key)))
                })?,
                None => drop(wanted.insert(link.encoded(values), place)),
            }
        }
        if !wanted.is_empty() {
            self.scattered_children(link, &wanted, &mut found)?;
        }
        Ok(found.keys)
    }

    /// Finds children without an index: all rows are looked at, once for all parents of a round, and from the second round on (a tree that
    /// goes level by level) only once more.
    fn scattered_children(
        &mut self,
        link: &Link,
        wanted: &HashMap<Vec<u8>, usize>,
        found: &mut Found,
    ) -> TableResult<()> {
        let name = (link.child.table.schema.rows, link.foreign_key);
        if let Some(Some(known)) = self.scattered.get(&name) {
            let known = Arc::clone(known);
            return self.known_children(link, wanted, &known, found);
        }
        let mut bytes_left =
            if self.scattered.contains_key(&name) { self.database.limits().query_bytes_max } else { 0 };
        let mut by_values = ByValues::new();
        let range = KeyRange::prefix(&space_prefix(link.child.table.schema.rows.0));
        self.visit_children(&range, found, |key, value| {
            let Some(values) = link.encoded_of(value)? else { return Ok(None) };
            let child = wanted.get(&values).map(|&place| (place, key.into()));
            // More than may be held at a time is not kept: it is looked for again.
            bytes_left = bytes_left.saturating_sub(values.len() + key.len() + BYTES_PER_CHILD);
            if bytes_left > 0 {
                by_values.entry(values).or_default().push(key.into());
            }
            Ok(child)
        })?;
        // What ended at the first child has not seen all of them.
        let has_ended = found.first_only && !found.keys.is_empty();
        let is_whole = bytes_left > 0 && !has_ended;
        self.scattered.insert(name, is_whole.then(|| Arc::new(by_values)));
        Ok(())
    }

    /// Children by a map of them, which still has those that the statement has removed since.
    fn known_children(
        &mut self,
        link: &Link,
        wanted: &HashMap<Vec<u8>, usize>,
        known: &ByValues,
        found: &mut Found,
    ) -> TableResult<()> {
        for (values, &place) in wanted {
            for key in known.get(values).into_iter().flatten() {
                self.context.examine(key.len())?;
                let is_still = match self.stored_row(key)? {
                    Some(row) => link.encoded_of(&row.bytes)?.as_ref() == Some(values),
                    None => false,
                };
                if is_still || mutant!("removed-child-still-known") {
                    found.keys.push((place, key.clone()));
                }
            }
        }
        // As a scan would have found them.
        sort_by(&mut found.keys, |a, b| a.1.cmp(&b.1));
        self.check_rows(found.keys.len())
    }

    /// Forgets which children have which parent, because a row has another one now.
    pub(super) fn forget_children(&mut self, target: &Target) {
        self.scattered.retain(|(rows, _), _| *rows != target.table.schema.rows);
    }

    fn visit_children(
        &mut self,
        range: &KeyRange,
        found: &mut Found,
        mut child: impl FnMut(&[u8], &[u8]) -> TableResult<Option<(usize, Box<[u8]>)>>,
    ) -> TableResult<()> {
        let max = self.database.limits().statement_rows_max;
        let context = &self.context;
        let mut see = |key: &[u8], _: &EntryHeader, value: &[u8]| match context
            .examine(value.len())
            .and_then(|()| child(key, value))
        {
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

/// What a child takes in [`ByValues`] beside its bytes.
const BYTES_PER_CHILD: usize = 80;

struct Found {
    keys: Vec<(usize, Box<[u8]>)>,
    first_only: bool,
    outcome: TableResult<()>,
}
