//! `docs/reference/file-format.md` describes the golden files: its examples are their bytes, and a decoder made from the page alone
//! reads all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use twox_hash::XxHash3_64;

use super::golden::files;

/// The length of a header, of what is before a record's changes, and before a block's entries.
const HEADER: usize = 64;
const RECORD: usize = 56;
const BLOCK: usize = 16;

fn page() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/file-format.md")).unwrap()
}

/// A line of an example: an offset, two spaces, up to eight bytes in a column of 24 characters, and what they mean.
fn bytes_of(line: &str) -> (usize, Vec<u8>) {
    let (offset, rest) = line.split_once("  ").unwrap();
    let column = rest.get(..24).unwrap_or(rest);
    let bytes = column.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
    (usize::from_str_radix(offset, 16).unwrap(), bytes.collect())
}

#[test]
fn examples_are_the_bytes_of_the_golden_files() {
    let (files, page) = (files(1), page());
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for example in page.split("```hex ").skip(1) {
        let (name, lines) = example.split_once("```").unwrap().0.split_once('\n').unwrap();
        let file = &files[name];
        let mut next = None;
        for line in lines.lines() {
            let (offset, bytes) = bytes_of(line);
            assert!(next.is_none_or(|next| next == offset), "{name}: bytes are left out before `{line}`");
            assert_eq!(file.get(offset..offset + bytes.len()), Some(&bytes[..]), "{name}: `{line}`");
            next = Some(offset + bytes.len());
            *shown.entry(name).or_default() += bytes.len();
        }
    }
    let kinds = ["store.mantis", "log-", "checkpoint-"];
    assert!(kinds.iter().all(|kind| shown.keys().any(|name| name.starts_with(kind))), "{shown:?}");
    assert_eq!(shown["store.mantis"], HEADER, "the page shows the identity file as a whole");
}

fn u32_at(bytes: &[u8], offset: usize) -> usize {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap()) as usize
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

fn sum(seed: u64, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

/// LEB128 from the front.
fn number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    panic!("a number has at most ten bytes");
}

fn counted(bytes: &mut &[u8]) -> Vec<u8> {
    let length = number(bytes) as usize;
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken.to_vec()
}

/// The version in the header of a file of this kind.
#[track_caller]
fn check_header(kind: &str, file: &[u8]) -> u64 {
    check_header_of(1, kind, file)
}

#[track_caller]
fn check_header_of(format: usize, kind: &str, file: &[u8]) -> u64 {
    assert_eq!((&file[..8], &file[8..12], u32_at(file, 12)), (&b"MANTISDB"[..], kind.as_bytes(), format));
    assert_eq!((u64_at(file, 48), u64_at(file, 56)), (0, sum(0, &file[..56])));
    u64_at(file, 32)
}

/// A change: its key, and its value if it is no deletion.
type KeyAndValue = (Vec<u8>, Option<Vec<u8>>);

/// The changes of a segment after the commit `last`, and the last commit.
fn segment(file: &[u8], mut last: u64) -> (Vec<KeyAndValue>, u64) {
    let (salt, mut offset, mut changes) = (u64_at(file, 24), HEADER, Vec::new());
    while offset < file.len() {
        let record = &file[offset..offset + RECORD + u32_at(file, offset + 16)];
        let seed = salt.wrapping_add(offset as u64);
        assert_eq!((u64_at(record, 0), u64_at(record, 8)), (sum(seed, &record[8..]), sum(seed, &record[16..RECORD])));
        assert_eq!(u64_at(record, 32), last, "a record names the commit before it");
        assert!(u64_at(record, 48) <= last && last < u64_at(record, 24));
        last = u64_at(record, 24);
        let mut rest = &record[RECORD..];
        for _ in 0..u32_at(record, 20) {
            let flags = rest[0];
            rest = &rest[1..];
            let key = counted(&mut rest);
            let value = (flags & 1 > 0).then(|| counted(&mut rest));
            for _flag in [2, 4].into_iter().filter(|flag| flags & flag > 0) {
                let _deadline_or_previous = number(&mut rest);
            }
            changes.push((key, value));
        }
        assert!(rest.is_empty());
        offset += record.len();
    }
    (changes, last)
}

