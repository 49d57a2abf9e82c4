//! A backup is the store at one commit, whatever happens meanwhile; a restore yields exactly that, and nothing less passes as a backup.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mantis_store::disk::{DirectoryDisk, Disk, DiskFile, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, PowerCutDisk, Tearing};
use mantis_store::{
    Backup, Checkpoint, Direction, Durability, KeyRange, ManualClock, OpenError, RestoreError, Store, Unreadable,
    restore, verify,
};
use twox_hash::XxHash3_64;

use super::{Model, POLICIES, State, commit_writes, golden, open, options, some_writes, state_of};
use crate::support::{Numbers, START_MS, number, put, put_until, store_with};

/// All bytes of a backup.
pub(super) fn bytes_of(backup: Backup) -> Vec<u8> {
    backup.collect::<Result<Vec<_>, _>>().unwrap().concat()
}

/// A file that holds these bytes.
fn file_of(bytes: &[u8]) -> Box<dyn DiskFile> {
    MemoryDisk::with_files([("file".to_owned(), bytes.to_vec())].into()).open("file").unwrap()
}

fn restore_bytes(bytes: &[u8], disk: &dyn Disk) -> Result<Checkpoint, RestoreError> {
    restore(&*file_of(bytes), disk, &options(&Arc::default(), 11))
}

/// Restores onto an empty disk, and opens that.
fn restored(bytes: &[u8], durability: Durability) -> (Store, MemoryDisk) {
    let disk = MemoryDisk::new();
    restore_bytes(bytes, &disk).unwrap();
    (open(&disk, durability).unwrap().0, disk)
}

/// Some commits, and the backup after them.
fn some_backup(commits: u64) -> (Vec<u8>, Model) {
    let (store, mut model, mut numbers) = (store_with(|_| {}).0, Model::new(), Numbers::new(commits));
    for _ in 0..commits {
        let writes = some_writes(&mut numbers, 3, START_MS);
        model.commit(commit_writes(&store, &writes), START_MS, &writes);
    }
    (bytes_of(store.backup()), model)
}

#[test]
fn a_restored_backup_has_all_of_the_store() {
    for durability in POLICIES {
        for from_disk in [true, false] {
            let (disk, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(START_MS)));
            let options = options(&clock, 3);
            let store = if from_disk {
                Store::open(options, Arc::new(disk), durability).unwrap().0
            } else {
                Store::new(options)
            };
            let (mut model, mut numbers) = (Model::new(), Numbers::new(5));
            for _ in 0..60 {
                clock.advance_ms(3);
                let writes = some_writes(&mut numbers, 3, store.now_ms());
                model.commit(commit_writes(&store, &writes), store.now_ms(), &writes);
                store.flush();
            }
            let start = store.feed_start();
            let bytes = bytes_of(store.backup());
            let whole = verify(&mut &bytes[..]).unwrap();
            let (version, state) = model.newest();
            assert_eq!(whole, Checkpoint { version, entries: state.len() as u64, bytes: bytes.len() as u64 });

            let (copy, copy_disk) = restored(&bytes, durability);
            model.check(&copy).unwrap();
            assert!(copy.identity().is_some() && copy.identity() != store.identity(), "its future is another");
            assert_eq!((copy.version(), copy.feed_start().version), (version, version));
            assert!(copy.changes(start, 10, |_| true).is_err(), "a cursor of the original is of no use");
            // The copy is used further, like any store.
            let writes = [(b"a1".to_vec(), Some((b"more".to_vec(), None)))];
            // What the original committed later has other versions, even if the copy is closed first.
            copy.close().unwrap();
            let next = commit_writes(&copy, &writes);
            assert_eq!(next, version + (1 << 32) + 1);
            model.commit(next, 0, &writes);
            copy.flush();
            copy.checkpoint().unwrap();
            drop(copy);
            let (copy, _) = open(&copy_disk, durability).unwrap();
            model.check(&copy).unwrap();
        }
    }
}

#[test]
fn a_checkpoint_of_format_1_is_a_backup() {
    let (name, bytes) = golden::files(1).pop_first().unwrap();
    assert!(name.starts_with("checkpoint-"), "{name}");
    let (copy, _) = restored(&bytes, Durability::Always);
    let (original, _) = open(&MemoryDisk::with_files(golden::files(1)), Durability::Always).unwrap();
    let until = |state: State| state.into_iter().filter(|(_, entry)| entry.version <= 7).collect::<State>();
    assert_eq!((copy.version(), state_of(&copy)), (7, until(state_of(&original))));
}

