//! The state of one instance on the host: the session of the call under way, open handles, and what the run has used up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mantis_db::{Database, Kind, Kv, Session, SessionManager};
use mantis_pool::Object;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::error::{Failed, Stop};
use super::log::RunLog;
use super::resources::{OpenBucket, OpenTransaction};
use super::wait::wait_for;
use crate::Limit;
use crate::engine::{Ticks, clock};
use crate::limits::{Limits, TABLE_ELEMENTS_MAX, TRANSACTIONS_MAX};

/// When and why a run ends.
#[derive(Debug, Clone)]
pub(crate) struct Until {
    /// The time at which it is stopped.
    pub(crate) at: Instant,
    /// The reason that the run then ends with.
    pub(crate) reason: Stop,
    /// Set when the caller has gone away.
    pub(crate) abandoned: Arc<AtomicBool>,
}

/// An instance's state on the host.
pub(crate) struct Context {
    pub(crate) plugin: Arc<str>,
    pub(crate) database: Database,
    pub(crate) limits: Limits,
    /// The session of the call under way.
    pub(crate) session: Option<Object<SessionManager>>,
    /// The [`OpenBucket`]s. In a table of their own, because they have a limit of their own.
    pub(crate) buckets: ResourceTable,
    /// The [`OpenTransaction`]s.
    pub(crate) transactions: ResourceTable,
    pub(crate) transactions_opened: u64,
    pub(crate) log: RunLog,
    /// Whether the guest got a conflict as an error in this run.
    pub(crate) conflict_seen: bool,
    /// Whether memory was refused in this run: then a trap after it is for want of memory.
    pub(crate) memory_refused: bool,
    transferred_bytes: u64,
    until: Option<Until>,
    ticks: Ticks,
    /// The first tick at which the clock is read.
    clock_from_tick: u64,
}

impl Context {
    pub(crate) fn new(plugin: Arc<str>, database: Database, limits: Limits, ticks: Ticks) -> Self {
        Self {
            plugin,
            database,
            session: None,
            buckets: table(limits.handles_max),
            transactions: table(TRANSACTIONS_MAX),
            transactions_opened: 0,
            log: RunLog::default(),
            conflict_seen: false,
            memory_refused: false,
            transferred_bytes: 0,
            until: None,
            clock_from_tick: u64::MAX,
            ticks,
            limits,
        }
    }

    /// Begins a run.
    pub(crate) fn begin(&mut self, session: Object<SessionManager>, until: Until) {
        self.session = Some(session);
        self.log = RunLog::default();
        self.conflict_seen = false;
        self.memory_refused = false;
        self.transferred_bytes = 0;
        let left_ms = until.at.saturating_duration_since(clock::now()).as_millis();
        self.clock_from_tick = self.ticks.get().saturating_add(u64::try_from(left_ms).unwrap_or(u64::MAX));
        self.until = Some(until);
    }

    /// Ends a run. Transactions that the guest left open are rolled back.
    pub(crate) fn end(&mut self) -> Option<Object<SessionManager>> {
        self.until = None;
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
        if self.ticks.get() < self.clock_from_tick { Ok(()) } else { self.check_clock() }
    }

    #[cold]
    fn check_clock(&self) -> Result<(), Stop> {
        match &self.until {
            Some(until) if clock::now() >= until.at => Err(until.reason.clone()),
            Some(until) if until.abandoned.load(Ordering::Relaxed) => Err(Stop::Abandoned),
            _ => Ok(()),
        }
    }

    /// The engine's callback when the epoch has advanced.
    pub(crate) fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        self.check_clock()?;
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
        let bucket = self.buckets.get(handle).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        let session = match bucket.transaction {
            None => self.session.as_deref_mut(),
            Some(place) => {
                let transaction = self.transactions.get_mut(&Resource::<OpenTransaction>::new_borrow(place.rep));
                transaction.ok().filter(|open| open.number == place.number).map(|open| &mut open.session)
            }
        };
        let Some(session) = session else {
            return Err(mantis_db::Error::from(mantis_db::Code::TransactionNotOpen).into());
        };
        let outcome = wait_for(async { work(&mut session.kv(&bucket.name)?).await });
        outcome.map_err(|failed| self.note_conflict(failed))
    }

    /// Notes whether the error that the guest gets is a conflict.
    pub(crate) fn note_conflict(&mut self, failed: Failed) -> Failed {
        self.conflict_seen |= matches!(&failed, Failed::Error(error) if error.kind == Kind::Conflict);
        failed
    }

    /// Opens a bucket, at least for reading; one that the grants do not name is not found.
    pub(crate) fn open_bucket(&mut self, bucket: OpenBucket) -> Result<Resource<OpenBucket>, Failed> {
        self.check_time()?;
        let max = self.limits.handles_max;
        let full = |_| {
            let message = format!("{max} handles are open, which is the limit; drop one first");
            Failed::limit("handles-too-many", message)
        };
        let handle = self.buckets.push(bucket).map_err(full)?;
        match self.check_bucket(&handle) {
            Ok(()) => Ok(handle),
            Err(failed) => {
                let _ = self.buckets.delete(handle);
                Err(failed)
            }
        }
    }

    /// Checks the name, and that the grants show the bucket.
    fn check_bucket(&mut self, handle: &Resource<OpenBucket>) -> Result<(), Failed> {
        let bucket = self.buckets.get(handle).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        let session = self.session.as_deref_mut().ok_or(Stop::NO_CALL)?;
        session.kv(&bucket.name)?;
        Ok(())
    }
}

/// An empty table for this many entries.
fn table(entries_max: usize) -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(entries_max);
    table
}

impl ResourceLimiter for Context {
    fn memory_growing(&mut self, _: usize, desired_bytes: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired_bytes <= self.limits.memory_bytes_max;
        self.memory_refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= TABLE_ELEMENTS_MAX;
        self.memory_refused |= !allowed;
        Ok(allowed)
    }
}
