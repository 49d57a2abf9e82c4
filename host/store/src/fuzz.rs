//! Fuzzing what reads files: whatever the bytes are, reading them neither panics nor hangs nor takes much memory, what is read is what
//! would be written again, and what was changed without a new checksum is never taken for something else.
//!
//! Inputs are made by changing those of `tests/corpus` and files of a real store. Half of them get their checksums put right, to come
//! behind those. One whose outcome none had before is changed further; longer runs put it into the corpus, and a failing one goes there
//! in any case, so that it stays a test.

#![allow(clippy::disallowed_methods, reason = "a run that is given seconds has to look at a clock")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::blocks::{self, Unreadable, put_entry};
use crate::disk::MemoryDisk;
use crate::feed::FeedChange;
use crate::log::codec::{Reader, checksum, put_counted, put_number};
use crate::log::header::{BadHeader, HEADER_BYTES, Header, Kind};
use crate::log::record::{LoggedChange, RECORD_HEADER_BYTES, RecordHeader, encode, seal};
use crate::log::scan::{End, scan};
use crate::record::{NEVER_MS, Node, NodeExt, Record};
use crate::{Durability, ManualClock, Options, Random, SeededRandom, Store};

/// Inputs that a test makes without being given seconds.
const INPUTS: usize = 100_000;
/// Longer inputs are cut.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// What reading may hold in memory: so many times the input, and a block.
const MEMORY_FACTOR: u64 = 64;
const MEMORY_BYTES: u64 = 128 << 10;

/// Something that reads bytes.
struct Target {
    name: &'static str,
    /// What stands before a block of bytes: how long that is, and where in it the block's length stands.
    frame: Option<(usize, usize)>,
    /// Reads them and nothing more; its memory is measured.
    read: fn(&[u8]),
    /// Reads and checks them, and says what came of it, so that inputs of different kinds are told apart.
    explore: fn(&[u8]) -> String,
    /// Puts the checksums right, and sometimes what else would stop a reader at once.
    reseal: fn(&mut [u8], &mut Chance),
    /// What it reads of the bytes, if they are whole; changing them may leave less of it but nothing else.
    contents: fn(&[u8]) -> Contents,
}

/// What is read of bytes.
struct Contents {
    is_whole: bool,
    parts: Vec<Vec<u8>>,
}

/// Random decisions.
struct Chance(SeededRandom);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.0.next_u64() % bound).unwrap_or(0)
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Changes bytes in one place; `from` are bytes that may be taken over.
fn change(bytes: &mut Vec<u8>, from: Option<&[u8]>, chance: &mut Chance) {
    const NUMBERS: [u64; 9] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];
    let place = chance.below(bytes.len() + 1);
    let bound = 1 << chance.below(8);
    let length = chance.below(bound).min(bytes.len() - place);
    match (chance.below(9), from) {
        (0..2, _) if place < bytes.len() => bytes[place] ^= 1 << chance.below(8),
        (2, _) if place < bytes.len() => bytes[place] = NUMBERS[chance.below(9)].to_le_bytes()[0],
        (3, _) => {
            let number = NUMBERS[chance.below(9)].to_le_bytes();
            let width = [4, 8][chance.below(2)].min(bytes.len() - place);
            bytes[place..place + width].copy_from_slice(&number[..width]);
        }
        (4, _) => drop(bytes.drain(place..place + length)),
        (5, _) => {
            let copied = bytes[place..place + length].to_vec();
            let to = chance.below(bytes.len() + 1);
            bytes.splice(to..to, copied);
        }
        (6, _) => bytes.truncate(place),
        (7, _) if chance.percent(50) => {
            let mut number = Vec::new();
            put_number(&mut number, NUMBERS[chance.below(9)]);
            let end = (place + number.len()).min(bytes.len());
            bytes.splice(place..end, number);
        }
        (7, _) => {
            let random = (0..length).map(|_| NUMBERS[chance.below(9)].to_le_bytes()[0]).collect::<Vec<_>>();
            bytes.splice(place..place, random);
        }
        (8, Some(from)) if !from.is_empty() => {
            let start = chance.below(from.len());
            let end = start + chance.below(from.len() - start + 1);
            bytes.splice(place..place + length, from[start..end].iter().copied());
        }
        _ => bytes.push(0),
    }
}

/// Changes one block and the length that stands before it, so that those behind it are still found.
fn change_block(bytes: &mut Vec<u8>, (before, length_at): (usize, usize), chance: &mut Chance) {
    let mut blocks = Vec::new();
    let mut offset = HEADER_BYTES;
    while let Some(frame) = bytes.get(offset..offset + before) {
        let length = Reader(&frame[length_at..]).u32().map_or(0, |length| length as usize);
        let start = offset + before;
        offset = start.saturating_add(length);
        if offset <= bytes.len() {
            blocks.push(start..offset);
        }
    }
    if blocks.is_empty() {
        return;
    }
    let block = blocks.swap_remove(chance.below(blocks.len()));
    let mut changed = bytes[block.clone()].to_vec();
    change(&mut changed, None, chance);
    let length = u32::try_from(changed.len()).unwrap().to_le_bytes();
    let place = block.start - before + length_at;
    bytes.splice(block, changed);
    bytes[place..place + 4].copy_from_slice(&length);
}

