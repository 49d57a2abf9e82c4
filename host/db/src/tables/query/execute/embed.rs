//! The rows of other tables that belong to rows: for all of them at once.
//!
//! 1. The values of the columns that join the two tables, each once: the owners.
//! 2. Their rows: by a key of the other table that begins with its columns, else in one pass over it. Of a many-to-many relation first
//!    the rows between, then those of the far side by the far values, each once.
//! 3. The embedded select's filter, order, limit and offset, for each owner; or its groups.
//! 4. What is shown of them in turn.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::context::QueryContext;
use super::filter::Filter;
use super::groups::{GroupRows, Grouping, Groups};
use super::held::{Family, HeldRows, Related};
use super::order::write_terms;
use super::output::Shape;
use super::source::{Source, key_of_row};
use super::stored::StoredRow;
use super::wants::{Level, Want, Wants};
use crate::engine::{Direction, View};
use crate::keyspace::EncodedKey;
use crate::tables::codec;
use crate::tables::query::bound::{Embed, Order, Select};
use crate::tables::query::plan::{Lookup, scan};
use crate::tables::schema::Table;
use crate::tables::sort::sort_by;
use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableResult};

/// Rows that are fetched by their keys at once.
const FETCHED_ROWS_MAX: usize = 512;

/// Fetches what is wanted of the embeds of `select` for all rows of the family.
pub(super) fn fetch<'c>(
    select: &'c Select,
    family: &mut Family<'c>,
    wants: &Wants,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
) -> TableResult<()> {
    family.related.clear();
    family.related.resize_with(select.embeds.len(), || None);
    for (place, want) in wants.iter() {
        family.related[place] = Some(related(&select.embeds[place], family, want, view, context)?);
    }
    Ok(())
}

/// The places of the rows that pass the filter with what belongs to them.
pub(super) fn passing<'c>(
    filter: &Filter<'c>,
    family: &mut Family<'c>,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
) -> TableResult<Vec<usize>> {
    fetch(filter.select, family, filter.wants(), view, context)?;
    let mut places = Vec::with_capacity(family.rows.len());
    for place in 0..family.rows.len() {
        if filter.passes_beyond(&family.row(place)?)? {
            places.push(place);
        }
    }
    family.related.clear();
    Ok(places)
}

fn related<'c>(
    embed: &'c Embed,
    parents: &Family<'c>,
    want: &Want,
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
) -> TableResult<Related<'c>> {
    let select = &embed.select;
    let relation = &embed.relation;
    let filter = Filter::of(select);
    let remote = Joined { table: &select.table, columns: &relation.remote };
    let is_paged = want.level != Level::AllRows && !select.is_grouped;
    let rows_max = is_paged.then_some(()).and(match want.level {
        Level::Existence if select.limit != Some(0) => Some(select.offset.saturating_add(1)),
        _ => select.limit.map(|limit| select.offset.saturating_add(limit)),
    });
    let order: &[Order] = match want.level {
        Level::Existence => &[],
        _ if select.is_grouped => &[],
        _ => &select.order,
    };
    let finder = Finder { of: remote, filter: &filter, order, rows_max, context };

    let (owners, found) = match &relation.junction {
        None => {
            let owners = Owners::of(parents, &relation.local, remote, context.environment)?;
            let found = finder.find(&owners.distinct, view)?;
            (owners.of_row, found)
        }
        Some(junction) => {
            let near = Joined { table: &junction.table, columns: &junction.near };
            let owners = Owners::of(parents, &relation.local, near, context.environment)?;
            let all = Filter::none(select);
            let between = Finder { of: near, filter: &all, order: &[], rows_max: None, context };
            let between = between.find(&owners.distinct, view)?;
            let family = Family::new(&junction.table, between.rows);
            let far = Owners::of(&family, &junction.far, remote, context.environment)?;
            let found = finder.find(&far.distinct, view)?;
            let lists = between.lists.iter().map(|list| {
                list.iter().flat_map(|&row| found.lists.get(far.of_row[row]).into_iter().flatten().copied()).collect()
            });
            let lists = lists.collect();
            (owners.of_row, Found { lists, rows: found.rows, is_ordered: order.is_empty() })
        }
    };
    let Found { rows, mut lists, is_ordered } = found;
    let mut family = Family::new(&select.table, rows);
    if filter.looks_beyond() {
        let kept = passing(&filter, &mut family, view, context)?;
        let mut passes = vec![false; family.rows.len()];
        for place in kept {
            passes[place] = true;
        }
        for list in &mut lists {
            list.retain(|&place| passes[place]);
        }
    }
    if select.is_grouped {
        // The owner of rows without values to join by has no rows, which may be a group still.
        lists.push(Vec::new());
        let groups = Some(groups_of(select, &mut family, &lists, view, context)?);
        return Ok(Related { family, owners, lists: lists.into_iter().collect(), groups });
    }
    if !is_ordered {
        sort(select, &mut family, &mut lists, view, context)?;
    }
    if is_paged {
        for list in &mut lists {
            page(list, select.offset, select.limit);
        }
    }
    lists.push(Vec::new());
    if want.level == Level::Shown || !want.inside.is_empty() {
        keep_used(&mut family, &mut lists);
        fetch(select, &mut family, &want.inside, view, context)?;
    }
    Ok(Related { family, owners, lists: lists.into_iter().collect(), groups: None })
}

