//! Counters, per plugin and for the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mantis_db::{DurationCounters, Durations};
use parking_lot::Mutex;
use serde::Serialize;

macro_rules! statistics {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counters since the plugin was installed, or since the host began.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        #[non_exhaustive]
        pub struct Statistics {
            $($(#[doc = $doc])* pub $name: u64,)*
            /// Time of the longest call, in microseconds.
            pub duration_us_max: u64,
            /// Idle instances kept for the next calls.
            pub instances_warm: u64,
            /// How long the calls took, waiting included.
            #[serde(skip)]
            pub durations: Durations,
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
            duration_us_max: AtomicU64,
            durations: DurationCounters,
        }

        impl Counters {
            pub(crate) fn read(&self) -> Statistics {
                Statistics {
                    $($name: self.$name.get(),)*
                    duration_us_max: self.duration_us_max.load(Ordering::Relaxed),
                    instances_warm: 0,
                    durations: self.durations.read(),
                }
            }
        }

        impl Statistics {
            /// Adds another plugin's counters; maxima stay maxima.
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
                self.duration_us_max = self.duration_us_max.max(other.duration_us_max);
                self.instances_warm += other.instances_warm;
                self.durations.add(&other.durations);
            }
        }
    };
}

statistics! {
    /// Calls that ended, successfully or not.
    calls,
    /// Calls whose function returned an error of its own.
    errors,
    /// Calls that trapped.
    traps,
    /// Calls that reached their deadline.
    deadlines,
    /// Calls that reached another limit.
    limits,
    /// Calls refused because a limit of calls under way was reached.
    busy,
    /// Calls that lost a conflict at each attempt.
    conflicts,
    /// Calls whose caller went away before they ended.
    abandoned,
    /// Runs that were repeated because another commit came first.
    conflicts_retried,
    /// Runs on the caller's thread.
    inline_runs,
    /// Runs on a guest thread.
    thread_runs,
    /// Runs on the caller's thread that took too long and were run again on a guest thread.
    inline_interrupted,
    /// Reused instances that were thrown away because a call left handles or transactions open in them, or memory nearly used up.
    leftovers,
    /// Runs that reached a limit in a reused instance and were run again in a new one.
    worn_out_retried,
    /// Log lines above the limit.
    log_lines_dropped,
    /// Time of all calls, waiting included, in microseconds.
    duration_us_sum,
}

/// The statistics of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct PluginStats {
    /// Plugins installed now.
    pub plugins: u64,
    /// Calls under way now.
    pub calls_active: u64,
    /// Calls that wait for a guest thread now.
    pub calls_queued: u64,
    /// Bytes of memory of the compiled code of all plugins, and of components that are kept for their next installation.
    pub compiled_bytes: u64,
    /// All plugins together, removed ones included.
    #[serde(flatten)]
    pub total: Statistics,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn note_call(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.calls.add(1);
        self.duration_us_sum.add(took_us);
        self.durations.count(took_us);
        if took_us > self.duration_us_max.load(Ordering::Relaxed) {
            self.duration_us_max.fetch_max(took_us, Ordering::Relaxed);
        }
    }
}

/// The counters of removed plugins, and of those whose last calls are still under way.
#[derive(Debug, Default)]
pub(crate) struct Retired(Mutex<RetiredCounters>);

#[derive(Debug, Default)]
struct RetiredCounters {
    gone: Statistics,
    leaving: Vec<Arc<Counters>>,
}

impl Retired {
    /// Takes over the counters of a removed plugin.
    pub(crate) fn add(&self, counters: Arc<Counters>) {
        let mut retired = self.0.lock();
        retired.leaving.push(counters);
        retired.settle();
    }

    pub(crate) fn read(&self) -> Statistics {
        let mut retired = self.0.lock();
        retired.settle();
        let mut total = retired.gone;
        retired.leaving.iter().for_each(|counters| total.add(&counters.read()));
        total
    }
}

impl RetiredCounters {
    /// Adds up the counters that nobody else holds: they no longer change.
    fn settle(&mut self) {
        let gone = &mut self.gone;
        self.leaving.retain(|counters| {
            let held = Arc::strong_count(counters) > 1;
            if !held {
                gone.add(&counters.read());
            }
            held
        });
    }
}
