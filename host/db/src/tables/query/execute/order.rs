//! The order of rows: terms as bytes whose order is the one asked for.

use super::evaluate::Values;
use crate::tables::TableResult;
use crate::tables::codec;
use crate::tables::query::bound::{Order, OrderBy};

/// What comes before a term that is null where nulls come first, that has a value, that is null where nulls come last.
const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// Writes a row's terms to `out`: the order of these bytes is that of the rows.
pub(super) fn write_terms<V: Values>(order: &[Order], row: &V, out: &mut Vec<u8>) -> TableResult<()> {
    out.clear();
    for term in order {
        let (value, r#type) = match &term.by {
            OrderBy::Expression(expression) => (row.value(expression)?, expression.r#type()),
            OrderBy::Aggregate(call) => (row.aggregate(call)?, call.cast.unwrap_or(call.source_type)),
            OrderBy::EmbedAggregate { embed, call } => {
                (row.aggregate_of(*embed, call)?, call.cast.unwrap_or(call.source_type))
            }
        };
        if value.is_null() {
            out.push(if term.nulls_first { NULL_FIRST } else { NULL_LAST });
        } else {
            out.push(VALUE);
            codec::push(out, &value, r#type, term.is_descending);
        }
    }
    Ok(())
}
