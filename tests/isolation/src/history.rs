//! What clients did, when, and their answers.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time of an event that did not happen.
pub const NEVER: u64 = u64::MAX;

/// The time of all clients: each reading is larger than all earlier ones.
#[derive(Debug, Default)]
pub struct Time(AtomicU64);

impl Time {
    /// The next number.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What is known of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, between its call and its return.
    Done,
    /// It did not happen and never will.
    Failed,
    /// Unknown: it happened at any time after its call, or never.
    Open,
}

/// The isolation of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// It happens at one moment.
    Serialisable,
    /// It reads at one moment and writes at a later one; in between nobody else writes the same.
    Snapshot,
}

/// A key, by its number.
pub type Key = usize;
/// An element of a list: a number that is appended once in the whole history.
pub type Element = u32;

/// How a list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By its key.
    Named,
    /// In a range that contains the key.
    Scanned,
    /// It was not read, but the transaction was to happen only if the list is this: nothing is known if it did not happen.
    Expected,
}

/// One step of a transaction. A key holds a list that is empty at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The list was read.
    Read {
        /// The key.
        key: Key,
        /// The list.
        list: Vec<Element>,
        /// The way.
        how: How,
    },
    /// The list was written with one element more than it had when the same transaction last read or wrote it.
    Append {
        /// The key.
        key: Key,
        /// The new element at its end.
        element: Element,
    },
}

impl Operation {
    /// A read by name.
    #[must_use]
    pub fn read(key: Key, list: &[Element]) -> Self {
        Self::Read { key, list: list.to_vec(), how: How::Named }
    }

    /// A read of a key within a range.
    #[must_use]
    pub fn scan(key: Key, list: &[Element]) -> Self {
        Self::Read { key, list: list.to_vec(), how: How::Scanned }
    }

    /// A condition of the transaction.
    #[must_use]
    pub fn expect(key: Key, list: &[Element]) -> Self {
        Self::Read { key, list: list.to_vec(), how: How::Expected }
    }

    /// An append. A read of the key has to come before it.
    #[must_use]
    pub fn append(key: Key, element: Element) -> Self {
        Self::Append { key, element }
    }
}

/// A unit of a client's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// In order.
    pub operations: Vec<Operation>,
    /// When it began.
    pub called: u64,
    /// When its commit was requested: before that nobody may see its writes. For a single operation, when it was called.
    pub committing: u64,
    /// When its outcome was known; [`NEVER`] if that is open.
    pub returned: u64,
    /// Its outcome.
    pub outcome: Outcome,
    /// Its isolation.
    pub isolation: Isolation,
    /// The number of its commit, if it wrote and learned of it.
    pub version: Option<u64>,
}

impl Transaction {
    /// A serialisable transaction that was committed.
    #[must_use]
    pub fn done(operations: Vec<Operation>, called: u64, returned: u64) -> Self {
        let (outcome, isolation) = (Outcome::Done, Isolation::Serialisable);
        Self { operations, called, committing: called, returned, outcome, isolation, version: None }
    }

    /// The same under snapshot isolation.
    #[must_use]
    pub fn in_snapshot(self) -> Self {
        Self { isolation: Isolation::Snapshot, ..self }
    }

    /// The same, rolled back.
    #[must_use]
    pub fn failed(self) -> Self {
        Self { outcome: Outcome::Failed, ..self }
    }

    /// The same, with an unknown outcome.
    #[must_use]
    pub fn open(self) -> Self {
        Self { outcome: Outcome::Open, returned: NEVER, ..self }
    }

    /// The same, with its commit requested later than its beginning.
    #[must_use]
    pub fn committing(self, at: u64) -> Self {
        Self { committing: at, ..self }
    }

    /// Its appended elements, and their keys.
    pub fn appends(&self) -> impl Iterator<Item = (Key, Element)> {
        self.operations.iter().filter_map(|operation| match operation {
            Operation::Append { key, element } => Some((*key, *element)),
            Operation::Read { .. } => None,
        })
    }
}

/// A commit whose number some client learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// When it was requested.
    pub called: u64,
    /// When it was answered.
    pub returned: u64,
    /// Its number.
    pub version: u64,
}

/// Checks that the numbers of commits grow in the order of time: one that was answered before another was requested has the smaller one.
///
/// # Errors
/// The two commits that contradict it.
pub fn check_commits(commits: &[Commit]) -> Result<(), (Commit, Commit)> {
    let mut commits = commits.to_vec();
    commits.sort_by_key(|commit| commit.version);
    let mut latest: Option<Commit> = None;
    // Several with one number are one commit.
    for same in commits.chunk_by(|a, b| a.version == b.version) {
        if let (Some(latest), Some(&early)) = (latest, same.iter().min_by_key(|commit| commit.returned))
            && early.returned < latest.called
        {
            return Err((latest, early));
        }
        latest = latest.into_iter().chain(same.iter().copied()).max_by_key(|commit| commit.called);
    }
    Ok(())
}
