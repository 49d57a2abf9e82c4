//! Reads the rows that a plan names, in its order, from where it stopped last.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::context::QueryContext;
use super::stored::StoredRow;
use crate::engine::{Direction, KeyRange, View};
use crate::keyspace::{EncodedKey, space_prefix};
use crate::tables::TableResult;
use crate::tables::codec::EntryShape;
use crate::tables::query::plan::{Access, Plan};
use crate::tables::schema::Table;

/// Rows that are fetched at once: at first, in case few are wanted, and at most.
const FETCHED_ROWS_MIN: usize = 32;
const FETCHED_ROWS_MAX: usize = 512;

/// Sees a row; `Break` stops the reading behind it.
pub(super) type See<'s> = dyn FnMut(StoredRow<'_>) -> TableResult<ControlFlow<()>> + 's;

/// Sees an entry: its key, version and value.
type SeeEntry<'s> = dyn FnMut(&[u8], u64, &[u8]) -> TableResult<ControlFlow<()>> + 's;

/// How far the rows of a plan were read.
#[derive(Debug, Clone)]
pub(super) struct SourcePlace {
    /// The next key or range of the plan, counted in its direction.
    next: usize,
    /// What is left of a range that was begun.
    rest: Option<KeyRange>,
    /// Keys of rows that index entries led to and that are not read yet.
    pending: VecDeque<EncodedKey>,
    fetched_rows: usize,
}

impl Default for SourcePlace {
    fn default() -> Self {
        Self { next: 0, rest: None, pending: VecDeque::new(), fetched_rows: FETCHED_ROWS_MIN }
    }
}

/// The rows of a plan, and how far they were read.
pub(super) struct Source<'p> {
    table: &'p Table,
    plan: &'p Plan,
    place: SourcePlace,
    /// How the entries of the plan's index are read.
    shape: Option<&'p EntryShape>,
}

impl<'p> Source<'p> {
    pub(super) fn new(table: &'p Table, plan: &'p Plan) -> Self {
        Self::resumed(table, plan, SourcePlace::default())
    }

    /// The same rows from where they were read to.
    pub(super) fn resumed(table: &'p Table, plan: &'p Plan, place: SourcePlace) -> Self {
        let shape = match &plan.access {
            Access::Index { index, .. } | Access::Entries { index, .. } => Some(&table.entries[*index]),
            Access::Nothing | Access::Keys(_) | Access::Rows(_) => None,
        };
        Self { table, plan, place, shape }
    }

    /// How far they were read.
    pub(super) fn into_place(self) -> SourcePlace {
        self.place
    }

