//! All connections: the sweep that enforces their timeouts, and the drain at shutdown.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mantis_http::App;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::limits::ConnectionLimits;
use super::progress::{Order, Progress};

/// The longest time between two sweeps, in milliseconds: how late a timeout may be.
const SWEEP_MS_MAX: u64 = 250;

/// The connections of one listener.
pub(super) struct Registry {
    pub(super) limits: ConnectionLimits,
    app: App,
    started: Instant,
    /// Milliseconds since the start, from 1, as of the last sweep: exact enough for timeouts of seconds, and free to read.
    now_ms: AtomicU64,
    next_id: AtomicU64,
    // A plain lock: it is taken twice in a connection's life and once a sweep, never on a request.
    open: Mutex<HashMap<u64, Arc<Progress>>>,
    draining: AtomicBool,
    emptied: Notify,
}

/// One connection's entry in the registry, removed when this is dropped.
pub(super) struct Member {
    pub(super) progress: Arc<Progress>,
    id: u64,
    registry: Arc<Registry>,
}

impl Registry {
    #[allow(clippy::disallowed_methods, reason = "the listener is native")]
    pub(super) fn new(limits: ConnectionLimits, app: App) -> Self {
        Self {
            limits,
            app,
            started: Instant::now(),
            now_ms: AtomicU64::new(1),
            next_id: AtomicU64::new(0),
            open: Mutex::default(),
            draining: AtomicBool::new(false),
            emptied: Notify::new(),
        }
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Registers a connection; none at the limit.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Arc<Member>> {
        let mut open = self.open.lock();
        if open.len() >= self.limits.connections_max {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let progress = Arc::new(Progress::new(self.now_ms.load(Ordering::Relaxed)));
        open.insert(id, Arc::clone(&progress));
        drop(open);
        self.app.metrics().connection_opened();
        Some(Arc::new(Member { progress, id, registry: Arc::clone(self) }))
    }

    /// Checks every connection's timeouts a few times a second, for as long as it is polled.
    pub(super) async fn sweep_forever(self: Arc<Self>) {
        let limits = &self.limits;
        let shortest_ms = limits.header_timeout_ms.min(limits.idle_timeout_ms).min(limits.send_timeout_ms);
        let mut ticks = tokio::time::interval(Duration::from_millis((shortest_ms / 4).clamp(5, SWEEP_MS_MAX)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep();
        }
    }

    fn sweep(&self) {
        let now_ms = 1 + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.now_ms.store(now_ms, Ordering::Relaxed);
        for progress in self.open.lock().values() {
            progress.stop_stalled(now_ms, &self.limits);
            if let Some(order) = progress.verdict(now_ms, &self.limits) {
                progress.order(order);
            }
        }
    }

    /// Asks all connections to finish, waits until `deadline`, and closes the rest. Returns how many these were.
    pub(super) async fn drain(&self, deadline: Duration) -> usize {
        self.draining.store(true, Ordering::Relaxed);
        self.order_all(Order::Finish);
        let _ = tokio::time::timeout(deadline, self.wait_until_empty()).await;
        let cut_off = self.order_all(Order::Cut);
        // A task that is busy with a long step does not delay the shutdown.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.wait_until_empty()).await;
        cut_off
    }

    fn order_all(&self, order: Order) -> usize {
        let open = self.open.lock();
        open.values().for_each(|progress| progress.order(order));
        open.len()
    }

    async fn wait_until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Member {
    pub(super) fn app(&self) -> &App {
        &self.registry.app
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.registry.limits
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.registry.now_ms.load(Ordering::Relaxed)
    }

    /// The order given to this connection, if it still applies: a request may have begun since the verdict, or its head may have
    /// arrived after all.
    pub(super) fn take_order(&self) -> Option<Order> {
        let order = self.progress.take_order()?;
        let is_draining = self.registry.draining.load(Ordering::Relaxed);
        let holds = is_draining || self.progress.verdict(self.now_ms(), self.limits()) == Some(order);
        holds.then_some(order)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = self.registry.open.lock();
        open.remove(&self.id);
        let emptied = open.is_empty();
        // The table shrinks after a peak.
        if open.capacity() > 1_024 && open.len() < open.capacity() / 8 {
            open.shrink_to_fit();
        }
        drop(open);
        self.registry.app.metrics().connection_closed();
        if emptied {
            self.registry.emptied.notify_waiters();
        }
    }
}
