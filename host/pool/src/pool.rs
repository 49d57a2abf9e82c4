//! The pool as its users see it: its handle, its builder, and a handle that does not keep it open.

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{
    CloseReason, Config, ConfigError, Error, HookResult, Leak, MaintenanceReport, Manager, Metrics, Object, PoolState,
    Retained, Stats, UnseenError,
    acquire::{Wish, acquire},
    config,
    hooks::Hooks,
    maintenance, retain,
    state::shared::{Handle, Shared},
};

/// A pool of objects; see the [crate's documentation](crate).
///
/// A clone is another handle of the same pool. When the last handle is dropped, the pool closes: idle objects at
/// once, those on loan when they are released.
pub struct Pool<M: Manager> {
    handle: Arc<Handle<M>>,
}

/// Building.
impl<M: Manager> Pool<M> {
    /// A pool without hooks. Creates no object yet.
    ///
    /// # Errors
    ///
    /// The first setting of `config` that cannot be applied.
    pub fn new(manager: M, config: Config) -> Result<Self, ConfigError> {
        Self::builder(manager).config(config).build()
    }

    /// Begins a pool with hooks.
    pub fn builder(manager: M) -> Builder<M> {
        Builder { manager, config: Config::default(), hooks: Hooks::default() }
    }
}

/// Acquiring.
impl<M: Manager> Pool<M> {
    /// Takes an idle object, creates one, or waits for one, first come, first served.
    ///
    /// The future may be dropped at any time; what it held goes to the next in line. A creation that is under way goes
    /// on in a task of its own, in a tokio runtime, and the object becomes idle. The future allocates nothing, arms no
    /// timer and is ready at its first poll if an object is idle and the manager needs no wait to reset it.
    ///
    /// # Errors
    ///
    /// - [`Error::Timeout`] with the step that was too slow, or [`Error::AcquireTimeout`] if the whole was;
    /// - [`Error::Create`] or [`Error::Hook`] if creating failed for this caller, or for all who waited while there
    ///   was no object that could have been released to them;
    /// - [`Error::Closed`], [`Error::QueueFull`], [`Error::NoRuntime`].
    ///
    /// An idle object that turns out to be expired or unfit is no error: it is closed and the next one is tried. After
    /// three unfit ones, one is created.
    ///
    /// # Panics
    ///
    /// If a step suspends in a tokio runtime that was built without timers.
    ///
    /// ```
    /// # use mantis_pool::{Pool, Config};
    /// # struct Numbers;
    /// # impl mantis_pool::Manager for Numbers {
    /// #     type Object = u64;
    /// #     type Error = std::convert::Infallible;
    /// #     async fn create(&self) -> Result<u64, Self::Error> { Ok(0) }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let pool = Pool::new(Numbers, Config::default())?;
    /// let mut number = pool.acquire().await?;
    /// *number += 1;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Object<M>, Error<M::Error>>> + Send {
        self.acquire_as(Location::caller(), Wish::Configured)
    }

    /// [`acquire`](Self::acquire) with a limit of this call's own, which takes the place of
    /// [`Config::acquire_timeout`] and [`Config::wait_timeout`]. Zero is for what needs no wait.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Self::acquire), with [`Error::AcquireTimeout`] for the limit.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire) does.
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Object<M>, Error<M::Error>>> + Send {
        self.acquire_as(Location::caller(), Wish::AtMost(timeout))
    }

    async fn acquire_as(&self, place: &'static Location<'static>, wish: Wish) -> Result<Object<M>, Error<M::Error>> {
        match acquire(self.shared(), place, wish).await {
            Ok(Some(object)) => Ok(object),
            Err(failure) => Err(*failure),
            Ok(None) => unreachable!("a caller who waits gets an object or an error"),
        }
    }

    /// Takes an idle object, or creates one if the manager can do so at once; `None` if the caller would have to wait.
    ///
    /// Needs no runtime. The manager's futures are polled once. One that suspends is dropped, and with it the
    /// object it worked on; the pool then answers `None` instead of starting the step, until an
    /// [`acquire`](Self::acquire) has seen it ready at once again.
    ///
    /// # Errors
    ///
    /// [`Error::Create`], [`Error::Hook`] or [`Error::Closed`].
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Option<Object<M>>, Error<M::Error>> {
        let attempt = pin!(acquire(self.shared(), Location::caller(), Wish::NoWait));
        match attempt.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome.map_err(|failure| *failure),
            Poll::Pending => unreachable!("no step is awaited"),
        }
    }
}

/// Controlling.
impl<M: Manager> Pool<M> {
    /// Changes the sizes. Room gained is used at once by those who wait. Above a lowered `max`, idle objects are
    /// closed at once and others when they are released; below a raised `min_idle`, maintenance creates.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], and nothing is changed, if `max` is 0 or below `min_idle`.
    pub fn resize(&self, min_idle: usize, max: usize) -> Result<(), ConfigError> {
        config::check_sizes(min_idle, max)?;
        self.shared().with_core(|core| {
            core.min_idle = min_idle;
            core.max = max;
        });
        Ok(())
    }

