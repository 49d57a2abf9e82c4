//! Groups of rows, and aggregates over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::QueryContext;
use super::evaluate::{Values, holds, misplaced};
use super::order::write_terms;
use crate::tables::codec;
use crate::tables::query::bound::{AggregateCall, Expression, OrderBy, Predicate, Select, Source, Subject};
use crate::tables::query::{Count, Selected};
use crate::tables::sort::sort_by;
use crate::tables::types::{self, Accumulator, Value};
use crate::tables::{Environment, TableResult};

/// What a group weighs besides its values.
const GROUP_BYTES: usize = 128;

/// An aggregate on its way.
pub(super) struct Aggregation<'s> {
    call: &'s AggregateCall,
    accumulator: Accumulator,
}

impl<'s> Aggregation<'s> {
    pub(super) fn new(call: &'s AggregateCall) -> Self {
        let argument = call.argument.as_ref().map(Expression::r#type);
        Self { call, accumulator: Accumulator::new(call.function, argument) }
    }

    pub(super) fn add<V: Values>(&mut self, row: &V) -> TableResult<()> {
        match &self.call.argument {
            Some(argument) => self.accumulator.add(&row.value(argument)?),
            // `count()` counts rows: any value will do.
            None => self.accumulator.add(&Value::Boolean(true)),
        }
    }

    pub(super) fn finish(self, environment: &Environment) -> TableResult<Value<'static>> {
        let value = self.accumulator.finish()?;
        cast_result(value, self.call, environment)
    }
}

fn cast_result(value: Value<'static>, call: &AggregateCall, environment: &Environment) -> TableResult<Value<'static>> {
    match call.cast {
        Some(target) if !value.is_null() => types::cast(value, call.source_type, target, environment),
        _ => Ok(value),
    }
}

/// What rows are grouped by, and what is aggregated of each group.
pub(super) struct Grouping<'s> {
    select: &'s Select,
    keys: Vec<&'s Expression>,
    calls: Vec<&'s AggregateCall>,
    /// How many embeds are shown, whose JSON rows are grouped by, too.
    embeds: usize,
}

impl<'s> Grouping<'s> {
    pub(super) fn of(select: &'s Select) -> Self {
        let mut grouping = Self { select, keys: Vec::new(), calls: Vec::new(), embeds: 0 };
        for output in &select.output {
            match &output.source {
                Source::Expression(expression) => grouping.keys.push(expression),
                Source::Aggregate(call) => grouping.add_call(call),
                Source::Embed { .. } | Source::SpreadMany { .. } => grouping.embeds += 1,
            }
        }
        for order in &select.order {
            if let OrderBy::Aggregate(call) = &order.by {
                grouping.add_call(call);
            }
        }
        if let Some(having) = &select.having {
            grouping.add_calls_of(having);
        }
        grouping
    }

    fn add_call(&mut self, call: &'s AggregateCall) {
        if !self.calls.contains(&call) {
            self.calls.push(call);
        }
    }

    fn add_calls_of(&mut self, predicate: &'s Predicate) {
        match predicate {
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| self.add_calls_of(part)),
            Predicate::Not(part) => self.add_calls_of(part),
            Predicate::Test { subject: Subject::Aggregate(call), .. } => self.add_call(call),
            Predicate::Test { .. } | Predicate::Exists(_) => {}
        }
    }

    /// Whether all rows are one group, even where there are none.
    fn is_one_group(&self) -> bool {
        self.keys.is_empty() && self.embeds == 0
    }

    /// Whether nothing but the number of rows is asked for.
    pub(super) fn counts_only(&self) -> bool {
        use mantis_dialect::Aggregate::Count;
        self.is_one_group() && self.calls.iter().all(|call| call.function == Count && call.argument.is_none())
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct GroupRow {
    /// The values that it is grouped by.
    values: Vec<Value<'static>>,
    /// The JSON of the embeds that it is grouped by.
    pub(super) embeds: Vec<String>,
    aggregates: Vec<Value<'static>>,
}

/// Groups in their order, without those that `having`, limit and offset leave out.
pub(super) struct GroupRows<'c> {
    pub(super) grouping: Arc<Grouping<'c>>,
    pub(super) rows: Vec<GroupRow>,
    /// How many there are whatever limit and offset say.
    pub(super) total: u64,
    /// How many of these `offset` left out.
    pub(super) skipped: u64,
    /// What they weighed while they were made.
    pub(super) held_bytes: usize,
}

