//! Showing definitions of tables.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::engine::StoredEntry;
use crate::tables::schema::TableDocument;
use crate::tables::schema::catalog::visit_schemas;
use crate::tables::schema::describe::describe;
use crate::tables::{Environment, TableResult};
use crate::{Access, Database, Session};

/// How many definitions are shown at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribeLimits {
    /// Tables.
    pub tables_max: usize,
    /// Columns of all of them together.
    pub columns_max: usize,
    /// Bytes of their definitions as they are stored.
    pub stored_bytes_max: usize,
}

/// The definitions of tables as they were at one moment, of which each is made when its turn comes: all of them may be large.
#[derive(Debug)]
pub struct Definitions {
    database: Database,
    environment: Environment,
    /// By name.
    stored: Vec<(String, StoredEntry)>,
}

impl Definitions {
    /// How many tables there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.stored.len()
    }

    /// Bytes of the definitions as they are stored.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.stored.iter().map(|(_, schema)| schema.value.len()).sum()
    }

    /// The definitions, by name.
    ///
    /// # Errors
    /// XX001 where one cannot be read.
    pub fn documents(&self) -> impl Iterator<Item = TableResult<TableDocument>> {
        self.stored.iter().map(|(name, schema)| {
            let table = self.database.catalog().ready(name, schema)?;
            Ok(describe(&table.schema, &self.environment))
        })
    }
}

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

    /// The definitions of the tables that the grants show, to be looked at one by one.
    ///
    /// # Errors
    /// XX001 where the catalogue cannot be read.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn definitions(&mut self) -> TableResult<Definitions> {
        let database = self.database.clone();
        let snapshot = database.0.engine.snapshot();
        let mut stored = Vec::new();
        visit_schemas(&mut &snapshot, &mut |name, schema| {
            if self.grants.table_access(name).is_some() {
                stored.push((name.to_owned(), schema));
            }
        })?;
        drop(snapshot);
        Ok(Definitions { environment: self.defining(), database, stored })
    }

    /// The definitions of the first of the tables that the grants show, by name, as many as the limits allow; and how many are left out.
    ///
    /// # Errors
    /// XX001 where the catalogue cannot be read.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn describe_tables_within(&mut self, limits: DescribeLimits) -> TableResult<(Vec<TableDocument>, usize)> {
        let Definitions { database, environment, stored } = self.definitions().await?;
        let (mut shown, mut columns, mut bytes) = (Vec::new(), 0, 0);
        for (name, schema) in stored.iter().take(limits.tables_max) {
            bytes += schema.value.len();
            if bytes > limits.stored_bytes_max {
                break;
            }
            let table = database.catalog().ready(name, schema)?;
            columns += table.schema.columns.len();
            if columns > limits.columns_max {
                break;
            }
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
    pub async fn describe_tables(&mut self) -> TableResult<Vec<TableDocument>> {
        let all = DescribeLimits { tables_max: usize::MAX, columns_max: usize::MAX, stored_bytes_max: usize::MAX };
        Ok(self.describe_tables_within(all).await?.0)
    }
}
