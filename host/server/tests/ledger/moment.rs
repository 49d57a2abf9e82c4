//! The moments at which a server is killed: at random, when a file is created, and while it recovers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Numbers;
use crate::support::{PATIENCE, pause, program};

/// When a server is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    AfterMs(u64),
    /// A file whose name contains this is created, or renamed.
    FileWith(&'static str),
    /// Several times while it starts, and then at some time of its next run.
    Recovering,
}

pub(super) const MOMENTS: [Moment; 6] = [
    Moment::AfterMs(40),
    Moment::FileWith("log-"),
    Moment::Recovering,
    Moment::FileWith(".unfinished"),
    Moment::AfterMs(150),
    Moment::FileWith("checkpoint-"),
];

/// What a server is doing when it is killed, in successive starts, before it may recover.
const PARTS: [&str; 4] = [AT_START, AT_CHECKPOINT, AT_LOG, AT_LOG];
/// Attempts to hit one of them. On a busy machine it may be over before the server is stopped.
const TRIES: usize = 10;
/// Kills are spread over at least this much of a part.
const SPAN_US_MIN: u64 = 200;

/// Where kills landed.
#[derive(Debug, Default)]
pub(super) struct Kills(BTreeMap<&'static str, u64>);

impl Kills {
    pub(super) fn count(&mut self, place: &'static str) {
        *self.0.entry(place).or_default() += 1;
    }

    pub(super) fn at(&self, place: &str) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }

    pub(super) fn all(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<_> = self.0.iter().map(|(place, count)| format!("{count} {place}")).collect();
        write!(f, "{} kills ({})", self.all(), each.join(", "))
    }
}

fn names(data: &Path) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(data) else { return BTreeSet::new() };
    files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect()
}

/// Waits for the moment to kill the server, for some seconds at most: a file may not come. Returns the moment.
pub(super) fn wait_for(moment: Moment, data: &Path, numbers: &mut Numbers) -> &'static str {
    let Moment::FileWith(part) = moment else {
        let ms = if let Moment::AfterMs(ms) = moment { ms } else { 20 };
        pause(ms + numbers.below(40));
        return "at random";
    };
    let before = names(data);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        let now = names(data);
        if now.iter().any(|name| name.contains(part) && !before.contains(name)) {
            // At the moment itself, or shortly after it.
            thread::sleep(Duration::from_micros(numbers.below(3) * numbers.below(1_500)));
            return match part {
                "log-" => "when a segment had begun",
                ".unfinished" => "when a checkpoint had begun",
                _ => "when a checkpoint had got its name",
            };
        }
        thread::sleep(Duration::from_micros(100));
    }
    "at random"
}

pub(super) const AT_CHECKPOINT: &str = "while a checkpoint was read";
pub(super) const AT_LOG: &str = "while the log was done again";
const AT_START: &str = "before a recovery";
const TOO_EARLY: &str = "before it had the directory";
const TOO_LATE: &str = "just after a recovery";

/// Kills servers while they recover. The duration of each part of a recovery is learnt: if a kill comes too late, the next one comes sooner
/// after that part was seen to begin.
#[derive(Debug)]
pub(super) struct Interrupter {
    spans_us: BTreeMap<&'static str, u64>,
}

impl Interrupter {
    pub(super) fn new() -> Self {
        Self { spans_us: BTreeMap::from([(AT_START, 1_000), (AT_CHECKPOINT, 10_000), (AT_LOG, 10_000)]) }
    }

    /// Starts the server a few times, and kills it before its recovery, in each part of it, and sometimes after it.
    pub(super) fn interrupt(&mut self, arguments: &[&str], numbers: &mut Numbers, kills: &mut Kills) {
        for part in PARTS {
            for _ in 0..TRIES {
                let span_us = self.spans_us.get_mut(part).unwrap();
                let place = interrupt_in(part, numbers.below(*span_us), arguments);
                kills.count(place);
                if place == part {
                    *span_us = *span_us * 9 / 8;
                    break;
                }
                *span_us = (*span_us / 2).max(SPAN_US_MIN);
            }
        }
    }
}

/// Kills a server some time after a part of its recovery has begun, and returns where it was then.
fn interrupt_in(part: &str, delay_us: u64, arguments: &[&str]) -> &'static str {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut process = Process { directory: format!("/proc/{}", child.id()), has_read_checkpoint: false };
    let begun = Instant::now();
    loop {
        let place = process.place();
        if place == part || place == TOO_LATE {
            break;
        }
        assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "it does not start");
        thread::sleep(Duration::from_micros(50));
    }
    thread::sleep(Duration::from_micros(delay_us));
    process.stop(&child);
    let place = process.place();
    child.kill().unwrap();
    child.wait().unwrap();
    place
}

/// The system's data about a process.
struct Process {
    directory: String,
    has_read_checkpoint: bool,
}

impl Process {
    /// The part of its recovery.
    fn place(&mut self) -> &'static str {
        let is_locked = self.has_open("/lock");
        if self.is_served() {
            return TOO_LATE;
        }
        let is_reading_checkpoint = self.has_open("/checkpoint-");
        self.has_read_checkpoint |= is_reading_checkpoint;
        match () {
            () if !is_locked => TOO_EARLY,
            () if is_reading_checkpoint => AT_CHECKPOINT,
            () if self.has_read_checkpoint => AT_LOG,
            () => AT_START,
        }
    }

    fn has_open(&self, part: &str) -> bool {
        let Ok(files) = fs::read_dir(format!("{}/fd", self.directory)) else { return false };
        let mut files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.any(|path| path.to_string_lossy().contains(part))
    }

    /// The threads for the disk start when everything is read.
    fn is_served(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("{}/task", self.directory)) else { return false };
        let mut names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.any(|name| name.starts_with("mantis-log") || name.starts_with("mantis-checkpoi"))
    }

    /// Stops the process, so that it stays in that part.
    fn stop(&self, child: &Child) {
        kill_process(Pid::from_child(child), Signal::STOP).unwrap();
        let is_stopped = || {
            let state = fs::read_to_string(format!("{}/stat", self.directory)).unwrap();
            state.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T") || rest.starts_with(" Z"))
        };
        while !is_stopped() {
            thread::yield_now();
        }
    }
}
