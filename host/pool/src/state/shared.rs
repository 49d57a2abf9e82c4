//! The pool's state as handles, guards and maintenance share it, and the way into its core.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{
    core::{Core, Outbox},
    entry::Entry,
};
use crate::{
    CloseReason, Config, Leak, Manager, Metrics, PoolState, Stats, Step, UnseenError,
    hooks::Hooks,
    leaks::{HolderId, Holders},
    stats::Served,
};

pub(crate) struct Shared<M: Manager> {
    pub(crate) manager: M,
    pub(crate) config: Config,
    pub(crate) hooks: Hooks<M::Object>,
    /// A synchronous mutex: it is held for some dozen instructions, never across an await, and guards need it in
    /// their drop, where nothing can be awaited.
    core: Mutex<Core<M>>,
    served_at_once: AtomicU64,
    served_after_wait: AtomicU64,
    /// The steps that suspended the last time they ran, a bit each; see [`Self::is_known_to_suspend`].
    suspending: AtomicU8,
    holders: Mutex<Holders>,
    /// Fires when the pool begins to end and when it is empty after that. Shared on its own, so that maintenance sees
    /// the end without keeping the pool.
    pub(crate) ending: Arc<Notify>,
    /// Wakes maintenance when there is something to create.
    pub(crate) refill: Arc<Notify>,
    /// [`Config::times_releases`], worked out once.
    times_releases: bool,
}

/// Keeps the pool open; guards and maintenance share the state without that.
pub(crate) struct Handle<M: Manager> {
    pub(crate) shared: Arc<Shared<M>>,
}

impl<M: Manager> Drop for Handle<M> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<M: Manager> Shared<M> {
    /// `config` is valid.
    pub(crate) fn new(manager: M, config: Config, hooks: Hooks<M::Object>) -> Self {
        Self {
            manager,
            hooks,
            core: Mutex::new(Core::new(&config)),
            served_at_once: AtomicU64::new(0),
            served_after_wait: AtomicU64::new(0),
            suspending: AtomicU8::new(0),
            holders: Mutex::default(),
            ending: Arc::new(Notify::new()),
            refill: Arc::new(Notify::new()),
            times_releases: config.times_releases(),
            config,
        }
    }

    /// Runs `act` under the mutex, then serves all waiters that it can.
    #[inline]
    pub(crate) fn with_core<R>(&self, act: impl FnOnce(&mut Core<M>) -> R) -> R {
        let mut core = self.core.lock();
        let result = act(&mut core);
        core.settle();
        if core.outbox.is_empty() {
            return result;
        }
        let outbox = std::mem::take(&mut core.outbox);
        drop(core);
        self.empty(outbox);
        result
    }

    /// Does what must not happen under the mutex.
    #[cold]
    fn empty(&self, outbox: Outbox<M>) {
        let Outbox { wakers, errors, closing, ending, refill } = outbox;
        wakers.into_iter().for_each(std::task::Waker::wake);
        drop(errors);
        if !closing.is_empty() {
            let closed: Vec<_> = closing
                .into_iter()
                .map(|(entry, reason)| {
                    self.dispose(entry, reason);
                    reason
                })
                .collect();
            self.with_core(|core| closed.into_iter().for_each(|reason| core.closed_from_outbox(reason)));
        }
        if ending {
            self.ending.notify_waiters();
        }
        if refill {
            self.refill.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.with_core(|core| {
            core.state = PoolState::Closed;
            core.outbox.ending = true;
        });
    }

    pub(crate) fn state(&self) -> PoolState {
        self.with_core(|core| core.state)
    }
}

/// The ways back of an object.
impl<M: Manager> Shared<M> {
    /// Its user is done with it.
    #[inline]
    pub(crate) fn release(&self, mut entry: Box<Entry<M>>) {
        let Entry { object, metrics, .. } = &mut *entry;
        match catch_unwind(AssertUnwindSafe(|| self.manager.release(object, metrics))) {
            Ok(Ok(())) => {
                if self.times_releases {
                    entry.note_idle(Instant::now());
                }
                self.put_back(entry);
            }
            failed => {
                match failed {
                    Ok(Err(error)) => self.fail_step(Step::Release, &error, &entry.metrics),
                    _ => self.with_core(|core| core.counters.count_error(Step::Release)),
                }
                self.close_entry(entry, CloseReason::ReleaseFailed);
            }
        }
    }

