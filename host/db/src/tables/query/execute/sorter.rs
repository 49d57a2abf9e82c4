//! Sorting rows by their terms, within what a query may hold.
//!
//! Rows are collected in runs, each sorted when it is full, and the runs are merged as the rows are shown: no step takes longer than a run
//! does, and between two steps the query asks whether to stop. Where a limit says that only the first rows are wanted, a heap keeps these.
//! Rows that are too many to be held are held without their bytes, by terms and key, and read again when it is their turn.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;

use super::context::QueryContext;
use super::source::See;
use super::stored::StoredRow;
use crate::engine::View;
use crate::tables::TableResult;
use crate::tables::sort::sort_by;

/// Rows and bytes of a run: sorting one takes milliseconds.
const RUN_ROWS_MAX: usize = 16_384;
const RUN_BYTES_MAX: usize = 1 << 20;
/// Rows that are read again at once.
const READ_ROWS_MAX: usize = 256;

/// Where a row is in the buffer of its run: its terms, behind them its key and its bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    terms_bytes: u32,
    key_bytes: u32,
    row_bytes: usize,
    version: u64,
    /// Its place among the rows that came.
    came: u64,
}

/// Some rows, in order once it is full.
#[derive(Debug, Default)]
struct Run {
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// The next one to show.
    next: usize,
}

impl Run {
    fn push(&mut self, row: &OneRow<'_>) {
        let start = self.bytes.len();
        for part in [row.terms, row.key, row.bytes] {
            self.bytes.extend_from_slice(part);
        }
        let short = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let (terms_bytes, key_bytes, row_bytes) = (short(row.terms), short(row.key), row.bytes.len());
        let (version, came) = (row.version, row.came);
        self.places.push(Place { start, terms_bytes, key_bytes, row_bytes, version, came });
    }

    fn is_full(&self) -> bool {
        self.places.len() >= RUN_ROWS_MAX || self.bytes.len() >= RUN_BYTES_MAX
    }

    fn row(&self, place: &Place) -> OneRow<'_> {
        let (terms, rest) = self.bytes[place.start..].split_at(place.terms_bytes as usize);
        let (key, rest) = rest.split_at(place.key_bytes as usize);
        OneRow { terms, key, bytes: &rest[..place.row_bytes], version: place.version, came: place.came }
    }

    fn first(&self) -> Option<OneRow<'_>> {
        self.places.get(self.next).map(|place| self.row(place))
    }

    fn sort(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        sort_by(&mut places, |left, right| self.row(left).compare(&self.row(right)));
        places.shrink_to_fit();
        self.places = places;
        self.bytes.shrink_to_fit();
    }

    /// The same rows without their bytes.
    fn without_bytes(&self) -> Self {
        let mut keys = Self::default();
        for place in &self.places {
            keys.push(&OneRow { bytes: &[], ..self.row(place) });
        }
        keys.bytes.shrink_to_fit();
        keys.places.shrink_to_fit();
        keys
    }
}

/// A row with its terms.
#[derive(Clone, Copy)]
struct OneRow<'r> {
    terms: &'r [u8],
    key: &'r [u8],
    /// None of those that are read again.
    bytes: &'r [u8],
    version: u64,
    came: u64,
}

impl OneRow<'_> {
    /// Rows with the same terms stay as they came.
    fn compare(&self, other: &Self) -> Ordering {
        self.terms.cmp(other.terms).then(self.came.cmp(&other.came))
    }

    /// What it weighs in a run.
    fn held_bytes(&self) -> usize {
        self.terms.len() + self.key.len() + self.bytes.len() + size_of::<Place>()
    }
}

/// A row of the heap, by itself, so that it can go when a smaller one comes.
struct HeapRow {
    bytes: Box<[u8]>,
    terms_bytes: usize,
    key_bytes: usize,
    version: u64,
    came: u64,
}

impl HeapRow {
    fn new(row: &OneRow<'_>) -> Self {
        let bytes = [row.terms, row.key, row.bytes].concat().into();
        let (terms_bytes, key_bytes) = (row.terms.len(), row.key.len());
        Self { bytes, terms_bytes, key_bytes, version: row.version, came: row.came }
    }

    fn row(&self) -> OneRow<'_> {
        let (terms, rest) = self.bytes.split_at(self.terms_bytes);
        let (key, bytes) = rest.split_at(self.key_bytes);
        OneRow { terms, key, bytes, version: self.version, came: self.came }
    }
}