fn page(list: &mut Vec<usize>, offset: u64, limit: Option<u64>) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(list.len());
    list.drain(..offset);
    if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
        list.truncate(limit);
    }
}

/// Sorts each owner's rows.
fn sort<'c>(
    select: &'c Select,
    family: &mut Family<'c>,
    lists: &mut [Vec<usize>],
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
) -> TableResult<()> {
    fetch(select, family, &Wants::of_order(select), view, context)?;
    let mut terms = Vec::new();
    let mut all = Vec::new();
    let mut ends = Vec::with_capacity(family.rows.len());
    for place in 0..family.rows.len() {
        write_terms(&select.order, &family.row(place)?, &mut terms)?;
        context.hold(terms.len())?;
        all.extend_from_slice(&terms);
        ends.push(all.len());
    }
    let of = |place: usize| &all[place.checked_sub(1).map_or(0, |before| ends[before])..ends[place]];
    for list in lists {
        sort_by(list, |&left, &right| of(left).cmp(of(right)));
    }
    context.release(all.len());
    Ok(())
}

/// Lets go of the rows that no list names.
fn keep_used(family: &mut Family<'_>, lists: &mut [Vec<usize>]) {
    let mut places = vec![None; family.rows.len()];
    let mut used = Vec::new();
    for place in lists.iter_mut().flatten() {
        *place = *places[*place].get_or_insert_with(|| {
            used.push(*place);
            used.len() - 1
        });
    }
    family.rows.keep(&used);
    family.related.clear();
}

/// The groups of each owner's rows.
fn groups_of<'c>(
    select: &'c Select,
    family: &mut Family<'c>,
    lists: &[Vec<usize>],
    view: &mut dyn View,
    context: &'c QueryContext<'c>,
) -> TableResult<Vec<GroupRows<'c>>> {
    fetch(select, family, &Wants::of_output(select), view, context)?;
    let shape = Shape::of(select, context.environment);
    let grouping = Arc::new(Grouping::of(select));
    let mut all = Vec::with_capacity(lists.len());
    for list in lists {
        let mut groups = Groups::new(Arc::clone(&grouping), context);
        for &place in list {
            let row = family.row(place)?;
            groups.add(&row, &shape.embeds_as_text(&row)?)?;
        }
        all.push(groups.finish(select.limit)?);
    }
    Ok(all)
}

/// The side of a relation whose rows are looked for.
#[derive(Clone, Copy)]
struct Joined<'c> {
    table: &'c Table,
    columns: &'c [usize],
}

impl Joined<'_> {
    fn r#type(&self, place: usize) -> Type {
        self.table.schema.columns[self.columns[place]].r#type
    }

    /// The values of the columns of a row; none where one is null.
    fn key_of(&self, bytes: &[u8], key: &mut EncodedKey) -> TableResult<bool> {
        let row = self.table.reader.open(bytes)?;
        key.clear();
        for (place, &column) in self.columns.iter().enumerate() {
            let value = row.column(column)?;
            if value.is_null() {
                return Ok(false);
            }
            codec::push(key, &value, self.r#type(place), false);
        }
        Ok(true)
    }
}

/// The values by which rows are joined to another table, each once.
struct Owners {
    distinct: Vec<Owner>,
    /// For each row its place in `distinct`; behind them where a value is null.
    of_row: Vec<usize>,
}

