//! Which changes are shown.

use mantis_dialect::{Condition, Query, Select, Selection};

use crate::ChangeFilter;
use crate::tables::{TableError, TableResult, code};

/// Which changes are shown, of those that the grants show.
#[derive(Debug, Clone, Default)]
pub enum FeedScope {
    /// All: keys, rows and definitions of tables.
    #[default]
    All,
    /// Those of keys.
    Keys(ChangeFilter),
    /// Those of one table.
    Table(TableFeed),
}

/// Changes of one table: of rows that a filter selects before or after the change, and of the definition.
///
/// A filter and a select are read by the definition of each change's time. What they name and that did not have is read by today's: a column
/// by its new name, one that was added later as today's table shows it in older rows. A column that only another table of the same name has is
/// null.
#[derive(Debug, Clone)]
pub struct TableFeed {
    pub(super) name: String,
    pub(super) select: Option<Select>,
    pub(super) filter: Vec<Condition>,
}

impl TableFeed {
    /// The changes of the table of this name that a query's filter selects, shown by its select.
    ///
    /// # Errors
    /// PGRST127 where the query asks for what changes don't have: other tables, aggregates, an order, a limit.
    pub fn new(name: impl Into<String>, query: Query) -> TableResult<Self> {
        let Query { select, root, embeds, having, columns, on_conflict } = query;
        let is_beyond = |selection: &Selection| match selection {
            Selection::All => false,
            Selection::Column { subject, .. } => subject.aggregate.is_some(),
            Selection::Embed(_) => true,
        };
        let has_more = !root.order.is_empty() || root.limit.is_some() || root.offset.is_some();
        let writes = columns.is_some() || on_conflict.is_some();
        if has_more || writes || !embeds.is_empty() || !having.is_empty() || select.iter().flatten().any(is_beyond) {
            return Err(unsupported());
        }
        Ok(Self { name: name.into(), select, filter: root.filter })
    }
}

pub(super) fn unsupported() -> TableError {
    TableError::new(code::NOT_IMPLEMENTED, "Feature not implemented").with_details(
        "Changes are shown with a filter on columns and a select of columns: without other tables, aggregates, order or limit.",
    )
}
