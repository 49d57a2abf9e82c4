//! From a bound query to rows.
//!
//! A select reads top to bottom: [`select`] plans it; `page` reads the rows that the plan names (`source`), filters them (`filter`), sorts
//! them where they don't come in order (`order`), and hands those of the page to `rows`, which shows or groups them. Rows that need rows
//! of other tables are worked on in batches, whose rows of all embeds are fetched at once (`embed`).
//!
//! | module | holds |
//! |---|---|
//! | `piecewise` | a select whose rows are shown piece by piece |
//! | `rows` | what is done with the rows of a page: shown, grouped, handed on |
//! | `page` | filter, order, offset, limit and count |
//! | `filter` | what of the filter a row alone answers, and what needs other tables |
//! | `embed` | the rows of other tables that belong to a batch of rows |
//! | `output` | cells of rows and groups; embedded rows as JSON |
//! | `groups` | groups and aggregates |
//! | `held` | rows that are held, with what belongs to them |
//! | `sorter` | sorting rows by their terms |
//! | `order` | terms of an order as bytes |
//! | `wants` | which embeds must be fetched, and how much of them |
//! | `source` | the rows of a plan, in batches |
//! | `stored` | [`StoredRow`]: a row as it is stored |
//! | `evaluate` | values of rows; whether predicates hold |
//! | `context` | [`QueryContext`]: surroundings and limits |

mod context;
mod embed;
mod evaluate;
mod filter;
mod groups;
mod held;
mod order;
mod output;
mod page;
mod piecewise;
mod rows;
mod sorter;
mod source;
mod stored;
#[cfg(test)]
mod tests;
mod wants;

use std::sync::Arc;

pub(crate) use context::{QueryContext, Spent};
pub(crate) use piecewise::Progress;
pub(crate) use stored::{SeeRow, StoredRow};

use self::filter::Filter;
use self::groups::{GroupRows, Grouping};
use self::held::Alone;
use self::output::Shower;
use self::page::{Outcome, Page, Supply, Take};
use self::rows::{Grouped, Nothing, Shown, Stored};
use self::source::Source;
use crate::engine::View;
use crate::tables::query::bound::{Predicate, Select};
use crate::tables::query::plan::{self, Plan, Wish};
use crate::tables::query::{Count, RowSink, Selected};
use crate::tables::schema::Table;
use crate::tables::{TableError, TableResult, code};

/// How the answer of a select is paged and counted, whatever its query says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paging {
    pub(crate) count: Count,
    /// At most so many rows.
    pub(crate) rows_max: Option<u64>,
}

/// Shows `sink` the rows that the query selects.
///
/// # Errors
/// Those of the limits, of casts, of the engine and of the sink.
pub(crate) fn select<'c>(
    select: &'c Select,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    paging: Paging,
    sink: &mut dyn RowSink,
) -> TableResult<Selected> {
    check_depth(select, context.limits.query_depth_max)?;
    sink.begin(&output::columns(select))?;
    let plan = plan_of(select, context, paging);
    let mut supply = Supply::Planned(Source::new(&select.table, &plan));
    if select.is_grouped {
        let filter = filter_of(select, &plan);
        return grouped(select, filter, &mut supply, view, context, paging, sink);
    }
    let page = page_of(select, &plan, paging);
    let outcome = page.run(&mut supply, view, context, &mut Shown::new(select, context, sink))?;
    Ok(selected(outcome))
}

/// Shows `see` the stored rows that the query selects, in its order: for updates and deletes.
///
/// # Errors
/// Those of the limits and the engine, and of `see`.
pub(crate) fn matching_rows<'c>(
    select: &'c Select,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    see: &mut SeeRow<'_>,
) -> TableResult<()> {
    check_depth(select, context.limits.query_depth_max)?;
    let plan = plan_of(select, context, Paging::default());
    let mut supply = Supply::Planned(Source::new(&select.table, &plan));
    page_of(select, &plan, Paging::default()).run(&mut supply, view, context, &mut Stored(see))?;
    Ok(())
}

/// Shows `sink` rows of the query's table that are given, whatever its filter says: what was inserted, updated or deleted. Order, limit
/// and offset count, and embedded rows are those that `view` sees; a row without those of an `!inner` embed is left out.
///
/// # Errors
/// As [`select`].
pub(crate) fn show_rows<'c>(
    select: &'c Select,
    rows: &'c [StoredRow<'c>],
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    sink: &mut dyn RowSink,
) -> TableResult<Selected> {
    let filter = Filter::inner_only(select);
    given(select, filter, Supply::Given(rows, 0), view, context, Paging::default(), sink)
}

/// Shows `sink` those of the given rows that the query selects. Counts are exact.
///
/// # Errors
/// As [`select`].
pub(crate) fn select_given<'c>(
    select: &'c Select,
    rows: &'c [StoredRow<'c>],
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    paging: Paging,
    sink: &mut dyn RowSink,
) -> TableResult<Selected> {
    let count = if paging.count == Count::None { Count::None } else { Count::Exact };
    let paging = Paging { count, ..paging };
    given(select, Filter::of(select), Supply::Examined(rows, 0), view, context, paging, sink)
}