/// The keys of a checkpoint, and their values.
fn checkpoint(file: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (entries, end) = entries(file);
    assert_eq!(end, file.len());
    entries
}

/// The keys of a checkpoint or backup, their values, and the end of their blocks.
fn entries(file: &[u8]) -> (BTreeMap<Vec<u8>, Vec<u8>>, usize) {
    let (salt, mut offset, mut entries) = (u64_at(file, 24), HEADER, Vec::new());
    loop {
        let block = &file[offset..offset + BLOCK + u32_at(file, offset + 8)];
        assert_eq!(u64_at(block, 0), sum(salt.wrapping_add(offset as u64), &block[8..]));
        offset += block.len();
        let mut rest = &block[BLOCK..];
        if u32_at(block, 12) == 0 {
            assert_eq!((rest.len(), u64_at(rest, 0)), (8, entries.len() as u64));
            assert!(entries.is_sorted_by(|(before, _), (key, _)| before < key));
            return (entries.into_iter().collect(), offset);
        }
        for _ in 0..u32_at(block, 12) {
            let key = counted(&mut rest);
            let _version_time_deadline = [number(&mut rest), number(&mut rest), number(&mut rest)];
            entries.push((key, counted(&mut rest)));
        }
        assert!(rest.is_empty());
    }
}

/// The attachments of a backup, whose blocks begin at `offset`.
fn attachments(file: &[u8], mut offset: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (salt, mut found) = (u64_at(file, 24), BTreeMap::<Vec<u8>, Vec<u8>>::new());
    loop {
        let block = &file[offset..offset + BLOCK + u32_at(file, offset + 8)];
        assert_eq!(u64_at(block, 0), sum(salt.wrapping_add(offset as u64), &block[8..]));
        offset += block.len();
        if u32_at(block, 12) == 0 {
            assert_eq!((block.len(), u64_at(block, BLOCK), offset), (BLOCK + 8, found.len() as u64, file.len()));
            return found;
        }
        assert_eq!(u32_at(block, 12), 1);
        found.entry(block[BLOCK..48].to_vec()).or_default().extend(&block[48..]);
    }
}

#[test]
fn the_format_page_suffices_to_read_the_attachments_of_a_backup() {
    let files = files(2);
    check_header_of(2, "STOR", &files["store.mantis"]);
    let backup = &files["whole.backup"];
    check_header_of(2, "CKPT", backup);
    let (entries, end) = entries(backup);
    let attachments = attachments(backup, end);
    let [(hash, bytes)] = &attachments.iter().collect::<Vec<_>>()[..] else { panic!("{attachments:?}") };
    assert!(entries.contains_key(&[b"\0a", &hash[..]].concat()));
    let name = mantis_store::AttachmentId::from_hash(hash[..].try_into().unwrap());
    assert_eq!(**bytes, files[&format!("attachment-{name}.mantis")]);
    for (name, file) in &files {
        match name.split_once('-') {
            Some(("log", _)) => assert!(check_header("SEGM", file) < 10),
            Some(("checkpoint", _)) => assert!(checkpoint(file).len() < 10),
            _ => {}
        }
    }
}

#[test]
fn the_format_page_suffices_to_read_the_golden_files() {
    let files = files(1);
    let (mut state, mut last) = (BTreeMap::new(), 0);
    check_header("STOR", &files["store.mantis"]);
    for (name, file) in files.iter().filter(|(name, _)| name.starts_with("log-")) {
        assert_eq!(*name, format!("log-{last:020}.mantis"), "a segment is named after the commit before it");
        assert_eq!(check_header("SEGM", file), last);
        let (changes, newest) = segment(file, last);
        for (key, value) in changes {
            let _replaced = match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        last = newest;
    }
    assert_eq!((last, state[&b"d"[..]].as_slice()), (10, &b"last"[..]));
    let file = &files["checkpoint-00000000000000000007.mantis"];
    assert_eq!(check_header("CKPT", file), 7);
    let mut expected = state;
    expected.remove(&b"d"[..]);
    assert_eq!(checkpoint(file), expected, "commits 8 to 10 put `d`, put `e` and delete it");
}
