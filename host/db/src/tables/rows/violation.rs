//! Errors of constraints, in PostgreSQL's words.

use super::target::Target;
use crate::tables::types::{self, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// Bytes that are shown of each value of a row.
const SHOWN_BYTES_MAX: usize = 64;

/// A column that is not nullable would be null.
pub(super) fn not_null(target: &Target, column: usize, row: &[Value<'_>], environment: &Environment) -> TableError {
    let (name, table) = (&target.table.schema.columns[column].name, target.name());
    let message = format!("null value in column \"{name}\" of relation \"{table}\" violates not-null constraint");
    TableError::new(code::NOT_NULL_VIOLATION, message).with_details(failing_row(target, row, environment))
}

/// A check is false of a row.
pub(super) fn check(target: &Target, name: &str, row: &[Value<'_>], environment: &Environment) -> TableError {
    let message = format!("new row for relation \"{}\" violates check constraint \"{name}\"", target.name());
    TableError::new(code::CHECK_VIOLATION, message).with_details(failing_row(target, row, environment))
}

/// A unique key would occur twice. `key` is its columns as they are shown, and their values.
pub(super) fn unique(constraint: &str, key: &KeyText) -> TableError {
    let message = format!("duplicate key value violates unique constraint \"{constraint}\"");
    TableError::new(code::UNIQUE_VIOLATION, message).with_details(format!("{key} already exists."))
}

/// A row references a parent that is not there.
pub(super) fn no_parent(child: &str, constraint: &str, key: &KeyText, parent: &str) -> TableError {
    let message = format!("insert or update on table \"{child}\" violates foreign key constraint \"{constraint}\"");
    TableError::new(code::FOREIGN_KEY_VIOLATION, message)
        .with_details(format!("{key} is not present in table \"{parent}\"."))
}

/// A row that is referenced would go, or change its key.
pub(super) fn still_referenced(parent: &str, constraint: &str, child: &str, key: &KeyText) -> TableError {
    let message = format!(
        "update or delete on table \"{parent}\" violates foreign key constraint \"{constraint}\" on table \"{child}\""
    );
    TableError::new(code::FOREIGN_KEY_VIOLATION, message)
        .with_details(format!("{key} is still referenced from table \"{child}\"."))
}

/// One row twice in one upsert.
pub(super) fn twice() -> TableError {
    TableError::new(code::CARDINALITY_VIOLATION, "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .with_hint(
            "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
        )
}

/// A key for people: `Key (a, b)=(1, x)`.
pub(super) struct KeyText(String);

impl std::fmt::Display for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyText {
    /// The values of some columns of a row.
    pub(super) fn of_columns(
        target: &Target,
        columns: &[usize],
        values: &[Value<'_>],
        environment: &Environment,
    ) -> Self {
        let schema = &target.table.schema;
        let names: Vec<_> = columns.iter().map(|&column| schema.columns[column].name.as_str()).collect();
        let texts = columns.iter().map(|&column| {
            let mut text = String::new();
            write(&values[column], schema.columns[column].r#type, environment, &mut text);
            text
        });
        Self(format!("Key ({})=({})", names.join(", "), texts.collect::<Vec<_>>().join(", ")))
    }

    /// The values that an index orders a row by.
    pub(super) fn of_index(
        target: &Target,
        place: usize,
        values: &[Value<'_>],
        environment: &Environment,
    ) -> TableResult<Self> {
        let schema = &target.table.schema;
        let names: Vec<_> = schema.indexes[place]
            .keys
            .iter()
            .map(|key| {
                let name = &schema.columns[key.column].name;
                if key.path.is_empty() { name.clone() } else { format!("({name}{})", path_text(&key.path)) }
            })
            .collect();
        let shape = target.entry_parts(place);
        let texts = target.with_index_values(place, values, |parts| {
            Ok(parts
                .iter()
                .zip(shape)
                .map(|(value, part)| {
                    let mut text = String::new();
                    write(value, part.r#type, environment, &mut text);
                    text
                })
                .collect::<Vec<_>>())
        })?;
        Ok(Self(format!("Key ({})=({})", names.join(", "), texts.join(", "))))
    }
}

fn path_text(path: &[mantis_dialect::JsonStep]) -> String {
    use mantis_dialect::JsonStep::{Element, Member};
    let step = |step: &_| match step {
        Member { name, is_text: false } => format!(" -> '{name}'::text"),
        Member { name, is_text: true } => format!(" ->> '{name}'::text"),
        Element { index, is_text: false } => format!(" -> {index}"),
        Element { index, is_text: true } => format!(" ->> {index}"),
    };
    path.iter().map(step).collect()
}

fn failing_row(target: &Target, row: &[Value<'_>], environment: &Environment) -> String {
    let texts = row.iter().zip(&target.table.schema.columns).map(|(value, column)| {
        let mut text = String::new();
        write(value, column.r#type, environment, &mut text);
        if text.len() > SHOWN_BYTES_MAX {
            text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
            text.push_str("...");
        }
        text
    });
    format!("Failing row contains ({}).", texts.collect::<Vec<_>>().join(", "))
}

fn write(value: &Value<'_>, r#type: types::Type, environment: &Environment, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        value => types::write_text(value, r#type, environment, out),
    }
}
