//! The pool's state, shared by handles and guards, and the way into its core.

use std::{
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    CloseReason, Config, Manager, PoolState, Step,
    clock::Clock,
    hooks::Hooks,
    state::core::{Core, Locked, Outbox},
    state::idle::IdleStack,
    state::slot::{Entry, Slot, SlotIndex},
};

pub(crate) struct Shared<M: Manager> {
    pub(crate) manager: M,
    pub(crate) config: Config,
    pub(crate) hooks: Hooks<M::Object>,
    pub(crate) slots: Box<[Slot<M>]>,
    pub(crate) idle: IdleStack,
    /// A synchronous mutex: it is held for some dozen instructions, never across an await, and guards need it in
    /// their drop, where nothing can be awaited.
    core: Mutex<Core<M>>,
    /// Fires when the pool begins to end and when it is empty after that. Shared on its own, for maintenance to
    /// hear of the end without keeping the pool.
    pub(crate) ending: Arc<Notify>,
    /// The steps that suspended the last time they ran, a bit each; see [`Self::is_known_to_suspend`].
    suspending: AtomicU8,
    /// Shared on its own, for maintenance to tick it.
    pub(crate) clock: Arc<Clock>,
    random: AtomicU64,
}

impl<M: Manager> Shared<M> {
    /// `config` is valid.
    pub(crate) fn new(manager: M, config: Config, hooks: Hooks<M::Object>) -> Self {
        Self {
            manager,
            hooks,
            slots: (0..config.ceiling()).map(|_| Slot::vacant()).collect(),
            idle: IdleStack::new(config.ceiling()),
            core: Mutex::new(Core::new(&config)),
            ending: Arc::new(Notify::new()),
            suspending: AtomicU8::new(0),
            clock: Arc::new(Clock::new(&config)),
            random: AtomicU64::new(RandomState::new().hash_one(0)),
            config,
        }
    }

    pub(crate) fn slot(&self, index: &SlotIndex) -> &Slot<M> {
        &self.slots[index.position()]
    }

    /// Runs `act` as if the pool stood still, then serves whoever can be served.
    ///
    /// The gate stays shut if it has to; see [`Locked::is_calm`].
    pub(crate) fn with_core<R>(&self, act: impl FnOnce(&mut Locked<'_, M>) -> R) -> R {
        let mut locked = Locked { core: self.core.lock(), shared: self };
        self.idle.shut_gate();
        let result = act(&mut locked);
        locked.settle();
        let outbox = std::mem::take(&mut locked.core.outbox);
        if locked.is_calm() {
            self.idle.open_gate();
        }
        drop(locked);
        self.empty(outbox);
        result
    }

    /// Does what must not happen under the mutex.
    fn empty(&self, outbox: Outbox<M>) {
        let Outbox { wakers, errors, closing, ending } = outbox;
        wakers.into_iter().for_each(std::task::Waker::wake);
        drop(errors);
        if !closing.is_empty() {
            let closed: Vec<_> = closing
                .into_iter()
                .map(|(entry, reason)| {
                    let slot = entry.slot_index();
                    self.dispose(entry, reason);
                    (slot, reason)
                })
                .collect();
            self.with_core(|locked| {
                for (slot, reason) in closed {
                    locked.closed_from_outbox(slot, reason);
                }
            });
        }
        if ending {
            self.ending.notify_waiters();
        }
    }

    pub(crate) fn close(&self) {
        self.with_core(|locked| {
            locked.core.state = PoolState::Closed;
            locked.core.outbox.ending = true;
        });
    }

    pub(crate) fn state(&self) -> PoolState {
        self.with_core(|locked| locked.core.state)
    }
}

/// The ways back of an object.
impl<M: Manager> Shared<M> {
    /// Its user is done with it.
    #[inline]
    pub(crate) fn release(&self, mut entry: Box<Entry<M>>) {
        let Entry { object, metrics, .. } = &mut *entry;
        let reset = catch_unwind(AssertUnwindSafe(|| self.manager.release(object, metrics).is_ok()));
        match reset {
            Ok(true) => self.put_back(entry),
            _ => self.close_entry(entry, CloseReason::ReleaseFailed),
        }
    }

    /// Makes it idle, most recently used.
    #[inline]
    pub(crate) fn put_back(&self, entry: Box<Entry<M>>) {
        let slot = self.park(entry);
        if let Err(slot) = self.idle.push(slot) {
            self.with_core(|locked| locked.push_idle(slot));
        }
    }

    /// Makes it idle, least recently used.
    pub(crate) fn put_back_coldest(&self, entry: Box<Entry<M>>) {
        let slot = self.park(entry);
        self.with_core(|locked| locked.push_idle_coldest(slot));
    }

    #[inline]
    fn park(&self, entry: Box<Entry<M>>) -> SlotIndex {
        let slot = entry.slot_index();
        self.slot(&slot).park(entry);
        slot
    }

    pub(crate) fn close_entry(&self, entry: Box<Entry<M>>, reason: CloseReason) {
        let slot = entry.slot_index();
        self.dispose(entry, reason);
        self.with_core(|locked| locked.closed(slot, reason));
    }

    /// Says goodbye to an object and drops it. A panic in either is contained: this runs in drops.
    pub(crate) fn dispose(&self, mut entry: Box<Entry<M>>, reason: CloseReason) {
        for hook in &self.hooks.pre_close {
            let Entry { object, metrics, .. } = &mut *entry;
            let _ = catch_unwind(AssertUnwindSafe(|| hook(object, metrics, reason)));
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(entry)));
    }
}

/// Small matters of a hand-out.
impl<M: Manager> Shared<M> {
    /// How long an object created now lives.
    pub(crate) fn random_lifetime(&self) -> Option<Duration> {
        let shortened = f64::from(self.config.lifetime_jitter_percent) / 100.0 * self.random_share();
        self.config.max_lifetime.map(|lifetime| lifetime.mul_f64(1.0 - shortened))
    }

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

    /// From 0 to 1: splitmix64 of a counter, enough to scatter lifetimes.
    fn random_share(&self) -> f64 {
        let mut bits = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = (bits ^ (bits >> 31)) >> 32;
        f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}
