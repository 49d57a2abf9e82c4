//! The expected behaviour of the store, in its plainest form: every version is a whole map.

use std::collections::{BTreeMap, BTreeSet};

use mantis_store::{Direction, Entry, KeyRange, Version};

pub(crate) type Key = Vec<u8>;

/// The new state of a key: a value and its deadline, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) value: Vec<u8>,
    pub(crate) expires_at_ms: Option<u64>,
}

pub(crate) type Writes = BTreeMap<Key, Option<Put>>;
pub(crate) type Listing = Vec<(Key, Entry)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) key: Key,
    pub(crate) put: Option<Put>,
    pub(crate) version: Version,
    pub(crate) previous: Option<Version>,
    pub(crate) time_ms: u64,
}

/// The states of the store after every commit, and the commits.
pub(crate) struct Reference {
    pub(crate) now_ms: u64,
    /// The time that has passed, whatever the clock showed.
    pub(crate) passed_ms: u64,
    states: Vec<BTreeMap<Key, Entry>>,
    pub(crate) changes: Vec<Changed>,
    pub(crate) conflicts: u64,
    pub(crate) expired: u64,
    pub(crate) revoked: u64,
}

/// The reads of a transaction from its snapshot.
#[derive(Debug, Clone)]
pub(crate) enum Read {
    Key { key: Key, seen: Option<Version> },
    Range { range: KeyRange, at_ms: u64, seen: Listing },
}

impl Read {
    fn time(&self) -> BTreeSet<u64> {
        match self {
            Self::Key { .. } => BTreeSet::new(),
            Self::Range { at_ms, .. } => BTreeSet::from([*at_ms]),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (Self::Range { range: one, .. }, Self::Range { range: other, .. }) = (self, other) else { return false };
        let between = |start: &KeyRange, end: &KeyRange| KeyRange { start: start.start.clone(), end: end.end.clone() };
        !between(one, other).is_empty() && !between(other, one).is_empty()
    }
}

impl Reference {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            now_ms,
            passed_ms: 0,
            states: vec![BTreeMap::new()],
            changes: vec![],
            conflicts: 0,
            expired: 0,
            revoked: 0,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.states.len() as u64 - 1
    }

    /// Everything in the newest state, including expired keys.
    pub(crate) fn held(&self) -> &BTreeMap<Key, Entry> {
        &self.states[self.states.len() - 1]
    }

    pub(crate) fn get(&self, version: Version, key: &[u8]) -> Option<Entry> {
        self.state(version).get(key).filter(|entry| is_live(entry, self.now_ms)).cloned()
    }

    /// A range at a version, with the writes of a transaction over it.
    pub(crate) fn list(&self, version: Version, range: &KeyRange, direction: Direction, own: &Writes) -> Listing {
        let mut merged = self.state(version).clone();
        for (key, write) in own {
            merged.remove(key);
            if let Some(put) = write {
                merged.insert(key.clone(), entry(put, 0, self.now_ms));
            }
        }
        let live = merged.into_iter().filter(|(key, entry)| range.contains(key) && is_live(entry, self.now_ms));
        match direction {
            Direction::Forward => live.collect(),
            Direction::Reverse => live.rev().collect(),
        }
    }

    /// Makes `writes` a commit, unless they change nothing.
    pub(crate) fn commit(&mut self, writes: impl IntoIterator<Item = (Key, Option<Put>)>) -> Version {
        let version = self.version() + 1;
        let mut state = self.held().clone();
        let before = self.changes.len();
        for (key, put) in writes {
            let replaced = state.remove(&key);
            if replaced.is_none() && put.is_none() {
                continue;
            }
            if let Some(put) = &put {
                state.insert(key.clone(), entry(put, version, self.now_ms));
            }
            let previous = replaced.filter(|old| is_live(old, self.now_ms)).map(|old| old.version);
            self.changes.push(Changed { key, put, version, previous, time_ms: self.now_ms });
        }
        if self.changes.len() > before {
            self.states.push(state);
        }
        self.version()
    }

    /// Removes the first `keys_max` keys whose time has come.
    pub(crate) fn expire(&mut self, keys_max: usize) -> usize {
        let mut due: Vec<_> = self
            .held()
            .iter()
            .filter(|(_, entry)| !is_live(entry, self.now_ms))
            .map(|(key, entry)| (entry.expires_at_ms, entry.version, key.clone()))
            .collect();
        due.sort();
        due.truncate(keys_max);
        self.expired += due.len() as u64;
        let removed = due.len();
        self.commit(due.into_iter().map(|(_, _, key)| (key, None)));
        removed
    }

    /// Whether `key` has another value than at `version`, expired or not.
    pub(crate) fn has_changed_since(&self, version: Version, key: &[u8]) -> bool {
        let held = |state: &BTreeMap<Key, Entry>| state.get(key).map(|entry| entry.version);
        held(self.state(version)) != held(self.held())
    }

    /// Whether a transaction that began at `began` and made these reads must be refused.
    ///
    /// Ranges that overlap count as one that was read at each of their times.
    pub(crate) fn are_outdated(&self, began: Version, reads: &[Read]) -> bool {
        let mut times: Vec<BTreeSet<u64>> = reads.iter().map(Read::time).collect();
        for _ in reads {
            for (one, read) in reads.iter().enumerate() {
                for (other, _) in reads.iter().enumerate().filter(|(_, other)| read.overlaps(other)) {
                    let theirs = times[other].clone();
                    times[one].extend(theirs);
                }
            }
        }
        reads.iter().zip(times).any(|(read, times)| match read {
            Read::Key { key, seen } => self.get(self.version(), key).map(|entry| entry.version) != *seen,
            Read::Range { range, .. } => {
                let (then, now) = (self.state(began), self.held());
                let served = |entry: Option<&Entry>, at_ms| {
                    entry.filter(|entry| is_live(entry, at_ms)).map(|entry| entry.version)
                };
                let differs = |key: &Key| {
                    times.iter().any(|&at_ms| served(then.get(key), at_ms) != served(now.get(key), self.now_ms))
                };
                then.keys().chain(now.keys()).any(|key| range.contains(key) && differs(key))
            }
        })
    }

    /// Whether the read would give the same now: the promise of a serialisable commit.
    pub(crate) fn would_repeat(&self, read: &Read) -> bool {
        match read {
            Read::Key { key, seen } => self.get(self.version(), key).map(|entry| entry.version) == *seen,
            Read::Range { range, seen, .. } => {
                self.list(self.version(), range, Direction::Forward, &Writes::new()) == *seen
            }
        }
    }

    fn state(&self, version: Version) -> &BTreeMap<Key, Entry> {
        &self.states[usize::try_from(version).unwrap()]
    }
}

pub(crate) fn is_live(entry: &Entry, now_ms: u64) -> bool {
    entry.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms)
}

fn entry(put: &Put, version: Version, modified_ms: u64) -> Entry {
    Entry { value: put.value.clone().into(), version, modified_ms, expires_at_ms: put.expires_at_ms }
}
