//! Files of every released format open, with exactly their original contents.
//!
//! They are written once, by the program of their time, and never again: `cargo test -p mantis-store --test main -- --ignored
//! write_golden_files` does not replace them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs};

use mantis_store::disk::{Disk, MemoryDisk};
use mantis_store::{AttachmentId, Durability, ManualClock, Random, Store, restore};

use super::{POLICIES, feed_of, open, options, state_of};
use crate::support::{commit, delete, put, put_until};

fn directory(format: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}"))
}

pub(super) fn files(format: u32) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory(format)).unwrap().map(|file| file.unwrap().path());
    let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
    files.map(named).collect()
}

/// Every key and every change, one a line.
fn written_out(store: &Store) -> String {
    let mut lines = String::new();
    for (key, entry) in state_of(store) {
        let (key, value) = (key.escape_ascii(), entry.value.escape_ascii());
        writeln!(lines, "{key}={value} v{} t{} {:?}", entry.version, entry.modified_ms, entry.expires_at_ms).unwrap();
    }
    for change in feed_of(store) {
        let (key, value) = (change.key.escape_ascii(), change.value.map(|value| value.escape_ascii().to_string()));
        let (version, previous) = (change.version, change.previous);
        writeln!(lines, "v{version} t{} {key} {value:?} {:?} {previous:?}", change.time_ms, change.expires_at_ms)
            .unwrap();
    }
    lines
}

