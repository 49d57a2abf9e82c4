//! What a query has to work with besides the rows: surroundings, limits, and what is used up of them.

use std::cell::Cell;
#[cfg(not(target_family = "wasm"))]
use std::cell::RefCell;
use std::ops::ControlFlow;

#[cfg(not(target_family = "wasm"))]
use crate::engine::Reservation;
use crate::engine::{Direction, Engine, KeyRange, View};
use crate::keyspace::space_prefix;
use crate::limits::Limits;
use crate::tables::query::plan::Sizes;
use crate::tables::table::SpaceId;
use crate::tables::{Environment, Interrupt, TableError, TableResult, code};

/// Rows between two looks at the clock.
const ROWS_PER_LOOK: u64 = 1 << 10;

/// Bytes of rows between two looks at the clock: conditions take long on large rows.
const BYTES_PER_LOOK: usize = 1 << 16;

/// What a short query may take (`SelectOptions::examined_max`).
const SHORT_US_MAX: u64 = 10_000;

/// The largest row that a short query examines.
const SHORT_ROW_BYTES_MAX: usize = 1 << 17;

/// Rows between two questions whether to stop.
const ROWS_PER_QUESTION: u64 = 1 << 6;

/// Keys of a space that are counted one by one where its size is not to be had at once.
const COUNTED_KEYS_MAX: u64 = 10_000;

/// Bytes that a query holds without taking them from the memory in flight, and the most that it takes ahead.
#[cfg(not(target_family = "wasm"))]
const UNCOUNTED_BYTES_MAX: usize = 16 << 10;
#[cfg(not(target_family = "wasm"))]
const RESERVED_AHEAD_BYTES_MAX: usize = 1 << 20;

/// The keys that a larger space is taken to have then: an index that serves is preferred.
const ASSUMED_KEYS: u64 = 1_000_000;

/// The surroundings of one query, and what it has used of its limits. Selects of one statement may share it.
pub(crate) struct QueryContext<'a> {
    /// For sizes of spaces and the clock; rows are read through a view.
    pub(crate) engine: &'a Engine,
    pub(crate) environment: &'a Environment,
    pub(crate) limits: &'a Limits,
    /// Whether only full scans are planned: what every other plan is held against in tests.
    pub(crate) scans_only: bool,
    /// Rows and index entries that may be examined.
    pub(crate) examined_max: u64,
    /// Whether to stop.
    pub(crate) interrupt: Interrupt<'a>,
    started_us: u64,
    /// What the query took before, in microseconds.
    spent_us: u64,
    examined: Cell<u64>,
    held_bytes: Cell<usize>,
    /// Held bytes that are taken from elsewhere: where the query goes on.
    #[cfg(not(target_family = "wasm"))]
    held_before: usize,
    /// What is taken for the others.
    #[cfg(not(target_family = "wasm"))]
    reservation: RefCell<Option<Reservation>>,
    /// Bytes of rows seen since the clock was looked at for them.
    seen_bytes: Cell<usize>,
}

/// What a query has used of its limits, where it goes on later.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    us: u64,
    examined: u64,
    pub(super) held_bytes: usize,
}

impl<'a> QueryContext<'a> {
    /// The surroundings of a query that goes on. The time between counts for nothing.
    pub(crate) fn resumed(mut self, spent: Spent) -> Self {
        self.spent_us = spent.us;
        self.examined.set(spent.examined);
        self.held_bytes.set(spent.held_bytes);
        #[cfg(not(target_family = "wasm"))]
        {
            self.held_before = spent.held_bytes;
        }
        self
    }

    /// What is used up.
    pub(crate) fn spent(&self) -> Spent {
        Spent { us: self.taken_us(), examined: self.examined.get(), held_bytes: self.held_bytes.get() }
    }

    fn taken_us(&self) -> u64 {
        self.spent_us + self.engine.monotonic_us().saturating_sub(self.started_us)
    }

    pub(crate) fn new(engine: &'a Engine, environment: &'a Environment, limits: &'a Limits) -> Self {
        Self {
            engine,
            environment,
            limits,
            scans_only: false,
            examined_max: limits.query_rows_max,
            interrupt: Interrupt::default(),
            started_us: engine.monotonic_us(),
            spent_us: 0,
            examined: Cell::new(0),
            held_bytes: Cell::new(0),
            #[cfg(not(target_family = "wasm"))]
            held_before: 0,
            #[cfg(not(target_family = "wasm"))]
            reservation: RefCell::new(None),
            seen_bytes: Cell::new(0),
        }
    }

    /// Rows and index entries examined so far.
    pub(crate) fn rows_examined(&self) -> u64 {
        self.examined.get()
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes.get()
    }

    /// Counts a row or index entry of so many bytes that is examined.
    ///
    /// # Errors
    /// 57014.
    #[inline]
    pub(crate) fn examine(&self, bytes: usize) -> TableResult<()> {
        let (examined, seen) = (self.examined.get() + 1, self.seen_bytes.get() + bytes);
        self.examined.set(examined);
        self.seen_bytes.set(seen);
        if examined > self.examined_max {
            return Err(self.too_many_rows());
        }
        if bytes > SHORT_ROW_BYTES_MAX && self.is_short() {
            return Err(self.too_many_rows());
        }
        if examined.is_multiple_of(ROWS_PER_QUESTION) || seen > BYTES_PER_LOOK { self.look() } else { Ok(()) }
    }

    /// Lets no more rows and index entries be examined than that.
    pub(crate) fn lower_examined_max(&mut self, max: Option<u64>) {
        self.examined_max = self.examined_max.min(max.unwrap_or(u64::MAX));
    }

