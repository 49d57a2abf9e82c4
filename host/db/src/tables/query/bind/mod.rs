//! Binding: a dialect's tree and the schemas of its tables to a [bound query](super::bound).
//!
//! | module | holds |
//! |---|---|
//! | `embed` | the tables of a select as a tree, each with its part of the query |
//! | `relationship` | which foreign keys join two tables, and which of them an embed means |
//! | `output` | what is shown: columns, aggregates, embeds, spreads |
//! | `filter` | conditions to predicates |
//! | `order` | what rows and groups are ordered by |
//! | `operand` | an operator and the text, list or argument beside it to a test |
//! | `column` | columns, the ways into their JSON, and aggregates over them, by name |
//! | `nearest` | the column that was perhaps meant |

mod column;
mod embed;
mod filter;
mod nearest;
mod operand;
mod order;
mod output;
mod relationship;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mantis_dialect::{Condition, Join, OrderSubject, Query};

use self::embed::Node;
use self::filter::Row;
use self::operand::Operands;
use self::order::Rows;
use self::output::Outputs;
use self::relationship::Found;
use super::bound::{Embed, Output, Predicate, Select, Source};
use crate::tables::schema::Table;
use crate::tables::types::Value;
use crate::tables::{Environment, TableError, TableResult, code};

/// What binding sees besides the query.
pub(crate) struct Scope<'a> {
    /// The table of a name, as the statement may see it. A table that it may not see is `PGRST205` or `42501`; where only the search for
    /// relationships asks for it, it is then passed over.
    pub(crate) tables: &'a mut dyn FnMut(&str) -> TableResult<Arc<Table>>,
    /// The statement's time and time zone.
    pub(crate) environment: &'a Environment,
    /// The values of `$1`, `$2`, ..
    pub(crate) arguments: &'a [Value<'static>],
    /// Whether aggregates are refused (`PGRST123`).
    pub(crate) without_aggregates: bool,
}

/// A query, bound.
#[derive(Debug)]
pub(crate) struct Bound {
    /// What to do.
    pub(crate) select: Select,
    /// Names that were used although an alias hides them, each a sentence.
    pub(crate) warnings: Vec<String>,
}

/// Binds a query to a table and to those that it embeds.
///
/// # Errors
/// Those of names (42703, PGRST108, PGRST118, PGRST120, PGRST200, PGRST201), of types (42704, 42804, 42846, 42883, and those of values),
/// of grouping (42803, PGRST123, PGRST127), of limits (54000), and those of `scope.tables`.
pub(crate) fn select(query: &Query, table: Arc<Table>, scope: &mut Scope<'_>) -> TableResult<Bound> {
    let mut warnings = Vec::new();
    let root = Node::of(query, &mut warnings)?;
    let select = selected(&root, table, Shape::Whole, &query.having, scope)?;
    Ok(Bound { select, warnings })
}

/// Binds conditions on one table: a check, a partial index, a filter of the change feed.
///
/// # Errors
/// As [`select`], without those of embeds.
pub(crate) fn predicate(conditions: &[Condition], table: &Table, environment: &Environment) -> TableResult<Predicate> {
    let row = Row { table, embeds: &[], operands: Operands { environment, arguments: &[] } };
    Ok(row.filter(conditions)?.unwrap_or(Predicate::And(Vec::new())))
}

/// The places of the columns that a statement names for the rows it writes.
///
/// # Errors
/// PGRST204 where there is no such column, 42701 where one is named twice.
pub(crate) fn columns<N: AsRef<str>>(names: &[N], table: &Table) -> TableResult<Vec<usize>> {
    let mut places = Vec::with_capacity(names.len());
    for name in names.iter().map(AsRef::as_ref) {
        let place = table.column(name).ok_or_else(|| no_column(table, name))?;
        if places.contains(&place) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(TableError::new(code::COLUMN_DUPLICATE, message));
        }
        places.push(place);
    }
    Ok(places)
}

fn no_column(table: &Table, name: &str) -> TableError {
    let (of, name) = (&table.schema.name, nearest::shown(name));
    TableError::new(code::NO_COLUMN, format!("Could not find the '{name}' column of '{of}' in the schema cache"))
}

