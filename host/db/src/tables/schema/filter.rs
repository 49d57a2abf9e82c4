//! Filters of checks and indexes, and the columns and JSON paths that they and indexes name.

use mantis_dialect::{Condition, JsonStep, Selection};

use crate::limits::{FILTER_BYTES_MAX, FILTER_NODES_MAX};
use crate::tables::schema::document::IndexColumnDocument;
use crate::tables::table::{Filter, IndexKey, TableSchema};
use crate::tables::types::Scalar;
use crate::tables::{TableError, TableResult, code};

/// The place of a column.
pub(crate) fn place_of(schema: &TableSchema, name: &str) -> Option<usize> {
    schema.columns.iter().position(|column| column.name == name)
}

/// A column that does not exist.
pub(crate) fn no_column(table: &str, name: &str) -> TableError {
    TableError::new(code::COLUMN_UNDEFINED, format!("column \"{name}\" of relation \"{table}\" does not exist"))
}

/// A part of an index's key: the column of this very name, or else a path into a column's JSON.
pub(crate) fn index_key(schema: &TableSchema, document: &IndexColumnDocument) -> TableResult<IndexKey> {
    let is_descending = document.descending;
    if let Some(column) = place_of(schema, &document.column) {
        return Ok(IndexKey { column, path: Vec::new(), is_descending });
    }
    if document.column.len() > FILTER_BYTES_MAX {
        return Err(TableError::new(code::LIMIT_EXCEEDED, "the column of an index is too long"));
    }
    let selected = dialect().select(&document.column).ok();
    let field = match selected.as_deref() {
        Some([Selection::Column { alias: None, subject, cast: None }]) if subject.aggregate.is_none() => {
            subject.field.clone()
        }
        _ => return Err(no_column(&schema.name, &document.column.chars().take(63).collect::<String>())),
    };
    let column = place_of(schema, &field.name).ok_or_else(|| no_column(&schema.name, &field.name))?;
    check_path(schema, column, &field.path)?;
    Ok(IndexKey { column, path: field.path, is_descending })
}

/// Refuses a path into what is no JSON.
fn check_path(schema: &TableSchema, column: usize, path: &[JsonStep]) -> TableResult<()> {
    let r#type = schema.columns[column].r#type;
    if path.is_empty() || r#type.scalar == Scalar::Jsonb && !r#type.is_array {
        return Ok(());
    }
    let message = format!("operator does not exist: {} -> unknown", schema.columns[column].r#type);
    let error = TableError::new(code::OPERATOR_UNDEFINED, message);
    Err(error.with_details(format!("Column \"{}\".", schema.columns[column].name)))
}

fn dialect() -> mantis_dialect::Parser {
    mantis_dialect::Parser::new(mantis_dialect::Limits {
        text_bytes_max: FILTER_BYTES_MAX,
        nodes_max: FILTER_NODES_MAX,
        ..mantis_dialect::Limits::default()
    })
}

/// The filter that a text is, of columns of the table.
pub(crate) fn read_filter(schema: &TableSchema, text: &str) -> TableResult<Filter> {
    let filter = parse_filter(text)?;
    let mut missing = Ok(());
    for condition in &*filter.conditions {
        fields(condition, &mut |name, path| {
            let checked = match place_of(schema, name) {
                Some(column) => check_path(schema, column, path),
                None => Err(no_column(&schema.name, name)),
            };
            if missing.is_ok() {
                missing = checked;
            }
        });
    }
    missing.map(|()| filter)
}

/// The filter that a text is, of whatever columns.
pub(crate) fn parse_filter(text: &str) -> TableResult<Filter> {
    let text = text.trim();
    if text.len() > FILTER_BYTES_MAX {
        let message = format!("a filter has {} bytes; the limit is {FILTER_BYTES_MAX}", text.len());
        return Err(TableError::new(code::LIMIT_EXCEEDED, message));
    }
    let conditions = dialect()
        .filter(text)
        .map_err(|error| TableError::new(code::SYNTAX_ERROR, format!("the filter is not valid: {error}")))?;
    if conditions.is_empty() {
        return Err(TableError::new(code::SYNTAX_ERROR, "a filter has at least one condition"));
    }
    Ok(Filter { text: text.to_owned(), conditions: conditions.into() })
}

/// Shows the columns that a condition names, and the paths into their JSON.
pub(crate) fn fields<'c>(condition: &'c Condition, see: &mut dyn FnMut(&'c str, &'c [JsonStep])) {
    match condition {
        Condition::And(all) | Condition::Or(all) => all.iter().for_each(|one| fields(one, see)),
        Condition::Not(inner) => fields(inner, see),
        Condition::Compare(comparison) => see(&comparison.subject.field.name, &comparison.subject.field.path),
    }
}

/// A filter whose columns have other names, where `new_name` has one.
pub(crate) fn renamed(filter: &Filter, new_name: &dyn Fn(&str) -> Option<String>) -> TableResult<Filter> {
    let mut conditions = filter.conditions.to_vec();
    let mut is_changed = false;
    for condition in &mut conditions {
        rename(condition, new_name, &mut is_changed);
    }
    if !is_changed {
        return Ok(filter.clone());
    }
    // Not one level deeper each time.
    let parts = match &conditions[..] {
        [Condition::And(all)] => all,
        all => all,
    };
    let texts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    parse_filter(&format!("and=({})", texts.join(",")))
}

fn rename(condition: &mut Condition, new_name: &dyn Fn(&str) -> Option<String>, is_changed: &mut bool) {
    match condition {
        Condition::And(all) | Condition::Or(all) => all.iter_mut().for_each(|one| rename(one, new_name, is_changed)),
        Condition::Not(inner) => rename(inner, new_name, is_changed),
        Condition::Compare(comparison) => {
            if let Some(name) = new_name(&comparison.subject.field.name) {
                comparison.subject.field.name = name.into();
                *is_changed = true;
            }
        }
    }
}
