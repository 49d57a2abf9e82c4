//! The forms of pages and operations, byte by byte, as the header describes them. Integers are little-endian.

use mantis_db::{Change, ChangeKind, Entry, EntryRef, Expect, MediaType, Op, OpResult, Refusal, SetOptions, Span};

use crate::abi::types::flags as f;
use crate::failure::Failure;

/// Appends an entry record. The key of one that was read by its key is empty.
pub(crate) fn entry(key: &[u8], entry: Option<EntryRef<'_>>, data: &mut Vec<u8>) {
    let Some(entry) = entry else {
        head(0, key.len(), 0, 0, data);
        data.extend_from_slice(&[0; 24]);
        data.extend_from_slice(key);
        return;
    };
    let expires = if entry.expires_at_ms.is_some() { f::MANTIS_ENTRY_EXPIRES } else { 0 };
    let media_type = entry.media_type.as_bytes();
    data.reserve(f::MANTIS_ENTRY_RECORD_HEAD + key.len() + media_type.len() + entry.value.len());
    head(f::MANTIS_ENTRY_EXISTS | expires, key.len(), entry.value.len(), media_type.len(), data);
    for number in [entry.version, entry.modified_ms, entry.expires_at_ms.unwrap_or(0)] {
        data.extend_from_slice(&number.to_le_bytes());
    }
    data.extend_from_slice(key);
    data.extend_from_slice(media_type);
    data.extend_from_slice(entry.value);
}

/// Appends the record of a key alone.
pub(crate) fn key(key: &[u8], data: &mut Vec<u8>) {
    head(f::MANTIS_ENTRY_EXISTS, key.len(), 0, 0, data);
    data.extend_from_slice(&[0; 24]);
    data.extend_from_slice(key);
}

fn head(flags: u32, key: usize, value: usize, media_type: usize, data: &mut Vec<u8>) {
    for number in [flags, length(key), length(value), length(media_type)] {
        data.extend_from_slice(&number.to_le_bytes());
    }
}

/// The limits of the database keep everything far below 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Appends a change record.
pub(crate) fn change(change: &Change, data: &mut Vec<u8>) {
    let is_put = change.kind == ChangeKind::Put;
    let mut flags = if is_put { f::MANTIS_ENTRY_EXISTS } else { 0 };
    flags |= if change.expires_at_ms.is_some() { f::MANTIS_ENTRY_EXPIRES } else { 0 };
    flags |= if change.previous_version.is_some() { f::MANTIS_CHANGE_HAD_PREVIOUS } else { 0 };
    let (media_type, value) = match &change.value {
        Some((media_type, value)) => (media_type.as_str().as_bytes(), &value[..]),
        None => (&[][..], &[][..]),
    };
    let parts = [change.bucket.as_bytes(), &change.key, media_type, value, change.cursor.as_bytes()];
    let [bucket, key, media_type, value, cursor] = parts.map(|part| length(part.len()));
    for number in [flags, bucket, key, value, media_type, cursor] {
        data.extend_from_slice(&number.to_le_bytes());
    }
    let (previous, expires) = (change.previous_version.unwrap_or(0), change.expires_at_ms.unwrap_or(0));
    for number in [change.version, previous, change.time_ms, expires] {
        data.extend_from_slice(&number.to_le_bytes());
    }
    for part in parts {
        data.extend_from_slice(part);
    }
}

/// Appends the record of an operation's result.
pub(crate) fn result(result: &OpResult, data: &mut Vec<u8>) {
    let (kind, number) = match result {
        OpResult::Entry(found) => {
            let start = data.len();
            data.extend_from_slice(&f::MANTIS_RESULT_ENTRY.to_le_bytes());
            data.extend_from_slice(&[0; 4]);
            entry(&[], found.as_ref().map(Entry::borrowed), data);
            let bytes = length(data.len() - start - 8);
            data[start + 4..start + 8].copy_from_slice(&bytes.to_le_bytes());
            return;
        }
        OpResult::Deleted(keys) => (f::MANTIS_RESULT_DELETED, Some(keys.to_le_bytes())),
        OpResult::Number(number) => (f::MANTIS_RESULT_NUMBER, Some(number.to_le_bytes())),
        _ => (f::MANTIS_RESULT_DONE, None),
    };
    data.extend_from_slice(&kind.to_le_bytes());
    data.extend_from_slice(&length(number.map_or(0, |number| number.len())).to_le_bytes());
    data.extend_from_slice(number.as_ref().map_or(&[][..], |number| &number[..]));
}

/// Appends the record of a refusal.
pub(crate) fn refusal(refusal: &Refusal, data: &mut Vec<u8>) {
    let current = refusal.current.as_ref();
    data.extend_from_slice(&f::MANTIS_RESULT_REFUSED.to_le_bytes());
    data.extend_from_slice(&24_u32.to_le_bytes());
    let version = current.map_or(0, |entry| entry.version);
    for number in [refusal.index as u64, u64::from(current.is_some()), version] {
        data.extend_from_slice(&number.to_le_bytes());
    }
}