impl Ord for HeapRow {
    fn cmp(&self, other: &Self) -> Ordering {
        self.row().compare(&other.row())
    }
}

impl PartialOrd for HeapRow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for HeapRow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for HeapRow {}

/// Takes rows in any order.
pub(super) struct Sorter<'c> {
    context: &'c QueryContext<'c>,
    rows_max: Option<usize>,
    /// Whether rows can be read again by their keys.
    has_keys: bool,
    /// Whether rows are held by their keys only.
    keys_only: bool,
    /// The last one first; where the number of rows is bounded.
    heap: BinaryHeap<HeapRow>,
    runs: Vec<Run>,
    /// The run that is being filled.
    open: Run,
    count: u64,
    held_bytes: usize,
}

impl<'c> Sorter<'c> {
    /// Keeps the first `rows_max` rows; all where none. `has_keys`: the rows are those of a table, and can be read again.
    pub(super) fn new(context: &'c QueryContext<'c>, rows_max: Option<u64>, has_keys: bool) -> Self {
        Self {
            context,
            rows_max: rows_max.and_then(|max| usize::try_from(max).ok()),
            has_keys,
            keys_only: false,
            heap: BinaryHeap::new(),
            runs: Vec::new(),
            open: Run::default(),
            count: 0,
            held_bytes: 0,
        }
    }

    /// Takes a row, which may turn out not to be among the first.
    pub(super) fn push(&mut self, terms: &[u8], row: StoredRow<'_>) -> TableResult<()> {
        let came = self.count;
        self.count += 1;
        if self.rows_max.is_some_and(|max| self.heap.len() >= max) {
            // A row that came later is behind those with the same terms.
            if self.heap.peek().is_none_or(|last| terms >= last.row().terms) {
                return Ok(());
            }
            if let Some(last) = self.heap.pop() {
                self.release(last.row().held_bytes());
            }
        }
        let bytes = if self.keys_only { &[] } else { row.bytes };
        let mut row = OneRow { terms, key: row.key, bytes, version: row.version, came };
        let bytes_max = self.context.limits.query_bytes_max;
        if self.has_keys && !self.keys_only && self.held_bytes + row.held_bytes() > bytes_max / 2 {
            self.drop_bytes()?;
            row.bytes = &[];
        }
        if self.keys_only && self.held_bytes + row.held_bytes() > bytes_max / 4 * 3 {
            // The rest is for the rows that are read again, and what belongs to them.
            return Err(self.context.holds_too_much());
        }
        self.hold(row.held_bytes())?;
        if self.rows_max.is_some() {
            self.heap.push(HeapRow::new(&row));
            return Ok(());
        }
        self.add(&row)
    }