impl GroupRows<'_> {
    /// What a select of these groups answers besides them.
    pub(super) fn selected(&self, count: Count) -> Selected {
        let total = (count != Count::None).then_some(self.total);
        Selected { rows: self.rows.len() as u64, offset: self.skipped, total, warnings: Vec::new() }
    }
}

/// A group, to be asked for its values.
pub(super) struct GroupMember<'g> {
    pub(super) grouping: &'g Grouping<'g>,
    pub(super) row: &'g GroupRow,
}

impl Values for GroupMember<'_> {
    fn value(&self, expression: &Expression) -> TableResult<Value<'_>> {
        let place = self.grouping.keys.iter().position(|key| *key == expression);
        place.map(|place| borrowed(&self.row.values[place])).ok_or_else(|| misplaced("a column that is not grouped"))
    }

    fn aggregate(&self, call: &AggregateCall) -> TableResult<Value<'_>> {
        let place = self.grouping.calls.iter().position(|known| *known == call);
        place.map(|place| borrowed(&self.row.aggregates[place])).ok_or_else(|| misplaced("an aggregate"))
    }
}

/// A group of which a condition is to hold.
struct TestedGroup<'g> {
    member: GroupMember<'g>,
    context: &'g QueryContext<'g>,
}

impl Values for TestedGroup<'_> {
    fn value(&self, expression: &Expression) -> TableResult<Value<'_>> {
        self.member.value(expression)
    }

    fn go_on(&self) -> TableResult<()> {
        self.context.go_on()
    }

    fn borrow(&self, bytes: usize) -> TableResult<()> {
        self.context.borrow(bytes)
    }

    fn aggregate(&self, call: &AggregateCall) -> TableResult<Value<'_>> {
        self.member.aggregate(call)
    }
}

/// The same value without a copy of its text or bytes.
fn borrowed<'v>(value: &'v Value<'static>) -> Value<'v> {
    use std::borrow::Cow;
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        Value::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        Value::Json(json) => Value::Json(Cow::Borrowed(json)),
        other => other.clone(),
    }
}

struct Group<'s> {
    values: Vec<Value<'static>>,
    embeds: Vec<String>,
    aggregations: Vec<Aggregation<'s>>,
}

/// Rows on their way into groups.
pub(super) struct Groups<'c> {
    grouping: Arc<Grouping<'c>>,
    context: &'c QueryContext<'c>,
    by_key: BTreeMap<Box<[u8]>, Group<'c>>,
    key: Vec<u8>,
    held_bytes: usize,
}

impl<'c> Groups<'c> {
    pub(super) fn new(grouping: Arc<Grouping<'c>>, context: &'c QueryContext<'c>) -> Self {
        Self { grouping, context, by_key: BTreeMap::new(), key: Vec::new(), held_bytes: 0 }
    }

    /// Adds a row, and the JSON of its embeds that it is grouped by.
    pub(super) fn add<V: Values>(&mut self, row: &V, embeds: &[String]) -> TableResult<()> {
        self.key.clear();
        for expression in &self.grouping.keys {
            codec::push(&mut self.key, &row.value(expression)?, expression.r#type(), false);
        }
        for embed in embeds {
            self.key.extend_from_slice(embed.as_bytes());
            self.key.push(0);
        }
        let group = match self.by_key.get_mut(self.key.as_slice()) {
            Some(group) => group,
            None => self.begin(row, embeds)?,
        };
        group.aggregations.iter_mut().try_for_each(|aggregation| aggregation.add(row))
    }

    fn begin<V: Values>(&mut self, row: &V, embeds: &[String]) -> TableResult<&mut Group<'c>> {
        let aggregations = &self.grouping.calls;
        let bytes = GROUP_BYTES * (1 + aggregations.len()) + 2 * self.key.len();
        self.context.hold(bytes)?;
        self.held_bytes += bytes;
        let values = self.grouping.keys.iter().map(|key| Ok(row.value(key)?.into_owned()));
        let group = Group {
            values: values.collect::<TableResult<_>>()?,
            embeds: embeds.to_vec(),
            aggregations: aggregations.iter().map(|call| Aggregation::new(call)).collect(),
        };
        Ok(self.by_key.entry(self.key.as_slice().into()).or_insert(group))
    }

