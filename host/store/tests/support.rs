//! Shared helpers of the tests.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mantis_store::{
    Direction, Entry, Expect, KeyRange, ManualClock, Options, SeededRandom, Snapshot, Store, Transaction, Update,
    Version,
};

/// The initial time of a new store's clock.
pub(crate) const START_MS: u64 = 1_000_000;

/// A store and its clock, with options that `adjust` may change.
pub(crate) fn store_with(adjust: impl FnOnce(&mut Options)) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START_MS));
    let mut options = Options::new(Arc::clone(&clock) as _, Arc::new(SeededRandom::new(7)));
    adjust(&mut options);
    (Store::new(options), clock)
}

/// A store whose clock does not move.
pub(crate) fn store() -> Store {
    store_with(|_| {}).0
}

/// A store with these keys, each with its own name as the value, in one commit.
pub(crate) fn store_of(keys: &[&str]) -> Store {
    let store = store();
    commit(&store, |transaction| keys.iter().for_each(|key| transaction.put(key.as_bytes(), key.to_string(), None)));
    store
}

pub(crate) fn put(store: &Store, key: &str, value: &str) -> Version {
    put_until(store, key, value, None)
}

pub(crate) fn put_until(store: &Store, key: &str, value: &str, expires_at_ms: Option<u64>) -> Version {
    let update = Update::Put { value: value.to_owned().into(), expires_at_ms };
    store.write(key.as_bytes(), update, Expect::Anything, None).unwrap().unwrap().version
}

pub(crate) fn delete(store: &Store, key: &str) -> Version {
    store.write(key.as_bytes(), Update::Delete, Expect::Anything, None).unwrap().unwrap().version
}

/// Commits the writes of `work`, without reads.
pub(crate) fn commit(store: &Store, work: impl FnOnce(&mut Transaction)) -> Version {
    let mut transaction = store.begin();
    work(&mut transaction);
    transaction.commit().unwrap()
}

/// Adds one to the number at `key` and returns it.
pub(crate) fn increment(transaction: &mut Transaction, key: &[u8]) -> Result<u64, mantis_store::Error> {
    let before = transaction.get(key)?.map_or(0, |entry| number(&entry));
    transaction.put(key, (before + 1).to_le_bytes().to_vec(), None);
    Ok(before + 1)
}

/// A value that is a number.
pub(crate) fn number(entry: &Entry) -> u64 {
    u64::from_le_bytes(entry.value[..].try_into().unwrap())
}

/// Runs `work` alone, where it cannot fail.
pub(crate) fn exclusively<T>(store: &Store, work: impl FnOnce(&mut Transaction) -> T) -> (T, Version) {
    let done: Result<_, Infallible> = store.exclusively(|transaction| Ok(work(transaction)));
    done.unwrap_or_else(|never| match never {})
}

/// Whether `work` panics.
pub(crate) fn panics<T>(work: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err()
}

pub(crate) fn value(entry: Option<Entry>) -> Option<String> {
    entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

/// `key=value` of the first `entries_max` entries of a range, joined by spaces.
pub(crate) fn listed(
    visit: impl FnOnce(&mut dyn FnMut(&[u8], Entry) -> ControlFlow<()>),
    entries_max: usize,
) -> String {
    let mut entries = Vec::new();
    visit(&mut |key, entry| {
        entries.push(format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(&entry.value)));
        if entries.len() == entries_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    entries.join(" ")
}

pub(crate) fn snapshot_lists(snapshot: &Snapshot, range: &KeyRange, direction: Direction) -> String {
    listed(|see| snapshot.visit_shared(range, direction, see).unwrap(), usize::MAX)
}

/// Everything that a transaction sees.
pub(crate) fn transaction_lists(transaction: &mut Transaction, range: &KeyRange, direction: Direction) -> String {
    listed(|see| transaction.visit_shared(range, direction, see).unwrap(), usize::MAX)
}

/// Counts the threads that still work, so that a writer stops when the last of them ends, also after a panic.
pub(crate) struct Working<'c>(&'c AtomicUsize);

impl<'c> Working<'c> {
    pub(crate) fn one_of(count: &'c AtomicUsize) -> Self {
        Self(count)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A small generator of numbers (`xorshift64*`), fast enough not to slow down its caller.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end
    }
}
