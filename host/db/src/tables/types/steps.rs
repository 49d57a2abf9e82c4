//! Work within one value that may take long.

use std::cell::Cell;

use crate::tables::TableResult;

/// Steps between two questions whether to stop.
const STEPS_PER_QUESTION: u32 = 1 << 12;

/// Counts the steps of work within one value, and asks now and then whether to stop: conditions on a long value may take the square of its
/// length.
pub struct Steps<'a> {
    taken: Cell<u32>,
    go_on: &'a dyn Fn() -> TableResult<()>,
}

impl<'a> Steps<'a> {
    /// `go_on` says whether the work may go on; its error ends it.
    pub fn new(go_on: &'a dyn Fn() -> TableResult<()>) -> Self {
        Self { taken: Cell::new(0), go_on }
    }

    /// Takes so many steps.
    ///
    /// # Errors
    /// That of `go_on`.
    #[inline]
    pub fn take(&self, steps: usize) -> TableResult<()> {
        let taken = self.taken.get().saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
        if taken < STEPS_PER_QUESTION {
            self.taken.set(taken);
            return Ok(());
        }
        self.taken.set(0);
        (self.go_on)()
    }
}

impl std::fmt::Debug for Steps<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steps").field("taken", &self.taken).finish_non_exhaustive()
    }
}