    fn add(&mut self, row: &OneRow<'_>) -> TableResult<()> {
        self.open.push(row);
        if self.open.is_full() { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> TableResult<()> {
        let mut run = std::mem::take(&mut self.open);
        run.sort();
        self.runs.push(run);
        self.context.check()
    }

    /// Holds the rows by their keys from now on.
    fn drop_bytes(&mut self) -> TableResult<()> {
        self.keys_only = true;
        let mut dropped = 0;
        for row in std::mem::take(&mut self.heap) {
            dropped += row.row().bytes.len();
            self.heap.push(HeapRow::new(&OneRow { bytes: &[], ..row.row() }));
        }
        for run in self.runs.iter_mut().chain([&mut self.open]) {
            dropped += run.places.iter().map(|place| place.row_bytes).sum::<usize>();
            *run = run.without_bytes();
            self.context.check()?;
        }
        self.release(dropped);
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> TableResult<()> {
        self.context.hold(bytes)?;
        self.held_bytes += bytes;
        Ok(())
    }

    fn release(&mut self, bytes: usize) {
        self.held_bytes -= bytes;
        self.context.release(bytes);
    }

    /// The rows in order. They count as held until they are shown or given up.
    pub(super) fn finish(mut self) -> TableResult<SortedRows> {
        for (at, row) in std::mem::take(&mut self.heap).into_iter().enumerate() {
            self.add(&row.row())?;
            self.context.check_written(at)?;
        }
        self.close()?;
        let mut runs = std::mem::take(&mut self.runs);
        runs.retain(|run| !run.places.is_empty());
        let mut sorted = SortedRows {
            order: Vec::with_capacity(runs.len()),
            runs,
            is_read_again: self.keys_only,
            pending: VecDeque::new(),
            count: self.count,
            held_bytes: std::mem::take(&mut self.held_bytes),
        };
        sorted.order_runs();
        Ok(sorted)
    }
}

impl Drop for Sorter<'_> {
    fn drop(&mut self) {
        self.context.release(self.held_bytes);
    }
}

/// Rows in order, to be shown one after the other.
#[derive(Debug)]
pub(super) struct SortedRows {
    runs: Vec<Run>,
    /// The runs that have rows left, by their next row: the one whose turn it is last.
    order: Vec<usize>,
    is_read_again: bool,
    /// Of rows that are read again: the next ones, each by its run and place.
    pending: VecDeque<(usize, Place)>,
    count: u64,
    held_bytes: usize,
}

impl SortedRows {
    /// How many rows came to be sorted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn order_runs(&mut self) {
        let mut order: Vec<usize> = (0..self.runs.len()).collect();
        sort_by(&mut order, |&left, &right| self.compare_runs(right, left));
        self.order = order;
    }

    fn compare_runs(&self, left: usize, right: usize) -> Ordering {
        match (self.runs[left].first(), self.runs[right].first()) {
            (Some(left), Some(right)) => left.compare(&right),
            (left, right) => left.is_none().cmp(&right.is_none()),
        }
    }

    /// Takes the next row off: its run and place.
    fn take(&mut self) -> Option<(usize, Place)> {
        let run = self.order.pop()?;
        let taken = self.runs[run].places[self.runs[run].next];
        self.runs[run].next += 1;
        if self.runs[run].next < self.runs[run].places.len() {
            let at = self.order.partition_point(|&other| self.compare_runs(other, run).is_gt());
            self.order.insert(at, run);
        }
        Some((run, taken))
    }

    /// Passes over rows.
    pub(super) fn skip(&mut self, rows: u64, context: &QueryContext<'_>) -> TableResult<()> {
        for row in 0..rows {
            let Some(_) = self.take() else { break };
            if row.is_multiple_of(RUN_ROWS_MAX as u64) {
                context.check()?;
            }
        }
        Ok(())
    }

    /// Shows `see` the rows that are left until it stops. Whether all have been shown.
    pub(super) fn visit(
        &mut self,
        view: &mut dyn View,
        context: &QueryContext<'_>,
        see: &mut See<'_>,
    ) -> TableResult<bool> {
        let mut shown = 0;
        loop {
            if self.is_read_again {
                while self.pending.len() < READ_ROWS_MAX
                    && let Some(next) = self.take()
                {
                    self.pending.push_back(next);
                }
                if self.pending.is_empty() {
                    return Ok(true);
                }
                if self.visit_pending(view, context, see)?.is_break() {
                    return Ok(false);
                }
                continue;
            }
            let Some((run, place)) = self.take() else { return Ok(true) };
            let OneRow { key, bytes, version, .. } = self.runs[run].row(&place);
            let flow = see(StoredRow { key, version, bytes })?;
            shown += 1;
            context.check_written(shown)?;
            if flow.is_break() {
                return Ok(false);
            }
        }
    }

    /// Reads the pending rows again, and shows them.
    fn visit_pending(
        &mut self,
        view: &mut dyn View,
        context: &QueryContext<'_>,
        see: &mut See<'_>,
    ) -> TableResult<ControlFlow<()>> {
        let keys: Vec<&[u8]> = self.pending.iter().map(|(run, place)| self.runs[*run].row(place).key).collect();
        let mut stopped = Ok(None);
        view.get_many(&keys, &mut |place, header, bytes| {
            let row = StoredRow { key: keys[place], version: header.version, bytes };
            stopped = context.examine(bytes.len()).and_then(|()| see(row)).map(|flow| flow.is_break().then_some(place));
            if matches!(stopped, Ok(None)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if let Some(place) = stopped? {
            self.pending.drain(..=place);
            return Ok(ControlFlow::Break(()));
        }
        self.pending.clear();
        Ok(ControlFlow::Continue(()))
    }

    /// Gives back what the rows weigh.
    pub(super) fn give_up(self, context: &QueryContext<'_>) {
        context.release(self.held_bytes);
    }
}
