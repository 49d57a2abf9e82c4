//! Whether a statement that is under way is to stop.

use std::fmt;

use crate::tables::{TableError, TableResult, code};

/// A question that a statement asks every few rows: whether it is to stop. The answer should be as quick as reading a counter.
#[derive(Clone, Copy, Default)]
pub struct Interrupt<'a>(Option<&'a (dyn Fn() -> bool + Sync)>);

impl<'a> Interrupt<'a> {
    /// Stops a statement as soon as `is_over` says so.
    #[must_use]
    pub fn when(is_over: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self(Some(is_over))
    }

    /// # Errors
    /// 57014 where the statement is to stop.
    pub(crate) fn check(self) -> TableResult<()> {
        match self.0 {
            Some(is_over) if is_over() => {
                Err(TableError::new(code::QUERY_CANCELED, "canceling statement due to user request"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Interrupt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Interrupt(..)" } else { "Interrupt(never)" })
    }
}
