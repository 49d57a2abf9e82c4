//! A client's notes: each line is on the disk before the client continues.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The value that a write gives a key, or none.
pub(super) type Effect = (String, Option<Held>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) value: String,
    /// When it expires, if ever: at one moment once that was answered, before that some time within these.
    pub(super) expires_ms: Option<RangeInclusive<u64>>,
    /// As answered; `None` if the answer is unknown or has no version.
    pub(super) version: Option<u64>,
}

impl Held {
    /// What stays until somebody changes it.
    pub(super) fn lasting(value: String) -> Self {
        Self { value, expires_ms: None, version: None }
    }

    /// Whether it may have expired by then.
    pub(super) fn may_be_gone_at(&self, time_ms: u64) -> bool {
        self.expires_ms.as_ref().is_some_and(|within| *within.start() <= time_ms)
    }

    /// Whether it may still exist then.
    pub(super) fn may_be_there_at(&self, time_ms: u64) -> bool {
        self.expires_ms.as_ref().is_none_or(|within| *within.end() > time_ms)
    }
}

/// An answer's data about a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Done {
    /// 0 if the answer does not name it.
    pub(super) version: u64,
    /// When what it wrote expires.
    pub(super) expires_ms: Option<RangeInclusive<u64>>,
}

/// A line of a client's file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// A value that existed when the file was begun.
    Is(Effect),
    /// A request about to be sent.
    Intent(Vec<Effect>),
    /// The newest intent was answered: applied.
    Done(Done),
    /// The newest intent was answered: not applied.
    Refused,
}

/// A client's file.
pub(super) struct Book(File);

impl Book {
    pub(super) fn open(path: &Path) -> Self {
        Self(File::options().append(true).open(path).unwrap())
    }

    pub(super) fn note(&mut self, line: &Line) {
        let mut text = serde_json::to_vec(line).unwrap();
        text.push(b'\n');
        self.0.write_all(&text).unwrap();
        self.0.sync_data().unwrap();
    }

    /// Rewrites the file with its current state.
    pub(super) fn begin(path: &Path, held: &BTreeMap<String, Held>) {
        let mut text = Vec::new();
        for (key, held) in held {
            serde_json::to_writer(&mut text, &Line::Is((key.clone(), Some(held.clone())))).unwrap();
            text.push(b'\n');
        }
        fs::write(path, text).unwrap();
    }
}

/// The contents of a client's file.
#[derive(Default)]
pub(super) struct Recorded {
    /// By key.
    pub(super) held: BTreeMap<String, Held>,
    /// The last request, if it was not answered.
    pub(super) open: Option<Vec<Effect>>,
    /// Versions that were answered, with the keys written.
    pub(super) done: Vec<(u64, Vec<String>)>,
}

impl Recorded {
    pub(super) fn read(path: &Path) -> Self {
        let mut recorded = Self::default();
        for line in BufReader::new(File::open(path).unwrap()).lines() {
            match serde_json::from_str(&line.unwrap()).unwrap() {
                Line::Is(effect) => recorded.apply(&[effect], None),
                Line::Intent(effects) => recorded.open = Some(effects),
                Line::Done(done) => {
                    let effects = recorded.open.take().unwrap();
                    recorded.done.push((done.version, effects.iter().map(|(key, _)| key.clone()).collect()));
                    recorded.apply(&effects, Some(&done));
                }
                Line::Refused => recorded.open = None,
            }
        }
        recorded
    }

    pub(super) fn apply(&mut self, effects: &[Effect], done: Option<&Done>) {
        for (key, held) in effects {
            match held {
                Some(held) => {
                    let mut held = held.clone();
                    if let Some(done) = done {
                        held.version = Some(done.version).filter(|&version| version > 0).or(held.version);
                        held.expires_ms = done.expires_ms.clone().or(held.expires_ms);
                    }
                    self.held.insert(key.clone(), held)
                }
                None => self.held.remove(key),
            };
        }
    }
}
