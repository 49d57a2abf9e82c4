//! Showing definitions of tables.

use crate::tables::TableResult;
use crate::tables::schema::TableDocument;
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
