//! Between the types of `wit/` and those of the database. Nothing is decided here.

use mantis_db::{
    Applied, Counted, Direction, Entry, Expect, Kind, MediaType, Op, OpResult, Outcome, Result, ScanOptions,
    SetOptions, Span, Written,
};

use super::bindings::types;
use super::context::Context;
use super::error::{Failed, GuestError};

impl types::Host for Context {
    fn convert_error(&mut self, failed: Failed) -> wasmtime::Result<types::Error> {
        match failed {
            Failed::Error(error) => Ok(self::error(error)),
            Failed::Stop(stop) => Err(stop.into()),
        }
    }
}

fn error(error: GuestError) -> types::Error {
    let GuestError { kind, code, message } = error;
    let kind = match kind {
        Kind::NotFound => types::Error::NotFound,
        Kind::AccessDenied => types::Error::AccessDenied,
        Kind::Invalid => types::Error::Invalid,
        Kind::Limit => types::Error::Limit,
        Kind::Constraint => types::Error::Constraint,
        Kind::Conflict => types::Error::Conflict,
        Kind::ReadOnly => types::Error::ReadOnly,
        _ => types::Error::Other,
    };
    kind(types::Failure { code, message })
}

pub(crate) fn entry(key: Vec<u8>, entry: &Entry) -> types::Entry {
    types::Entry {
        key,
        value: entry.value.to_vec(),
        media_type: entry.media_type.as_str().into(),
        version: entry.version,
        modified_at_ms: entry.modified_ms,
        expires_at_ms: entry.expires_at_ms,
    }
}

pub(crate) fn expect(expect: &types::Expect) -> Expect {
    match *expect {
        types::Expect::Anything => Expect::Anything,
        types::Expect::Absent => Expect::Absent,
        types::Expect::Present => Expect::Present,
        types::Expect::Version(version) => Expect::Version(version),
    }
}

pub(crate) fn set_options(options: &types::SetOptions) -> Result<SetOptions> {
    Ok(SetOptions {
        media_type: options.media_type.as_deref().map(MediaType::new).transpose()?.unwrap_or_default(),
        ttl_ms: options.ttl_ms,
        expect: expect(&options.expect),
    })
}

pub(crate) fn span(span: types::Span) -> Span {
    match span {
        types::Span::All => Span::All,
        types::Span::Prefix(prefix) => Span::Prefix(prefix),
        types::Span::Between((start, end)) => Span::Between { start, end },
    }
}

pub(crate) fn scan_options(options: types::ScanOptions) -> ScanOptions {
    ScanOptions {
        span: span(options.span),
        direction: if options.reverse { Direction::Reverse } else { Direction::Forward },
        limit: options.limit as usize,
        cursor: options.cursor,
    }
}

pub(crate) fn written(written: Written) -> types::Written {
    types::Written { version: written.version, durable: written.durable }
}

pub(crate) fn deleted(written: Written) -> types::Deleted {
    types::Deleted { existed: written.replaced, written: self::written(written) }
}

pub(crate) fn counted(counted: Counted) -> types::Counted {
    types::Counted { number: counted.number, written: written(counted.written) }
}

/// The outcome, and how many bytes it carries.
pub(crate) fn outcome(key: &[u8], outcome: Outcome) -> (types::Outcome, usize) {
    match outcome {
        Outcome::Written(written) => (types::Outcome::Written(self::written(written)), 0),
        Outcome::Refused(None) => (types::Outcome::Refused(None), 0),
        Outcome::Refused(Some(current)) => {
            (types::Outcome::Refused(Some(entry(key.to_vec(), &current))), current.value.len())
        }
    }
}

pub(crate) fn op(op: types::Op) -> Result<Op> {
    Ok(match op {
        types::Op::Get(key) => Op::Get(key),
        types::Op::Set((key, value, options)) => Op::Set(key, value, set_options(&options)?),
        types::Op::Delete((key, expected)) => Op::Delete(key, expect(&expected)),
        types::Op::DeleteSpan(within) => Op::DeleteSpan(span(within)),
        types::Op::Increment((key, by)) => Op::Increment(key, by),
        types::Op::Check((key, expected)) => Op::Check(key, expect(&expected)),
    })
}

pub(crate) fn op_bytes(op: &types::Op) -> usize {
    match op {
        types::Op::Get(key)
        | types::Op::Delete((key, _))
        | types::Op::Increment((key, _))
        | types::Op::Check((key, _)) => key.len(),
        types::Op::Set((key, value, _)) => key.len() + value.len(),
        types::Op::DeleteSpan(_) => 0,
    }
}

/// The keys of operations, for the entries in their results.
pub(crate) fn keys_of(ops: &[types::Op]) -> Vec<Vec<u8>> {
    let key = |op: &types::Op| match op {
        types::Op::Get(key)
        | types::Op::Set((key, ..))
        | types::Op::Delete((key, _))
        | types::Op::Increment((key, _))
        | types::Op::Check((key, _)) => key.clone(),
        types::Op::DeleteSpan(_) => Vec::new(),
    };
    ops.iter().map(key).collect()
}

/// The result of a batch, and how many bytes it carries.
pub(crate) fn applied(keys: &[Vec<u8>], applied: Applied) -> (types::Applied, usize) {
    let mut bytes = 0;
    let mut shown = |index: usize, found: Option<Entry>| {
        let found = found?;
        bytes += found.value.len();
        Some(entry(keys.get(index).cloned().unwrap_or_default(), &found))
    };
    let applied = match applied {
        Applied::Refused(refusals) => types::Applied::Refused(
            refusals
                .into_iter()
                .map(|refusal| types::Refusal {
                    index: u32::try_from(refusal.index).unwrap_or(u32::MAX),
                    current: shown(refusal.index, refusal.current),
                })
                .collect(),
        ),
        Applied::Committed { version, durable, results } => {
            let results = results.into_iter().enumerate().map(|(index, result)| match result {
                OpResult::Entry(found) => types::OpResult::Entry(shown(index, found)),
                OpResult::Deleted(count) => types::OpResult::Deleted(count),
                OpResult::Number(number) => types::OpResult::Number(number),
                _ => types::OpResult::Done,
            });
            types::Applied::Committed((types::Written { version, durable }, results.collect()))
        }
    };
    (applied, bytes)
}

/// Entries back to back, in the form of `packed-page` in `wit/types.wit`.
pub(crate) fn pack(entries: &[(Vec<u8>, Entry)]) -> Vec<u8> {
    const HEADER_BYTES: usize = 16;
    let bytes = entries.iter().map(|(key, entry)| HEADER_BYTES + key.len() + entry.value.len()).sum();
    let mut data = Vec::with_capacity(bytes);
    for (key, entry) in entries {
        // Keys and values are far below 4 GiB: the database's limits say so.
        data.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
        data.extend_from_slice(&u32::try_from(entry.value.len()).unwrap_or(u32::MAX).to_le_bytes());
        data.extend_from_slice(&entry.version.to_le_bytes());
        data.extend_from_slice(key);
        data.extend_from_slice(&entry.value);
    }
    data
}