    /// The groups that `having`, limit and offset leave, in their order; without one, in that of what they are grouped by.
    pub(super) fn finish(mut self, limit: Option<u64>) -> TableResult<GroupRows<'c>> {
        let (grouping, context) = (Arc::clone(&self.grouping), self.context);
        let mut rows = Vec::with_capacity(self.by_key.len());
        let mut groups = std::mem::take(&mut self.by_key);
        if groups.is_empty() && grouping.is_one_group() {
            let aggregations = grouping.calls.iter().map(|call| Aggregation::new(call)).collect();
            groups.insert(Box::default(), Group { values: Vec::new(), embeds: Vec::new(), aggregations });
        }
        for group in groups.into_values() {
            let aggregates = group.aggregations.into_iter().map(|one| one.finish(self.context.environment));
            let row = GroupRow {
                values: group.values,
                embeds: group.embeds,
                aggregates: aggregates.collect::<TableResult<_>>()?,
            };
            rows.push(row);
        }
        let rows = page(grouping, rows, limit, context)?;
        Ok(GroupRows { held_bytes: self.held_bytes, ..rows })
    }
}

impl Drop for Groups<'_> {
    fn drop(&mut self) {
        self.context.release(self.held_bytes);
    }
}

/// The one group of so many rows, where only their number is asked for.
pub(super) fn counted<'s>(
    grouping: Arc<Grouping<'s>>,
    rows: u64,
    limit: Option<u64>,
    context: &QueryContext<'_>,
) -> TableResult<GroupRows<'s>> {
    let value = Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX));
    let aggregates = grouping.calls.iter().map(|call| cast_result(value.clone(), call, context.environment));
    let aggregates = aggregates.collect::<TableResult<_>>()?;
    page(grouping, vec![GroupRow { values: Vec::new(), embeds: Vec::new(), aggregates }], limit, context)
}

fn page<'s>(
    grouping: Arc<Grouping<'s>>,
    mut rows: Vec<GroupRow>,
    limit: Option<u64>,
    context: &QueryContext<'_>,
) -> TableResult<GroupRows<'s>> {
    let select = grouping.select;
    if let Some(having) = &select.having {
        let mut kept = Vec::with_capacity(rows.len());
        for (at, row) in rows.into_iter().enumerate() {
            context.check_written(at)?;
            let member = GroupMember { grouping: &grouping, row: &row };
            if holds(having, &TestedGroup { member, context })? == Some(true) {
                kept.push(row);
            }
        }
        rows = kept;
    }
    if !select.order.is_empty() {
        let mut sorted = Vec::with_capacity(rows.len());
        for (at, row) in rows.into_iter().enumerate() {
            context.check_written(at)?;
            let mut terms = Vec::new();
            write_terms(&select.order, &GroupMember { grouping: &grouping, row: &row }, &mut terms)?;
            sorted.push((terms, row));
        }
        sort_by(&mut sorted, |(left, _), (right, _)| left.cmp(right));
        rows = sorted.into_iter().map(|(_, row)| row).collect();
    }
    let total = rows.len() as u64;
    let skipped = select.offset.min(total);
    rows.drain(..usize::try_from(skipped).unwrap_or(usize::MAX).min(rows.len()));
    if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
        rows.truncate(limit);
    }
    Ok(GroupRows { grouping, rows, total, skipped, held_bytes: 0 })
}
