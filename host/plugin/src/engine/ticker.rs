//! The thread that advances the engine's epoch, so that guests check the clock at regular intervals.
//!
//! It ticks only while guests run: an idle host wakes no thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

use crate::Error;

const TICK: Duration = Duration::from_millis(1);
/// Ticks without a guest after which the thread sleeps.
const IDLE_TICKS: u32 = 50;

/// Ends its thread when dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    running: AtomicUsize,
    ticks: AtomicU64,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// Keeps the ticker awake.
pub(crate) struct Awake<'t>(&'t Shared);

/// Reads the number of ticks. Far cheaper than a clock: host functions read it before they read the time.
#[derive(Clone)]
pub(crate) struct Ticks(Arc<Shared>);

impl Ticks {
    pub(crate) fn get(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }
}

impl Ticker {
    pub(crate) fn start(engine: Engine) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            ticks: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let thread = std::thread::Builder::new().name("mantis-ticker".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(&engine)
        });
        let thread = thread.map_err(|error| Error::Engine(format!("cannot start its clock's thread: {error}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn ticks(&self) -> Ticks {
        Ticks(Arc::clone(&self.shared))
    }

    /// The ticker ticks until the guard is dropped.
    pub(crate) fn keep_awake(&self) -> Awake<'_> {
        // With the thread's own order (asleep, then running) one of the two sees the other.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Awake(&self.shared)
    }
}

impl Shared {
    #[allow(clippy::disallowed_methods, reason = "a thread of its own, in native code")]
    fn run(&self, engine: &Engine) {
        let mut idle_ticks = 0;
        while !self.ended.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
            engine.increment_epoch();
            self.ticks.fetch_add(1, Ordering::Relaxed);
            idle_ticks = if self.running.load(Ordering::SeqCst) == 0 { idle_ticks + 1 } else { 0 };
            if idle_ticks == IDLE_TICKS {
                self.sleep();
                idle_ticks = 0;
            }
        }
    }

    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
