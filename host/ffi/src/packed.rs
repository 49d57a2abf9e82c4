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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    /// A record, by the table of the header.
    struct Record<'r> {
        /// Operation, condition, span, what there is.
        head: [u8; 4],
        key: &'r [u8],
        value: &'r [u8],
        media_type: &'r [u8],
        version: u64,
        number: u64,
    }

    impl Record<'_> {
        fn write(&self, data: &mut Vec<u8>) {
            data.extend_from_slice(&self.head);
            for part in [self.key, self.value, self.media_type] {
                data.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
            }
            data.extend_from_slice(&self.version.to_le_bytes());
            data.extend_from_slice(&self.number.to_le_bytes());
            for part in [self.key, self.media_type, self.value] {
                data.extend_from_slice(part);
            }
        }
    }

    fn condition(expect: Expect) -> (u32, u64) {
        match expect {
            Expect::Anything => (f::MANTIS_IF_ANYTHING, 0),
            Expect::Absent => (f::MANTIS_IF_ABSENT, 0),
            Expect::Present => (f::MANTIS_IF_PRESENT, 0),
            Expect::Version(version) => (f::MANTIS_IF_VERSION, version),
        }
    }

    fn write(op: &Op, data: &mut Vec<u8>) {
        let byte = |number: u32| u8::try_from(number).unwrap();
        let mut record = Record { head: [0; 4], key: &[], value: &[], media_type: &[], version: 0, number: 0 };
        match op {
            Op::Get(key) => (record.head[0], record.key) = (f::MANTIS_OP_GET, key),
            Op::Set(key, value, options) => {
                let (condition, version) = condition(options.expect);
                let flags = u8::from(options.ttl_ms.is_some()) | 2;
                record.head = [f::MANTIS_OP_SET, byte(condition), 0, flags];
                (record.key, record.value, record.media_type) = (key, value, options.media_type.as_str().as_bytes());
                (record.version, record.number) = (version, options.ttl_ms.unwrap_or(0));
            }
            Op::Delete(key, expect) | Op::Check(key, expect) => {
                let op = if matches!(op, Op::Check(..)) { f::MANTIS_OP_CHECK } else { f::MANTIS_OP_DELETE };
                let (condition, version) = condition(*expect);
                record.head = [op, byte(condition), 0, 0];
                (record.key, record.version) = (key, version);
            }
            Op::DeleteSpan(span) => {
                let (span, start, end) = match span {
                    Span::All => (f::MANTIS_SPAN_ALL, None, None),
                    Span::Prefix(prefix) => (f::MANTIS_SPAN_PREFIX, Some(prefix), None),
                    Span::Between { start, end } => (f::MANTIS_SPAN_BETWEEN, start.as_ref(), end.as_ref()),
                };
                let flags = if start.is_some() { 4 } else { 0 } | if end.is_some() { 8 } else { 0 };
                record.head = [f::MANTIS_OP_DELETE_SPAN, 0, byte(span), flags];
                (record.key, record.value) = (start.map_or(&[][..], |key| key), end.map_or(&[][..], |key| key));
            }
            Op::Increment(key, by) => {
                record.head[0] = f::MANTIS_OP_INCREMENT;
                (record.key, record.number) = (key, by.cast_unsigned());
            }
            other => panic!("{other:?} has no record"),
        }
        record.write(data);
    }

    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..12)
    }

    fn any_expect() -> impl Strategy<Value = Expect> {
        prop_oneof![
            Just(Expect::Anything),
            Just(Expect::Absent),
            Just(Expect::Present),
            any::<u64>().prop_map(Expect::Version),
        ]
    }

    fn any_op() -> impl Strategy<Value = Op> {
        let options =
            ("[!-~]{1,255}", option::of(any::<u64>()), any_expect()).prop_map(|(media_type, ttl_ms, expect)| {
                SetOptions { media_type: MediaType::new(&media_type).unwrap(), ttl_ms, expect }
            });
        let span = prop_oneof![
            Just(Span::All),
            any_bytes().prop_map(Span::Prefix),
            (option::of(any_bytes()), option::of(any_bytes())).prop_map(|(start, end)| Span::Between { start, end }),
        ];
        prop_oneof![
            any_bytes().prop_map(Op::Get),
            (any_bytes(), any_bytes(), options).prop_map(|(key, value, options)| Op::Set(key, value, options)),
            (any_bytes(), any_expect()).prop_map(|(key, expect)| Op::Delete(key, expect)),
            span.prop_map(Op::DeleteSpan),
            (any_bytes(), any::<i64>()).prop_map(|(key, by)| Op::Increment(key, by)),
            (any_bytes(), any_expect()).prop_map(|(key, expect)| Op::Check(key, expect)),
        ]
    }

    /// Records with some bytes changed: most of them are nearly right.
    fn damaged(mut data: Vec<u8>, changes: &[(prop::sample::Index, u8)], cut: Option<prop::sample::Index>) -> Vec<u8> {
        if !data.is_empty() {
            for (place, byte) in changes {
                let place = place.index(data.len());
                data[place] = *byte;
            }
            data.truncate(cut.map_or(data.len(), |cut| cut.index(data.len())));
        }
        data
    }

    proptest! {
        #[test]
        fn keys_that_are_written_are_read(written in vec(any_bytes(), 0..8)) {
            let mut data = Vec::new();
            for key in &written {
                data.extend_from_slice(&u32::try_from(key.len()).unwrap().to_le_bytes());
                data.extend_from_slice(key);
            }
            let read = keys(&data, written.len()).map_err(|failure| failure.message);
            prop_assert_eq!(read, Ok(written.iter().map(Vec::as_slice).collect()));
            prop_assert!(keys(&data, written.len() + 1).is_err());
            if let Some(fewer) = written.len().checked_sub(1) {
                prop_assert!(keys(&data, fewer).is_err());
            }
        }

        #[test]
        fn operations_that_are_written_are_read(written in vec(any_op(), 0..6)) {
            let mut data = Vec::new();
            for op in &written {
                write(op, &mut data);
            }
            let read = operations(&data, written.len()).map_err(|failure| failure.message);
            prop_assert_eq!(read, Ok(written.clone()));
            prop_assert!(operations(&data, written.len() + 1).is_err());
            if let Some(fewer) = written.len().checked_sub(1) {
                prop_assert!(operations(&data, fewer).is_err());
            }
            for cut in 0..data.len() {
                prop_assert!(operations(&data[..cut], written.len()).is_err());
            }
        }

        #[test]
        fn bytes_that_are_no_records_end_in_a_failure_or_an_answer(
            written in vec(any_op(), 0..4),
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in option::of(any::<prop::sample::Index>()),
            others in vec(any::<u8>(), 0..200),
            count in prop_oneof![0..8_usize, Just(usize::MAX), any::<usize>()],
        ) {
            let mut data = Vec::new();
            for op in &written {
                write(op, &mut data);
            }
            for data in [damaged(data, &changes, cut), others] {
                if let Ok(read) = operations(&data, count) {
                    prop_assert_eq!(read.len(), count);
                }
                if let Ok(read) = keys(&data, count) {
                    prop_assert_eq!(read.len(), count);
                    prop_assert_eq!(read.iter().map(|key| key.len() + 4).sum::<usize>(), data.len());
                }
            }
        }
    }
}
