//! What rows and groups are ordered by.

use mantis_dialect::{Direction, Field, Nulls, Order as Term, OrderSubject, Subject};

use super::column;
use super::embed::not_embedded;
use super::filter::check_grouped;
use super::output::aggregates_off;
use crate::tables::query::bound::{AggregateCall, Embed, Expression, Order, OrderBy, Output, Source};
use crate::tables::schema::Table;
use crate::tables::{TableError, TableResult, code};

/// The rows that are ordered.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) table: &'a Table,
    /// How many tables theirs is embedded in.
    pub(super) depth: usize,
    /// The tables embedded in them.
    pub(super) embeds: &'a [Embed],
    /// What is shown of the rows, also through their to-one spreads.
    pub(super) outputs: &'a [Output],
    /// Whether they are groups, by the expressions of `outputs`.
    pub(super) is_grouped: bool,
    pub(super) without_aggregates: bool,
}

impl Rows<'_> {
    /// Binds one term.
    ///
    /// # Errors
    /// Those of names and types; 42803 for a column that is not grouped by; PGRST108, PGRST118, PGRST123.
    pub(super) fn order(self, term: &Term) -> TableResult<Order> {
        let by = match &term.subject {
            OrderSubject::Own(subject) => self.own(subject)?,
            OrderSubject::Embedded { embed, subject } => self.embedded(embed, subject)?,
        };
        let is_descending = term.direction == Direction::Descending;
        let nulls_first = term.nulls.map_or(is_descending, |nulls| nulls == Nulls::First);
        Ok(Order { by, is_descending, nulls_first })
    }

    fn own(self, subject: &Subject) -> TableResult<OrderBy> {
        let call = column::aggregate(self.table, subject, None)?;
        self.check_aggregates(call.is_some())?;
        let legacy = || column::legacy_count(self.table, subject).filter(|_| self.is_grouped);
        if let Some(call) = call.or_else(legacy) {
            return Ok(OrderBy::Aggregate(call));
        }
        let expression = column::expression(self.table, &subject.field, None)?;
        if self.is_grouped {
            check_grouped(self.table, &subject.field.name, &expression, self.outputs)?;
        }
        Ok(OrderBy::Expression(expression))
    }

    fn embedded(self, name: &str, subject: &Subject) -> TableResult<OrderBy> {
        let place = self.embeds.iter().position(|embed| embed.name == name).ok_or_else(|| not_embedded(name))?;
        let embed = &self.embeds[place];
        let other = &*embed.select.table;
        if let Some(call) = column::aggregate(other, subject, None)? {
            self.check_aggregates(true)?;
            return self.embedded_aggregate(place, call);
        }
        if !embed.relation.is_to_one {
            return Err(not_to_one(&self.table.schema.name, name));
        }
        let expression = if let Some(expression) = self.shown(place, &subject.field)? {
            expression
        } else {
            let found = column::expression(other, &subject.field, None);
            through(place, found.map_err(|error| column::of_embed(error, other, self.depth + 1))?)
        };
        if self.is_grouped {
            check_grouped(other, &subject.field.name, &expression, self.outputs)?;
        }
        Ok(OrderBy::Expression(expression))
    }

    /// Over the embedded rows of each row; of groups, over the one row that each of their rows has.
    fn embedded_aggregate(self, place: usize, call: AggregateCall) -> TableResult<OrderBy> {
        let embed = &self.embeds[place];
        match (self.is_grouped, embed.relation.is_to_one, &call.argument) {
            (false, ..) => Ok(OrderBy::EmbedAggregate { embed: place, call }),
            (true, true, Some(argument)) => {
                let argument = Some(through(place, argument.clone()));
                Ok(OrderBy::Aggregate(AggregateCall { argument, ..call }))
            }
            (true, ..) => Err(not_to_one(&self.table.schema.name, &embed.name)),
        }
    }

    /// What a to-one embed shows under a name, which comes before its columns.
    fn shown(self, place: usize, field: &Field) -> TableResult<Option<Expression>> {
        let is_named = |output: &&Output| output.name == *field.name;
        let embed = &self.embeds[place].select;
        let own = embed.output.iter().find(is_named).and_then(|output| match &output.source {
            Source::Expression(expression) => Some(through(place, expression.clone())),
            _ => None,
        });
        let spread = self.outputs.iter().filter(is_named).find_map(|output| match &output.source {
            Source::Expression(expression) if expression.through.first() == Some(&place) => Some(expression.clone()),
            _ => None,
        });
        match own.or(spread) {
            Some(expression) if !field.path.is_empty() => {
                // A way into its JSON goes on where that of the output ends.
                if expression.through.len() > 1 || expression.cast.is_some() {
                    return Ok(None);
                }
                let name = embed.table.schema.columns[expression.column].name.as_str().into();
                let path = [&expression.path[..], &field.path].concat();
                column::expression(&embed.table, &Field { name, path }, None).map(|found| Some(through(place, found)))
            }
            expression => Ok(expression),
        }
    }

    fn check_aggregates(self, is_aggregate: bool) -> TableResult<()> {
        if is_aggregate && self.without_aggregates { Err(aggregates_off()) } else { Ok(()) }
    }
}

/// An expression of an embedded row, seen from the row that it is embedded in.
fn through(place: usize, mut expression: Expression) -> Expression {
    expression.through.insert(0, place);
    expression
}

fn not_to_one(origin: &str, name: &str) -> TableError {
    let details = format!("'{origin}' and '{name}' do not form a many-to-one or one-to-one relationship");
    TableError::new(code::RELATED_ORDER, format!("A related order on '{name}' is not possible")).with_details(details)
}
