//! Deletes.

use std::sync::Arc;

use super::statement::{ChangedRow, Statement};
use super::target::Target;
use crate::tables::TableResult;

impl Statement<'_> {
    /// Deletes these rows. What follows for rows that reference them is done at the statement's end.
    ///
    /// # Errors
    /// 54000 where a limit is reached.
    pub(crate) fn delete(&mut self, target: &Arc<Target>, rows: Vec<ChangedRow>) -> TableResult<()> {
        for row in rows {
            self.remove_row(target, &row)?;
            self.note(row);
        }
        Ok(())
    }
}