fn run(target: &Target, seeds: Vec<Vec<u8>>) {
    let seconds = std::env::var("MANTIS_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // Runs that are given seconds differ.
    let random = until.map_or(1, |_| u64::from(std::process::id()));
    let mut chance = Chance(SeededRandom::new(random));
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target.name);
    let mut pool = seeds;
    for file in fs::read_dir(&corpus).into_iter().flatten() {
        pool.push(fs::read(file.unwrap().path()).unwrap());
    }
    let mut outcomes: HashSet<String> = pool.iter().map(|input| try_one(target, input, &corpus)).collect();
    let (mut inputs, mut found) = (pool.len(), 0);
    while until.map_or(inputs < INPUTS, |until| Instant::now() < until) {
        inputs += 1;
        let mut input = pool[chance.below(pool.len())].clone();
        let original = (target.contents)(&input);
        if original.is_whole && chance.percent(30) {
            (0..=chance.below(3)).for_each(|_| change(&mut input, None, &mut chance));
            check_damage(target, &input, &original.parts, &corpus);
            continue;
        }
        for _ in 0..=chance.below(4) {
            if let Some(frame) = target.frame.filter(|_| chance.percent(50)) {
                change_block(&mut input, frame, &mut chance);
            } else {
                let from = chance.below(pool.len());
                change(&mut input, Some(&pool[from]), &mut chance);
            }
        }
        input.truncate(INPUT_BYTES_MAX);
        if chance.percent(70) {
            (target.reseal)(&mut input, &mut chance);
        }
        if outcomes.insert(try_one(target, &input, &corpus)) {
            found += 1;
            if until.is_some() {
                save(&corpus, "found", &input);
            }
            pool.push(input);
        }
    }
    println!("fuzz {}: {inputs} inputs, {} outcomes, {found} of them new", target.name, outcomes.len());
}

/// Reads an input, with its memory measured, and checks what came of it.
fn try_one(target: &Target, input: &[u8], corpus: &std::path::Path) -> String {
    keeping(corpus, input, || {
        let memory = allocation_counter::measure(|| (target.read)(input));
        let bound = MEMORY_FACTOR * input.len() as u64 + MEMORY_BYTES;
        assert!(memory.bytes_max <= bound, "{} bytes were held for {} bytes", memory.bytes_max, input.len());
        (target.explore)(input)
    })
}

/// What is read of bytes that were changed is a beginning of what was there.
fn check_damage(target: &Target, input: &[u8], original: &[Vec<u8>], corpus: &std::path::Path) {
    keeping(corpus, input, || {
        let Contents { parts, .. } = (target.contents)(input);
        assert!(original.starts_with(&parts), "something else was read: {parts:?}, not {original:?}");
    });
}

/// Puts an input that fails into the corpus.
fn keeping<T>(corpus: &std::path::Path, input: &[u8], work: impl FnOnce() -> T) -> T {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        println!("the input is in {}", save(corpus, "failed", input).display());
        panic::resume_unwind(panic)
    })
}

fn save(corpus: &std::path::Path, name: &str, input: &[u8]) -> PathBuf {
    fs::create_dir_all(corpus).unwrap();
    let path = corpus.join(format!("{name}-{:016x}.bin", checksum(0, 0, input)));
    fs::write(&path, input).unwrap();
    path
}

/// The files of a store that had something of everything, by the beginning of their names.
fn files(beginning: &str) -> Vec<Vec<u8>> {
    let disk = MemoryDisk::new();
    let clock = Arc::new(ManualClock::new(1_000));
    let mut options = Options::new(clock.clone(), Arc::new(SeededRandom::new(5)));
    options.segment_bytes_max = 600;
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Never).unwrap();
    for number in 0..24_u8 {
        let mut transaction = store.begin();
        for other in 0..=number % 3 {
            let key = [b'k', number % 7, other];
            match number % 4 {
                0 => transaction.delete(&key),
                kind => transaction.put(&key, vec![number; usize::from(number) * 5], (kind == 1).then_some(5_000)),
            }
        }
        transaction.commit().unwrap();
        clock.advance_ms(1);
        if number % 10 == 9 {
            store.checkpoint().unwrap();
        }
    }
    store.flush();
    let files = disk.files().into_iter();
    files.filter(|(name, _)| name.starts_with(beginning)).map(|(_, bytes)| bytes).collect()
}

