//! A select whose rows are shown piece by piece, all at one state of the data.
//!
//! Between two pieces there is only [`Progress`], which borrows nothing: the query's place in its plan, or the rows and groups that had to
//! be complete before the first was shown. Each piece is a run of the same code that shows a whole answer.

use std::sync::Arc;

use super::context::{QueryContext, Spent};
use super::groups::{GroupRow, GroupRows, Grouping};
use super::output::Shower;
use super::page::{Page, Reading, Supply};
use super::rows::Shown;
use super::source::{Source, SourcePlace};
use super::{Paging, check_depth, filter_of, groups_of, output, page_of, plan_of, selected};
use crate::engine::View;
use crate::tables::TableResult;
use crate::tables::query::bound::Select;
use crate::tables::query::plan::Plan;
use crate::tables::query::{Cell, OutputColumn, RowSink, Selected};

/// Rows that are worked on at once at first, where rows of other tables belong to them: how much these are is not known yet.
const BATCH_ROWS_AT_FIRST: usize = 64;

/// How far a select has come.
#[derive(Debug)]
pub(crate) struct Progress {
    paging: Paging,
    plan: Plan,
    spent: Spent,
    state: State,
}

#[derive(Debug)]
enum State {
    Begun,
    Reading { place: SourcePlace, reading: Reading },
    Grouped { rows: std::vec::IntoIter<GroupRow>, selected: Selected, held_bytes: usize },
}

impl Progress {
    /// Begins a select.
    ///
    /// # Errors
    /// 54000 for its depth.
    pub(crate) fn begin(select: &Select, context: &QueryContext<'_>, paging: Paging) -> TableResult<Self> {
        check_depth(select, context.limits.query_depth_max)?;
        let plan = plan_of(select, context, paging);
        Ok(Self { paging, plan, spent: context.spent(), state: State::Begun })
    }

    /// What it has used of its limits.
    pub(crate) fn spent(&self) -> Spent {
        self.spent
    }

    /// Bytes of rows and groups that are held between two pieces.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Grouped { held_bytes, .. } => *held_bytes,
            State::Begun | State::Reading { .. } => self.spent.held_bytes,
        }
    }

    /// Shows `sink` rows until it is full. What the select answers, once there are no more.
    ///
    /// # Errors
    /// As `select`. Nothing can be shown after one.
    pub(crate) fn go_on<'c>(
        &mut self,
        select: &'c Select,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
        sink: &mut dyn RowSink,
    ) -> TableResult<Option<Selected>> {
        if matches!(self.state, State::Begun) {
            sink.begin(&output::columns(select))?;
            self.prepare(select, view, context)?;
        }
        let done = match &mut self.state {
            State::Begun => None,
            State::Grouped { rows, selected, .. } => {
                show_groups(select, rows, context, sink)?.then(|| selected.clone())
            }
            State::Reading { place, reading } => {
                let page = page_of(select, &self.plan, self.paging);
                let source = Source::resumed(&select.table, &self.plan, std::mem::take(place));
                let mut supply = Supply::Planned(source);
                let mut shown = Shown::new(select, context, sink);
                let is_over = page.go_on(reading, &mut supply, view, context, &mut shown)?;
                *place = supply.into_place();
                is_over.then(|| selected(page.outcome(reading)))
            }
        };
        self.spent = context.spent();
        Ok(done)
    }

    /// What the select will answer besides its rows: counted without a look at what is shown of them. From then on it counts no more than it
    /// shows.
    ///
    /// # Errors
    /// As `select`.
    pub(crate) fn measure<'c>(
        &mut self,
        select: &'c Select,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
    ) -> TableResult<Selected> {
        self.prepare(select, view, context)?;
        let (place, reading) = match &mut self.state {
            State::Grouped { selected, .. } => return Ok(selected.clone()),
            State::Reading { place, reading } => (place, reading),
            State::Begun => return Ok(Selected::default()),
        };
        let page = page_of(select, &self.plan, self.paging);
        let Some(mut counting) = reading.counting() else { return Ok(selected(page.outcome(reading))) };
        let mut supply = Supply::Planned(Source::resumed(&select.table, &self.plan, place.clone()));
        let mut uncounted = Uncollected;
        let mut shown = Shown::new(select, context, &mut uncounted);
        while !page.go_on(&mut counting, &mut supply, view, context, &mut shown)? {}
        reading.stop_counting();
        Ok(selected(page.outcome(&counting)))
    }

    /// Makes the groups, or the place before the first row.
    fn prepare<'c>(
        &mut self,
        select: &'c Select,
        view: &mut dyn View,
        context: &'c QueryContext<'c>,
    ) -> TableResult<()> {
        if !matches!(self.state, State::Begun) {
            return Ok(());
        }
        let mut supply = Supply::Planned(Source::new(&select.table, &self.plan));
        self.state = if select.is_grouped {
            let filter = filter_of(select, &self.plan);
            let groups = groups_of(select, filter, &mut supply, view, context, self.paging)?;
            let selected = groups.selected(self.paging.count);
            let GroupRows { rows, held_bytes, .. } = groups;
            State::Grouped { rows: rows.into_iter(), selected, held_bytes }
        } else {
            let page: Page<'_> = page_of(select, &self.plan, self.paging);
            let reading = page.begin(&mut supply, BATCH_ROWS_AT_FIRST);
            State::Reading { place: supply.into_place(), reading }
        };
        Ok(())
    }
}

/// Shows groups until `sink` is full. Whether there are no more.
fn show_groups(
    select: &Select,
    rows: &mut std::vec::IntoIter<GroupRow>,
    context: &QueryContext<'_>,
    sink: &mut dyn RowSink,
) -> TableResult<bool> {
    if !sink.wants_rows() {
        return Ok(true);
    }
    let grouping = Arc::new(Grouping::of(select));
    let mut shower = Shower::new(select, context.environment);
    for row in rows {
        shower.show_group(&grouping, &row, sink)?;
        if sink.is_full() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes no rows: they are counted.
struct Uncollected;

impl RowSink for Uncollected {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        Ok(())
    }

    fn wants_rows(&self) -> bool {
        false
    }

    fn row(&mut self, _cells: &[Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}
