//! Whether a component asks for more memory or tables than an instance may have.

use wasmtime::component::Component;

use crate::Error;
use crate::limits::{Limits, PAGE_BYTES};

/// Refuses a component whose instances could never start.
///
/// # Errors
/// [`Error::RequirementsTooLarge`].
pub(crate) fn check_requirements(component: &Component, limits: &Limits) -> Result<(), Error> {
    let too_large = |reason: String| Err(Error::RequirementsTooLarge(reason));
    let Some(needed) = component.resources_required() else { return Ok(()) };
    let Limits { memories_max, tables_max, table_elements_max, .. } = *limits;
    if needed.num_memories > memories_max || needed.num_tables > tables_max {
        let (memories, tables) = (needed.num_memories, needed.num_tables);
        return too_large(format!(
            "it has {memories} memories and {tables} tables; memories_max is {memories_max}, tables_max {tables_max}"
        ));
    }
    let memory = needed.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    let max = limits.memory_bytes_max;
    if memory > u64::try_from(max).unwrap_or(u64::MAX) {
        return too_large(format!("it begins with {memory} bytes of memory; memory_bytes_max is {max}"));
    }
    let elements = needed.max_initial_table_size.unwrap_or(0);
    if elements > table_elements_max as u64 {
        return too_large(format!(
            "it begins with {elements} table elements; table_elements_max is {table_elements_max}"
        ));
    }
    Ok(())
}