fn put_u64(bytes: &mut [u8], place: usize, number: u64) {
    bytes[place..place + 8].copy_from_slice(&number.to_le_bytes());
}

/// Puts a file's header right, and returns the salt and the version in it.
fn reseal_header(bytes: &mut [u8]) -> Option<(u64, u64)> {
    let header = bytes.get_mut(..HEADER_BYTES)?;
    let sum = checksum(0, 0, &header[..56]);
    put_u64(header, 56, sum);
    let mut reader = Reader(&header[24..]);
    Some((reader.u64()?, reader.u64()?))
}

fn records(bytes: &[u8], mut see: impl FnMut(u64, &crate::log::record::Record<'_>)) -> Option<(End, Header)> {
    let header = Header::decode(Kind::Segment, bytes).ok()?;
    let end = scan(bytes, header.salt, header.version, |offset, record| {
        see(offset, record);
        Ok::<_, Infallible>(())
    });
    end.ok().map(|end| (end, header))
}

fn explore_segment(bytes: &[u8]) -> String {
    let salt = match Header::decode(Kind::Segment, bytes) {
        Ok(header) => header.salt,
        Err(BadHeader::Damaged) => return "damaged header".to_owned(),
        Err(BadHeader::Newer(_)) => return "newer".to_owned(),
    };
    let (mut kind, mut count) = (String::new(), 0_u32);
    let mut reached = HEADER_BYTES as u64;
    let read = records(bytes, |offset, record| {
        assert_eq!(offset, reached);
        let length = record.header.record_bytes();
        reached += length as u64;
        count += 1;
        let Some(changes) = record.changes() else { return "no changes".clone_into(&mut kind) };
        let place = usize::try_from(offset).unwrap();
        assert_eq!(encoded(&record.header, &changes, offset, salt), bytes[place..place + length], "{changes:?}");
        let last = changes[changes.len() - 1];
        kind = format!(
            "{} {} {} {}",
            last.value.map_or(0, |value| 1 + value.len().min(1)),
            last.expires_at_ms.is_some(),
            last.previous.is_some(),
            last.key.is_empty()
        );
    });
    match read.map(|(end, _)| end) {
        Some(End::Whole) => assert_eq!(reached, bytes.len() as u64),
        Some(End::Torn { offset } | End::Damaged { offset }) => {
            assert!(offset == reached && reached < bytes.len() as u64);
        }
        None => {}
    }
    let end = read.map(|(end, _)| match end {
        End::Whole => "whole",
        End::Torn { .. } => "torn",
        End::Damaged { .. } => "damaged",
    });
    format!("{} {kind} {end:?}", count.min(3))
}

/// A record as the log would write it.
fn encoded(header: &RecordHeader, changes: &[LoggedChange<'_>], offset: u64, salt: u64) -> Vec<u8> {
    let change = |change: &LoggedChange<'_>| {
        let deadline_ms = change.expires_at_ms.unwrap_or(NEVER_MS);
        let node = Node::create(header.version, header.time_ms, deadline_ms, change.value, None);
        FeedChange { record: Record::new(change.key, node.clone()), node, previous: change.previous }
    };
    let changes: Vec<_> = changes.iter().map(change).collect();
    let mut bytes = Vec::new();
    encode(&mut bytes, header.version, header.after, header.time_ms, &changes).unwrap();
    seal(&mut bytes, offset, salt, header.synced);
    bytes
}

fn reseal_segment(bytes: &mut [u8], chance: &mut Chance) {
    let Some((salt, mut last)) = reseal_header(bytes) else { return };
    let mut offset = HEADER_BYTES;
    while let Some(header) = RecordHeader::decode(&bytes[offset..]) {
        let record = &mut bytes[offset..];
        let room = record.len() - RECORD_HEADER_BYTES;
        let length = if header.length > room || chance.percent(5) { room } else { header.length };
        record[16..20].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        let mut synced = header.synced;
        if chance.percent(90) {
            let version = if header.version > last { header.version } else { last.saturating_add(1) };
            synced = synced.min(last);
            put_u64(record, 24, version);
            put_u64(record, 32, last);
            last = version;
        }
        let end = RECORD_HEADER_BYTES + length;
        seal(&mut record[..end], offset as u64, salt, synced);
        offset += end;
    }
}

#[test]
fn records_are_read_as_written_or_not_at_all() {
    let contents = |bytes: &[u8]| {
        let mut parts = Vec::new();
        let read = records(bytes, |offset, record| {
            let changes = record.changes();
            parts.push(format!("{offset} {:?} {changes:?}", record.header).into_bytes());
        });
        Contents { is_whole: read.is_some_and(|(end, _)| end == End::Whole), parts }
    };
    let read = |bytes: &[u8]| {
        records(bytes, |_, record| drop(record.changes()));
    };
    let target = Target {
        name: "segment",
        frame: Some((RECORD_HEADER_BYTES, 16)),
        read,
        explore: explore_segment,
        reseal: reseal_segment,
        contents,
    };
    run(&target, files("log-"));
}

/// Reads a checkpoint, and shows its entries.
fn entries(mut bytes: &[u8], mut see: impl FnMut(&[u8], Node)) -> Result<u64, Unreadable> {
    let read = blocks::read(&mut bytes, |entry| see(entry.key, entry.node()));
    read.map(|(_, checkpoint)| checkpoint.entries)
}

fn explore_checkpoint(bytes: &[u8]) -> String {
    let (mut count, mut again, mut deadlines) = (0_u64, Vec::new(), 0);
    let read = entries(bytes, |key, node| {
        count += 1;
        deadlines += u64::from(node.expires_at_ms().is_some());
        put_entry(&mut again, key, &node);
    });
    let outcome = match read {
        Ok(entries) => {
            assert_eq!(entries, count);
            assert_eq!(again, bodies(bytes), "{count} entries");
            "whole".to_owned()
        }
        Err(Unreadable::Damaged(damage)) => {
            assert!(damage.offset <= bytes.len() as u64);
            damage.what.to_owned()
        }
        Err(Unreadable::Newer(_)) => "newer".to_owned(),
        Err(Unreadable::Io(error)) => panic!("{error}"),
    };
    format!("{} {} {outcome}", count.min(3), deadlines > 0)
}

/// The blocks of a checkpoint that is whole, without what stands before their entries.
fn bodies(bytes: &[u8]) -> Vec<u8> {
    let (mut offset, mut bodies) = (HEADER_BYTES, Vec::new());
    loop {
        let mut reader = Reader(&bytes[offset + 8..]);
        let (length, count) = (reader.u32().unwrap() as usize, reader.u32().unwrap());
        if count == 0 {
            return bodies;
        }
        bodies.extend_from_slice(&bytes[offset + 16..][..length]);
        offset += 16 + length;
    }
}

fn reseal_checkpoint(bytes: &mut [u8], chance: &mut Chance) {
    let Some((salt, _)) = reseal_header(bytes) else { return };
    let mut offset = HEADER_BYTES;
    while let Some(room) = bytes.len().checked_sub(offset + 16) {
        let block = &mut bytes[offset..];
        let said = Reader(&block[8..]).u32().unwrap() as usize;
        let length = if said > room || chance.percent(5) { room } else { said };
        block[8..12].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        let sum = checksum(salt, offset as u64, &block[8..16 + length]);
        put_u64(block, 0, sum);
        offset += 16 + length;
    }
}

#[test]
fn checkpoints_are_read_as_written_or_not_at_all() {
    // Entries count only if all of the file is right.
    let contents = |bytes: &[u8]| match entries(bytes, |_, _| ()) {
        Ok(_) => Contents { is_whole: true, parts: vec![bytes.to_vec()] },
        Err(_) => Contents { is_whole: false, parts: Vec::new() },
    };
    let read = |bytes: &[u8]| {
        let _ = entries(bytes, |_, _| ());
    };
    let target = Target {
        name: "checkpoint",
        frame: Some((16, 8)),
        read,
        explore: explore_checkpoint,
        reseal: reseal_checkpoint,
        contents,
    };
    run(&target, files("checkpoint-"));
}

/// Reads numbers and counted bytes in turn, as far as it goes.
fn explore_codec(bytes: &[u8]) -> String {
    let mut reader = Reader(bytes);
    let mut said = String::new();
    loop {
        let (before, mut again) = (reader.0, Vec::new());
        if said.len().is_multiple_of(2) {
            let Some(number) = reader.number() else { break };
            put_number(&mut again, number);
        } else {
            let Some(counted) = reader.counted() else { break };
            put_counted(&mut again, counted);
        }
        let read = before.len() - reader.0.len();
        assert_eq!(again, before[..read]);
        said.push(char::from(b'0' + u8::try_from(read.min(12)).unwrap()));
        if said.len() > 8 {
            break;
        }
    }
    said.split_off(said.len().saturating_sub(2))
}

#[test]
fn numbers_are_read_as_written_or_not_at_all() {
    let read = |bytes: &[u8]| drop(explore_codec(&bytes[..bytes.len().min(64)]));
    let reseal = |_: &mut [u8], _: &mut Chance| ();
    // Without a checksum nothing tells what was changed.
    let contents = |_: &[u8]| Contents { is_whole: false, parts: Vec::new() };
    let mut seed = Vec::new();
    for number in [0, 300, u64::MAX] {
        put_number(&mut seed, number);
        put_counted(&mut seed, &number.to_le_bytes());
    }
    run(&Target { name: "codec", frame: None, read, explore: explore_codec, reseal, contents }, vec![seed]);
}