    /// Asks whether to stop, and looks at the clock now and then.
    #[cold]
    fn look(&self) -> TableResult<()> {
        self.interrupt.check()?;
        if self.seen_bytes.get() <= BYTES_PER_LOOK && !self.examined.get().is_multiple_of(ROWS_PER_LOOK) {
            return Ok(());
        }
        self.seen_bytes.set(0);
        self.check_time()
    }

    /// Asks whether to stop and looks at the clock, in the middle of a row.
    ///
    /// # Errors
    /// 57014.
    #[cold]
    pub(super) fn go_on(&self) -> TableResult<()> {
        self.interrupt.check()?;
        self.check_time()
    }

    /// Asks now and then whether to stop, where `count` rows have been written.
    ///
    /// # Errors
    /// 57014.
    pub(crate) fn check_written(&self, count: usize) -> TableResult<()> {
        if (count as u64).is_multiple_of(ROWS_PER_QUESTION) { self.interrupt.check() } else { Ok(()) }
    }

    #[cold]
    fn too_many_rows(&self) -> TableError {
        let max = self.examined_max;
        TableError::new(code::QUERY_CANCELED, "canceling statement due to the limit on rows examined")
            .with_details(format!("The query would examine more than {max} rows (query_rows_max)."))
            .with_hint("Use a filter that an index serves, or a smaller limit.")
    }

    /// Asks whether to stop, and looks at the clock: in work on rows that were examined before.
    ///
    /// # Errors
    /// 57014.
    pub(super) fn check(&self) -> TableResult<()> {
        self.interrupt.check()?;
        self.check_time()
    }

    /// Whether the query starts over elsewhere when it takes long.
    fn is_short(&self) -> bool {
        self.examined_max < self.limits.query_rows_max
    }

    fn check_time(&self) -> TableResult<()> {
        let max = self.limits.query_ms_max;
        let taken_us = self.taken_us();
        if self.is_short() && taken_us > SHORT_US_MAX {
            return Err(self.too_many_rows());
        }
        if taken_us / 1_000 <= max {
            return Ok(());
        }
        Err(TableError::new(code::QUERY_CANCELED, "canceling statement due to statement timeout")
            .with_details(format!("The query took longer than {max} ms (query_ms_max)."))
            .with_hint("Use a filter that an index serves, or a smaller limit."))
    }

    /// Takes bytes from the memory in flight for a while, up to the end of the query: the largest such need counts.
    ///
    /// # Errors
    /// 53000.
    pub(super) fn borrow(&self, bytes: usize) -> TableResult<()> {
        self.reserve(self.held_bytes.get().saturating_add(bytes))
    }

    /// Takes bytes from what the query may hold.
    ///
    /// # Errors
    /// 54000.
    pub(super) fn hold(&self, bytes: usize) -> TableResult<()> {
        let held = self.held_bytes.get().saturating_add(bytes);
        if held > self.limits.query_bytes_max {
            return Err(self.holds_too_much());
        }
        self.reserve(held)?;
        self.held_bytes.set(held);
        Ok(())
    }

    /// Takes what is held from the memory in flight. A little is not counted.
    #[cfg(not(target_family = "wasm"))]
    fn reserve(&self, held: usize) -> TableResult<()> {
        let counted = held.saturating_sub(self.held_before);
        if counted <= UNCOUNTED_BYTES_MAX {
            return Ok(());
        }
        let mut reservation = self.reservation.borrow_mut();
        let reservation = reservation.get_or_insert_with(|| self.engine.in_flight().reservation());
        if reservation.grow_ahead(counted, counted.min(RESERVED_AHEAD_BYTES_MAX)) {
            return Ok(());
        }
        Err(crate::Error::from(crate::Code::MemoryFull).into())
    }

    #[cfg(target_family = "wasm")]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "a page has no budget yet")]
    fn reserve(&self, _held: usize) -> TableResult<()> {
        Ok(())
    }

    /// The error of a query that would hold more than it may.
    #[cold]
    pub(super) fn holds_too_much(&self) -> TableError {
        let max = self.limits.query_bytes_max;
        TableError::new(code::LIMIT_EXCEEDED, "the query would hold too many bytes")
            .with_details(format!("Its sorted, grouped and embedded rows exceed {max} bytes (query_bytes_max)."))
            .with_hint("Use a smaller limit, also on embedded tables, or an order that an index has.")
    }

    /// Gives back what [`hold`](Self::hold) took.
    pub(super) fn release(&self, bytes: usize) {
        self.held_bytes.set(self.held_bytes.get().saturating_sub(bytes));
    }
}

impl Sizes for QueryContext<'_> {
    fn keys(&self, space: SpaceId) -> u64 {
        let prefix = space_prefix(space.0);
        if let Some(space) = self.engine.try_space(&prefix) {
            return space.keys;
        }
        let counted = self.count(&KeyRange::prefix(&prefix), COUNTED_KEYS_MAX);
        if counted < COUNTED_KEYS_MAX { counted } else { ASSUMED_KEYS }
    }

    /// In the newest state and not through the view: a transaction does not depend on what its plans are made by.
    fn count(&self, range: &KeyRange, keys_max: u64) -> u64 {
        let mut count = 0;
        let snapshot = self.engine.snapshot();
        let counted = View::visit(&mut &snapshot, range, Direction::Forward, &mut |_, _, _| {
            count += 1;
            if count < keys_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if counted.is_ok() { count } else { keys_max }
    }
}
