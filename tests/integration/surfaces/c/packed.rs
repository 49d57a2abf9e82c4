//! The packed forms, byte by byte as `mantisdb.h` describes them.

use mantisdb_c::types::flags as f;

use super::{condition, span_of};
use crate::answer::{BatchResult, Change, Listed};
use crate::data::Data;
use crate::scenario::BatchOperation;

/// Reads from the front.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn bytes(&mut self, count: usize) -> &'d [u8] {
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes(8).try_into().unwrap())
    }

    fn flags(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes(4).try_into().unwrap())
    }

    fn length(&mut self) -> usize {
        self.flags() as usize
    }
}

/// An entry record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) is_there: bool,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    version: u64,
}

impl Record {
    fn read(reader: &mut Reader<'_>) -> Self {
        let flags = reader.flags();
        let (key, value, media_type) = (reader.length(), reader.length(), reader.length());
        let (version, _modified_ms, expires_ms) = (reader.number(), reader.number(), reader.number());
        assert_eq!(expires_ms != 0, flags & f::MANTIS_ENTRY_EXPIRES != 0);
        let key = reader.bytes(key).to_vec();
        reader.bytes(media_type);
        let value = reader.bytes(value).to_vec();
        Self { is_there: flags & f::MANTIS_ENTRY_EXISTS != 0, key, value, version }
    }

    pub(super) fn listed(self) -> Listed {
        Listed { key: self.key, value: self.value, version: self.version }
    }
}

pub(super) fn entries(data: &[u8]) -> Vec<Record> {
    let mut reader = Reader(data);
    let mut entries = Vec::new();
    while !reader.0.is_empty() {
        entries.push(Record::read(&mut reader));
    }
    entries
}

pub(super) fn changes(data: &[u8]) -> Vec<Change> {
    let mut reader = Reader(data);
    let mut changes = Vec::new();
    while !reader.0.is_empty() {
        let flags = reader.flags();
        let (bucket, key, value) = (reader.length(), reader.length(), reader.length());
        let (media_type, cursor) = (reader.length(), reader.length());
        let (version, previous) = (reader.number(), reader.number());
        let (_time_ms, _expires_ms) = (reader.number(), reader.number());
        let bucket = String::from_utf8(reader.bytes(bucket).to_vec()).unwrap();
        let key = reader.bytes(key).to_vec();
        reader.bytes(media_type);
        let value = reader.bytes(value).to_vec();
        assert!(!reader.bytes(cursor).is_empty(), "each change has a cursor");
        let is_put = flags & f::MANTIS_ENTRY_EXISTS != 0;
        changes.push(Change {
            kind: if is_put { "put" } else { "delete" }.to_owned(),
            bucket,
            key,
            value: is_put.then_some(value),
            version,
            previous_version: (flags & f::MANTIS_CHANGE_HAD_PREVIOUS != 0).then_some(previous),
        });
    }
    changes
}

/// A result record.
#[derive(Debug)]
pub(super) enum Outcome {
    Result(BatchResult),
    Refusal(usize, Option<u64>),
}

impl Outcome {
    pub(super) fn result(self) -> BatchResult {
        let Self::Result(result) = self else { panic!("{self:?} in a batch that was done") };
        result
    }

    pub(super) fn refusal(&self) -> (usize, Option<u64>) {
        let Self::Refusal(index, current) = self else { panic!("{self:?} in a batch that was refused") };
        (*index, *current)
    }
}

pub(super) fn results(data: &[u8]) -> Vec<Outcome> {
    let mut reader = Reader(data);
    let mut results = Vec::new();
    while !reader.0.is_empty() {
        let (kind, length) = (reader.flags(), reader.length());
        let mut part = Reader(reader.bytes(length));
        results.push(match kind {
            f::MANTIS_RESULT_ENTRY => {
                let entry = Record::read(&mut part);
                Outcome::Result(BatchResult::Entry(entry.is_there.then_some((entry.value, entry.version))))
            }
            f::MANTIS_RESULT_DONE => Outcome::Result(BatchResult::Done),
            f::MANTIS_RESULT_DELETED => Outcome::Result(BatchResult::Deleted(part.number())),
            f::MANTIS_RESULT_NUMBER => Outcome::Result(BatchResult::Number(part.number().cast_signed())),
            f::MANTIS_RESULT_REFUSED => {
                let (index, exists, version) = (part.number(), part.number(), part.number());
                Outcome::Refusal(usize::try_from(index).unwrap(), (exists == 1).then_some(version))
            }
            other => panic!("a result of the kind {other}"),
        });
        assert!(part.0.is_empty(), "a result is as long as it says");
    }
    results
}

/// Keys, each after its length.
pub(super) fn keys(keys: &[Data]) -> Vec<u8> {
    let mut packed = Vec::new();
    for Data(key) in keys {
        packed.extend(length(key));
        packed.extend(key);
    }
    packed
}

/// Operation records.
pub(super) fn operations(operations: &[BatchOperation]) -> Vec<u8> {
    let mut packed = Vec::new();
    for operation in operations {
        let none: &[u8] = &[];
        let (mut span, mut has, mut number, mut media_type) = (0, 0, 0, none);
        let (op, expected, first, second) = match operation {
            BatchOperation::Get { key } => (f::MANTIS_OP_GET, (0, 0), &key.0[..], none),
            BatchOperation::Set(set) => {
                number = set.ttl_ms.unwrap_or(0);
                media_type = set.media_type.as_deref().map_or(none, str::as_bytes);
                has = u8::from(set.ttl_ms.is_some()) | u8::from(set.media_type.is_some()) << 1;
                (f::MANTIS_OP_SET, condition(set.r#if), &set.key.0[..], &set.value.0[..])
            }
            BatchOperation::Delete { key, r#if } => (f::MANTIS_OP_DELETE, condition(*r#if), &key.0[..], none),
            BatchOperation::DeleteSpan { span: of } => {
                let (kind, start, end) = span_of(of);
                span = kind;
                has = u8::from(start.is_some()) << 2 | u8::from(end.is_some()) << 3;
                (f::MANTIS_OP_DELETE_SPAN, (0, 0), start.unwrap_or_default(), end.unwrap_or_default())
            }
            BatchOperation::Increment { key, by } => {
                number = by.cast_unsigned();
                (f::MANTIS_OP_INCREMENT, (0, 0), &key.0[..], none)
            }
            BatchOperation::Check { key, r#if } => (f::MANTIS_OP_CHECK, condition(*r#if), &key.0[..], none),
        };
        let (expected, version) = expected;
        packed.extend([op, u8::try_from(expected).unwrap(), u8::try_from(span).unwrap(), has]);
        packed.extend([first, second, media_type].iter().flat_map(|part| length(part)));
        packed.extend(version.to_le_bytes());
        packed.extend(number.to_le_bytes());
        packed.extend([first, media_type, second].concat());
    }
    packed
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_le_bytes()
}