#[test]
fn an_empty_store_can_be_backed_up() {
    let (copy, disk) = restored(&bytes_of(store_with(|_| {}).0.backup()), Durability::Always);
    assert_eq!((copy.version(), state_of(&copy)), (0, State::new()));
    assert_eq!(put(&copy, "a1", "1"), (1 << 32) + 1);
    copy.flush();
    drop(copy);
    assert_eq!(open(&disk, Durability::Always).unwrap().1.version, (1 << 32) + 1);
}

#[test]
fn expired_keys_stay_expired_after_a_restore() {
    let (store, clock) = store_with(|_| {});
    put_until(&store, "a1", "1", Some(START_MS + 10));
    put_until(&store, "a2", "2", Some(START_MS + 20));
    clock.advance_ms(15);
    let (disk, bytes) = (MemoryDisk::new(), bytes_of(store.backup()));
    restore_bytes(&bytes, &disk).unwrap();
    let (copy, _) = Store::open(options(&clock, 1), Arc::new(disk), Durability::Never).unwrap();
    assert_eq!((copy.get(b"a1"), copy.get(b"a2")), (None, store.get(b"a2")));
    assert!(copy.get(b"a2").is_some());
    assert_eq!((copy.maintain(10), copy.stats().deadlines), (1, 1));
}

/// Values that make blocks full after a few hundred keys.
fn padded(number: u64) -> Vec<u8> {
    let mut value = number.to_le_bytes().to_vec();
    value.resize(1_000, 0);
    value
}

#[test]
fn commits_between_two_pieces_are_not_in_the_backup() {
    let (store, clock) = store_with(|_| {});
    let mut numbers = Numbers::new(1);
    let key = |number: u64| format!("{number:05}").into_bytes();
    for number in 0..2_000 {
        commit_writes(&store, &[(key(2 * number), Some((padded(number), None)))]);
    }
    let (expected, backup, mut bytes) = (state_of(&store), store.backup(), Vec::new());
    let (version, mut pieces) = (backup.version(), 0);
    for piece in backup {
        bytes.extend(piece.unwrap());
        pieces += 1;
        // Some of the keys are replaced, some deleted, and some are new.
        for _ in 0..200 {
            let put = (numbers.below(3) > 0).then(|| (padded(u64::MAX), None));
            commit_writes(&store, &[(key(numbers.below(4_000)), put)]);
        }
        // More in all than a snapshot may be held.
        clock.advance_ms(50_000);
        store.maintain(usize::MAX);
    }
    assert!(pieces > 8 && store.version() > version, "{pieces} pieces");
    assert_eq!((store.stats().snapshots, store.stats().snapshots_revoked), (0, 0));
    let (copy, _) = restored(&bytes, Durability::Always);
    assert_eq!(copy.version(), version);
    assert!(state_of(&copy) == expected);
}

#[test]
fn a_backup_survives_a_clock_step() {
    let (store, clock) = store_with(|_| {});
    for number in 0..10_000 {
        commit_writes(&store, &[(padded(number), Some((padded(number), None)))]);
    }
    let (backup, mut pieces) = (store.backup(), 0);
    for piece in backup {
        piece.unwrap();
        pieces += 1;
        clock.set_ms(if pieces % 2 == 0 { 0 } else { START_MS + 24 * 60 * 60 * 1_000 });
        store.maintain(0);
    }
    assert!(pieces > 3, "{pieces} pieces");
    assert_eq!(store.stats().snapshots_revoked, 0);
}

#[test]
fn an_abandoned_backup_times_out() {
    let (store, clock) = store_with(|_| {});
    for number in 0..1_000 {
        commit_writes(&store, &[(padded(number), Some((padded(number), None)))]);
    }
    let mut backup = store.backup();
    assert!(backup.next().unwrap().is_ok() && backup.next().unwrap().is_ok());
    clock.advance_ms(60_001);
    store.maintain(0);
    assert_eq!((store.stats().snapshots, store.stats().snapshots_revoked), (0, 1));
    assert_eq!(backup.next().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(backup.next().is_none());
}

#[test]
fn a_backup_during_writes_never_shows_half_a_commit() {
    const PAIRS: u64 = 300;
    const SUM: u64 = 1_000_000;
    let (store, _) = open(&MemoryDisk::new(), Durability::Never).unwrap();
    let pair = |number: u64| [format!("a{number:04}").into_bytes(), format!("z{number:04}").into_bytes()];
    let write = |store: &Store, number: u64, part: u64| {
        let [first, second] = pair(number);
        commit_writes(store, &[(first, Some((padded(part), None))), (second, Some((padded(SUM - part), None)))]);
    };
    (0..PAIRS).for_each(|number| write(&store, number, 0));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..2 {
            let (store, is_over) = (store.clone(), &is_over);
            scope.spawn(move || {
                let mut numbers = Numbers::new(writer);
                while !is_over.load(Ordering::Relaxed) {
                    write(&store, numbers.below(PAIRS), numbers.below(SUM));
                }
            });
        }
        let backups: Vec<_> = (0..20).map(|_| bytes_of(store.backup())).collect();
        is_over.store(true, Ordering::Relaxed);
        for bytes in backups {
            let (copy, _) = restored(&bytes, Durability::Never);
            let mut keys = 0;
            let see = |_: &[u8], entry| {
                keys += u64::from(number_of(&entry) <= SUM);
                ControlFlow::Continue(())
            };
            copy.snapshot().visit_shared(&KeyRange::all(), Direction::Forward, see).unwrap();
            assert_eq!(keys, 2 * PAIRS);
            for number in 0..PAIRS {
                let sum: u64 = pair(number).iter().map(|key| number_of(&copy.get(key).unwrap())).sum();
                assert_eq!(sum, SUM, "pair {number}");
            }
        }
    });
}

