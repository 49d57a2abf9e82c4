//! What belongs to one instance: the session of the call under way, open handles, and what has been used up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Instant;

use mantis_db::{Database, Kv, Session, SessionManager};
use mantis_pool::Object;
use wasmtime::component::Resource;
use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::bindings::types;
use super::error::{Failed, Stop};
use super::handles::Handles;
use super::log::LogMeter;
use super::resources::{OpenBucket, OpenTransaction};
use crate::engine::TABLE_ELEMENTS_MAX;
use crate::engine::{Ticks, clock};
use crate::limits::Limits;
use crate::{CallError, Limit};

/// Transactions that an instance may have open at once.
pub(crate) const TRANSACTIONS_MAX: usize = 4;

/// When and why a run ends.
#[derive(Debug, Clone)]
pub(crate) struct Until {
    /// When it is stopped.
    pub(crate) at: Instant,
    /// What is said then.
    pub(crate) reason: Stop,
    /// Set when nobody waits for the answer any more.
    pub(crate) abandoned: Arc<AtomicBool>,
}

/// An instance's state on the host.
pub(crate) struct Context {
    pub(crate) plugin: Arc<str>,
    pub(crate) database: Database,
    pub(crate) limits: Limits,
    /// The session of the call under way.
    pub(crate) session: Option<Object<SessionManager>>,
    pub(crate) buckets: Handles<OpenBucket>,
    pub(crate) transactions: Handles<OpenTransaction>,
    pub(crate) transactions_opened: u64,
    pub(crate) log: LogMeter,
    /// Whether the guest was told of a conflict in this run.
    pub(crate) conflict_seen: bool,
    /// Whether memory was refused in this run: what a trap after it is about.
    pub(crate) memory_refused: bool,
    transferred_bytes: u64,
    until: Option<Until>,
    ticks: Ticks,
    /// The tick from which on the clock is asked.
    look_from_tick: u64,
}

impl Context {
    pub(crate) fn new(plugin: Arc<str>, database: Database, limits: Limits, ticks: Ticks) -> Self {
        Self {
            plugin,
            database,
            session: None,
            buckets: Handles::new(limits.handles_max),
            transactions: Handles::new(TRANSACTIONS_MAX),
            transactions_opened: 0,
            log: LogMeter::default(),
            conflict_seen: false,
            memory_refused: false,
            transferred_bytes: 0,
            until: None,
            look_from_tick: u64::MAX,
            ticks,
            limits,
        }
    }

    /// Readies the context for a run.
    pub(crate) fn begin(&mut self, session: Object<SessionManager>, until: Until) {
        self.session = Some(session);
        self.log = LogMeter::default();
        self.conflict_seen = false;
        self.memory_refused = false;
        self.transferred_bytes = 0;
        let left_ms = until.at.saturating_duration_since(clock::now()).as_millis();
        self.look_from_tick = self.ticks.get().saturating_add(u64::try_from(left_ms).unwrap_or(u64::MAX));
        self.until = Some(until);
    }

    /// Ends a run. Transactions that the guest left open are rolled back.
    pub(crate) fn end(&mut self) -> Option<Object<SessionManager>> {
        self.until = None;
        for transaction in self.transactions.iter_mut() {
            transaction.session.rollback();
        }
        self.session.take()
    }

    /// The session of the call under way.
    pub(crate) fn session(&mut self) -> Result<&mut Session, Failed> {
        self.session.as_deref_mut().ok_or(Failed::Stop(Stop::Misuse("no call is under way")))
    }

    /// Why the run must stop now, if it must. Costs a look at a counter until the time is nearly over.
    #[inline]
    pub(crate) fn check_time(&self) -> Result<(), Stop> {
        if self.ticks.get() < self.look_from_tick { Ok(()) } else { self.check_clock() }
    }

    #[cold]
    fn check_clock(&self) -> Result<(), Stop> {
        match &self.until {
            Some(until) if clock::now() >= until.at => Err(until.reason.clone()),
            Some(until) if until.abandoned.load(Ordering::Relaxed) => Err(Stop::Abandoned),
            _ => Ok(()),
        }
    }

    /// What the engine asks when the epoch has advanced.
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
        let bucket = self.buckets.get(handle).ok_or(Failed::Stop(UNKNOWN_HANDLE))?;
        let session = match bucket.transaction {
            None => self.session.as_deref_mut(),
            Some(place) => {
                let transaction = self.transactions.get_mut(&Resource::new_borrow(place.rep));
                transaction.filter(|open| open.number == place.number).map(|open| &mut open.session)
            }
        };
        let Some(session) = session else {
            return Err(mantis_db::Error::from(mantis_db::Code::TransactionNotOpen).into());
        };
        let outcome = ready(async { work(&mut session.kv(&bucket.name)?).await });
        outcome.map_err(|failed| self.told(failed))
    }

    /// Notes what the guest is told.
    pub(crate) fn told(&mut self, failed: Failed) -> Failed {
        self.conflict_seen |= matches!(failed, Failed::Error(types::Error::Conflict(_)));
        failed
    }
}

pub(crate) const UNKNOWN_HANDLE: Stop = Stop::Misuse("the guest used a handle that it does not hold");

/// The outcome of an operation. All are ready when first polled, but commits that have to be on the disk first: the thread waits for
/// those, for a few milliseconds, because a guest's stack cannot be put aside.
pub(crate) fn ready<T>(operation: impl Future<Output = mantis_db::Result<T>>) -> Result<T, Failed> {
    let mut operation = pin!(operation);
    if let Poll::Ready(outcome) = operation.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
        return Ok(outcome?);
    }
    let thread = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match operation.as_mut().poll(&mut std::task::Context::from_waker(&thread)) {
            Poll::Ready(outcome) => return Ok(outcome?),
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Wakes a thread that waits for a commit.
struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
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

/// What a run that the engine ended says to the caller.
pub(crate) fn call_error(error: &wasmtime::Error, context: &Context) -> Result<CallError, Stop> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Limit(limit, reason) => Ok(CallError::Limit { limit: *limit, reason: reason.clone() }),
            Stop::Misuse(reason) => Ok(CallError::Trap { reason: (*reason).into() }),
            stop => Err(stop.clone()),
        };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Ok(CallError::Busy("all instances are in use"));
    }
    let reason = error.root_cause().to_string();
    if context.memory_refused {
        let max = context.limits.memory_bytes_max;
        return Ok(CallError::Limit { limit: Limit::Memory, reason: format!("it wanted more than {max} bytes") });
    }
    if error.downcast_ref() == Some(&wasmtime::Trap::StackOverflow) {
        return Ok(CallError::Limit { limit: Limit::Stack, reason });
    }
    // The engine's error for this has no public type.
    if reason.contains("fuel allocated for hostcalls") {
        return Ok(CallError::Limit { limit: Limit::Value, reason: "a value that it handed over is too large".into() });
    }
    Ok(CallError::Trap { reason })
}
