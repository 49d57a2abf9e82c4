//! What is done with the rows of a page: shown, grouped, or handed on as they are stored.

use std::sync::Arc;

use super::context::QueryContext;
use super::embed;
use super::groups::{Grouping, Groups};
use super::held::{Alone, Family, HeldRows};
use super::output::{Shape, Shower, needs_only_itself};
use super::page::Take;
use super::stored::{SeeRow, StoredRow};
use super::wants::Wants;
use crate::engine::{EntryHeader, View};
use crate::tables::query::RowSink;
use crate::tables::query::bound::Select;
use crate::tables::{TableResult, code};

/// Shows rows to a sink.
pub(super) struct Shown<'c, 's> {
    select: &'c Select,
    context: &'c QueryContext<'c>,
    wants: Wants,
    needs_only_itself: bool,
    shower: Shower<'c>,
    sink: &'s mut dyn RowSink,
}

impl<'c, 's> Shown<'c, 's> {
    pub(super) fn new(select: &'c Select, context: &'c QueryContext<'c>, sink: &'s mut dyn RowSink) -> Self {
        let needs_only_itself = needs_only_itself(select);
        let wants = if needs_only_itself { Wants::default() } else { Wants::of_output(select) };
        Self { select, context, wants, needs_only_itself, shower: Shower::new(select, context.environment), sink }
    }

    /// Shows rows with what belongs to them. Where that is too much to hold at once, for half of them at a time.
    fn show(&mut self, rows: HeldRows<'c>, view: &mut dyn View) -> TableResult<()> {
        let mut family = Family::new(&self.select.table, rows);
        match embed::fetch(self.select, &mut family, &self.wants, view, self.context) {
            Err(error) if error.code == code::LIMIT_EXCEEDED && family.rows.len() > 1 => {
                family.related.clear();
                let (first, second) = family.rows.halves()?;
                self.show(first, view)?;
                return self.show(second, view);
            }
            fetched => fetched?,
        }
        for place in 0..family.rows.len() {
            let row = family.row(place)?;
            self.sink.version(family.rows.get(place).version);
            self.shower.show(&row, self.sink)?;
        }
        Ok(())
    }
}

impl<'c> Take<'c> for Shown<'c, '_> {
    fn takes_alone(&self) -> bool {
        self.needs_only_itself || !self.sink.wants_rows()
    }

    fn alone(&mut self, row: StoredRow<'_>) -> TableResult<()> {
        if !self.sink.wants_rows() {
            return Ok(());
        }
        self.sink.version(row.version);
        self.shower.show_alone(&Alone::new(&self.select.table, row, self.context)?, self.sink)
    }

    fn batch(&mut self, rows: HeldRows<'c>, view: &mut dyn View) -> TableResult<()> {
        if !self.sink.wants_rows() {
            return Ok(());
        }
        self.show(rows, view)
    }

    fn is_full(&self) -> bool {
        self.sink.is_full()
    }
}

/// Groups rows.
pub(super) struct Grouped<'c> {
    select: &'c Select,
    context: &'c QueryContext<'c>,
    wants: Wants,
    shape: Shape<'c>,
    pub(super) groups: Groups<'c>,
}

impl<'c> Grouped<'c> {
    pub(super) fn new(select: &'c Select, grouping: Arc<Grouping<'c>>, context: &'c QueryContext<'c>) -> Self {
        let shape = Shape::of(select, context.environment);
        Self { select, context, wants: Wants::of_output(select), shape, groups: Groups::new(grouping, context) }
    }
}

impl<'c> Take<'c> for Grouped<'c> {
    fn takes_alone(&self) -> bool {
        self.wants.is_empty()
    }

    fn alone(&mut self, row: StoredRow<'_>) -> TableResult<()> {
        self.groups.add(&Alone::new(&self.select.table, row, self.context)?, &[])
    }

    fn batch(&mut self, rows: HeldRows<'c>, view: &mut dyn View) -> TableResult<()> {
        let mut family = Family::new(&self.select.table, rows);
        embed::fetch(self.select, &mut family, &self.wants, view, self.context)?;
        for place in 0..family.rows.len() {
            let row = family.row(place)?;
            self.groups.add(&row, &self.shape.embeds_as_text(&row)?)?;
        }
        Ok(())
    }
}

/// Hands rows on as they are stored.
pub(super) struct Stored<'s, 'r>(pub(super) &'r mut SeeRow<'s>);

impl<'c> Take<'c> for Stored<'_, '_> {
    fn takes_alone(&self) -> bool {
        true
    }

    fn alone(&mut self, row: StoredRow<'_>) -> TableResult<()> {
        (self.0)(row.key, &EntryHeader { version: row.version, modified_ms: 0, expires_at_ms: None }, row.bytes)
    }

    fn batch(&mut self, rows: HeldRows<'c>, _view: &mut dyn View) -> TableResult<()> {
        (0..rows.len()).try_for_each(|place| self.alone(rows.get(place)))
    }
}

/// Takes nothing.
pub(super) struct Nothing;

impl<'c> Take<'c> for Nothing {
    fn takes_alone(&self) -> bool {
        true
    }

    fn alone(&mut self, _row: StoredRow<'_>) -> TableResult<()> {
        Ok(())
    }

    fn batch(&mut self, _rows: HeldRows<'c>, _view: &mut dyn View) -> TableResult<()> {
        Ok(())
    }
}