/// Reads bytes from their start.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn bytes(&mut self, count: usize) -> Option<&'d [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*number)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.number()?)).ok()
    }
}

/// Reads keys, each after its length.
///
/// # Errors
/// Misuse: they are not as many.
pub(crate) fn keys(data: &[u8], count: usize) -> Result<Vec<&[u8]>, Failure> {
    let mut reader = Reader(data);
    // Each takes four bytes at least, whatever the count says.
    let mut keys = Vec::with_capacity(count.min(data.len() / 4));
    let mut read = || {
        for _ in 0..count {
            let length = reader.length()?;
            keys.push(reader.bytes(length)?);
        }
        reader.0.is_empty().then_some(())
    };
    read().ok_or_else(|| Failure::misuse(format!("`keys` does not have {count} keys, each after its length")))?;
    Ok(keys)
}

/// Reads operation records.
///
/// # Errors
/// Misuse: they are not as many, or not as the header says; those of media types.
pub(crate) fn operations(data: &[u8], count: usize) -> Result<Vec<Op>, Failure> {
    let mut reader = Reader(data);
    let mut operations = Vec::with_capacity(count.min(data.len() / f::MANTIS_OP_RECORD_HEAD));
    for index in 0..count {
        let wrong = || Failure {
            index: Some(index),
            ..Failure::misuse(format!("operation {index} is not a record as the header describes it"))
        };
        let read = operation(&mut reader).ok_or_else(wrong)?;
        operations.push(read.map_err(|error| Failure { index: Some(index), ..Failure::from(error) })?);
    }
    if !reader.0.is_empty() {
        return Err(Failure::misuse(format!("`operations` has more than {count} operations")));
    }
    Ok(operations)
}

/// One record; none where it is not one, an error where the database refuses its media type.
fn operation(reader: &mut Reader<'_>) -> Option<mantis_db::Result<Op>> {
    let [op, condition, span, has] = reader.number()?;
    let (key, value, media_type) = (reader.length()?, reader.length()?, reader.length()?);
    let version = u64::from_le_bytes(reader.number()?);
    let number = u64::from_le_bytes(reader.number()?);
    let (key, media_type, value) = (reader.bytes(key)?, reader.bytes(media_type)?, reader.bytes(value)?);
    let expect = expect(condition.into(), version)?;
    Some(Ok(match op {
        f::MANTIS_OP_GET => Op::Get(key.to_vec()),
        f::MANTIS_OP_SET => {
            let media_type = if has & 2 == 0 {
                Ok(MediaType::default())
            } else {
                MediaType::new(std::str::from_utf8(media_type).ok()?)
            };
            let media_type = match media_type {
                Ok(media_type) => media_type,
                Err(error) => return Some(Err(error)),
            };
            let ttl_ms = (has & 1 != 0).then_some(number);
            Op::Set(key.to_vec(), value.to_vec(), SetOptions { media_type, ttl_ms, expect })
        }
        f::MANTIS_OP_DELETE => Op::Delete(key.to_vec(), expect),
        f::MANTIS_OP_DELETE_SPAN => {
            let (start, end) = ((has & 4 != 0).then_some(key), (has & 8 != 0).then_some(value));
            Op::DeleteSpan(self::span(span.into(), start, end)?)
        }
        f::MANTIS_OP_INCREMENT => Op::Increment(key.to_vec(), number.cast_signed()),
        f::MANTIS_OP_CHECK => Op::Check(key.to_vec(), expect),
        _ => return None,
    }))
}

/// A condition; none for a number that is none.
pub(crate) fn expect(condition: u32, version: u64) -> Option<Expect> {
    match condition {
        f::MANTIS_IF_ANYTHING => Some(Expect::Anything),
        f::MANTIS_IF_ABSENT => Some(Expect::Absent),
        f::MANTIS_IF_PRESENT => Some(Expect::Present),
        f::MANTIS_IF_VERSION => Some(Expect::Version(version)),
        _ => None,
    }
}

/// A span; none for a number that is none.
pub(crate) fn span(span: u32, start: Option<&[u8]>, end: Option<&[u8]>) -> Option<Span> {
    let owned = |key: Option<&[u8]>| key.map(<[u8]>::to_vec);
    match span {
        f::MANTIS_SPAN_ALL => Some(Span::All),
        f::MANTIS_SPAN_PREFIX => Some(Span::Prefix(start.unwrap_or_default().to_vec())),
        f::MANTIS_SPAN_BETWEEN => Some(Span::Between { start: owned(start), end: owned(end) }),
        _ => None,
    }
}
