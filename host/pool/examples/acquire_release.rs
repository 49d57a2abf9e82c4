//! Measures acquire + release of an idle object.
//!
//! ```text
//! cargo run --release -p mantis-pool --example acquire_release
//! ```

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use mantis_pool::{Config, IdleOrder, Manager, Pool};
use tokio::time::Instant;

const ROUNDS: u32 = 200_000;
const REPEATS: usize = 50;

/// As large as a database session, and made without waiting.
struct Sessions;

impl Manager for Sessions {
    type Object = [u64; 32];
    type Error = Infallible;

    async fn create(&self) -> Result<[u64; 32], Infallible> {
        Ok([0; 32])
    }
}

fn pool(config: Config) -> Pool<Sessions> {
    Pool::new(Sessions, config).expect("the config is valid")
}

/// A config with which no hand-out reads the clock.
fn timeless() -> Config {
    Config { max_lifetime: None, validate_after_idle: None, health_check_interval: None, ..Config::default() }
}

fn main() {
    let defaults = pool(Config::default());
    let untimed = pool(timeless());
    let fifo = pool(Config { idle_order: IdleOrder::Fifo, ..timeless() });
    let recorded = pool(Config { leak_threshold: Some(std::time::Duration::from_mins(1)), ..Config::default() });

    println!("acquire + release of a 256 B object, one thread; ns, best and median of {REPEATS} runs of {ROUNDS}");
    report("clock read alone", || {
        black_box(Instant::now());
    });
    report("try_acquire, default config", || try_once(&defaults));
    report("acquire, default config", || await_once(&defaults));
    report("acquire, holders recorded", || await_once(&recorded));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a thread");
    let maintenance = runtime.spawn(defaults.run_maintenance());
    while defaults.stats().idle < defaults.config().min_idle {
        thread::yield_now();
    }
    report("try_acquire, default config, maintenance running", || try_once(&defaults));
    report("acquire, default config, maintenance running", || await_once(&defaults));
    maintenance.abort();
    report("try_acquire, no time limits", || try_once(&untimed));
    report("acquire, no time limits", || await_once(&untimed));
    report("acquire, no time limits, idle order FIFO", || await_once(&fifo));
    for threads in [2, 4] {
        report_shared(threads, &untimed);
    }
}

fn try_once(pool: &Pool<Sessions>) {
    black_box(pool.try_acquire().expect("nothing fails").expect("nobody else is here"));
}

fn await_once(pool: &Pool<Sessions>) {
    let Poll::Ready(object) = pin!(pool.acquire()).poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("nobody else is here")
    };
    black_box(object.expect("nothing fails"));
}

fn report(what: &str, mut act: impl FnMut()) {
    let mut runs = [0.0; REPEATS];
    for run in &mut runs {
        let begin = Instant::now();
        (0..ROUNDS).for_each(|_| act());
        *run = begin.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS);
    }
    runs.sort_by(f64::total_cmp);
    println!("{:8.1} {:8.1}  {what}", runs[0], runs[REPEATS / 2]);
}

fn report_shared(threads: u32, pool: &Pool<Sessions>) {
    let rounds = ROUNDS * 10;
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..rounds).for_each(|_| try_once(pool)));
        }
    });
    let ns = begin.elapsed().as_secs_f64() * 1e9 / f64::from(rounds * threads);
    println!("{ns:17.1}  try_acquire, no time limits, {threads} threads: elapsed per call, all threads together");
}
