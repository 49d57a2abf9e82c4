//! Answers as JavaScript objects, each made by one call of a function in `output.js`.

use mantis_db::{
    Applied, BucketInfo, Change, ChangeKind, Changes, Committed, Counted, Deleted, Entry, Error, OpResult, Outcome,
    Refusal, Stats, Written,
};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/output.js")]
extern "C" {
    #[wasm_bindgen(js_name = bytes)]
    fn make_bytes(value: &[u8]) -> JsValue;
    fn failure(code: &str, kind: &str, message: &str) -> JsValue;
    #[wasm_bindgen(js_name = entry)]
    fn make_entry(
        key: &[u8],
        value: &[u8],
        media_type: &str,
        version: u64,
        modified_at_ms: f64,
        expires_at_ms: Option<f64>,
    ) -> JsValue;
    #[wasm_bindgen(js_name = written)]
    fn make_written(version: u64, durable: bool) -> JsValue;
    fn accepted(version: u64, durable: bool) -> JsValue;
    #[wasm_bindgen(js_name = deleted)]
    fn make_deleted(existed: bool, version: u64, durable: bool) -> JsValue;
    #[wasm_bindgen(js_name = deletedKeys)]
    fn make_deleted_keys(keys: f64, version: u64, durable: bool) -> JsValue;
    #[wasm_bindgen(js_name = counted)]
    fn make_counted(number: i64, version: u64, durable: bool) -> JsValue;
    fn refused(current: JsValue) -> JsValue;
    fn committed(version: u64, durable: bool, results: Vec<JsValue>) -> JsValue;
    fn rejected(refusals: Vec<JsValue>) -> JsValue;
    fn refusal(index: u32, current: JsValue) -> JsValue;
    #[wasm_bindgen(js_name = page)]
    fn make_page(items: Vec<JsValue>, cursor: Option<&[u8]>) -> JsValue;
    #[wasm_bindgen(js_name = change)]
    fn make_change(
        put: bool,
        bucket: &str,
        key: &[u8],
        value: Option<&[u8]>,
        media_type: Option<&str>,
        expires_at_ms: Option<f64>,
        version: u64,
        previous_version: Option<u64>,
        time_ms: f64,
        cursor: &str,
    ) -> JsValue;
    #[wasm_bindgen(js_name = changes)]
    fn make_changes(items: Vec<JsValue>, cursor: &str, at_end: bool) -> JsValue;
    #[wasm_bindgen(js_name = bucket)]
    fn make_bucket(name: &str, keys: f64, bytes: f64) -> JsValue;
    fn figures(names: &str, numbers: &[f64]) -> JsValue;
}

/// A count or a time in ms: exact as a JavaScript number, because both are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "counts and times in ms are below 2^53")]
pub(crate) fn number(number: u64) -> f64 {
    number as f64
}

/// The error to throw: `{ code, kind, message }`.
pub(crate) fn error(error: &Error) -> JsValue {
    failure(error.code().as_str(), error.kind().as_str(), error.message())
}

pub(crate) fn bytes(value: &[u8]) -> JsValue {
    make_bytes(value)
}

pub(crate) fn entry(key: &[u8], entry: &Entry) -> JsValue {
    make_entry(
        key,
        &entry.value,
        entry.media_type.as_str(),
        entry.version,
        number(entry.modified_ms),
        entry.expires_at_ms.map(number),
    )
}

pub(crate) fn entry_or_null(key: &[u8], found: Option<&Entry>) -> JsValue {
    found.map_or(JsValue::NULL, |found| entry(key, found))
}

pub(crate) fn written(written: Written) -> JsValue {
    make_written(written.version, written.durable)
}

pub(crate) fn transaction(committed: Committed) -> JsValue {
    make_written(committed.version, committed.durable)
}

pub(crate) fn deleted(written: Written) -> JsValue {
    make_deleted(written.replaced, written.version, written.durable)
}

pub(crate) fn deleted_keys(deleted: Deleted) -> JsValue {
    make_deleted_keys(number(deleted.keys), deleted.version, deleted.durable)
}

pub(crate) fn counted(counted: Counted) -> JsValue {
    make_counted(counted.number, counted.written.version, counted.written.durable)
}

pub(crate) fn outcome(key: &[u8], outcome: &Outcome) -> JsValue {
    match outcome {
        Outcome::Written(done) => accepted(done.version, done.durable),
        Outcome::Refused(current) => refused(entry_or_null(key, current.as_ref())),
    }
}

/// The outcome of a batch. `key_of` returns the key of the operation at an index.
pub(crate) fn applied<'k>(applied: &Applied, key_of: impl Fn(usize) -> &'k [u8]) -> JsValue {
    match applied {
        Applied::Committed { version, durable, results } => {
            let results = results.iter().enumerate().map(|(index, result)| match result {
                OpResult::Entry(found) => entry_or_null(key_of(index), found.as_ref()),
                OpResult::Deleted(keys) => JsValue::from_f64(number(*keys)),
                OpResult::Number(sum) => JsValue::from(*sum),
                // `Done` has no value, nor have results that a later version may add.
                _ => JsValue::UNDEFINED,
            });
            committed(*version, *durable, results.collect())
        }
        Applied::Refused(refusals) => {
            let one = |Refusal { index, current }: &Refusal| {
                let place = u32::try_from(*index).unwrap_or(u32::MAX);
                refusal(place, entry_or_null(key_of(*index), current.as_ref()))
            };
            rejected(refusals.iter().map(one).collect())
        }
    }
}

pub(crate) fn page(items: impl Iterator<Item = JsValue>, cursor: Option<&[u8]>) -> JsValue {
    make_page(items.collect(), cursor)
}

pub(crate) fn changes(changes: &Changes) -> JsValue {
    make_changes(changes.changes.iter().map(change).collect(), &changes.cursor, changes.at_end)
}

fn change(change: &Change) -> JsValue {
    make_change(
        change.kind == ChangeKind::Put,
        &change.bucket,
        &change.key,
        change.value.as_ref().map(|(_, value)| &value[..]),
        change.value.as_ref().map(|(media_type, _)| media_type.as_str()),
        change.expires_at_ms.map(number),
        change.version,
        change.previous_version,
        number(change.time_ms),
        &change.cursor,
    )
}

pub(crate) fn bucket(info: &BucketInfo) -> JsValue {
    make_bucket(&info.name, number(info.keys), number(info.bytes))
}

/// Numbers by name, with the names as one text, separated by spaces.
macro_rules! named {
    ($first:literal: $figure:expr, $($name:literal: $more:expr,)*) => {
        (concat!($first, $(" ", $name),*), [$figure, $($more),*])
    };
}

pub(crate) fn stats(stats: &Stats) -> JsValue {
    let (names, numbers) = named! {
        "version": stats.version,
        "keys": stats.keys,
        "keyBytes": stats.key_bytes,
        "valueBytes": stats.value_bytes,
        "versions": stats.versions,
        "deadlines": stats.deadlines,
        "commits": stats.commits,
        "conflicts": stats.conflicts,
        "expired": stats.expired,
        "pruned": stats.pruned,
        "pruneBacklog": stats.prune_backlog,
        "snapshots": stats.snapshots,
        "oldestSnapshotAgeMs": stats.oldest_snapshot_age_ms,
        "snapshotsRevoked": stats.snapshots_revoked,
        "feedCommits": stats.feed_commits,
        "feedBytes": stats.feed_bytes,
    };
    figures(names, &numbers.map(number))
}