struct Owner {
    values: SmallVec<[Value<'static>; 1]>,
    key: EncodedKey,
}

impl Owners {
    fn of(family: &Family<'_>, columns: &[usize], other: Joined<'_>, environment: &Environment) -> TableResult<Self> {
        let mut places: HashMap<EncodedKey, usize> = HashMap::new();
        let mut distinct = Vec::new();
        let mut of_row = Vec::with_capacity(family.rows.len());
        for place in 0..family.rows.len() {
            let row = family.table.reader.open(family.rows.get(place).bytes)?;
            let mut owner = Owner { values: SmallVec::new(), key: EncodedKey::new() };
            for (at, &column) in columns.iter().enumerate() {
                let from = family.table.schema.columns[column].r#type;
                let Some(value) = converted(row.column(column)?, from, other.r#type(at), environment) else {
                    break;
                };
                codec::push(&mut owner.key, &value, other.r#type(at), false);
                owner.values.push(value);
            }
            if owner.values.len() < columns.len() {
                of_row.push(usize::MAX);
                continue;
            }
            let next = distinct.len();
            let place = *places.entry(owner.key.clone()).or_insert(next);
            if place == next {
                distinct.push(owner);
            }
            of_row.push(place);
        }
        for place in &mut of_row {
            *place = (*place).min(distinct.len());
        }
        Ok(Self { distinct, of_row })
    }
}

/// The value that a column of another type would have to equal this one; none where it cannot, as for null.
fn converted(value: Value<'_>, from: Type, to: Type, environment: &Environment) -> Option<Value<'static>> {
    if value.is_null() {
        return None;
    }
    let is_whole = |r#type: Type| matches!(r#type.scalar, Scalar::SmallInt | Scalar::Integer | Scalar::BigInt);
    let is_text = |r#type: Type| matches!(r#type.scalar, Scalar::Text | Scalar::Varchar(_));
    if from == to
        || (from.is_array == to.is_array && ((is_whole(from) && is_whole(to)) || (is_text(from) && is_text(to))))
    {
        return Some(value.into_owned());
    }
    let there = types::cast(value.clone(), from, to, environment).ok()?;
    let back = types::cast(there.clone(), to, from, environment).ok()?;
    types::equal(&back, &value).then_some(there)
}

/// Rows, and which of them each owner has.
struct Found<'c> {
    rows: HeldRows<'c>,
    lists: Vec<Vec<usize>>,
    is_ordered: bool,
}

/// Looks for rows by their columns.
struct Finder<'f, 'c> {
    of: Joined<'c>,
    filter: &'f Filter<'c>,
    order: &'f [Order],
    /// More rows of an owner are not needed, once they come in order.
    rows_max: Option<u64>,
    context: &'c QueryContext<'c>,
}

impl<'c> Finder<'_, 'c> {
    fn find(&self, owners: &[Owner], view: &mut dyn View) -> TableResult<Found<'c>> {
        let lists = owners.iter().map(|_| Vec::new()).collect();
        let mut found = Found { rows: HeldRows::new(self.context), lists, is_ordered: self.order.is_empty() };
        if owners.is_empty() || self.rows_max == Some(0) {
            return Ok(found);
        }
        let lookup =
            if self.context.scans_only { None } else { Lookup::of(self.of.table, self.of.columns, self.order) };
        match lookup {
            None => self.pass_over(owners, &mut found, view)?,
            Some(lookup) => {
                found.is_ordered |= lookup.is_unique || lookup.direction.is_some();
                let mut sorted: Vec<usize> = (0..owners.len()).collect();
                sort_by(&mut sorted, |&left, &right| owners[left].key.cmp(&owners[right].key));
                if lookup.is_unique {
                    self.by_unique_key(&lookup, owners, &sorted, &mut found, view)?;
                } else {
                    self.by_key(&lookup, owners, &sorted, &mut found, view)?;
                }
            }
        }
        Ok(found)
    }

    /// Takes a row of an owner, if it passes.
    fn take(&self, found: &mut Found<'c>, owner: usize, row: StoredRow<'_>) -> TableResult<()> {
        if self.filter.passes_alone(row, self.context)? {
            found.lists[owner].push(found.rows.len());
            found.rows.push(row)?;
        }
        Ok(())
    }

