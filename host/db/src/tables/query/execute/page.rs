//! The rows of a page: filtered, in order, without those before and behind it; and how many there are in all.

use std::ops::ControlFlow;

use super::context::QueryContext;
use super::embed;
use super::filter::Filter;
use super::held::{Alone, Family, HeldRows};
use super::order::write_terms;
use super::sorter::{SortedRows, Sorter};
use super::source::{See, Source, SourcePlace};
use super::stored::StoredRow;
use super::wants::Wants;
use crate::engine::View;
use crate::tables::TableResult;
use crate::tables::query::Count;
use crate::tables::query::bound::Select;

/// Rows that are worked on at once where rows of other tables belong to them, and their bytes.
const BATCH_ROWS: usize = 1_000;
const BATCH_ROWS_MIN: usize = 64;
const BATCH_BYTES: usize = 1 << 20;
/// Rows up to which an estimated count is exact.
const COUNTED_ROWS: u64 = 1_000;

/// Where rows come from.
pub(super) enum Supply<'c> {
    /// From the table, as a plan says.
    Planned(Source<'c>),
    /// They are given; so many have been seen.
    Given(&'c [StoredRow<'c>], usize),
    /// The same, and each counts as examined.
    Examined(&'c [StoredRow<'c>], usize),
}

impl Supply<'_> {
    /// Shows `see` the rows that are left until it stops. Whether all have been shown.
    fn visit(&mut self, view: &mut dyn View, context: &QueryContext<'_>, see: &mut See<'_>) -> TableResult<bool> {
        match self {
            Self::Planned(source) => source.visit(view, context, see),
            Self::Given(rows, next) => visit_given(rows, next, see),
            Self::Examined(rows, next) => {
                visit_given(rows, next, &mut |row| context.examine(row.bytes.len()).and_then(|()| see(row)))
            }
        }
    }

    /// How far the rows of a plan were read.
    pub(super) fn into_place(self) -> SourcePlace {
        match self {
            Self::Planned(source) => source.into_place(),
            Self::Given(..) | Self::Examined(..) => SourcePlace::default(),
        }
    }

    /// Says that so many rows will be wanted.
    fn expect(&mut self, rows: u64) {
        match self {
            Self::Planned(source) => source.expect(rows),
            Self::Given(..) | Self::Examined(..) => {}
        }
    }

    /// Counts the rows that are left, which all pass.
    fn count(&mut self, view: &mut dyn View, context: &QueryContext<'_>) -> TableResult<u64> {
        match self {
            Self::Planned(source) => source.count(view, context),
            Self::Given(rows, next) | Self::Examined(rows, next) => Ok((rows.len() - *next) as u64),
        }
    }
}

