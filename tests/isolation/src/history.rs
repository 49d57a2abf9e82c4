//! What clients did, when, and their answers.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time of what did not return.
pub const NEVER: u64 = u64::MAX;

/// The time of all clients: every look gives a larger number than all looks before it.
#[derive(Debug, Default)]
pub struct Time(AtomicU64);

impl Time {
    /// The next number.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What is known of something that a client tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, between its call and its return.
    Done,
    /// It did not happen and never will.
    Failed,
    /// Nobody said: it happened at any time after its call, or never.
    Open,
}

/// What a transaction promises.
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

/// How a list came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was asked for by its key.
    Named,
    /// A range was read that the key is in.
    Scanned,
    /// It was not read, but the transaction was to happen only if the list is this: nothing is known where it did not happen.
    Expected,
}

/// One step of a transaction. A key holds a list that is empty at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The list was read.
    Read {
        /// Which.
        key: Key,
        /// What it was.
        list: Vec<Element>,
        /// How.
        how: How,
    },
    /// The list was written with one element more than it had when the same transaction last read or wrote it.
    Append {
        /// Which.
        key: Key,
        /// What was put at its end.
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

    /// A condition that the transaction had.
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

/// What a client tried to do as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// In the order in which they were done.
    pub operations: Vec<Operation>,
    /// When it began.
    pub called: u64,
    /// When its commit was asked for: before that nobody may see what it wrote. Of a single operation, when it was called.
    pub committing: u64,
    /// When its outcome was known; [`NEVER`] if that is open.
    pub returned: u64,
    /// Its outcome.
    pub outcome: Outcome,
    /// What it was promised.
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

    /// The same, with its commit asked for later than its beginning.
    #[must_use]
    pub fn committing(self, at: u64) -> Self {
        Self { committing: at, ..self }
    }

    /// What it appended, and to which keys.
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
    /// When it was asked for.
    pub called: u64,
    /// When it was answered.
    pub returned: u64,
    /// Its number.
    pub version: u64,
}

/// Whether the numbers of commits grow in the order of time: one that was answered before another was asked for has the smaller.
///
/// # Errors
/// The two commits that contradict it.
pub fn check_commits(commits: &[Commit]) -> Result<(), (Commit, Commit)> {
    let mut commits = commits.to_vec();
    commits.sort_by_key(|commit| commit.version);
    let mut latest: Option<Commit> = None;
    // Where several share a number they are one commit.
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