    /// Makes it idle, most recently used.
    #[inline]
    pub(crate) fn put_back(&self, entry: Box<Entry<M>>) {
        self.with_core(|core| core.push_idle(entry));
    }

    /// Makes it idle, least recently used.
    pub(crate) fn put_back_coldest(&self, entry: Box<Entry<M>>) {
        self.with_core(|core| core.push_idle_coldest(entry));
    }

    pub(crate) fn close_entry(&self, entry: Box<Entry<M>>, reason: CloseReason) {
        self.dispose(entry, reason);
        self.with_core(|core| core.closed(reason));
    }

    /// Runs the closing hooks of an object and drops it. A panic in either is contained: this runs in drops.
    pub(crate) fn dispose(&self, mut entry: Box<Entry<M>>, reason: CloseReason) {
        for hook in &self.hooks.pre_close {
            let Entry { object, metrics, .. } = &mut *entry;
            let _ = catch_unwind(AssertUnwindSafe(|| hook(object, metrics, reason)));
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(entry)));
    }
}

/// Reports.
impl<M: Manager> Shared<M> {
    /// Counts an error that costs an object, and reports it.
    #[cold]
    pub(crate) fn fail_step(&self, step: Step, error: &(dyn Error + 'static), metrics: &Metrics) {
        self.with_core(|core| core.counters.count_error(step));
        self.report(step, error, Some(metrics));
    }

    /// Tells the hooks of an error that no caller is given. A panic in one is contained: this runs in drops.
    #[cold]
    pub(crate) fn report(&self, step: Step, error: &(dyn Error + 'static), metrics: Option<&Metrics>) {
        let unseen = UnseenError { step, error, metrics };
        for hook in &self.hooks.on_error {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(&unseen)));
        }
    }

    #[inline]
    pub(crate) fn count_served(&self, waited: bool) {
        let counter = if waited { &self.served_after_wait } else { &self.served_at_once };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        let served =
            Served { at_once: self.served_at_once.load(Relaxed), after_wait: self.served_after_wait.load(Relaxed) };
        self.with_core(|core| Stats::new(&core.gauges(), &core.counters, &served))
    }

    /// Records who holds an object, if the config asks for it.
    #[inline]
    pub(crate) fn record_holder(&self, since: Instant, place: &'static Location<'static>) -> Option<HolderId> {
        self.config.leak_threshold.map(|_| self.holders.lock().add(since, place))
    }

    pub(crate) fn forget_holder(&self, id: HolderId) {
        self.holders.lock().remove(id);
    }

    pub(crate) fn leaks(&self) -> Vec<Leak> {
        self.config.leak_threshold.map(|threshold| self.holders.lock().longer_than(threshold)).unwrap_or_default()
    }
}

/// Steps that suspend.
impl<M: Manager> Shared<M> {
    /// Whether `step` suspended the last time: a caller who cannot wait then does not start it, as it would only be
    /// cut short.
    pub(crate) fn is_known_to_suspend(&self, step: Step) -> bool {
        self.suspending.load(Relaxed) & (1 << step as u8) != 0
    }

    pub(crate) fn note_suspension(&self, step: Step) {
        self.suspending.fetch_or(1 << step as u8, Relaxed);
    }

    #[inline]
    pub(crate) fn note_no_suspension(&self, step: Step) {
        if self.is_known_to_suspend(step) {
            self.suspending.fetch_and(!(1 << step as u8), Relaxed);
        }
    }
}