    /// Holds everything back: callers queue up (`wait_timeout` keeps counting), nothing is created or checked,
    /// released objects become idle. No effect on a pool that is draining or closed.
    pub fn pause(&self) {
        self.change_state(PoolState::Open, PoolState::Paused);
    }

    /// Undoes [`pause`](Self::pause); waiters are served in order.
    pub fn resume(&self) {
        self.change_state(PoolState::Paused, PoolState::Open);
    }

    /// Asks `keep` about each idle object, coldest first, and closes those for which it says no: for what an event
    /// outside has made useless, as the master that moved. Objects on loan are not asked about.
    ///
    /// While this runs, the idle objects are not there for callers: `keep` should be quick. It may use the pool.
    ///
    /// ```
    /// # use mantis_pool::{Pool, Config};
    /// # struct Numbers;
    /// # impl mantis_pool::Manager for Numbers {
    /// #     type Object = u64;
    /// #     type Error = std::convert::Infallible;
    /// #     async fn create(&self) -> Result<u64, Self::Error> { Ok(0) }
    /// # }
    /// # let pool = Pool::new(Numbers, Config::default()).unwrap();
    /// # drop(pool.try_acquire().unwrap());
    /// let retained = pool.retain(|_number, metrics| metrics.recycled_count() > 0);
    /// assert_eq!((retained.kept, retained.closed), (0, 1));
    /// ```
    #[allow(clippy::must_use_candidate, reason = "called for what it closes")]
    pub fn retain(&self, keep: impl FnMut(&M::Object, &Metrics) -> bool) -> Retained {
        retain::retain(self.shared(), keep)
    }

    fn change_state(&self, from: PoolState, to: PoolState) {
        self.shared().with_core(|core| {
            if core.state == from {
                core.state = to;
            }
        });
    }

    /// Ends the pool gracefully: newcomers are refused from now on, those who wait already are served, released
    /// objects are closed. Ready when no object is left; the pool is then closed. Draining also ends a pause, and
    /// continues if the future is dropped.
    ///
    /// To be sure of an end, give it a deadline:
    ///
    /// ```
    /// # use mantis_pool::{Pool, Config};
    /// # struct Numbers;
    /// # impl mantis_pool::Manager for Numbers {
    /// #     type Object = u64;
    /// #     type Error = std::convert::Infallible;
    /// #     async fn create(&self) -> Result<u64, Self::Error> { Ok(0) }
    /// # }
    /// # use std::time::Duration;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let pool = Pool::new(Numbers, Config::default()).unwrap();
    /// if tokio::time::timeout(Duration::from_secs(30), pool.drain()).await.is_err() {
    ///     pool.close(); // waiters are refused; objects still on loan close when they are released
    /// }
    /// # });
    /// ```
    pub async fn drain(&self) {
        let shared = self.shared();
        shared.with_core(|core| {
            core.state = core.state.max(PoolState::Draining);
            core.outbox.ending = true;
        });
        loop {
            let mut changed = pin!(shared.ending.notified());
            changed.as_mut().enable();
            if shared.with_core(|core| core.state == PoolState::Closed && core.occupied() == 0) {
                return;
            }
            poll_fn(|cx| changed.as_mut().poll(cx)).await;
        }
    }

    /// Ends the pool now: waiters wake with [`Error::Closed`], idle objects are closed before this returns, those
    /// on loan when they are released. [`drain`](Self::drain) after this waits for the latter.
    pub fn close(&self) {
        self.shared().close();
    }
}

/// Observing.
impl<M: Manager> Pool<M> {
    /// Where the pool is in its life.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.shared().state()
    }

    /// The pool's statistics now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().stats()
    }

    /// Objects held for longer than [`Config::leak_threshold`], longest first, with where they were acquired.
    /// Empty if that is `None`.
    #[must_use]
    pub fn leaks(&self) -> Vec<Leak> {
        self.shared().leaks()
    }

    /// What the pool was built with; [`stats`](Self::stats) has the sizes after a resize.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared().config
    }

    /// The manager.
    #[must_use]
    pub fn manager(&self) -> &M {
        &self.shared().manager
    }

    /// A handle that does not keep the pool open.
    #[must_use]
    pub fn downgrade(&self) -> WeakPool<M> {
        WeakPool { handle: Arc::downgrade(&self.handle) }
    }

    fn shared(&self) -> &Arc<Shared<M>> {
        &self.handle.shared
    }
}

