//! What must hold of all tables, whatever happened: for tests.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::link::Link;
use super::target::{Target, without_space};
use crate::Database;
use crate::engine::{Direction, KeyRange, View};
use crate::keyspace::{space_prefix, tables as sections};
use crate::tables::query::execute::{QueryContext, StoredRow};
use crate::tables::table::SpaceId;
use crate::tables::time_zone::TimeZone;
use crate::tables::{Environment, TableResult};

/// How many keys of the store are definitions of other times, which the change feed needs, and what is known of those that are forgotten.
///
/// # Panics
/// The snapshot is too old.
#[must_use]
pub fn former_schema_count(database: &Database) -> u64 {
    let (snapshot, mut count) = (database.0.engine.snapshot(), 0);
    for section in [sections::FORMER_SCHEMAS, sections::FORGOTTEN] {
        let view = &snapshot;
        let seen = view.visit(&KeyRange::prefix(&section), Direction::Forward, |_, _, _| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert!(seen.is_ok(), "{seen:?}");
    }
    count
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Checks in one snapshot that each index holds exactly its rows, each unique key one row and each foreign key its parent, and that no row
/// breaks a constraint. Returns how many rows there are.
///
/// # Errors
/// The first thing that does not hold, in words.
pub fn check_table_invariants(database: &Database) -> Result<u64, String> {
    let environment = database.environment(TimeZone::UTC);
    let snapshot = database.0.engine.snapshot();
    let mut view = &snapshot;
    let tables = database.catalog().tables(&mut view).map_err(|error| format!("{error:?}"))?;
    let targets = tables.iter().map(|table| {
        let target = Target::new(table, &environment)?;
        Ok((table.schema.name.clone(), Arc::new(target)))
    });
    let targets = targets.collect::<TableResult<HashMap<_, _>>>().map_err(|error| format!("{error:?}"))?;
    let mut check = Check { view: &mut view, database, environment: &environment, targets: &targets };
    let mut rows = 0;
    for (name, target) in &targets {
        rows += check.table(target).map_err(|broken| format!("table {name}: {broken}"))?;
    }
    Ok(rows)
}

struct Check<'c> {
    view: &'c mut dyn View,
    database: &'c Database,
    environment: &'c Environment,
    targets: &'c HashMap<String, Arc<Target>>,
}

impl Check<'_> {
    fn table(&mut self, target: &Arc<Target>) -> Result<u64, String> {
        let schema = &target.table.schema;
        let inner = &self.database.0;
        let context = QueryContext::new(&inner.engine, self.environment, &inner.limits);
        if schema.primary_key.is_some() && schema.clustering().is_none() && schema.primary_index().is_none() {
            return Err("its primary key has no index".into());
        }
        let rows = self.entries(schema.rows)?;
        let mut expected = vec![Entries::new(); schema.indexes.len()];
        for (key, bytes) in &rows {
            let fail = |error| format!("row {key:?}: {error:?}");
            let values = target.decode(bytes).map_err(fail)?;
            if schema.clustering().is_some() && target.row_key(&values, None).map_err(fail)?[..] != key[..] {
                return Err(format!("row {values:?} is at another key than its own"));
            }
            let pending = schema.pending.as_ref();
            for (column, value) in schema.columns.iter().zip(&values) {
                let is_pending = pending.is_some_and(|pending| {
                    pending.not_null.contains(&column.id) || pending.filled.contains(&column.id)
                });
                if value.is_null() && !column.nullable && !is_pending {
                    return Err(format!("row {values:?} has no {}", column.name));
                }
            }
            let row = StoredRow { key, version: 0, bytes };
            if pending.is_none()
                && let Some(name) = target.failed_check(row, &context).map_err(fail)?
            {
                return Err(format!("row {values:?} breaks {name}"));
            }
            for (place, expected) in expected.iter_mut().enumerate() {
                let Some(entry) = target.entry_of_old(place, row, &values, &context).map_err(fail)? else { continue };
                let value = if entry.is_alone { without_space(key).to_vec() } else { Vec::new() };
                // Duplicates are found when it has been built.
                let is_building = schema.indexes[place].is_building;
                if expected.insert(entry.key.to_vec(), value).is_some() && !is_building {
                    return Err(format!("{} has the key of {values:?} twice", schema.indexes[place].name));
                }
            }
            for place in 0..schema.foreign_keys.len() {
                let name = &schema.foreign_keys[place].name;
                if pending.is_some_and(|pending| pending.constraints.contains(name)) {
                    continue;
                }
                let parent = &self.targets[&schema.foreign_keys[place].target];
                let link = Link::new(Arc::clone(target), place, Arc::clone(parent)).map_err(fail)?;
                let has_parent = match link.parent_of(&values, self.environment) {
                    Ok(key) => self.view.get(&key).map_err(|error| error.to_string())?.is_some(),
                    Err(needs_none) => needs_none,
                };
                if !has_parent {
                    return Err(format!("row {values:?} has no parent for {name}"));
                }
            }
        }
        for (index, expected) in schema.indexes.iter().zip(&expected) {
            if !index.is_building && self.entries(index.space)? != *expected {
                return Err(format!("index {} does not hold exactly its rows", index.name));
            }
        }
        Ok(rows.len() as u64)
    }

    fn entries(&mut self, space: SpaceId) -> Result<Entries, String> {
        let mut entries = Entries::new();
        let range = KeyRange::prefix(&space_prefix(space.0));
        let visited = self.view.visit(&range, Direction::Forward, &mut |key, _, value| {
            entries.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        });
        visited.map(|()| entries).map_err(|error| error.to_string())
    }
}
