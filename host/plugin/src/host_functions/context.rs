//! The state of one instance on the host: the session of the call under way, open handles, and what the run has used up.

use std::sync::Arc;
use std::time::Instant;

use mantis_db::tables::{Interrupt, QueryTexts, Rows, TableResult};
use mantis_db::{Database, Kind, Kv, Session, SessionManager};
use mantis_pool::Object;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::bindings::system::Level;
use super::error::{Failed, Stop};
use super::log::{Origin, RunLog};
use super::resources::{OpenBucket, OpenTable, OpenTransaction, TransactionPlace, table};
use super::wait::wait_for;
use super::wasi_handles::Wasi;
use super::watch::{Until, Watch};
use crate::Limit;
use crate::engine::Ticks;
use crate::limits::{Limits, TRANSACTIONS_MAX};

/// The function that a run calls, and for which request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) function: Arc<str>,
    pub(crate) request_id: Option<Arc<str>>,
}

/// An instance's state on the host.
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one run")]
pub(crate) struct Context {
    pub(crate) plugin: Arc<str>,
    pub(crate) database: Database,
    pub(crate) limits: Limits,
    /// The session of the call under way.
    pub(crate) session: Option<Object<SessionManager>>,
    /// The [`OpenBucket`]s and [`OpenTable`]s. In a table of their own, because they have a limit of their own.
    pub(crate) handles: ResourceTable,
    /// The [`OpenTransaction`]s.
    pub(crate) transactions: ResourceTable,
    pub(crate) transactions_opened: u64,
    pub(crate) log: RunLog,
    /// The function that runs, and the request that called it.
    function: Arc<str>,
    request_id: Option<Arc<str>>,
    /// Whether the guest got a conflict as an error in this run.
    pub(crate) conflict_seen: bool,
    /// Whether memory was refused in this run: then a trap after it is for want of memory.
    pub(crate) memory_refused: bool,
    /// Whether the guest got an error in this run because too many handles or transactions were open.
    pub(crate) handles_refused: bool,
    /// Whether this run may have committed what its end cannot undo.
    pub(crate) committed: bool,
    /// Bytes of the instance's memories, all together.
    memory_bytes: usize,
    /// The same when it was new.
    memory_bytes_first: usize,
    /// The queries of the plugin, parsed.
    pub(crate) queries: Arc<QueryTexts>,
    transferred_bytes: u64,
    watch: Watch,
    /// Standard streams and times to wait for; none in a guest that never asks for them.
    pub(super) wasi: Option<Box<Wasi>>,
}

impl Context {
    pub(crate) fn new(
        plugin: Arc<str>,
        database: Database,
        queries: Arc<QueryTexts>,
        limits: Limits,
        ticks: Ticks,
    ) -> Self {
        Self {
            plugin,
            database,
            session: None,
            handles: table(limits.handles_max),
            transactions: table(TRANSACTIONS_MAX),
            transactions_opened: 0,
            log: RunLog::default(),
            function: Arc::from(""),
            request_id: None,
            conflict_seen: false,
            memory_refused: false,
            handles_refused: false,
            committed: false,
            memory_bytes: 0,
            memory_bytes_first: 0,
            queries,
            transferred_bytes: 0,
            watch: Watch::new(ticks),
            wasi: None,
            limits,
        }
    }

    /// Begins a run.
    pub(crate) fn begin(&mut self, session: Object<SessionManager>, until: Until, caller: Caller) {
        self.session = Some(session);
        self.log = RunLog::default();
        (self.function, self.request_id) = (caller.function, caller.request_id);
        self.conflict_seen = false;
        self.memory_refused = false;
        self.handles_refused = false;
        self.committed = false;
        self.transferred_bytes = 0;
        self.watch.begin(until);
    }

