//! The budget of parts.

use crate::Error;
use crate::limits::PARTS_MAX;

/// The parts that a component may still have.
pub(super) struct Parts {
    left: u64,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self { left: PARTS_MAX }
    }

    pub(super) fn spent(&self) -> u64 {
        PARTS_MAX - self.left
    }

    pub(super) fn spend(&mut self, parts: u64) -> Result<(), Error> {
        let left = self.left.checked_sub(parts);
        self.left = left.ok_or_else(|| {
            Error::RequirementsTooLarge(format!("the components in it are linked from more than {PARTS_MAX} parts"))
        })?;
        Ok(())
    }
}