    /// Looks at all rows of the table.
    fn pass_over(&self, owners: &[Owner], found: &mut Found<'c>, view: &mut dyn View) -> TableResult<()> {
        let places: HashMap<&[u8], usize> = owners.iter().enumerate().map(|(at, owner)| (&owner.key[..], at)).collect();
        let plan = scan(self.of.table);
        let mut key = EncodedKey::new();
        Source::new(self.of.table, &plan).visit(view, self.context, &mut |row| {
            if self.of.key_of(row.bytes, &mut key)?
                && let Some(&owner) = places.get(&key[..])
            {
                self.take(found, owner, row)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    /// One row for each owner at most.
    fn by_unique_key(
        &self,
        lookup: &Lookup,
        owners: &[Owner],
        sorted: &[usize],
        found: &mut Found<'c>,
        view: &mut dyn View,
    ) -> TableResult<()> {
        for chunk in sorted.chunks(FETCHED_ROWS_MAX) {
            let mut wanted: Vec<(usize, EncodedKey)> =
                chunk.iter().map(|&owner| (owner, lookup.key(&owners[owner].values))).collect();
            if let Some(index) = lookup.index {
                let shape = &self.of.table.entries[index];
                let mut rows = Vec::with_capacity(wanted.len());
                get_each(&wanted, view, self.context, &mut |owner, entry| {
                    rows.push((owner, key_of_row(self.of.table, shape.row_key(entry.key, entry.bytes)?)));
                    Ok(())
                })?;
                wanted = rows;
            }
            get_each(&wanted, view, self.context, &mut |owner, row| self.take(found, owner, row))?;
        }
        Ok(())
    }

    /// Several rows for each owner.
    fn by_key(
        &self,
        lookup: &Lookup,
        owners: &[Owner],
        sorted: &[usize],
        found: &mut Found<'c>,
        view: &mut dyn View,
    ) -> TableResult<()> {
        let direction = lookup.direction.unwrap_or(Direction::Forward);
        // With something left to filter or sort it is not known yet which rows are the first.
        let rows_max = self.rows_max.filter(|_| found.is_ordered && !self.filter.looks_beyond());
        let rows_max = rows_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        let shape = lookup.index.map(|index| &self.of.table.entries[index]);
        let entries_max = if self.filter.has_alone() { usize::MAX } else { rows_max };
        let mut pending: Vec<(usize, EncodedKey)> = Vec::new();
        for &owner in sorted {
            let mut outcome = Ok(());
            let mut entries = 0;
            view.visit(&lookup.range(&owners[owner].values), direction, &mut |key, header, bytes| {
                entries += 1;
                outcome = self.context.examine(bytes.len()).and_then(|()| match shape {
                    None => self.take(found, owner, StoredRow { key, version: header.version, bytes }),
                    Some(shape) => {
                        pending.push((owner, key_of_row(self.of.table, shape.row_key(key, bytes)?)));
                        Ok(())
                    }
                });
                let has_enough = entries >= entries_max || found.lists[owner].len() >= rows_max;
                if outcome.is_err() || has_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            outcome?;
            if pending.len() >= FETCHED_ROWS_MAX {
                self.take_each(&mut pending, found, view)?;
            }
        }
        self.take_each(&mut pending, found, view)
    }

    fn take_each(
        &self,
        pending: &mut Vec<(usize, EncodedKey)>,
        found: &mut Found<'c>,
        view: &mut dyn View,
    ) -> TableResult<()> {
        for chunk in pending.chunks(FETCHED_ROWS_MAX) {
            get_each(chunk, view, self.context, &mut |owner, row| self.take(found, owner, row))?;
        }
        pending.clear();
        Ok(())
    }
}

/// Shows `see` the entry of each key with the key's owner.
fn get_each(
    wanted: &[(usize, EncodedKey)],
    view: &mut dyn View,
    context: &QueryContext<'_>,
    see: &mut dyn FnMut(usize, StoredRow<'_>) -> TableResult<()>,
) -> TableResult<()> {
    let keys: Vec<&[u8]> = wanted.iter().map(|(_, key)| &key[..]).collect();
    let mut outcome = Ok(());
    view.get_many(&keys, &mut |place, header, bytes| {
        let row = StoredRow { key: keys[place], version: header.version, bytes };
        outcome = context.examine(bytes.len()).and_then(|()| see(wanted[place].0, row));
        if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    outcome
}
