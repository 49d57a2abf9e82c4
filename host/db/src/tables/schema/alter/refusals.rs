//! What is refused in several places.

use crate::tables::{TableError, code};

/// A change that is not possible.
pub(super) fn unsupported(message: impl Into<String>) -> TableError {
    TableError::new(code::NOT_SUPPORTED, message)
}

/// A column that is not nullable, and older rows in which it is null.
pub(crate) fn contains_nulls(table: &str, column: &str) -> TableError {
    let message = format!("column \"{column}\" of relation \"{table}\" contains null values");
    TableError::new(code::NOT_NULL_VIOLATION, message)
}

/// A column that may not be null.
pub(super) fn in_primary_key(column: &str) -> TableError {
    TableError::new(code::SCHEMA_INVALID, format!("column \"{column}\" is in a primary key"))
}

/// What cannot go because a foreign key needs it.
pub(crate) fn needed(what: &str, foreign_key: &str, table: &str) -> TableError {
    let message = format!("cannot drop {what} because other objects depend on it");
    let details = format!("constraint {foreign_key} on table {table} depends on {what}");
    TableError::new(code::DEPENDENT_OBJECTS, message).with_details(details)
}