fn number_of(entry: &mantis_store::Entry) -> u64 {
    number(&mantis_store::Entry { value: entry.value.slice(..8), ..entry.clone() })
}

/// A damaged backup is refused, and nothing is written.
#[track_caller]
fn check_refused(bytes: &[u8], is_newer: bool, case: &str) {
    let disk = MemoryDisk::new();
    match restore_bytes(bytes, &disk) {
        Err(RestoreError::Backup(Unreadable::Newer(_))) if is_newer => {}
        Err(RestoreError::Backup(Unreadable::Damaged(damage))) if damage.offset <= bytes.len() as u64 => {}
        other => panic!("{case}: {other:?}"),
    }
    assert!(disk.files().is_empty(), "{case}");
}

#[test]
fn no_bit_of_a_backup_flips_unnoticed() {
    let (bytes, _) = some_backup(40);
    assert!(bytes.len() > 500, "{} bytes", bytes.len());
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1 << bit;
            check_refused(&damaged, (12..16).contains(&offset), &format!("bit {bit} of byte {offset}"));
        }
    }
}

#[test]
fn a_truncated_backup_is_refused() {
    let (bytes, _) = some_backup(40);
    for length in 0..bytes.len() {
        check_refused(&bytes[..length], false, &format!("{length} bytes"));
    }
    check_refused(&[&bytes[..], b"\0"].concat(), false, "a byte more");
    check_refused(&[&bytes[..], &bytes[..]].concat(), false, "twice");
    // A backup of several blocks, some of which are missing or misplaced.
    let (store, _) = store_with(|_| {});
    for number in 0..1_200 {
        commit_writes(&store, &[(padded(number), Some((padded(number), None)))]);
    }
    let pieces: Vec<_> = store.backup().collect::<Result<_, _>>().unwrap();
    assert!(pieces.len() > 6, "{} pieces", pieces.len());
    for place in 0..pieces.len() {
        let without: Vec<_> = pieces.iter().enumerate().filter(|(other, _)| *other != place).collect();
        check_refused(&without.into_iter().flat_map(|(_, piece)| piece.clone()).collect::<Vec<_>>(), false, "without");
        for other in 0..place {
            let mut swapped = pieces.clone();
            swapped.swap(place, other);
            check_refused(&swapped.concat(), false, &format!("pieces {place} and {other} swapped"));
        }
    }
}