/// Maintenance.
impl<M: Manager> Pool<M> {
    /// One pass: closes idle objects that are too old or idle for too long, checks the health of the others where
    /// due, and creates up to `min_idle`. Called once before the first use, it warms the pool up.
    ///
    /// May be dropped at any time.
    pub fn maintain(&self) -> impl Future<Output = MaintenanceReport<M::Error>> + Send {
        maintenance::pass(self.shared())
    }

    /// Maintenance for the pool's life: a pass now, one every [`Config::maintenance_interval`] and whenever an idle
    /// object is due, and a refill as soon as fewer than `min_idle` are idle, up to eight side by side. Does not keep the
    /// pool open; ready when it is drained, closed or gone. A panic of the manager ends the pass, not this. Its future has to be polled in a tokio runtime with timers.
    pub fn run_maintenance(&self) -> impl Future<Output = ()> + Send + use<M> {
        maintenance::run(Arc::downgrade(&self.handle))
    }

    /// Spawns [`run_maintenance`](Self::run_maintenance).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime; the task itself panics in one that was built without timers.
    #[allow(clippy::must_use_candidate, reason = "the task runs on without its handle")]
    pub fn spawn_maintenance(&self) -> JoinHandle<()> {
        tokio::spawn(self.run_maintenance())
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("state", &self.state()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A handle that does not keep the pool open.
pub struct WeakPool<M: Manager> {
    handle: Weak<Handle<M>>,
}

impl<M: Manager> WeakPool<M> {
    /// The pool, unless its last handle is gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Pool<M>> {
        self.handle.upgrade().map(|handle| Pool { handle })
    }
}

impl<M: Manager> Clone for WeakPool<M> {
    fn clone(&self) -> Self {
        Self { handle: Weak::clone(&self.handle) }
    }
}

impl<M: Manager> fmt::Debug for WeakPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakPool").finish_non_exhaustive()
    }
}

/// Builds a [`Pool`] with hooks.
///
/// Hooks of one kind run in the order in which they were added, until one refuses. They are called on the paths of
/// acquisition and release, so they should be quick; they may use the pool.
///
/// ```
/// # use mantis_pool::{Pool, Config};
/// # struct Numbers;
/// # impl mantis_pool::Manager for Numbers {
/// #     type Object = u64;
/// #     type Error = std::convert::Infallible;
/// #     async fn create(&self) -> Result<u64, Self::Error> { Ok(0) }
/// # }
/// let pool = Pool::builder(Numbers)
///     .config(Config { min_idle: 1, max: 4, ..Config::default() })
///     .pre_recycle(|_number, metrics| match metrics.recycled_count() {
///         0..1000 => Ok(()),
///         _ => Err("worn out".into()), // closed, and the caller gets another
///     })
///     .pre_close(|number, _metrics, reason| println!("{number} goes: {reason:?}"))
///     .build()?;
/// # drop(pool);
/// # Ok::<_, mantis_pool::ConfigError>(())
/// ```
#[must_use]
pub struct Builder<M: Manager> {
    manager: M,
    config: Config,
    hooks: Hooks<M::Object>,
}

impl<M: Manager> Builder<M> {
    /// Replaces the settings; they are [`Config::default`] otherwise.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Runs on a new object. A refusal counts as a failed creation.
    pub fn post_create(
        mut self,
        hook: impl Fn(&mut M::Object, &Metrics) -> HookResult + Send + Sync + 'static,
    ) -> Self {
        self.hooks.post_create.push(Box::new(hook));
        self
    }

    /// Runs on an idle object before [`Manager::recycle`]. A refusal closes it.
    pub fn pre_recycle(
        mut self,
        hook: impl Fn(&mut M::Object, &Metrics) -> HookResult + Send + Sync + 'static,
    ) -> Self {
        self.hooks.pre_recycle.push(Box::new(hook));
        self
    }

    /// Runs on an object about to be closed, with the reason; on whatever thread that happens, perhaps outside a
    /// runtime. A panic in it is contained. Not run on objects that are detached.
    pub fn pre_close(mut self, hook: impl Fn(&mut M::Object, &Metrics, CloseReason) + Send + Sync + 'static) -> Self {
        self.hooks.pre_close.push(Box::new(hook));
        self
    }

    /// Runs on each error that no caller is given: of checks and resets, and of creations that nobody waits for. On
    /// whatever thread that happens, perhaps outside a runtime. A panic in it is contained.
    pub fn on_error(mut self, hook: impl Fn(&UnseenError<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.on_error.push(Box::new(hook));
        self
    }

    /// The pool. Creates no object yet.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be applied.
    pub fn build(self) -> Result<Pool<M>, ConfigError> {
        self.config.validate()?;
        let shared = Arc::new(Shared::new(self.manager, self.config, self.hooks));
        Ok(Pool { handle: Arc::new(Handle { shared }) })
    }
}

impl<M: Manager> fmt::Debug for Builder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}
