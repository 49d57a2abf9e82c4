//! Opening and filling stores.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use mantis_db::disk::DirectoryDisk;
use mantis_db::{Database, Durability, Limits, Recovered, SeededRandom, StorageOptions, SystemClock};
use mantis_store::{Expect, Store, Update, Version};
use tempfile::TempDir;

/// Keys that one commit writes while a store is filled.
const FILL_KEYS_PER_COMMIT: u64 = 1_000;
/// No checkpoint but those that are asked for.
pub(crate) const NO_CHECKPOINTS: u64 = u64::MAX;
pub(crate) const KEY_BYTES: usize = 24;
pub(crate) const VALUE_BYTES: usize = 64;

/// The policies, by the name that the server knows them by.
pub(crate) const POLICIES: [(&str, Durability); 3] = [
    ("always", Durability::Always),
    ("interval:1000", Durability::Interval { ms: 1_000 }),
    ("never", Durability::Never),
];

/// A folder for a store. It is removed when this is dropped.
pub(crate) fn folder(dir: &Path) -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("mantisdb-disk").tempdir_in(dir)?)
}

/// Opens the store in `dir` as the server does, without its threads.
pub(crate) fn open(dir: &Path, durability: Durability, checkpoint_bytes: u64) -> Result<(Database, Recovered)> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SeededRandom::new(1)));
    let storage = StorageOptions { durability, checkpoint_bytes };
    Ok(Database::open_with(Limits::default(), clock, random, Arc::new(DirectoryDisk::new(dir)?), storage)?)
}

/// Writes the keys `0..keys` in random order, expiring at what `expires_at_ms` says. Under `always` a thread has to write the log.
pub(crate) fn fill(
    store: &Store,
    name: fn(u64) -> [u8; KEY_BYTES],
    keys: u64,
    expires_at_ms: impl Fn(u64) -> Option<u64>,
) -> Result<()> {
    for first in (0..keys).step_by(usize::try_from(FILL_KEYS_PER_COMMIT)?) {
        let filled = store.exclusively(|transaction| {
            for n in first..(first + FILL_KEYS_PER_COMMIT).min(keys) {
                transaction.put(&name(shuffle(n, keys)), value(n), expires_at_ms(n));
            }
            Ok::<_, mantis_store::Error>(())
        });
        filled?;
    }
    Ok(())
}

/// Sets one key, and returns the commit.
pub(crate) fn set(store: &Store, key: &[u8], n: u64) -> Result<Version> {
    let update = Update::Put { value: value(n), expires_at_ms: None };
    let written = store.write(key, update, Expect::Anything, None)?;
    Ok(written.map_err(|_| anyhow!("a set without a condition was refused"))?.version)
}

pub(crate) fn key(n: u64) -> [u8; KEY_BYTES] {
    named(*b"key:00000000000000000000", n)
}

/// The key of another range.
pub(crate) fn named(mut key: [u8; KEY_BYTES], n: u64) -> [u8; KEY_BYTES] {
    mantis_benches::load::put_digits(&mut key[4..], n);
    key
}

fn value(n: u64) -> Bytes {
    let mut value = vec![b'0'; VALUE_BYTES];
    mantis_benches::load::put_digits(&mut value, n);
    value.into()
}

/// A number below `keys` that looks random; each `n` below `keys` gives another one.
pub(crate) fn shuffle(n: u64, keys: u64) -> u64 {
    // Multiplication by a prime that does not divide `keys` permutes the residues.
    n.wrapping_rem(keys) * 2_654_435_761 % keys
}

/// Bytes of the files in `dir` whose names begin with `prefix`.
pub(crate) fn file_bytes(dir: &Path, prefix: &str) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(prefix) {
            bytes += file.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// Memory of this process that is in use, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

#[allow(clippy::cast_precision_loss, reason = "counts and sizes far below 2^53")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
