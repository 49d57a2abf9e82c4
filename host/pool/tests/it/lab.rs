//! A manager whose steps behave as a test sets them, and which counts its objects.

use std::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use mantis_pool::{Config, Manager, Metrics, Object, Pool};
use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Succeed,
    Fail,
    Panic,
    Hang,
    /// Suspends this many times, each time waking itself at once.
    Yield(usize),
    /// Takes so long.
    Take(Duration),
    FailAfter(Duration),
    PanicAfter(Duration),
}

use Behaviour::Succeed;

#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
pub(crate) struct Broken;

#[derive(Clone, Default)]
pub(crate) struct Lab(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) on_create: Mutex<Behaviour>,
    pub(crate) on_recycle: Mutex<Behaviour>,
    pub(crate) on_validate: Mutex<Behaviour>,
    pub(crate) on_release: Mutex<Behaviour>,
    pub(crate) on_drop: Mutex<Behaviour>,
    pub(crate) creations_begun: AtomicUsize,
    pub(crate) created: AtomicUsize,
    pub(crate) recycled: AtomicUsize,
    pub(crate) validated: AtomicUsize,
    pub(crate) alive: AtomicUsize,
    pub(crate) alive_peak: AtomicUsize,
}

impl Default for State {
    fn default() -> Self {
        let succeed = || Mutex::new(Succeed);
        Self {
            on_create: succeed(),
            on_recycle: succeed(),
            on_validate: succeed(),
            on_release: succeed(),
            on_drop: succeed(),
            creations_begun: AtomicUsize::new(0),
            created: AtomicUsize::new(0),
            recycled: AtomicUsize::new(0),
            validated: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            alive_peak: AtomicUsize::new(0),
        }
    }
}

impl std::ops::Deref for Lab {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl Lab {
    pub(crate) fn all_succeed(&self) {
        for behaviour in [&self.on_create, &self.on_recycle, &self.on_validate, &self.on_release, &self.on_drop] {
            *behaviour.lock() = Succeed;
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.load(SeqCst)
    }

    pub(crate) fn created(&self) -> usize {
        self.created.load(SeqCst)
    }

    pub(crate) fn creations_begun(&self) -> usize {
        self.creations_begun.load(SeqCst)
    }
}

/// Numbered in the order of creation, from 0.
pub(crate) struct Item {
    pub(crate) number: usize,
    lab: Lab,
    has_left: bool,
}

impl Item {
    /// Counts as alive no more: for an object that is about to be detached, after which the pool may make another at once.
    pub(crate) fn leave(&mut self) {
        if !std::mem::replace(&mut self.has_left, true) {
            self.lab.alive.fetch_sub(1, SeqCst);
        }
    }
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Item({})", self.number)
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.leave();
        assert!(*self.lab.on_drop.lock() != Behaviour::Panic, "dropping panics on purpose");
    }
}

impl Manager for Lab {
    type Object = Item;
    type Error = Broken;

    async fn create(&self) -> Result<Item, Broken> {
        self.creations_begun.fetch_add(1, SeqCst);
        perform(&self.on_create).await?;
        let alive = self.alive.fetch_add(1, SeqCst) + 1;
        self.alive_peak.fetch_max(alive, SeqCst);
        Ok(Item { number: self.created.fetch_add(1, SeqCst), lab: self.clone(), has_left: false })
    }

    async fn recycle(&self, _item: &mut Item, _metrics: &Metrics) -> Result<(), Broken> {
        self.recycled.fetch_add(1, SeqCst);
        perform(&self.on_recycle).await
    }

    async fn validate(&self, _item: &mut Item, _metrics: &Metrics) -> Result<(), Broken> {
        self.validated.fetch_add(1, SeqCst);
        perform(&self.on_validate).await
    }

    fn release(&self, _item: &mut Item, _metrics: &Metrics) -> Result<(), Broken> {
        match *self.on_release.lock() {
            Behaviour::Panic => panic!("releasing panics on purpose"),
            Behaviour::Fail => Err(Broken),
            _ => Ok(()),
        }
    }
}

async fn perform(behaviour: &Mutex<Behaviour>) -> Result<(), Broken> {
    let behaviour = *behaviour.lock();
    match behaviour {
        Succeed => Ok(()),
        Behaviour::Fail => Err(Broken),
        Behaviour::Panic => panic!("panics on purpose"),
        Behaviour::Hang => pending().await,
        Behaviour::Take(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
        Behaviour::FailAfter(time) => {
            tokio::time::sleep(time).await;
            Err(Broken)
        }
        Behaviour::PanicAfter(time) => {
            tokio::time::sleep(time).await;
            panic!("panics on purpose");
        }
        Behaviour::Yield(mut times) => {
            poll_fn(|cx| {
                if times == 0 {
                    return Poll::Ready(());
                }
                times -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok(())
        }
    }
}

/// Without anything that depends on time.
pub(crate) fn plain(max: usize) -> Config {
    Config {
        min_idle: 0,
        max,
        acquire_timeout: None,
        idle_timeout: None,
        max_lifetime: None,
        lifetime_jitter_percent: 0,
        validate_after_idle: None,
        health_check_interval: None,
        ..Config::default()
    }
}

#[track_caller]
pub(crate) fn pool(config: Config) -> (Lab, Pool<Lab>) {
    let lab = Lab::default();
    let pool = Pool::new(lab.clone(), config).unwrap();
    (lab, pool)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Acquires `count` objects at once.
#[track_caller]
pub(crate) fn take(pool: &Pool<Lab>, count: usize) -> Vec<Object<Lab>> {
    (0..count)
        .map(|_| match poll_once(std::pin::pin!(pool.acquire())) {
            Poll::Ready(object) => object.unwrap(),
            Poll::Pending => panic!("no object at once"),
        })
        .collect()
}

/// Nothing was lost: the books balance, and all of `max` objects can be had, and not one more.
#[track_caller]
pub(crate) fn assert_whole(lab: &Lab, pool: &Pool<Lab>) {
    lab.all_succeed();
    assert_balanced(pool);
    let max = pool.stats().max;
    let all = take(pool, max);
    assert!(pool.try_acquire().unwrap().is_none(), "more than `max` objects");
    assert_eq!(lab.alive(), max);
    drop(all);
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.active, stats.creating, stats.waiters), (max, 0, 0, 0));
    assert_balanced(pool);
    assert!(lab.alive_peak.load(SeqCst) <= max.max(pool.config().max), "more than `max` objects at once");
}

/// The equations that `Stats` promises.
#[track_caller]
pub(crate) fn assert_balanced(pool: &Pool<Lab>) {
    let stats = pool.stats();
    assert_eq!(stats.total(), stats.active + stats.idle + stats.creating);
    assert_eq!(stats.created, stats.closed() + (stats.active + stats.idle) as u64, "{stats}");
    assert_eq!(stats.acquisitions(), stats.immediate + stats.waited);
    let ended = stats.waits_granted + stats.waits_timed_out + stats.waits_refused + stats.waits_abandoned;
    assert_eq!(stats.waits, ended + stats.waiters as u64, "{stats:?}");
    assert!(stats.wait_time_max <= stats.wait_time_total);
}
