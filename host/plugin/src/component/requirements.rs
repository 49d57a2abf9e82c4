//! Whether a component asks for more memory or tables than an instance may have.

use wasmtime::component::Component;

use crate::Error;
use crate::limits::{Limits, MEMORIES_MAX, PAGE_BYTES, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Refuses a component whose instances could never start.
///
/// # Errors
/// [`Error::RequirementsTooLarge`].
pub(crate) fn check_requirements(component: &Component, limits: &Limits) -> Result<(), Error> {
    let too_large = |reason: String| Err(Error::RequirementsTooLarge(reason));
    let Some(needed) = component.resources_required() else { return Ok(()) };
    if needed.num_memories > MEMORIES_MAX || needed.num_tables > TABLES_MAX {
        let (memories, tables) = (needed.num_memories, needed.num_tables);
        return too_large(format!("{memories} memories of {MEMORIES_MAX} and {tables} tables of {TABLES_MAX}"));
    }
    let memory = needed.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    let max = limits.memory_bytes_max;
    if memory > u64::try_from(max).unwrap_or(u64::MAX) {
        return too_large(format!("it begins with {memory} bytes of memory; memory_bytes_max is {max}"));
    }
    let elements = needed.max_initial_table_size.unwrap_or(0);
    if elements > TABLE_ELEMENTS_MAX as u64 {
        return too_large(format!("it begins with {elements} table elements; the limit is {TABLE_ELEMENTS_MAX}"));
    }
    Ok(())
}
