//! Showing definitions of tables.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::tables::TableResult;
use crate::tables::schema::TableDocument;
use crate::tables::schema::catalog::visit_schemas;
use crate::tables::schema::describe::describe;
use crate::{Access, Session};

impl Session {
    /// The definition of a table, in the normal form: [`create_table`](Self::create_table) confirms it.
    ///
    /// # Errors
    /// PGRST205 with the nearest name as a hint.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn describe_table(&mut self, name: &str) -> TableResult<TableDocument> {
        let database = &self.database;
        let snapshot = database.0.engine.snapshot();
        let table = database.catalog().shown(&mut &snapshot, &self.grants, name, Access::Read)?;
        Ok(describe(&table.schema, &self.defining()))
    }

    /// The definitions of the first of the tables that the grants show, by name: at most so many tables, with at most so many columns
    /// together. And how many tables are left out.
    ///
    /// # Errors
    /// XX001 where the catalogue cannot be read.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn describe_tables_within(
        &mut self,
        tables_max: usize,
        columns_max: usize,
    ) -> TableResult<(Vec<TableDocument>, usize)> {
        let database = &self.database;
        let snapshot = database.0.engine.snapshot();
        let environment = self.defining();
        let mut stored = Vec::new();
        visit_schemas(&mut &snapshot, &mut |name, schema| {
            if self.grants.table_access(name).is_some() {
                stored.push((name.to_owned(), schema));
            }
        })?;
        let (mut shown, mut columns_left) = (Vec::new(), columns_max);
        for (name, schema) in stored.iter().take(tables_max) {
            let table = database.catalog().ready(name, schema)?;
            let Some(left) = columns_left.checked_sub(table.schema.columns.len()) else { break };
            columns_left = left;
            shown.push(describe(&table.schema, &environment));
        }
        let left_out = stored.len() - shown.len();
        Ok((shown, left_out))
    }

    /// A number that changes with every definition of a table: for what is made of all of them and kept.
    ///
    /// # Errors
    /// Those of the engine.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn tables_fingerprint(&mut self) -> TableResult<u64> {
        let snapshot = self.database.0.engine.snapshot();
        let mut hasher = DefaultHasher::new();
        visit_schemas(&mut &snapshot, &mut |name, schema| {
            (name, schema.version, &schema.value[..]).hash(&mut hasher);
        })?;
        Ok(hasher.finish())
    }

    /// The definitions of the tables that the grants show, by name.
    ///
    /// # Errors
    /// XX001 where the catalogue cannot be read.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn describe_tables(&mut self) -> TableResult<Vec<TableDocument>> {
        let database = &self.database;
        let snapshot = database.0.engine.snapshot();
        let tables = database.catalog().tables(&mut &snapshot)?;
        let shown = tables.iter().filter(|table| self.grants.table_access(&table.schema.name).is_some());
        let environment = self.defining();
        Ok(shown.map(|table| describe(&table.schema, &environment)).collect())
    }
}