fn given<'c>(
    select: &'c Select,
    filter: Filter<'c>,
    mut supply: Supply<'c>,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    paging: Paging,
    sink: &mut dyn RowSink,
) -> TableResult<Selected> {
    check_depth(select, context.limits.query_depth_max)?;
    sink.begin(&output::columns(select))?;
    if select.is_grouped {
        return grouped(select, filter, &mut supply, view, context, paging, sink);
    }
    let page = Page {
        select,
        filter,
        is_sorted_here: !select.order.is_empty(),
        offset: select.offset,
        limit: smaller(select.limit, paging.rows_max),
        count: paging.count,
        // Nobody asks for it.
        rows_estimate: 0,
    };
    let outcome = page.run(&mut supply, view, context, &mut Shown::new(select, context, sink))?;
    Ok(selected(outcome))
}

/// Whether a predicate that needs no other rows holds of a row: a check, the filter of a partial index. None is unknown.
///
/// # Errors
/// Those of casts and of stored bytes.
pub(crate) fn row_satisfies(
    predicate: &Predicate,
    table: &Table,
    row: StoredRow<'_>,
    context: &QueryContext<'_>,
) -> TableResult<Option<bool>> {
    evaluate::holds(predicate, &Alone::new(table, row, context)?)
}

/// The plan by which [`select`] reads the rows of the query's table.
pub(crate) fn plan_of(select: &Select, context: &QueryContext<'_>, paging: Paging) -> Plan {
    if context.scans_only {
        return plan::scan(&select.table);
    }
    let counts_all = paging.count == Count::Exact || select.is_grouped;
    let limit = smaller(select.limit, paging.rows_max);
    let wish = Wish {
        rows_max: limit.filter(|_| !counts_all).map(|limit| limit.saturating_add(select.offset)),
        is_ordered: !select.is_grouped,
    };
    plan::plan(select, wish, context, context.environment)
}

/// What is left to look at in rows that a plan reads.
fn filter_of<'c>(select: &'c Select, plan: &Plan) -> Filter<'c> {
    let filter = Filter::of(select);
    if plan.is_covered { filter.without_alone() } else { filter }
}

fn page_of<'c>(select: &'c Select, plan: &Plan, paging: Paging) -> Page<'c> {
    Page {
        select,
        filter: filter_of(select, plan),
        is_sorted_here: !select.order.is_empty() && !plan.is_ordered,
        offset: select.offset,
        limit: smaller(select.limit, paging.rows_max),
        count: paging.count,
        rows_estimate: plan.rows_estimate(),
    }
}

/// Groups the rows, and shows the groups.
fn grouped<'c>(
    select: &'c Select,
    filter: Filter<'c>,
    supply: &mut Supply<'c>,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    paging: Paging,
    sink: &mut dyn RowSink,
) -> TableResult<Selected> {
    let groups = groups_of(select, filter, supply, view, context, paging)?;
    if sink.wants_rows() {
        let mut shower = Shower::new(select, context.environment);
        groups.rows.iter().try_for_each(|row| shower.show_group(&groups.grouping, row, sink))?;
    }
    Ok(groups.selected(paging.count))
}

/// The groups of the rows.
fn groups_of<'c>(
    select: &'c Select,
    filter: Filter<'c>,
    supply: &mut Supply<'c>,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
    paging: Paging,
) -> TableResult<GroupRows<'c>> {
    let grouping = Arc::new(Grouping::of(select));
    let limit = smaller(select.limit, paging.rows_max);
    let counts_only = grouping.counts_only();
    let count = if counts_only { Count::Exact } else { Count::None };
    let shown = if counts_only { Some(0) } else { None };
    let page = Page { select, filter, is_sorted_here: false, offset: 0, limit: shown, count, rows_estimate: 0 };
    if counts_only {
        let outcome = page.run(supply, view, context, &mut Nothing as &mut dyn Take<'c>)?;
        return groups::counted(grouping, outcome.total.unwrap_or(0), limit, context);
    }
    let mut take = Grouped::new(select, grouping, context);
    page.run(supply, view, context, &mut take)?;
    take.groups.finish(limit)
}

fn selected(outcome: Outcome) -> Selected {
    Selected { rows: outcome.taken, offset: outcome.skipped, total: outcome.total, warnings: Vec::new() }
}

fn smaller(limit: Option<u64>, other: Option<u64>) -> Option<u64> {
    limit.into_iter().chain(other).min()
}

fn check_depth(select: &Select, depth_max: usize) -> TableResult<()> {
    if select.embeds.is_empty() {
        return Ok(());
    }
    if depth_max == 0 {
        return Err(TableError::new(code::LIMIT_EXCEEDED, "embedded tables are nested too deeply")
            .with_hint("Ask for fewer levels in one request (query_depth_max)."));
    }
    select.embeds.iter().try_for_each(|embed| check_depth(&embed.select, depth_max - 1))
}
