//! Conditions to predicates.

use mantis_dialect::{Comparison, Condition, Is, Operand};

use super::column;
use super::nearest::shown;
use super::operand::{Meaning, Operands, Tested};
use super::output::aggregates_off;
use crate::tables::query::bound::{Embed, Expression, Output, Predicate, Source, Subject};
use crate::tables::schema::Table;
use crate::tables::{TableError, TableResult, code};

/// The row that conditions are about.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) table: &'a Table,
    /// The tables embedded in it.
    pub(super) embeds: &'a [Embed],
    pub(super) operands: Operands<'a>,
}

impl Row<'_> {
    /// All of some conditions; none where there are none.
    ///
    /// # Errors
    /// Those of names, types and operands; PGRST120 for a filter on an embed that asks for more than whether it has rows.
    pub(super) fn filter<'c>(
        self,
        conditions: impl IntoIterator<Item = &'c Condition>,
    ) -> TableResult<Option<Predicate>> {
        all(conditions, &mut |comparison| self.comparison(comparison))
    }

    /// All of some conditions of groups, which are by the expressions of `outputs`.
    ///
    /// # Errors
    /// Those of names, types and operands; 42803 for a column that is not grouped by; PGRST123.
    pub(super) fn having(
        self,
        conditions: &[Condition],
        outputs: &[Output],
        without_aggregates: bool,
    ) -> TableResult<Option<Predicate>> {
        all(conditions, &mut |comparison| self.group_comparison(comparison, outputs, without_aggregates))
    }

    fn comparison(self, comparison: &Comparison) -> TableResult<Predicate> {
        let field = &comparison.subject.field;
        if field.path.is_empty()
            && let Some(place) = self.embeds.iter().position(|embed| embed.name == *field.name)
        {
            let has_column = self.table.column(&field.name).is_some();
            match comparison.operand {
                Operand::Is(Is::Null) => return Ok(Predicate::Not(Box::new(Predicate::Exists(place)))),
                Operand::Is(Is::NotNull) if !has_column => return Ok(Predicate::Exists(place)),
                // An embed by a column's name leaves that column to the other filters.
                _ if has_column => {}
                _ => return Err(embed_filter(&field.name)),
            }
        }
        if comparison.subject.aggregate.is_some() {
            let message = "aggregate functions are not allowed in WHERE";
            return Err(TableError::new(code::GROUPING, message).with_hint("Filter groups with 'having'."));
        }
        let expression = column::expression(self.table, field, None)?;
        self.test(comparison, expression)
    }

    fn group_comparison(
        self,
        comparison: &Comparison,
        outputs: &[Output],
        without_aggregates: bool,
    ) -> TableResult<Predicate> {
        let subject = &comparison.subject;
        let call = match column::aggregate(self.table, subject, None)? {
            None => column::legacy_count(self.table, subject),
            call => call,
        };
        let Some(call) = call else {
            let expression = column::expression(self.table, &subject.field, None)?;
            check_grouped(self.table, &subject.field.name, &expression, outputs)?;
            return self.test(comparison, expression);
        };
        if without_aggregates {
            return Err(aggregates_off());
        }
        let tested = Tested { r#type: call.cast.unwrap_or(call.source_type), allowed: None };
        Ok(match self.operands.meaning(comparison, tested)? {
            Meaning::Constant(holds) => constant(holds),
            Meaning::Test(test) => Predicate::Test { subject: Subject::Aggregate(call), test },
        })
    }

    fn test(self, comparison: &Comparison, expression: Expression) -> TableResult<Predicate> {
        let column = &self.table.schema.columns[expression.column];
        let allowed = column.allowed.as_deref().filter(|_| expression.path.is_empty());
        let tested = Tested { r#type: expression.r#type(), allowed: allowed.map(|allowed| (allowed, &*column.name)) };
        Ok(match self.operands.meaning(comparison, tested)? {
            Meaning::Constant(holds) => constant(holds),
            Meaning::Test(test) => Predicate::Test { subject: Subject::Expression(expression), test },
        })
    }
}

fn all<'c>(
    conditions: impl IntoIterator<Item = &'c Condition>,
    bind: &mut dyn FnMut(&Comparison) -> TableResult<Predicate>,
) -> TableResult<Option<Predicate>> {
    let mut predicates: Vec<Predicate> =
        conditions.into_iter().map(|condition| one(condition, bind)).collect::<TableResult<_>>()?;
    Ok(match predicates.len() {
        0 => None,
        1 => predicates.pop(),
        _ => Some(Predicate::And(predicates)),
    })
}

fn one(condition: &Condition, bind: &mut dyn FnMut(&Comparison) -> TableResult<Predicate>) -> TableResult<Predicate> {
    Ok(match condition {
        Condition::And(conditions) => {
            Predicate::And(conditions.iter().map(|condition| one(condition, bind)).collect::<TableResult<_>>()?)
        }
        Condition::Or(conditions) => {
            Predicate::Or(conditions.iter().map(|condition| one(condition, bind)).collect::<TableResult<_>>()?)
        }
        Condition::Not(condition) => Predicate::Not(Box::new(one(condition, bind)?)),
        Condition::Compare(comparison) => bind(comparison)?,
    })
}

/// What holds always, or never: all of nothing, or one of nothing.
fn constant(holds: bool) -> Predicate {
    if holds { Predicate::And(Vec::new()) } else { Predicate::Or(Vec::new()) }
}

/// Checks that groups have one value of an expression.
///
/// # Errors
/// 42803
pub(super) fn check_grouped(
    table: &Table,
    column: &str,
    expression: &Expression,
    outputs: &[Output],
) -> TableResult<()> {
    let is_grouped = outputs.iter().any(|output| matches!(&output.source, Source::Expression(by) if by == expression));
    if is_grouped {
        return Ok(());
    }
    let (of, column) = (&table.schema.name, shown(column));
    let message =
        format!("column \"{of}.{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
    Err(TableError::new(code::GROUPING, message).with_hint(format!("Select '{column}' to group by it.")))
}

fn embed_filter(name: &str) -> TableError {
    TableError::new(code::EMBED_FILTER, format!("Bad operator on the '{}' embedded resource", shown(name)))
        .with_details("Only is null or not is null filters are allowed on embedded resources")
}