    /// Where the log lines of this run come from.
    pub(crate) fn origin(&self) -> Origin<'_> {
        Origin { plugin: &self.plugin, function: &self.function, request_id: self.request_id.as_deref() }
    }

    /// Writes a line of this run to the log.
    pub(super) fn write_log(&mut self, level: Level, message: &str) {
        let mut log = self.log;
        log.write(self.origin(), self.limits.log_lines_max, level, message);
        self.log = log;
    }

    /// Sleeps until `at`, or fails when the run must stop before.
    pub(super) fn sleep_until(&self, at: Instant) -> Result<(), Stop> {
        self.watch.sleep_until(at)
    }

    /// Notes that the instance has the memory that it begins with.
    pub(crate) fn note_instantiated(&mut self) {
        self.memory_bytes_first = self.memory_bytes;
    }

    /// Whether a further run would begin with less than a new instance has: with open handles or transactions, or with memory that
    /// has grown until it is nearly used up. A run that was refused more of them counts too.
    pub(crate) fn has_leftovers(&self) -> bool {
        let max = self.limits.memory_bytes_max;
        let memory_is_short = self.memory_bytes > self.memory_bytes_first && self.memory_bytes > max - max / 4;
        let was_refused = self.memory_refused || self.handles_refused;
        was_refused || memory_is_short || !self.handles.is_empty() || !self.transactions.is_empty()
    }

    /// Ends a run. Transactions that the guest left open are rolled back.
    pub(crate) fn end(&mut self) -> Option<Object<SessionManager>> {
        self.watch.end();
        for transaction in self.transactions.iter_mut().filter_map(|open| open.downcast_mut::<OpenTransaction>()) {
            transaction.session.rollback();
        }
        self.session.take()
    }

    /// The session of the call under way.
    pub(crate) fn session(&mut self) -> Result<&mut Session, Failed> {
        self.session.as_deref_mut().ok_or(Failed::Stop(Stop::NO_CALL))
    }

    /// Fails when the run must stop now. Costs one read of a counter until the time is nearly over.
    #[inline]
    pub(crate) fn check_time(&self) -> Result<(), Stop> {
        self.watch.check()
    }

    /// The engine's callback when the epoch has advanced.
    pub(crate) fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        self.watch.check_clock()?;
        Ok(UpdateDeadline::Continue(1))
    }

    /// Counts bytes that pass between guest and host.
    #[inline]
    pub(crate) fn transfer(&mut self, bytes: usize) -> Result<(), Stop> {
        self.transferred_bytes = self.transferred_bytes.saturating_add(bytes as u64);
        let max = self.limits.transfer_bytes_max;
        if self.transferred_bytes > max {
            return Err(Stop::Limit(Limit::Transfer, format!("more than {max} bytes passed between plugin and host")));
        }
        Ok(())
    }

    /// Runs an operation on a bucket, and counts `bytes`, those of its arguments.
    #[inline]
    pub(crate) fn on_bucket<T>(
        &mut self,
        handle: &Resource<OpenBucket>,
        bytes: usize,
        work: impl AsyncFnOnce(&mut Kv<'_>) -> mantis_db::Result<T>,
    ) -> Result<T, Failed> {
        self.check_time()?;
        self.transfer(bytes)?;
        let bucket = self.handles.get(handle).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        let session = session_of(&mut self.session, &mut self.transactions, bucket.transaction)?;
        self.committed |= !session.in_transaction();
        let outcome = wait_for(async { work(&mut session.kv(&bucket.name)?).await });
        outcome.map_err(|failed| self.note_conflict(failed))
    }

    /// Runs a statement on a table, and counts `bytes`, those of its arguments. It ends when the run does.
    pub(crate) fn on_table<T>(
        &mut self,
        handle: &Resource<OpenTable>,
        bytes: usize,
        work: impl AsyncFnOnce(&mut Rows<'_>) -> TableResult<T>,
    ) -> Result<T, Failed> {
        self.check_time()?;
        self.transfer(bytes)?;
        let table = self.handles.get(handle).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        let session = session_of(&mut self.session, &mut self.transactions, table.transaction)?;
        self.committed |= !session.in_transaction();
        let watch = &self.watch;
        let is_over = || watch.check().is_err();
        let rows = session.rows(&table.name, self.database.environment_utc());
        let mut rows = rows.interrupted(Interrupt::when(&is_over));
        let outcome = wait_for(work(&mut rows));
        drop(rows);
        if outcome.is_err() {
            // The error of a statement that was interrupted is none for the guest.
            self.check_time()?;
        }
        outcome.map_err(|failed| self.note_conflict(failed))
    }

    /// Bytes that may still pass between guest and host.
    pub(crate) fn transfer_left(&self) -> u64 {
        self.limits.transfer_bytes_max.saturating_sub(self.transferred_bytes)
    }

    /// Notes whether the error that the guest gets is a conflict.
    pub(crate) fn note_conflict(&mut self, failed: Failed) -> Failed {
        self.conflict_seen |= matches!(&failed, Failed::Error(error) if error.kind == Kind::Conflict);
        failed
    }

    /// Opens a bucket, at least for reading; one that the grants do not name is not found.
    pub(crate) fn open_bucket(&mut self, bucket: OpenBucket) -> Result<Resource<OpenBucket>, Failed> {
        self.open(bucket, Self::check_bucket)
    }

    /// Makes a handle, unless `check` fails for it.
    pub(crate) fn open<T: Send + 'static>(
        &mut self,
        opened: T,
        check: impl FnOnce(&mut Self, &Resource<T>) -> Result<(), Failed>,
    ) -> Result<Resource<T>, Failed> {
        self.check_time()?;
        let max = self.limits.handles_max;
        let Ok(handle) = self.handles.push(opened) else {
            self.handles_refused = true;
            let message = format!("{max} handles are open, which is the limit; drop one first");
            return Err(Failed::limit("handles-too-many", message));
        };
        match check(self, &handle) {
            Ok(()) => Ok(handle),
            Err(failed) => {
                let _ = self.handles.delete(handle);
                Err(failed)
            }
        }
    }

    /// Checks the name, and that the grants show the bucket.
    fn check_bucket(&mut self, handle: &Resource<OpenBucket>) -> Result<(), Failed> {
        let bucket = self.handles.get(handle).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        let session = self.session.as_deref_mut().ok_or(Stop::NO_CALL)?;
        session.kv(&bucket.name)?;
        Ok(())
    }
}

/// The session of the call, or that of a transaction which is still open.
fn session_of<'c>(
    own: &'c mut Option<Object<SessionManager>>,
    transactions: &'c mut ResourceTable,
    transaction: Option<TransactionPlace>,
) -> Result<&'c mut Session, Failed> {
    let Some(place) = transaction else { return own.as_deref_mut().ok_or(Failed::Stop(Stop::NO_CALL)) };
    let open = transactions.get_mut(&Resource::<OpenTransaction>::new_borrow(place.rep)).ok();
    let session = open.filter(|open| open.number == place.number).map(|open| &mut open.session);
    session.ok_or_else(|| mantis_db::Error::from(mantis_db::Code::TransactionNotOpen).into())
}

impl ResourceLimiter for Context {
    /// A component may have several memories: the limit is on all of them together.
    fn memory_growing(&mut self, bytes: usize, desired_bytes: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired_bytes.saturating_sub(bytes));
        let allowed = total <= self.limits.memory_bytes_max;
        if allowed {
            self.memory_bytes = total;
        }
        self.memory_refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.limits.table_elements_max;
        self.memory_refused |= !allowed;
        Ok(allowed)
    }
}