/// A backup with valid checksums and these entries: key, version.
fn forged(version: u64, entries: &[(&[u8], u8)], count_at_end: u64) -> Vec<u8> {
    const SALT: u64 = 77;
    let mut bytes = b"MANTISDBCKPT\x01\0\0\0".to_vec();
    for number in [1, SALT, version, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(XxHash3_64::oneshot_with_seed(0, &bytes[..56]).to_le_bytes());
    let listed = entries.iter().flat_map(|(key, version)| [&[key.len() as u8], *key, &[*version, 0, 0, 0]].concat());
    for (count, contents) in [(entries.len() as u32, listed.collect()), (0, count_at_end.to_le_bytes().to_vec())] {
        let block = [&(contents.len() as u32).to_le_bytes(), &count.to_le_bytes(), &contents[..]].concat();
        bytes.extend(XxHash3_64::oneshot_with_seed(SALT + bytes.len() as u64, &block).to_le_bytes());
        bytes.extend(block);
    }
    bytes
}

#[test]
fn a_forged_backup_with_invalid_contents_is_refused() {
    let right = forged(2, &[(b"a", 1), (b"b", 2)], 2);
    assert_eq!(restored(&right, Durability::Always).0.stats().keys, 2);
    check_refused(&forged(2, &[(b"b", 1), (b"a", 2)], 2), false, "out of order");
    check_refused(&forged(2, &[(b"a", 1), (b"a", 2)], 2), false, "a key twice");
    check_refused(&forged(2, &[(b"a", 1), (b"b", 3)], 2), false, "a commit that was not yet");
    check_refused(&forged(2, &[(b"a", 0), (b"b", 2)], 2), false, "a commit that never was");
    check_refused(&forged(2, &[(b"a", 1), (b"b", 2)], 3), false, "an entry less than it says");
}

#[test]
fn a_restore_onto_a_store_is_refused() {
    let (bytes, _) = some_backup(10);
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    assert!(matches!(restore_bytes(&bytes, &disk), Err(RestoreError::InUse)));
    drop(store);
    let files = disk.files();
    assert!(matches!(restore_bytes(&bytes, &disk), Err(RestoreError::NotEmpty { .. })));
    assert!(disk.files() == files);
    for name in ["store.mantis", "log-00000000000000000007.mantis", "checkpoint-00000000000000000007.mantis.unfinished"]
    {
        let disk = MemoryDisk::with_files([(name.to_owned(), vec![1; 100])].into());
        match restore_bytes(&bytes, &disk) {
            Err(RestoreError::NotEmpty { file }) => assert_eq!(file, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    // Files that are not the engine's do not matter.
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), "not the engine's").unwrap();
    let disk = DirectoryDisk::new(directory.path()).unwrap();
    restore_bytes(&bytes, &disk).unwrap();
    assert_eq!(open(&disk, Durability::Always).unwrap().1.version, verify(&mut &bytes[..]).unwrap().version);
}

/// The possible results of opening an image of an interrupted restore. Returns whether all of it is there.
#[track_caller]
fn check_interrupted(image: &MemoryDisk, model: &Model, case: &str) -> bool {
    match open(image, Durability::Always) {
        Ok((store, recovered)) => {
            if !recovered.is_new {
                assert_eq!(store.version(), model.newest().0, "{case}");
                model.check(&store).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
            !recovered.is_new
        }
        Err(OpenError::Damaged { file, .. }) if file == "store.mantis" => false,
        Err(other) => panic!("{case}: {other}"),
    }
}

#[test]
fn a_restore_cut_by_a_power_failure_is_complete_or_no_store() {
    let (bytes, model) = some_backup(40);
    let (disk, mut numbers, mut images) = (PowerCutDisk::new(), Numbers::new(1), 0);
    restore_bytes(&bytes, &disk).unwrap();
    let all = disk.operations();
    disk.cuts(|operations, wreck| {
        let case = format!("after {operations} of {all} operations");
        let mut is_there = check_interrupted(&wreck.least(), &model, &case);
        for image in 0..400 {
            let tearing = if image % 2 == 0 { Tearing::Sectors } else { Tearing::Bytes };
            is_there &= check_interrupted(&wreck.disk(tearing, |ways| numbers.below(ways)), &model, &case);
            images += 1;
        }
        is_there &= check_interrupted(&wreck.most(), &model, &case);
        assert!(is_there || operations < all, "what was reported as done is there for certain");
    });
    println!("{images} images");
}

#[test]
fn a_restore_that_fails_on_the_disk_leaves_no_store() {
    let (bytes, model) = some_backup(40);
    let counted = FailingDisk::new(MemoryDisk::new());
    counted.plan(None);
    restore_bytes(&bytes, &counted).unwrap();
    let operations = counted.counted();
    assert!(operations > 15, "{operations}");
    for error in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::WriteZero] {
        for times in [1, u64::MAX] {
            for at in 0..operations {
                let (case, memory) = (format!("operation {at}, {error:?}, {times} times"), MemoryDisk::new());
                let disk = FailingDisk::new(memory.clone());
                disk.plan(Some(Fault { at, only: None, times, error }));
                match restore_bytes(&bytes, &disk) {
                    Ok(_) => assert!(check_interrupted(&memory, &model, &case), "{case}"),
                    Err(RestoreError::Write(_)) => {
                        let is_whole = memory.files().keys().any(|name| name == "store.mantis");
                        let again = restore_bytes(&bytes, &memory);
                        assert_eq!(matches!(again, Err(RestoreError::NotEmpty { .. })), is_whole, "{case}: {again:?}");
                        assert!(again.is_ok() || is_whole, "{case}: {again:?}");
                        assert!(check_interrupted(&memory, &model, &case), "{case}");
                    }
                    Err(other) => panic!("{case}: {other}"),
                }
            }
        }
    }
}
