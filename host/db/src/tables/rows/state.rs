//! What writes of rows keep between statements.

use std::collections::HashMap;
use std::sync::Arc;

use super::row_ids::RowIds;
use super::target::Target;
use crate::Database;
use crate::engine::Mutex;
use crate::tables::schema::Table;
use crate::tables::table::SpaceId;
use crate::tables::{Environment, TableResult};

/// Tables whose targets are kept; beyond, all are made again.
const TARGETS_MAX: usize = 4_096;

/// What writes of rows keep between statements.
#[derive(Debug, Default)]
pub(crate) struct RowState {
    targets: Mutex<HashMap<SpaceId, Arc<Target>>>,
    pub(super) row_ids: RowIds,
}

impl RowState {
    /// The table as writes see it.
    ///
    /// # Errors
    /// Those of binding its checks and filters.
    pub(crate) fn target(&self, table: &Arc<Table>, environment: &Environment) -> TableResult<Arc<Target>> {
        if let Some(target) = self.targets.lock().get(&table.schema.rows)
            && Arc::ptr_eq(&target.table, table)
        {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(Target::new(table, environment)?);
        let mut targets = self.targets.lock();
        if targets.len() >= TARGETS_MAX {
            targets.clear();
        }
        targets.insert(table.schema.rows, Arc::clone(&target));
        Ok(target)
    }
}

impl Database {
    /// What writes of rows keep between statements.
    pub(crate) fn row_state(&self) -> &RowState {
        let state = self.0.rows.get_or_init(|| Box::<RowState>::default()).downcast_ref();
        state.unwrap_or_else(|| unreachable!("nothing else is put there"))
    }
}
