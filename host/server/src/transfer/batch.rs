//! Records to requests of the batch API.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use serde::Serialize;

use super::order::Chunk;
use super::read::{Piece, Record};
use crate::client::text::JsonBytes;

/// Operations of a batch. The server takes 10,000; half as many keep several requests busy with common files.
const OPERATIONS_MAX: usize = 5_000;
/// Bytes of a batch's operations as JSON, after which it is sent.
const BYTES_MAX: usize = 4 << 20;
/// Values of at least this size are sent in their own request, which needs no JSON.
const VALUE_BYTES_ALONE: usize = 1 << 20;

/// A record that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: u64,
    pub(crate) message: String,
}

/// Consecutive pieces of a file, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Its index in the file, from 0.
    pub(super) number: u64,
    operations: Vec<u8>,
    /// Where each operation ends, and its line.
    ends: Vec<(usize, u64)>,
    /// Records sent on their own, with their lines.
    pub(super) alone: Vec<(u64, Record)>,
    /// Keys and text in the file's order.
    pub(super) chunk: Chunk,
    /// How many records the chunk names.
    pub(super) records: u64,
}

#[derive(Serialize)]
struct Set<'a> {
    op: &'static str,
    key: &'a JsonBytes,
    value: &'a JsonBytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

impl Batch {
    pub(super) fn numbered(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.ends.len() + self.alone.len() >= OPERATIONS_MAX
            || self.operations.len() + self.chunk.len() >= BYTES_MAX
            || self.alone.iter().map(|(_, record)| record.value.len()).sum::<usize>() >= BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0 && self.chunk.is_empty()
    }

    /// Operations to send.
    pub(super) fn operation_count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn line(&self, operation: usize) -> u64 {
        self.ends[operation].1
    }

    /// The request body for some of the operations.
    pub(super) fn request(&self, operations: std::ops::Range<usize>) -> Bytes {
        let start = operations.start.checked_sub(1).map_or(0, |before| self.ends[before].0);
        let end = operations.end.checked_sub(1).map_or(0, |last| self.ends[last].0);
        // Each operation ends with a comma; the last one's is left out.
        let json = &self.operations[start..end.saturating_sub(1).max(start)];
        [br#"{"operations":["#, json, b"]}"].concat().into()
    }

    fn push(&mut self, line: u64, record: Record) {
        if record.value.len() >= VALUE_BYTES_ALONE {
            self.alone.push((line, record));
            return;
        }
        let (key, value) = (JsonBytes(record.key), JsonBytes(record.value));
        let media_type = record.media_type.as_deref();
        let set = Set { op: "set", key: &key, value: &value, media_type, ttl_ms: record.ttl_ms };
        // Strings and numbers always serialise, and memory does not refuse bytes.
        let _ = serde_json::to_writer(&mut self.operations, &set);
        self.operations.push(b',');
        self.ends.push((self.operations.len(), line));
    }
}

/// The outcome of adding a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// The same key occurred before, on this line, with another value.
    Duplicate(u64),
}

/// Fills batches with pieces, and detects duplicate keys.
///
/// Batches are sent concurrently, so two records of one key in different batches would race: the first is kept.
#[derive(Debug, Default)]
pub(super) struct Batcher {
    seen: HashMap<u64, (u64, u64)>,
    state: RandomState,
    pub(super) batch: Batch,
}

impl Batcher {
    pub(super) fn add(&mut self, line: u64, piece: Piece) -> Taken {
        let record = match piece {
            Piece::Text(text) => {
                self.batch.chunk.push_text(&text);
                return Taken::Yes;
            }
            Piece::Record(record) => record,
        };
        let value_hash = self.state.hash_one(&record.value);
        let before = *self.seen.entry(self.state.hash_one(&record.key)).or_insert((line, value_hash));
        if before.1 != value_hash {
            return Taken::Duplicate(before.0);
        }
        self.batch.chunk.push_record(&record.key, record.end);
        self.batch.records += 1;
        // An identical record is listed again in the order, and sent once.
        if before.0 == line {
            self.batch.push(line, record);
        }
        Taken::Yes
    }

    /// The batch so far; the next one has the next number.
    pub(super) fn take(&mut self) -> Batch {
        let next = Batch::numbered(self.batch.number + 1);
        std::mem::replace(&mut self.batch, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::read::LineEnd;

    fn record(key: &str, value: &str) -> Piece {
        Piece::Record(Record::new(key.into(), value.into(), LineEnd::Lf))
    }

    #[test]
    fn requests_hold_any_range_of_operations() {
        let mut batcher = Batcher::default();
        for (line, key) in (1..).zip(["a", "b", "c"]) {
            assert_eq!(batcher.add(line, record(key, key)), Taken::Yes);
        }
        let batch = batcher.take();
        let set = |key: &&str| format!(r#"{{"op":"set","key":"{key}","value":"{key}"}}"#);
        let expected = |keys: &[&str]| {
            let operations: Vec<_> = keys.iter().map(set).collect();
            format!(r#"{{"operations":[{}]}}"#, operations.join(","))
        };
        assert_eq!(batch.request(0..3), expected(&["a", "b", "c"]));
        assert_eq!(batch.request(1..2), expected(&["b"]));
        assert_eq!(batch.request(0..0), expected(&[]));
        assert_eq!(batch.line(2), 3);
    }

    #[test]
    fn a_duplicate_key_is_detected() {
        let mut batcher = Batcher::default();
        batcher.add(1, record("a", "1"));
        assert_eq!(batcher.add(2, record("a", "1")), Taken::Yes);
        assert_eq!(batcher.add(3, record("a", "2")), Taken::Duplicate(1));
        let batch = batcher.take();
        assert_eq!((batch.operation_count(), batch.records), (1, 2));
    }
}
