//! Columns by name, the ways into their JSON, and aggregates over them.

use mantis_dialect::{Aggregate, Field, JsonStep, Subject};

use super::nearest::{nearest, shown};
use crate::tables::query::bound::{AggregateCall, Expression};
use crate::tables::schema::Table;
use crate::tables::types::{self, Type};
use crate::tables::{TableError, TableResult, code};

/// What PostgreSQL advises where no operator fits.
pub(super) const CAST_HINT: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";

/// The place of a column.
///
/// # Errors
/// 42703, with the nearest names as a hint.
pub(super) fn place(table: &Table, name: &str) -> TableResult<usize> {
    table.column(name).ok_or_else(|| undefined(table, name))
}

fn undefined(table: &Table, name: &str) -> TableError {
    let of = &table.schema.name;
    let error = TableError::new(code::COLUMN_UNDEFINED, format!("column {of}.{} does not exist", shown(name)));
    let names = nearest(name, table.schema.columns.iter().map(|column| &*column.name));
    match names[..] {
        [one] => error.with_hint(format!("Perhaps you meant to reference the column \"{of}.{one}\".")),
        [one, other] => error.with_hint(format!(
            "Perhaps you meant to reference the column \"{of}.{one}\" or the column \"{of}.{other}\"."
        )),
        _ => error,
    }
}

/// An error of an embedded table's column. PostgREST's statement calls the table by its name and depth, `clients_1`, and so do
/// PostgreSQL's messages.
pub(super) fn of_embed(mut error: TableError, table: &Table, depth: usize) -> TableError {
    if error.code == code::COLUMN_UNDEFINED {
        let (name, alias) =
            (format!("column {}.", table.schema.name), format!("column {}_{depth}.", table.schema.name));
        error.message = error.message.replacen(&name, &alias, 1);
        let (name, alias) =
            (format!("column \"{}.", table.schema.name), format!("column \"{}_{depth}.", table.schema.name));
        error.hint = error.hint.take().map(|hint| hint.replace(&name, &alias));
    }
    error
}

/// A column, or a part of its JSON, cast where a type is named.
///
/// # Errors
/// 42703; 42883 for a step into a text; 42704 and 42846 for the cast.
pub(super) fn expression(table: &Table, field: &Field, cast: Option<&str>) -> TableResult<Expression> {
    let column = place(table, &field.name)?;
    let column_type = table.schema.columns[column].r#type;
    let source_type = path_type(column_type, &field.path)?;
    let cast = cast_type(source_type, cast)?;
    Ok(Expression { through: Vec::new(), column, path: field.path.clone(), source_type, cast })
}

/// The type of what a path leads to: jsonb, or text where its last step is `->>`. A column of another type than jsonb is looked at as if
/// it were cast to it.
///
/// # Errors
/// 42883 where a step goes on after one that ends in text.
fn path_type(column_type: Type, path: &[JsonStep]) -> TableResult<Type> {
    let Some((_, before)) = path.split_last() else { return Ok(column_type) };
    for (step, next) in before.iter().zip(&path[1..]) {
        let (JsonStep::Member { is_text, .. } | JsonStep::Element { is_text, .. }) = step;
        if *is_text {
            let (arrow, operand) = match next {
                JsonStep::Member { is_text, .. } => (if *is_text { "->>" } else { "->" }, "unknown"),
                JsonStep::Element { is_text, .. } => (if *is_text { "->>" } else { "->" }, "integer"),
            };
            let message = format!("operator does not exist: text {arrow} {operand}");
            return Err(TableError::new(code::OPERATOR_UNDEFINED, message).with_hint(CAST_HINT));
        }
    }
    Ok(types::json_path_type(path))
}

/// The type that a cast names.
///
/// # Errors
/// 42704 where there is no such type, 42846 where there is no cast to it.
pub(super) fn cast_type(from: Type, cast: Option<&str>) -> TableResult<Option<Type>> {
    let Some(cast) = cast else { return Ok(None) };
    let to = Type::parse(cast)?;
    if !types::can_cast(from, to) {
        return Err(TableError::new(code::CANNOT_COERCE, format!("cannot cast type {from} to {to}")));
    }
    Ok(Some(to))
}

/// An aggregate over a column, or over rows where the subject has none; none where the subject is no aggregate.
///
/// # Errors
/// Those of [`expression`]; 42883 where the function does not take the type.
pub(super) fn aggregate(table: &Table, subject: &Subject, cast: Option<&str>) -> TableResult<Option<AggregateCall>> {
    let Some(aggregation) = &subject.aggregate else { return Ok(None) };
    let argument = match &*subject.field.name {
        "" => None,
        _ => Some(expression(table, &subject.field, aggregation.argument_cast.as_deref())?),
    };
    let source_type = types::aggregate_type(aggregation.function, argument.as_ref().map(Expression::r#type))?;
    let cast = cast_type(source_type, cast)?;
    Ok(Some(AggregateCall { function: aggregation.function, argument, source_type, cast }))
}

/// The number of rows as a column called `count`, from before there were aggregates; a column of that name comes first.
pub(super) fn legacy_count(table: &Table, subject: &Subject) -> Option<AggregateCall> {
    let Subject { field, aggregate } = subject;
    let is_count = &*field.name == "count" && field.path.is_empty() && aggregate.is_none();
    (is_count && table.column("count").is_none()).then(count_of_rows)
}

fn count_of_rows() -> AggregateCall {
    let source_type = Type::scalar(types::Scalar::BigInt);
    AggregateCall { function: Aggregate::Count, argument: None, source_type, cast: None }
}

/// The name of a function, which is that of its result.
pub(super) fn function_name(function: Aggregate) -> &'static str {
    match function {
        Aggregate::Sum => "sum",
        Aggregate::Average => "avg",
        Aggregate::Count => "count",
        Aggregate::Minimum => "min",
        Aggregate::Maximum => "max",
    }
}
