//! The moments at which a server is killed: blindly, when a file comes into being, and while it recovers.

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
    /// A file whose name has this in it comes into being, or is renamed.
    FileWith(&'static str),
    /// Some times while it starts, and then at some time of its next life.
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

/// How often a recovery is begun and killed before one may end.
const RECOVERIES: u64 = 3;

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

/// Waits for the moment to kill the server, for some seconds at most: a file may not come. Says which moment it was.
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

/// Kills servers while they recover. How long a recovery takes is learnt: where a kill comes too late, the next one comes earlier.
#[derive(Debug)]
pub(super) struct Interrupter {
    span_us: u64,
}

impl Interrupter {
    pub(super) fn new() -> Self {
        Self { span_us: 20_000 }
    }

    /// Starts the server a few times, and kills it between its first hold on the directory and its first thread for the disk.
    pub(super) fn interrupt(&mut self, arguments: &[&str], numbers: &mut Numbers, kills: &mut Kills) {
        for _ in 0..RECOVERIES {
            let mut command = program();
            command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let process = Process(format!("/proc/{}", child.id()));
            let begun = Instant::now();
            while !process.has_open("/lock") && !process.is_served() {
                assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "it does not start");
                thread::sleep(Duration::from_micros(50));
            }
            thread::sleep(Duration::from_micros(numbers.below(self.span_us)));
            let place = process.stop_and_look(&child);
            child.kill().unwrap();
            child.wait().unwrap();
            kills.count(place);
            self.span_us = if place == TOO_LATE { self.span_us * 2 / 3 } else { self.span_us * 9 / 8 }.max(500);
        }
    }
}

pub(super) const AT_CHECKPOINT: &str = "while a checkpoint was read";
pub(super) const AT_LOG: &str = "while the log was done again";
const TOO_LATE: &str = "just after a recovery";

/// What the system says of a process.
struct Process(String);

impl Process {
    fn has_open(&self, part: &str) -> bool {
        let Ok(files) = fs::read_dir(format!("{}/fd", self.0)) else { return false };
        let mut files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.any(|path| path.to_string_lossy().contains(part))
    }

    /// The threads for the disk begin when everything was read.
    fn is_served(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("{}/task", self.0)) else { return false };
        let mut names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.any(|name| name.starts_with("mantis-log") || name.starts_with("mantis-checkpoi"))
    }

    /// Stops it, so that it stays where it is, and says where that is.
    fn stop_and_look(&self, child: &Child) -> &'static str {
        kill_process(Pid::from_child(child), Signal::STOP).unwrap();
        let is_stopped = || {
            let state = fs::read_to_string(format!("{}/stat", self.0)).unwrap();
            state.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T") || rest.starts_with(" Z"))
        };
        while !is_stopped() {
            thread::yield_now();
        }
        match () {
            () if self.is_served() || !self.has_open("/lock") => TOO_LATE,
            () if self.has_open("/checkpoint-") => AT_CHECKPOINT,
            () => AT_LOG,
        }
    }
}
