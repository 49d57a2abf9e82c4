//! What is shown of a row: its columns and aggregates first, then what it embeds, each in the order of the select.

use mantis_dialect::{JsonStep, Selection, Subject};

use super::column;
use crate::limits::OUTPUTS_MAX;
use crate::tables::query::bound::{AggregateCall, Expression, Output, Relation, Source};
use crate::tables::schema::Table;
use crate::tables::{TableError, TableResult, code};

/// What is shown, as it grows up to its limit.
#[derive(Debug, Default)]
pub(super) struct Outputs(Vec<Output>);

impl Outputs {
    pub(super) fn push(&mut self, name: impl Into<String>, source: Source) -> TableResult<()> {
        if self.0.len() == OUTPUTS_MAX {
            let message = format!("a row of an answer has at most {OUTPUTS_MAX} columns");
            return Err(TableError::new(code::LIMIT_EXCEEDED, message));
        }
        self.0.push(Output { name: name.into(), source });
        Ok(())
    }

    pub(super) fn into_vec(self) -> Vec<Output> {
        self.0
    }

    /// Adds the columns and aggregates of a select.
    ///
    /// # Errors
    /// Those of names and types; PGRST123 where aggregates are refused.
    pub(super) fn push_columns(
        &mut self,
        table: &Table,
        selections: &[Selection],
        without_aggregates: bool,
    ) -> TableResult<()> {
        for selection in selections {
            match selection {
                Selection::All => self.push_all(table)?,
                Selection::Column { subject, .. } if subject.aggregate.is_some() && without_aggregates => {
                    return Err(aggregates_off());
                }
                Selection::Column { alias, subject, cast } => {
                    let source = source(table, subject, cast.as_deref())?;
                    let name = alias.as_deref().unwrap_or_else(|| name_of(subject));
                    self.push(name, source)?;
                }
                Selection::Embed(_) => {}
            }
        }
        Ok(())
    }

    /// Adds every column of a table.
    pub(super) fn push_all(&mut self, table: &Table) -> TableResult<()> {
        let filled = table.schema.pending.as_ref().map_or(&[][..], |pending| &pending.filled);
        for (place, column) in table.schema.columns.iter().enumerate() {
            // Not every row has a value of its own yet.
            if filled.contains(&column.id) {
                continue;
            }
            let expression = Expression {
                through: Vec::new(),
                column: place,
                path: Vec::new(),
                source_type: column.r#type,
                cast: None,
            };
            self.push(&*column.name, Source::Expression(expression))?;
        }
        Ok(())
    }

    /// Adds the outputs of a to-one spread, seen from the row that it is in: through the embed at `place`.
    pub(super) fn push_spread(
        &mut self,
        outputs: Vec<Output>,
        place: usize,
        relation: &Relation,
        other: &Table,
    ) -> TableResult<()> {
        for Output { name, source } in outputs {
            self.push(name, seen_through(source, place, relation, other))?;
        }
        Ok(())
    }
}

pub(super) fn aggregates_off() -> TableError {
    TableError::new(code::AGGREGATES_OFF, "Use of aggregate functions is not allowed")
}

fn source(table: &Table, subject: &Subject, cast: Option<&str>) -> TableResult<Source> {
    if let Some(call) = column::legacy_count(table, subject) {
        let cast = column::cast_type(call.source_type, cast)?;
        return Ok(Source::Aggregate(AggregateCall { cast, ..call }));
    }
    match column::aggregate(table, subject, cast)? {
        Some(call) => Ok(Source::Aggregate(call)),
        None => column::expression(table, &subject.field, cast).map(Source::Expression),
    }
}

/// What a column without an alias is called: by its function, the last name of its path, or itself.
fn name_of(subject: &Subject) -> &str {
    if let Some(aggregation) = &subject.aggregate {
        return column::function_name(aggregation.function);
    }
    let mut names = subject.field.path.iter().rev().filter_map(|step| match step {
        JsonStep::Member { name, .. } => Some(&**name),
        JsonStep::Element { .. } => None,
    });
    names.next().unwrap_or(&subject.field.name)
}

fn seen_through(source: Source, place: usize, relation: &Relation, other: &Table) -> Source {
    let before = |mut through: Vec<usize>| {
        through.insert(0, place);
        through
    };
    let moved = |expression: Expression| Expression { through: before(expression.through), ..expression };
    match source {
        Source::Expression(expression) => Source::Expression(moved(expression)),
        Source::Embed { through, embed } => Source::Embed { through: before(through), embed },
        Source::SpreadMany { through, embed, output } => Source::SpreadMany { through: before(through), embed, output },
        Source::Aggregate(call) => {
            let argument = call.argument.map_or_else(|| presence(place, relation, other), moved);
            Source::Aggregate(AggregateCall { argument: Some(argument), ..call })
        }
    }
}

/// What is not null where the row over there is: a column of it that equals one here.
fn presence(place: usize, relation: &Relation, other: &Table) -> Expression {
    let column = relation.remote[0];
    let source_type = other.schema.columns[column].r#type;
    Expression { through: vec![place], column, path: Vec::new(), source_type, cast: None }
}
