//! Replaced values that a transaction asks to keep: in the feed, in the log, and within the feed's budget.

use mantis_store::disk::MemoryDisk;
use mantis_store::{Change, Decision, Durability, FeedCursor, Store};

use super::{open, options};
use crate::support::{exclusively, store_with};

/// Commits changes of four keys, of which those that begin with `k` keep what they replace.
fn write(store: &Store) {
    let put = |pairs: &[(&str, Option<&str>)], kept: &[&str]| {
        exclusively(store, |transaction| {
            for (key, value) in pairs {
                match value {
                    Some(value) => transaction.put(key.as_bytes(), (*value).to_owned(), None),
                    None => transaction.delete(key.as_bytes()),
                }
            }
            for prefix in kept {
                transaction.keep_replaced(prefix.as_bytes(), 0);
            }
        });
    };
    put(&[("k1", Some("one")), ("k2", Some("")), ("o", Some("other"))], &["k"]);
    put(&[("k1", Some("two")), ("o", Some("others"))], &["k"]);
    put(&[("k1", Some("three"))], &[]);
    put(&[("k1", None), ("k2", Some("2")), ("k3", None), ("o", None)], &["j", "k2", "k"]);
}

fn replaced(store: &Store) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let show = |change: &Change| {
        let replaced = change.replaced.as_ref().map(|value| text(value));
        assert!(replaced.is_none() || change.previous.is_some());
        format!("{} {replaced:?}", text(change.key()))
    };
    let page = store.changes(FeedCursor::after(0), usize::MAX, |_| true).unwrap();
    page.changes.iter().map(show).collect()
}

const EXPECTED: [&str; 9] = [
    "k1 None",
    "k2 None",
    "o None",
    "k1 Some(\"one\")",
    "o None",
    "k1 None",
    "k1 Some(\"three\")",
    "k2 Some(\"\")",
    "o None",
];

#[test]
fn replaced_values_are_those_of_keys_that_ask_for_them() {
    let (store, _) = store_with(|_| ());
    write(&store);
    assert_eq!(replaced(&store), EXPECTED);
}

#[test]
fn a_restart_knows_replaced_values_with_and_without_a_checkpoint() {
    for checkpoint in [false, true] {
        let disk = MemoryDisk::new();
        let (store, _) = open(&disk, Durability::Always).unwrap();
        write(&store);
        store.flush();
        if checkpoint {
            store.checkpoint().unwrap();
        }
        store.close().unwrap();
        drop(store);
        let (store, _) = open(&disk, Durability::Always).unwrap();
        let kept = replaced(&store);
        assert!(EXPECTED.ends_with(&kept.iter().map(String::as_str).collect::<Vec<_>>()), "{checkpoint}: {kept:?}");
        assert!(checkpoint || kept.len() == EXPECTED.len());
    }
}

#[test]
fn a_checkpoint_leaves_replaced_values_in_the_log_that_is_kept() {
    let disk = MemoryDisk::new();
    let mut large = options(&std::sync::Arc::default(), 7);
    large.segment_bytes_max = 1 << 20;
    let disk_of = || std::sync::Arc::new(disk.clone());
    let (store, _) = Store::open(large.clone(), disk_of(), Durability::Always).unwrap();
    write(&store);
    store.flush();
    store.checkpoint().unwrap();
    store.close().unwrap();
    drop(store);
    // The feed gets these commits from the log, their state from the checkpoint.
    let (store, recovered) = Store::open(large, disk_of(), Durability::Always).unwrap();
    assert!(recovered.checkpoint.is_some());
    assert_eq!(replaced(&store), EXPECTED);
}

#[test]
fn replaced_values_count_in_the_budget_of_the_feed_and_in_the_size_of_a_transaction() {
    let feed_bytes = |keeps: bool| {
        let (store, _) = store_with(|_| ());
        for value in ["x".repeat(1_000), String::new()] {
            exclusively(&store, |transaction| {
                transaction.put(b"k", value, None);
                if keeps {
                    transaction.keep_replaced(b"k", 1_000);
                }
                assert_eq!(transaction.written_bytes() > 1_500, keeps && transaction.version() == 0);
            });
        }
        store.stats().feed_bytes
    };
    assert!(feed_bytes(true) >= feed_bytes(false) + 1_000);
}

#[test]
fn a_reader_that_stops_goes_on_where_it_stopped() {
    let (store, _) = store_with(|_| ());
    write(&store);
    let mut cursor = FeedCursor::after(0);
    let mut keys = Vec::new();
    for _ in 0..=EXPECTED.len() {
        let mut seen = 0;
        let page = store.changes_decided(cursor, 100, |change| {
            seen += 1;
            match (seen, change.value) {
                (1, Some(_)) => Decision::Take,
                (1, None) => Decision::Pass,
                _ => Decision::Stop,
            }
        });
        let page = page.unwrap();
        keys.extend(page.changes.iter().map(|change| change.key().to_vec()));
        assert_eq!(page.at_end, seen == 0 || cursor == page.cursor || page.cursor == FeedCursor::after(4));
        cursor = page.cursor;
    }
    assert_eq!(keys, [&b"k1"[..], b"k2", b"o", b"k1", b"o", b"k1", b"k2"]);
}