/// How a table is shown in the one that embeds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// As rows of its own; the root too.
    Whole,
    /// Its one row's columns beside those of the row that embeds it.
    SpreadOne,
    /// An array for each of its columns.
    SpreadMany,
}

/// Binds one table and what it embeds. The output of a `SpreadOne` is as seen from its own row.
fn selected(
    node: &Node<'_>,
    table: Arc<Table>,
    shape: Shape,
    having: &[Condition],
    scope: &mut Scope<'_>,
) -> TableResult<Select> {
    let without_aggregates = scope.without_aggregates;
    let mut outputs = Outputs::default();
    if node.embed.is_none() && node.selections.is_empty() {
        outputs.push_all(&table)?;
    }
    outputs.push_columns(&table, node.selections, without_aggregates)?;
    let embeds = embedded(node, &table, &mut outputs, scope)?;
    let output = outputs.into_vec();

    let operands = Operands { environment: scope.environment, arguments: scope.arguments };
    let row = Row { table: &table, embeds: &embeds, operands };
    let filter = row.filter(node.parts.iter().flat_map(|part| &part.filter))?;
    let shows_aggregates = output.iter().any(|output| matches!(output.source, Source::Aggregate(_)));
    let orders_by_aggregates = node.order().iter().any(|term| match &term.subject {
        OrderSubject::Own(subject) => subject.aggregate.is_some(),
        OrderSubject::Embedded { .. } => false,
    });
    if shape == Shape::SpreadMany && (shows_aggregates || orders_by_aggregates) {
        return Err(not_implemented("Aggregates are not implemented for one-to-many or many-to-many spreads."));
    }
    if shape == Shape::SpreadOne && orders_by_aggregates {
        return Err(not_implemented("Aggregates are not implemented in the order of a spread."));
    }
    let having_groups = row.having(having, &output, without_aggregates)?;
    // Aggregates of a to-one spread are over the rows that it is spread in.
    let is_grouped = shape == Shape::Whole && (shows_aggregates || orders_by_aggregates || !having.is_empty());
    let rows =
        Rows { table: &table, depth: node.depth, embeds: &embeds, outputs: &output, is_grouped, without_aggregates };
    let order = node.order().iter().map(|term| rows.order(term)).collect::<TableResult<_>>()?;
    let (limit, offset) = (node.limit(), node.offset());
    Ok(Select { table, filter, output, order, limit, offset, embeds, is_grouped, having: having_groups })
}

fn not_implemented(details: &str) -> TableError {
    TableError::new(code::NOT_IMPLEMENTED, "Feature not implemented").with_details(details)
}

/// Binds the tables that one embeds, and adds what is shown of them.
fn embedded(node: &Node<'_>, table: &Table, outputs: &mut Outputs, scope: &mut Scope<'_>) -> TableResult<Vec<Embed>> {
    let mut embeds = Vec::with_capacity(node.children.len());
    for (place, child) in node.children.iter().enumerate() {
        let Some(embed) = child.embed else { continue };
        let Found { table: other, relation } =
            relationship::find(table, &embed.target, embed.hint.as_deref(), scope.tables)?;
        let shape = match (embed.is_spread, relation.is_to_one) {
            (false, _) => Shape::Whole,
            (true, true) => Shape::SpreadOne,
            (true, false) => Shape::SpreadMany,
        };
        let mut select = selected(child, Arc::clone(&other), shape, &[], scope)
            .map_err(|error| column::of_embed(error, &other, child.depth))?;
        let name = child.name();
        match shape {
            Shape::Whole if child.is_hidden() => {}
            Shape::Whole => outputs.push(name, Source::Embed { through: Vec::new(), embed: place })?,
            Shape::SpreadOne => {
                let spread = std::mem::take(&mut select.output);
                outputs.push_spread(spread, place, &relation, &select.table)?;
            }
            Shape::SpreadMany => {
                for (output, Output { name, .. }) in select.output.iter().enumerate() {
                    outputs.push(&**name, Source::SpreadMany { through: Vec::new(), embed: place, output })?;
                }
            }
        }
        embeds.push(Embed { name: name.to_owned(), relation, select, is_inner: embed.join == Join::Inner });
    }
    Ok(embeds)
}