#[rustfmt::skip]
const FORMAT_1: &str = "\
\\x00\\xff\\x80=binary \\x01\\xfe v2 t1500 None
a1=changed v7 t3500 None
a3=until v4 t2500 Some(9000)
b=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx v6 t3000 None
c= v2 t1500 None
d=last v8 t4000 Some(18446744073709551614)
v1 t1000 a1 Some(\"first\") None None
v2 t1500 \\x00\\xff\\x80 Some(\"binary \\\\x01\\\\xfe\") None None
v2 t1500 c Some(\"\") None None
v3 t2000 a2 Some(\"goes\") Some(2600) None
v4 t2500 a3 Some(\"until\") Some(9000) None
v5 t3000 a2 None None None
v6 t3000 b Some(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\") None None
v7 t3500 a1 Some(\"changed\") None Some(1)
v8 t4000 d Some(\"last\") Some(18446744073709551614) None
v9 t4500 e Some(\"gone\") None None
v10 t5000 e None None Some(9)
";

/// Always the same number, so that it does not matter who draws one and when.
struct NotRandom;

impl Random for NotRandom {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0x5a);
    }
}

/// Some of everything that a file can hold.
fn write_format_1(disk: &MemoryDisk) {
    let clock = Arc::new(ManualClock::new(1_000));
    let mut options = options(&clock, 0);
    options.random = Arc::new(NotRandom);
    let store = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap().0;
    let done = || {
        store.flush();
        clock.advance_ms(500);
    };
    put(&store, "a1", "first");
    done();
    commit(&store, |transaction| {
        transaction.put(b"c", "", None);
        transaction.put(b"\0\xff\x80", &b"binary \x01\xfe"[..], None);
    });
    done();
    put_until(&store, "a2", "goes", Some(2_600));
    done();
    put_until(&store, "a3", "until", Some(9_000));
    done();
    assert_eq!(store.maintain(10), 1);
    put(&store, "b", &"x".repeat(150));
    done();
    put(&store, "a1", "changed");
    store.flush();
    store.checkpoint().unwrap();
    done();
    put_until(&store, "d", "last", Some(u64::MAX - 1));
    done();
    put(&store, "e", "gone");
    done();
    delete(&store, "e");
    done();
}

const ATTACHED: [&[u8]; 2] = [b"\0asm, in place of a component", b"kept by nobody any more"];

/// A store with attachments: one that it refers to, and one whose key is gone again.
fn write_format_2(disk: &MemoryDisk) {
    let clock = Arc::new(ManualClock::new(1_000));
    let mut options = options(&clock, 0);
    options.random = Arc::new(NotRandom);
    let store = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap().0;
    put(&store, "a", "before");
    store.flush();
    for bytes in ATTACHED {
        clock.advance_ms(500);
        let attached = store.attach(&bytes.into()).unwrap();
        commit(&store, |transaction| transaction.put(&attached.id().key(), &b"\0\0\0\x01"[..], None));
        store.flush();
    }
    store.checkpoint().unwrap();
    clock.advance_ms(500);
    let dropped = AttachmentId::of(ATTACHED[1]);
    commit(&store, |transaction| transaction.delete(&dropped.key()));
    store.flush();
    store.note_attachment_dropped(dropped);
    store.remove_unused_attachments();
    put(&store, "a", "after");
    store.flush();
}

/// The backup of a store with attachments.
const BACKUP: &str = "whole.backup";

/// What a backup of the store writes: its header has a salt of its own.
fn backup_of_format_2(disk: &MemoryDisk) -> Vec<u8> {
    let mut options = options(&Arc::new(ManualClock::new(5_000)), 0);
    options.random = Arc::new(NotRandom);
    let store = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap().0;
    store.backup().collect::<Result<Vec<_>, _>>().unwrap().concat()
}

#[test]
#[ignore = "writes the files that the other tests read, once for every format"]
fn write_golden_files_of_format_2() {
    let (disk, directory) = (MemoryDisk::new(), directory(2));
    write_format_2(&disk);
    fs::create_dir(&directory).unwrap();
    for (name, bytes) in disk.files() {
        fs::write(directory.join(name), bytes).unwrap();
    }
    fs::write(directory.join(BACKUP), backup_of_format_2(&disk)).unwrap();
}

#[test]
fn files_of_format_2_open_with_their_attachments() {
    let mut files = files(2);
    let backup = files.remove(BACKUP).unwrap();
    let id = AttachmentId::of(ATTACHED[0]);
    assert_eq!(files[&format!("attachment-{id}.mantis")], ATTACHED[0]);
    let restored = MemoryDisk::new();
    let backup = MemoryDisk::with_files(BTreeMap::from([(BACKUP.to_owned(), backup)]));
    restore(&*backup.open(BACKUP).unwrap(), &restored, &options(&Arc::new(ManualClock::new(0)), 1)).unwrap();
    for files in [files, restored.files()] {
        assert_eq!(files["store.mantis"][12], 2, "older programs refuse the store");
        for durability in POLICIES {
            let disk = MemoryDisk::with_files(files.clone());
            let (store, recovered) = open(&disk, durability).unwrap();
            assert_eq!((recovered.keys, recovered.attachments_missing), (2, vec![]));
            assert_eq!(store.get(b"a").unwrap().value, "after");
            assert_eq!(store.attachment(id).unwrap(), ATTACHED[0]);
            assert!(disk.files() == files, "opening alone changes nothing");
        }
    }
}

#[test]
fn this_program_still_writes_format_2() {
    let (disk, mut files) = (MemoryDisk::new(), files(2));
    write_format_2(&disk);
    let backup = files.remove(BACKUP).unwrap();
    assert!(disk.files() == files, "a change of the format needs a new number, and golden files of its own");
    assert!(backup_of_format_2(&disk) == backup);
}

#[test]
#[ignore = "writes the files that the other tests read, once for every format"]
fn write_golden_files() {
    let (disk, directory) = (MemoryDisk::new(), directory(1));
    write_format_1(&disk);
    fs::create_dir(&directory).unwrap();
    for (name, bytes) in disk.files() {
        fs::write(directory.join(name), bytes).unwrap();
    }
}

#[test]
fn files_of_format_1_open_with_their_contents() {
    let files = files(1);
    for durability in POLICIES {
        let disk = MemoryDisk::with_files(files.clone());
        let (store, recovered) = open(&disk, durability).unwrap();
        assert_eq!(written_out(&store), FORMAT_1);
        assert_eq!((recovered.version, recovered.keys, recovered.cut), (10, 6, None));
        assert_eq!(recovered.checkpoint.map(|checkpoint| checkpoint.version), Some(7));
        assert!(disk.files() == files, "opening alone changes nothing");
    }
    // The log alone, without the checkpoint.
    let log = files.into_iter().filter(|(name, _)| !name.starts_with("checkpoint"));
    let (store, _) = open(&MemoryDisk::with_files(log.collect()), Durability::Always).unwrap();
    assert_eq!(written_out(&store), FORMAT_1);
}

#[test]
fn this_program_still_writes_format_1() {
    let disk = MemoryDisk::new();
    write_format_1(&disk);
    assert!(disk.files() == files(1), "a change of the format needs a new number, and golden files of its own");
}
