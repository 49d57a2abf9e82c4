//! The error of a statement that is interrupted.

use crate::Interrupt;
use crate::tables::{TableError, TableResult, code};

impl Interrupt<'_> {
    /// # Errors
    /// 57014 where the statement is to stop.
    pub(crate) fn check(self) -> TableResult<()> {
        if self.is_over() {
            return Err(TableError::new(code::QUERY_CANCELED, "canceling statement due to user request"));
        }
        Ok(())
    }
}
