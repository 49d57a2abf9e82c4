//! Sets on a fixed schedule: each counts from when it was to be sent, so that a stall counts for those that wait after it.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use mantis_benches::process::{Busy, LOAD_CORE, SERVER_CORE, pin_this_thread};
use mantis_store::Store;

use crate::keep;

/// When a set was to be sent, and how long after that it was acknowledged.
pub(crate) struct Latency {
    pub(crate) due: Instant,
    pub(crate) took: Duration,
}

#[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Sets random ones of `keys` keys, `rate` a second, on a thread on the load's core, until `is_over`.
pub(crate) fn run(store: &Store, keys: u64, rate: u64, is_over: impl Fn() -> bool + Send) -> Result<Vec<Latency>> {
    thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<Vec<Latency>> {
            pin_this_thread(LOAD_CORE)?;
            send(store, keys, rate, is_over)
        });
        writer.join().map_err(|_| anyhow!("the writer panicked"))?
    })
}

fn send(store: &Store, keys: u64, rate: u64, is_over: impl Fn() -> bool) -> Result<Vec<Latency>> {
    let gap = Duration::from_secs(1) / u32::try_from(rate)?;
    let (mut done, mut open) = (Vec::new(), VecDeque::new());
    let (mut due, mut sent) = (now(), 0);
    loop {
        let at = now();
        let is_ending = is_over();
        if at >= due && !is_ending {
            sent += 1;
            open.push_back((keep::set(store, &keep::key(keep::shuffle(sent, keys)), sent)?, due));
            due += gap;
        }
        // Commits are acknowledged in their order, when they are visible.
        let visible = store.version();
        let at = now();
        while let Some((_, due)) = open.pop_front_if(|(version, _)| *version <= visible) {
            done.push(Latency { due, took: at - due });
        }
        if is_ending && open.is_empty() {
            return Ok(done);
        }
        ensure!(!store.has_failed(), "the disk failed: {:?}", store.disk_failure());
    }
}

/// How late the schedule itself runs with one busy core and nothing to do: a part of every latency.
pub(crate) fn alone(rate: u64, time: Duration) -> Result<Vec<Latency>> {
    let _busy = Busy::keep(SERVER_CORE)?;
    let work = move || -> Result<Vec<Latency>> {
        pin_this_thread(LOAD_CORE)?;
        let gap = Duration::from_secs(1) / u32::try_from(rate)?;
        let start = now();
        let (mut done, mut due) = (Vec::new(), start);
        while due < start + time {
            let at = now();
            if at >= due {
                done.push(Latency { due, took: at - due });
                due += gap;
            }
        }
        Ok(done)
    };
    thread::spawn(work).join().map_err(|_| anyhow!("the schedule panicked"))?
}

/// The latency below which `share` of them lie, in microseconds.
pub(crate) fn percentile_us<'l>(latencies: impl Iterator<Item = &'l Latency>, share: f64) -> f64 {
    let mut all: Vec<_> = latencies.map(|latency| latency.took.as_secs_f64() * 1e6).collect();
    if all.is_empty() {
        return f64::NAN;
    }
    all.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "far below 2^53, and never negative"
    )]
    let place = (all.len() as f64 * share) as usize;
    all[place.min(all.len() - 1)]
}
