//! What a power cut, a bad disk, a full disk or a newer program could do to committed data.
//!
//! No thread runs here, except in [`threads`]: a test commits, calls [`Store::flush`] in place of a thread, and asks for the outcome of the
//! commit.

#![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are small")]
#![allow(clippy::disallowed_methods, reason = "threads and files are native, and a run prints how long it took")]

mod attachments;
mod backup;
mod check;
mod checkpoints;
mod damage;
mod driver;
mod faults;
mod format_page;
mod golden;
mod hooked;
mod place;
mod power_cut;
mod refusals;
mod replaced;
mod round_trip;
mod stats;
mod threads;
mod undo;
mod wreck;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mantis_store::disk::Disk;
use mantis_store::{
    Change, Direction, Durability, Entry, Error, FeedCursor, KeyRange, ManualClock, OpenError, Options, Recovered,
    SeededRandom, Store, Transaction, Version,
};

use crate::support::{Numbers, exclusively};

/// Every way to acknowledge a commit.
const POLICIES: [Durability; 3] = [Durability::Always, Durability::Interval { ms: 10 }, Durability::Never];

/// A segment that a few commits fill.
const SEGMENT_BYTES_MAX: u64 = 300;

/// The new state of a key: a value and its deadline, or nothing.
type Write = (Vec<u8>, Option<(Vec<u8>, Option<u64>)>);

type State = BTreeMap<Vec<u8>, Entry>;

/// A change as the feed shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    expires_at_ms: Option<u64>,
    version: Version,
    previous: Option<Version>,
    time_ms: u64,
}

impl From<&Change> for Shown {
    fn from(change: &Change) -> Self {
        Self {
            key: change.key().to_vec(),
            value: change.value.as_ref().map(|value| value.to_vec()),
            expires_at_ms: change.expires_at_ms,
            version: change.version,
            previous: change.previous,
            time_ms: change.time_ms,
        }
    }
}

/// The committed history: the whole state after every commit, and all changes.
#[derive(Debug, Clone)]
struct Model {
    states: BTreeMap<Version, State>,
    changes: Vec<Shown>,
}

impl Model {
    fn new() -> Self {
        Self { states: BTreeMap::from([(0, State::new())]), changes: Vec::new() }
    }

    fn newest(&self) -> (Version, &State) {
        self.states.last_key_value().map(|(&version, state)| (version, state)).unwrap()
    }

    /// Adds a commit, and returns whether it changes anything: if not, the store makes none.
    fn commit(&mut self, version: Version, time_ms: u64, writes: &[Write]) -> bool {
        let mut state = self.newest().1.clone();
        let before = self.changes.len();
        for (key, put) in writes {
            let replaced = state.remove(key);
            if replaced.is_none() && put.is_none() {
                continue;
            }
            let (value, expires_at_ms) = put.clone().map_or((None, None), |(value, at_ms)| (Some(value), at_ms));
            if let Some(value) = value.clone() {
                state.insert(key.clone(), Entry { value: value.into(), version, modified_ms: time_ms, expires_at_ms });
            }
            let was_live = |old: &Entry| old.expires_at_ms.is_none_or(|at_ms| at_ms > time_ms);
            let previous = replaced.filter(was_live).map(|old| old.version);
            self.changes.push(Shown { key: key.clone(), value, expires_at_ms, version, previous, time_ms });
        }
        let changes = self.changes.len() > before;
        if changes {
            self.states.insert(version, state);
        }
        changes
    }

    /// Forgets the commits that are not in `newest`, or come after it.
    fn cut_after_version(&mut self, newest: Version) {
        self.states.retain(|&version, _| version <= newest);
        self.changes.retain(|change| change.version <= newest);
    }

    fn changes_within(&self, after: Version, until: Version) -> Vec<Shown> {
        self.changes.iter().filter(|change| change.version > after && change.version <= until).cloned().collect()
    }