fn visit_given(rows: &[StoredRow<'_>], next: &mut usize, see: &mut See<'_>) -> TableResult<bool> {
    while let Some(&row) = rows.get(*next) {
        *next += 1;
        if see(row)?.is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the rows of a page in their order.
pub(super) trait Take<'c> {
    /// Whether it takes rows one by one where they are stored, or with what belongs to them.
    fn takes_alone(&self) -> bool;

    /// Takes a row.
    fn alone(&mut self, row: StoredRow<'_>) -> TableResult<()>;

    /// Takes rows.
    fn batch(&mut self, rows: HeldRows<'c>, view: &mut dyn View) -> TableResult<()>;

    /// Whether it takes no more for now: the page goes on behind what was taken.
    fn is_full(&self) -> bool {
        false
    }
}

/// Which rows a page has.
pub(super) struct Page<'c> {
    pub(super) select: &'c Select,
    pub(super) filter: Filter<'c>,
    /// Whether the rows that are supplied must be sorted.
    pub(super) is_sorted_here: bool,
    pub(super) offset: u64,
    pub(super) limit: Option<u64>,
    pub(super) count: Count,
    /// The planner's estimate of all rows.
    pub(super) rows_estimate: u64,
}

/// What became of the rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome {
    pub(super) skipped: u64,
    pub(super) taken: u64,
    pub(super) total: Option<u64>,
}

/// Where in a page a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Before,
    Within,
    Behind,
}

/// How far a page was read. Nothing of it is borrowed: the page may go on in another context, at the same state of the data.
#[derive(Debug)]
pub(super) struct Reading {
    counter: Counter,
    /// How many rows are tried at once where more than their own bytes decides.
    tried: usize,
    /// Rows that are worked on at once where rows of other tables belong to them. It follows what one who takes pieces takes at a time.
    batch_rows: usize,
    sorted: Option<SortedRows>,
    is_over: bool,
    /// Whether all rows were seen, so that the count is exact.
    is_whole: bool,
}

impl Reading {
    /// The same place, for one who only counts what is left. None where rows are sorted: these were counted.
    pub(super) fn counting(&self) -> Option<Self> {
        let counting = Self { sorted: None, batch_rows: BATCH_ROWS, ..*self };
        self.sorted.is_none().then_some(counting)
    }

    /// Counts no more rows than the page has.
    pub(super) fn stop_counting(&mut self) {
        self.counter.counted_to = 0;
        self.is_over |= self.counter.is_done();
    }
}

fn counted_to(count: Count) -> u64 {
    match count {
        Count::None | Count::Planned => 0,
        Count::Exact => u64::MAX,
        Count::Estimated => COUNTED_ROWS + 1,
    }
}

/// Counts the rows that pass.
#[derive(Debug, Clone, Copy)]
struct Counter {
    offset: u64,
    /// The first row behind the page.
    end: u64,
    /// Rows behind the page are counted up to this one.
    counted_to: u64,
    passed: u64,
}

impl Counter {
    fn next(&mut self) -> Where {
        let place = self.passed;
        self.passed += 1;
        match place {
            place if place < self.offset => Where::Before,
            place if place < self.end => Where::Within,
            _ => Where::Behind,
        }
    }

    fn is_page_full(&self) -> bool {
        self.passed >= self.end
    }

    /// Whether no more rows are needed, for the page or the count.
    fn is_done(&self) -> bool {
        self.passed >= self.end.max(self.counted_to)
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl<'c> Page<'c> {
    /// Hands the rows of the page to `take`.
    pub(super) fn run(
        &self,
        supply: &mut Supply<'c>,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
        take: &mut dyn Take<'c>,
    ) -> TableResult<Outcome> {
        let mut reading = self.begin(supply, BATCH_ROWS);
        while !self.go_on(&mut reading, supply, view, context, take)? {}
        Ok(self.outcome(&reading))
    }

    fn end(&self) -> u64 {
        self.limit.map_or(u64::MAX, |limit| self.offset.saturating_add(limit))
    }

    /// The place before the first row. `batch_rows`: how many rows are worked on at once at first, where others belong to them.
    pub(super) fn begin(&self, supply: &mut Supply<'c>, batch_rows: usize) -> Reading {
        let end = self.end();
        if self.filter.passes_all() && !self.is_sorted_here {
            supply.expect(end);
        }
        let counter = Counter { offset: self.offset, end, counted_to: counted_to(self.count), passed: 0 };
        // How many of the rows will pass is not known: more and more are tried.
        let tried = if self.filter.looks_beyond() { BATCH_ROWS_MIN } else { 0 };
        let is_over = counter.is_done();
        Reading { counter, tried, batch_rows, sorted: None, is_over, is_whole: false }
    }

    /// Hands rows to `take` until it is full or the page is over, which is the answer.
    pub(super) fn go_on(
        &self,
        reading: &mut Reading,
        supply: &mut Supply<'c>,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
        take: &mut dyn Take<'c>,
    ) -> TableResult<bool> {
        if !reading.is_over {
            let step = if self.is_sorted_here {
                self.run_sorted(reading, supply, view, context, take)?
            } else if self.filter.looks_beyond() || !take.takes_alone() {
                self.run_batches(reading, supply, view, context, take)?
            } else {
                self.run_alone(&mut reading.counter, supply, view, context, take)?
            };
            reading.is_over = step != Step::Full;
            reading.is_whole |= step == Step::Whole;
        }
        Ok(reading.is_over)
    }

    /// What became of the rows of a page that is over.
    pub(super) fn outcome(&self, reading: &Reading) -> Outcome {
        let passed = reading.counter.passed;
        let skipped = passed.min(self.offset);
        let total = match self.count {
            Count::None => None,
            Count::Planned => Some(self.rows_estimate),
            _ if reading.is_whole => Some(passed),
            _ => Some(self.rows_estimate.max(passed)),
        };
        Outcome { skipped, taken: passed.min(self.end()) - skipped, total }
    }

    /// Rows one by one, where they are stored.
    fn run_alone(
        &self,
        counter: &mut Counter,
        supply: &mut Supply<'c>,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
        take: &mut dyn Take<'c>,
    ) -> TableResult<Step> {
        // Once the page is full, rows that all pass are counted without a look at them.
        let counts_keys = self.filter.passes_all() && counter.counted_to == u64::MAX;
        if !(counts_keys && counter.is_page_full()) {
            let mut is_taken = false;
            let is_whole = supply.visit(view, context, &mut |row| {
                if !self.filter.passes_alone(row, context)? {
                    return Ok(ControlFlow::Continue(()));
                }
                if counter.next() == Where::Within {
                    take.alone(row)?;
                    if take.is_full() {
                        is_taken = true;
                        return Ok(ControlFlow::Break(()));
                    }
                }
                if counts_keys && counter.is_page_full() { Ok(ControlFlow::Break(())) } else { Ok(counter.flow()) }
            })?;
            if is_taken {
                return Ok(if counter.is_done() { Step::Enough } else { Step::Full });
            }
            if is_whole || !counts_keys {
                return Ok(Step::done(is_whole));
            }
        }
        counter.passed += supply.count(view, context)?;
        Ok(Step::Whole)
    }

    /// Rows in batches, with what belongs to them.
    fn run_batches(
        &self,
        reading: &mut Reading,
        supply: &mut Supply<'c>,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
        take: &mut dyn Take<'c>,
    ) -> TableResult<Step> {
        let looks_beyond = self.filter.looks_beyond();
        let counter = &mut reading.counter;
        loop {
            let mut rows = HeldRows::new(context);
            let wanted = batch_rows(counter).max(reading.tried).min(reading.batch_rows);
            reading.tried = (reading.tried * 2).min(BATCH_ROWS);
            let is_whole = supply.visit(view, context, &mut |row| {
                if !self.filter.passes_alone(row, context)? {
                    return Ok(ControlFlow::Continue(()));
                }
                if looks_beyond || counter.next() == Where::Within {
                    rows.push(row)?;
                }
                let is_full = rows.len() >= wanted || rows.bytes() >= BATCH_BYTES;
                if is_full { Ok(ControlFlow::Break(())) } else { Ok(counter.flow()) }
            })?;
            if looks_beyond {
                let mut family = Family::new(&self.select.table, rows);
                let mut within = embed::passing(&self.filter, &mut family, view, context)?;
                rows = family.rows;
                within.retain(|_| counter.next() == Where::Within);
                rows.keep(&within);
            }
            if rows.len() > 0 {
                take.batch(rows, view)?;
            }
            if is_whole || counter.is_done() {
                return Ok(Step::done(is_whole));
            }
            if take.is_full() {
                // What belongs to one row may be more than a piece; of small rows a piece takes many.
                reading.batch_rows = (reading.batch_rows / 2).max(1);
                return Ok(Step::Full);
            }
            reading.batch_rows = (reading.batch_rows * 2).min(BATCH_ROWS);
        }
    }

    /// All rows, sorted, then those of the page.
    fn run_sorted(
        &self,
        reading: &mut Reading,
        supply: &mut Supply<'c>,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
        take: &mut dyn Take<'c>,
    ) -> TableResult<Step> {
        let mut sorted = if let Some(sorted) = reading.sorted.take() {
            sorted
        } else {
            let mut sorted = self.sort(reading.counter.end, supply, view, context)?;
            sorted.skip(reading.counter.offset, context)?;
            reading.counter.passed = sorted.count();
            reading.is_whole = true;
            sorted
        };
        loop {
            let mut rows = HeldRows::new(context);
            let is_last = sorted.visit(view, context, &mut |row| {
                let is_full = if take.takes_alone() {
                    take.alone(row)?;
                    take.is_full()
                } else {
                    rows.push(row)?;
                    rows.len() >= reading.batch_rows || rows.bytes() >= BATCH_BYTES
                };
                Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if rows.len() > 0 {
                take.batch(rows, view)?;
            }
            if is_last {
                sorted.give_up(context);
                return Ok(Step::Whole);
            }
            if take.is_full() {
                reading.batch_rows = (reading.batch_rows / 2).max(1);
                reading.sorted = Some(sorted);
                return Ok(Step::Full);
            }
            reading.batch_rows = (reading.batch_rows * 2).min(BATCH_ROWS);
        }
    }

    /// The rows that pass, up to the last one of the page.
    fn sort(
        &self,
        end: u64,
        supply: &mut Supply<'c>,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
    ) -> TableResult<SortedRows> {
        let order = &self.select.order;
        let wants = Wants::of_order(self.select);
        let has_keys = matches!(supply, Supply::Planned(_));
        let mut sorter = Sorter::new(context, Some(end).filter(|&end| end != u64::MAX), has_keys);
        let mut terms = Vec::new();
        if wants.is_empty() && !self.filter.looks_beyond() {
            supply.visit(view, context, &mut |row| {
                if self.filter.passes_alone(row, context)? {
                    write_terms(order, &Alone::new(&self.select.table, row, context)?, &mut terms)?;
                    sorter.push(&terms, row)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
            return sorter.finish();
        }
        loop {
            let mut rows = HeldRows::new(context);
            let is_whole = supply.visit(view, context, &mut |row| {
                if self.filter.passes_alone(row, context)? {
                    rows.push(row)?;
                }
                let is_full = rows.len() >= BATCH_ROWS || rows.bytes() >= BATCH_BYTES;
                Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            let mut family = Family::new(&self.select.table, rows);
            if self.filter.looks_beyond() {
                let kept = embed::passing(&self.filter, &mut family, view, context)?;
                family.rows.keep(&kept);
            }
            embed::fetch(self.select, &mut family, &wants, view, context)?;
            for place in 0..family.rows.len() {
                write_terms(order, &family.row(place)?, &mut terms)?;
                sorter.push(&terms, family.rows.get(place))?;
            }
            if is_whole {
                return sorter.finish();
            }
        }
    }
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Who takes the rows is full.
    Full,
    /// No more rows are needed.
    Enough,
    /// All rows were seen.
    Whole,
}

impl Step {
    fn done(is_whole: bool) -> Self {
        if is_whole { Self::Whole } else { Self::Enough }
    }
}

/// How many rows are collected: no more than the page needs, as far as that is known.
fn batch_rows(counter: &Counter) -> usize {
    match counter.end.saturating_sub(counter.passed) {
        // They are only counted.
        0 => BATCH_ROWS,
        needed => usize::try_from(needed).unwrap_or(usize::MAX),
    }
}
