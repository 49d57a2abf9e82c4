//! The layouts that rows were written in.

use crate::limits::LAYOUTS_MAX;
use crate::tables::TableResult;
use crate::tables::schema::resolve::{layout_of, limit};
use crate::tables::table::TableSchema;

/// Adds today's layout, where it is a new one.
pub(super) fn renew_layout(schema: &mut TableSchema) -> TableResult<()> {
    let layout = layout_of(schema);
    if schema.layouts.last() == Some(&layout) {
        return Ok(());
    }
    if schema.layouts.len() >= LAYOUTS_MAX {
        let error = limit("changes of its columns", LAYOUTS_MAX);
        return Err(error.with_hint("Copy the rows to a new table, which begins to count again."));
    }
    schema.layouts.push(layout);
    Ok(())
}