    /// Says that so many rows will be wanted, if there are as many: they are fetched at once.
    pub(super) fn expect(&mut self, rows: u64) {
        self.place.fetched_rows = usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, FETCHED_ROWS_MAX);
    }

    /// Shows `see` the rows that are left until it stops. Whether all have been shown.
    pub(super) fn visit(
        &mut self,
        view: &mut dyn View,
        context: &QueryContext<'_>,
        see: &mut See<'_>,
    ) -> TableResult<bool> {
        match &self.plan.access {
            Access::Nothing => Ok(true),
            Access::Keys(keys) => self.visit_keys(keys, view, context, see),
            Access::Rows(ranges) => self
                .visit_ranges(ranges, view, context, &mut |key, version, bytes| see(StoredRow { key, version, bytes })),
            Access::Index { .. } | Access::Entries { .. } => loop {
                if self.visit_pending(view, context, see)?.is_break() {
                    return Ok(false);
                }
                if self.fetch_keys(view, context)? && self.place.pending.is_empty() {
                    return Ok(true);
                }
            },
        }
    }

    /// Counts the rows that are left without looking at them. Only where every row that the plan reads passes the filter.
    pub(super) fn count(&mut self, view: &mut dyn View, context: &QueryContext<'_>) -> TableResult<u64> {
        let mut count = self.place.pending.len() as u64;
        self.place.pending.clear();
        let (Access::Rows(ranges) | Access::Index { ranges, .. }) = &self.plan.access else {
            self.visit(view, context, &mut |_| {
                count += 1;
                Ok(ControlFlow::Continue(()))
            })?;
            return Ok(count);
        };
        self.visit_ranges(ranges, view, context, &mut |_, _, _| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    fn visit_keys(
        &mut self,
        keys: &[EncodedKey],
        view: &mut dyn View,
        context: &QueryContext<'_>,
        see: &mut See<'_>,
    ) -> TableResult<bool> {
        while self.place.next < keys.len() {
            let from = self.place.next;
            let count = (keys.len() - from).min(FETCHED_ROWS_MAX);
            let at = |place: usize| match self.plan.direction {
                Direction::Forward => from + place,
                Direction::Reverse => keys.len() - 1 - from - place,
            };
            let stopped = visit_each(count, |place| &keys[at(place)], view, context, see)?;
            self.place.next = from + stopped.map_or(count, |place| place + 1);
            if stopped.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn next_range(&mut self, ranges: &[KeyRange]) -> Option<KeyRange> {
        let place = match self.plan.direction {
            Direction::Forward => self.place.next,
            Direction::Reverse => ranges.len().checked_sub(self.place.next + 1)?,
        };
        self.place.next += 1;
        ranges.get(place).cloned()
    }

    /// Shows the entries of the ranges that are left.
    fn visit_ranges(
        &mut self,
        ranges: &[KeyRange],
        view: &mut dyn View,
        context: &QueryContext<'_>,
        see: &mut SeeEntry<'_>,
    ) -> TableResult<bool> {
        let direction = self.plan.direction;
        loop {
            let Some(range) = self.place.rest.take().or_else(|| self.next_range(ranges)) else {
                return Ok(true);
            };
            let mut stopped = Ok(None);
            view.visit(&range, direction, &mut |key, header, bytes| {
                let examined = context.examine(bytes.len());
                stopped = examined.and_then(|()| see(key, header.version, bytes)).map(|flow| match flow {
                    ControlFlow::Continue(()) => None,
                    ControlFlow::Break(()) => Some(range.after(key, direction)),
                });
                if matches!(stopped, Ok(None)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if let Some(rest) = stopped? {
                self.place.rest = Some(rest);
                return Ok(false);
            }
        }
    }

    /// Collects the keys of the next rows from the index. Whether there are no more.
    fn fetch_keys(&mut self, view: &mut dyn View, context: &QueryContext<'_>) -> TableResult<bool> {
        let wanted = self.place.fetched_rows;
        self.place.fetched_rows = (wanted * 2).min(FETCHED_ROWS_MAX);
        let Some(shape) = self.shape else {
            return Ok(true);
        };
        let table = self.table;
        let mut found = std::mem::take(&mut self.place.pending);
        let mut see = |key: &[u8], value: &[u8]| -> TableResult<ControlFlow<()>> {
            found.push_back(key_of_row(table, shape.row_key(key, value)?));
            Ok(if found.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        let ended = match &self.plan.access {
            Access::Index { ranges, .. } => {
                self.visit_ranges(ranges, view, context, &mut |key, _, value| see(key, value))
            }
            Access::Entries { keys, .. } => {
                self.visit_keys(keys, view, context, &mut |entry| see(entry.key, entry.bytes))
            }
            Access::Nothing | Access::Keys(_) | Access::Rows(_) => Ok(true),
        };
        self.place.pending = found;
        ended
    }

    fn visit_pending(
        &mut self,
        view: &mut dyn View,
        context: &QueryContext<'_>,
        see: &mut See<'_>,
    ) -> TableResult<ControlFlow<()>> {
        let count = self.place.pending.len();
        let pending = &*self.place.pending.make_contiguous();
        if let Some(place) = visit_each(count, |place| &pending[place], view, context, see)? {
            self.place.pending.drain(..=place);
            return Ok(ControlFlow::Break(()));
        }
        self.place.pending.clear();
        Ok(ControlFlow::Continue(()))
    }
}

/// The key of a row, with its space.
pub(super) fn key_of_row(table: &Table, row_key: &[u8]) -> EncodedKey {
    let mut key = EncodedKey::from_slice(&space_prefix(table.schema.rows.0));
    key.extend_from_slice(row_key);
    key
}

/// Shows `see` the entries of so many keys, in their order. The place at which it stopped, if it did.
fn visit_each<'k>(
    count: usize,
    key: impl Fn(usize) -> &'k EncodedKey,
    view: &mut dyn View,
    context: &QueryContext<'_>,
    see: &mut See<'_>,
) -> TableResult<Option<usize>> {
    let keys: smallvec::SmallVec<[&[u8]; FETCHED_ROWS_MIN]> = (0..count).map(|place| &key(place)[..]).collect();
    let mut stopped = Ok(None);
    view.get_many(&keys, &mut |place, header, bytes| {
        let row = StoredRow { key: keys[place], version: header.version, bytes };
        stopped = context.examine(bytes.len()).and_then(|()| see(row)).map(|flow| flow.is_break().then_some(place));
        if matches!(stopped, Ok(None)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    stopped
}
