//! A select's filter, in what a row alone can answer and what needs rows of other tables.

use smallvec::SmallVec;

use super::context::QueryContext;
use super::evaluate::{Values, holds};
use super::held::Alone;
use super::stored::StoredRow;
use super::wants::{Wants, looks_beyond};
use crate::tables::TableResult;
use crate::tables::query::bound::{Predicate, Select};

/// The filter of a select, with its `!inner` embeds.
pub(super) struct Filter<'s> {
    pub(super) select: &'s Select,
    /// Parts that a row alone answers.
    alone: SmallVec<[&'s Predicate; 4]>,
    /// Parts that need rows of other tables.
    beyond: SmallVec<[&'s Predicate; 2]>,
    wants: Wants,
}

impl<'s> Filter<'s> {
    pub(super) fn of(select: &'s Select) -> Self {
        let mut filter = Self::inner_only(select);
        if let Some(predicate) = &select.filter {
            filter.wants = Wants::of_filter(select);
            filter.add(predicate);
        }
        filter
    }

    /// Of rows that are given: only `!inner` counts.
    pub(super) fn inner_only(select: &'s Select) -> Self {
        let has_inner = select.embeds.iter().any(|embed| embed.is_inner);
        let wants = if has_inner { Wants::of_inner(select) } else { Wants::default() };
        Self { select, alone: SmallVec::new(), beyond: SmallVec::new(), wants }
    }

    /// Every row of any table passes.
    pub(super) fn none(select: &'s Select) -> Self {
        Self { select, alone: SmallVec::new(), beyond: SmallVec::new(), wants: Wants::default() }
    }

    /// Whether a row alone decides about something.
    pub(super) fn has_alone(&self) -> bool {
        !self.alone.is_empty()
    }

    fn add(&mut self, predicate: &'s Predicate) {
        match predicate {
            Predicate::And(parts) => parts.iter().for_each(|part| self.add(part)),
            part if looks_beyond(part) => self.beyond.push(part),
            part => self.alone.push(part),
        }
    }

    /// Forgets what a row alone answers, because the plan reads only rows that pass.
    pub(super) fn without_alone(mut self) -> Self {
        self.alone.clear();
        self
    }

    /// Whether rows of other tables decide.
    pub(super) fn looks_beyond(&self) -> bool {
        !self.wants.is_empty() || !self.beyond.is_empty()
    }

    /// Whether every row passes.
    pub(super) fn passes_all(&self) -> bool {
        self.alone.is_empty() && !self.looks_beyond()
    }

    /// Whether a row passes, as far as it can tell alone.
    #[inline]
    pub(super) fn passes_alone(&self, row: StoredRow<'_>, context: &QueryContext<'_>) -> TableResult<bool> {
        if self.alone.is_empty() {
            return Ok(true);
        }
        all_hold(&self.alone, &Alone::new(&self.select.table, row, context)?)
    }

    /// What must be fetched before [`passes_beyond`](Self::passes_beyond) is asked.
    pub(super) fn wants(&self) -> &Wants {
        &self.wants
    }

    /// Whether a row with what belongs to it passes, as far as that decides.
    pub(super) fn passes_beyond<V: Values>(&self, row: &V) -> TableResult<bool> {
        Ok(has_inner(self.select, row)? && all_hold(&self.beyond, row)?)
    }
}

/// Whether a row has rows of each `!inner` embed.
fn has_inner<V: Values>(select: &Select, row: &V) -> TableResult<bool> {
    for (place, _) in select.embeds.iter().enumerate().filter(|(_, embed)| embed.is_inner) {
        if !row.exists(place)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn all_hold<V: Values>(predicates: &[&Predicate], row: &V) -> TableResult<bool> {
    for predicate in predicates {
        if holds(predicate, row)? != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}