    /// Compares everything that the store shows with the state after its version, which is in the history.
    fn check(&self, store: &Store) -> Result<(), String> {
        let version = store.version();
        let Some(expected) = self.states.get(&version) else {
            return Err(format!("{version} was no commit"));
        };
        let state = state_of(store);
        if state != *expected {
            return Err(format!("at {version} there is {state:?}, not {expected:?}"));
        }
        let stats = store.stats();
        let bytes =
            |part: fn(&Vec<u8>, &Entry) -> usize| expected.iter().map(|(key, entry)| part(key, entry) as u64).sum();
        let (key_bytes, value_bytes): (u64, u64) = (bytes(|key, _| key.len()), bytes(|_, entry| entry.value.len()));
        let deadlines = expected.values().filter(|entry| entry.expires_at_ms.is_some()).count();
        let shown = (stats.keys, stats.key_bytes, stats.value_bytes, store.bytes(), stats.deadlines);
        if shown != (expected.len() as u64, key_bytes, value_bytes, key_bytes + value_bytes, deadlines as u64) {
            return Err(format!("at {version} with {expected:?} the figures are {stats:?}"));
        }
        let feed = feed_of(store);
        let expected = self.changes_within(store.feed_start().version, version);
        if feed == expected { Ok(()) } else { Err(format!("at {version} the feed shows {feed:?}, not {expected:?}")) }
    }
}

/// Every key with a value, including expired ones if the store's clock is at 0.
fn state_of(store: &Store) -> State {
    let mut state = State::new();
    let see = |key: &[u8], entry| {
        state.insert(key.to_vec(), entry);
        ControlFlow::Continue(())
    };
    store.snapshot().visit_shared(&KeyRange::all(), Direction::Forward, see).unwrap();
    state
}

/// All changes that are kept.
fn feed_of(store: &Store) -> Vec<Shown> {
    changes_after(store, store.feed_start())
}

fn changes_after(store: &Store, cursor: FeedCursor) -> Vec<Shown> {
    let page = store.changes(cursor, usize::MAX, |_| true).unwrap();
    assert!(page.at_end);
    page.changes.iter().map(Shown::from).collect()
}

/// Small segments, and spaces by the first byte of a key.
fn options(clock: &Arc<ManualClock>, seed: u64) -> Options {
    let mut options = Options::new(Arc::clone(clock) as _, Arc::new(SeededRandom::new(seed)));
    options.segment_bytes_max = SEGMENT_BYTES_MAX;
    options.space_prefix_bytes = 1;
    options
}

/// Opens the store on a handle to `disk`, with a clock at 0, so that expired keys are shown.
fn open(disk: &(impl Disk + Clone), durability: Durability) -> Result<(Store, Recovered), OpenError> {
    Store::open(options(&Arc::default(), 7), Arc::new(disk.clone()), durability)
}

/// Commits `writes` in the order of their keys, without waiting.
fn commit_writes(store: &Store, writes: &[Write]) -> Version {
    exclusively(store, |transaction| writes.iter().for_each(|write| buffer(transaction, write))).1
}

fn buffer(transaction: &mut Transaction, (key, put): &Write) {
    match put {
        Some((value, expires_at_ms)) => transaction.put(key, value.clone(), *expires_at_ms),
        None => transaction.delete(key),
    }
}

/// The outcome of a commit, as far as it is known now.
fn outcome(store: &Store, version: Version) -> Poll<Result<(), Error>> {
    pin!(store.settled(version)).poll(&mut Context::from_waker(Waker::noop()))
}

/// A factor for the length of a test: the variable `MANTIS_TORTURE`.
fn torture() -> u64 {
    std::env::var("MANTIS_TORTURE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A few keys, so that they collide often; their first bytes put them into spaces.
fn some_key(numbers: &mut Numbers) -> Vec<u8> {
    format!("{}{}", ["a", "b", "c"][numbers.below(3) as usize], numbers.below(4)).into_bytes()
}

/// New states for some keys, each once and in order.
fn some_writes(numbers: &mut Numbers, keys_max: u64, now_ms: u64) -> Vec<Write> {
    let mut writes = BTreeMap::new();
    for _ in 0..=numbers.below(keys_max) {
        let put = (numbers.below(4) > 0).then(|| {
            let value = (0..numbers.below(90)).map(|_| numbers.below(256) as u8).collect();
            (value, (numbers.below(4) == 0).then(|| now_ms + numbers.below(40)))
        });
        writes.insert(some_key(numbers), put);
    }
    writes.into_iter().collect()
}

/// The changes of a commit that removes expired keys: by deadline, version, and key.
fn due_writes(state: &State, now_ms: u64) -> Vec<Write> {
    let mut due: Vec<_> = state
        .iter()
        .filter_map(|(key, entry)| Some((entry.expires_at_ms?, entry.version, key)))
        .filter(|&(at_ms, ..)| at_ms <= now_ms)
        .collect();
    due.sort();
    due.into_iter().map(|(.., key)| (key.clone(), None)).collect()
}
