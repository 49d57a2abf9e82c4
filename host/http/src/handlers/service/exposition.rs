//! The text formats of Prometheus (0.0.4) and `OpenMetrics` (1.0.0).

use std::fmt::{Display, Write as _};
use std::time::Duration;

use mantis_db::{DURATION_BOUNDS_US, Durations, Holds};
use mantis_pool::WaitTimes;

/// What all names begin with, but for those that Prometheus itself has given.
const PREFIX: &str = "mantisdb_";

/// What names end in that are no plain counts.
const UNITS: [&str; 2] = ["bytes", "seconds"];

/// Holds of the writers' lock shorter than this share the first bucket.
const HOLD_US_MIN: u64 = 128;

/// Types of metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// Text that is being written, in one of the two formats.
pub(super) struct Exposition {
    open: bool,
    text: String,
}

impl Exposition {
    pub(super) fn new(open: bool) -> Self {
        Self { open, text: String::with_capacity(32 * 1024) }
    }

    pub(super) fn into_text(mut self) -> String {
        if self.open {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, Type::Gauge);
        self.sample(name, "", value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, Type::Counter);
        self.sample(&format!("{name}_total"), "", value);
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) {
        self.head(name, help, Type::Histogram);
        self.buckets(name, "", buckets);
    }

    /// The lines before the samples of a metric. The newer format names a counter without the ending of its samples, the older with it.
    pub(super) fn head(&mut self, name: &str, help: &str, kind: Type) {
        let ending = if kind == Type::Counter && !self.open { "_total" } else { "" };
        let prefix = prefix(name);
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# HELP {prefix}{name}{ending} {help}\n# TYPE {prefix}{name}{ending} {kind}");
        // The older format has no line for the unit.
        if let Some(unit) = UNITS.into_iter().find(|unit| self.open && name.ends_with(&format!("_{unit}"))) {
            let _ = writeln!(self.text, "# UNIT {prefix}{name} {unit}");
        }
    }

    /// A sample; `labels` as they are between the braces.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let prefix = prefix(name);
        let _ = match labels {
            "" => writeln!(self.text, "{prefix}{name} {value}"),
            labels => writeln!(self.text, "{prefix}{name}{{{labels}}} {value}"),
        };
    }

    /// The samples of a histogram whose head is written.
    pub(super) fn buckets(&mut self, name: &str, labels: &str, buckets: &Buckets) {
        let bucket = format!("{name}_bucket");
        let comma = if labels.is_empty() { "" } else { "," };
        let mut count: u64 = 0;
        for (end, here) in &buckets.counts {
            count = count.saturating_add(*here);
            // As a float always: `OpenMetrics` wants bounds to be written in one way.
            self.sample(&bucket, &format!("{labels}{comma}le=\"{:?}\"", end.as_secs_f64()), count);
        }
        count = count.saturating_add(buckets.beyond);
        self.sample(&bucket, &format!("{labels}{comma}le=\"+Inf\""), count);
        self.sample(&format!("{name}_sum"), labels, buckets.sum_seconds);
        self.sample(&format!("{name}_count"), labels, count);
    }
}

/// Prometheus has given names to the figures of a process.
fn prefix(name: &str) -> &'static str {
    if name.starts_with("process_") { "" } else { PREFIX }
}

/// Text as the value of a label.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The counts of a histogram, each with the inclusive end of its range.
pub(super) struct Buckets {
    counts: Vec<(Duration, u64)>,
    beyond: u64,
    pub(super) sum_seconds: f64,
}

impl Buckets {
    pub(super) fn add_to_first(&mut self, count: u64) {
        if let Some((_, first)) = self.counts.first_mut() {
            *first = first.saturating_add(count);
        }
    }
}

impl From<&Durations> for Buckets {
    fn from(durations: &Durations) -> Self {
        let ends = DURATION_BOUNDS_US.into_iter().map(Duration::from_micros);
        Self {
            counts: ends.zip(durations.counts).collect(),
            beyond: durations.counts.last().copied().unwrap_or_default(),
            sum_seconds: Duration::from_micros(durations.total_us).as_secs_f64(),
        }
    }
}

impl From<&WaitTimes> for Buckets {
    fn from(waits: &WaitTimes) -> Self {
        Self {
            counts: WaitTimes::BOUNDS.into_iter().zip(waits.counts().iter().copied()).collect(),
            beyond: waits.counts().last().copied().unwrap_or_default(),
            sum_seconds: 0.0,
        }
    }
}

impl From<&Holds> for Buckets {
    fn from(holds: &Holds) -> Self {
        let mut buckets =
            Self { counts: Vec::new(), beyond: 0, sum_seconds: Duration::from_micros(holds.total_us).as_secs_f64() };
        let mut short: u64 = 0;
        for (bucket, count) in holds.counts.into_iter().enumerate() {
            match Holds::bucket_end_us(bucket) {
                Some(end) if end < HOLD_US_MIN => short = short.saturating_add(count),
                Some(end) => {
                    let count = count.saturating_add(std::mem::take(&mut short));
                    buckets.counts.push((Duration::from_micros(end), count));
                }
                None => buckets.beyond = count,
            }
        }
        buckets
    }
}
