//! Attachments: what a crash, a power cut, a bad disk, a backup or a repair could do to bytes that a commit names.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mantis_store::disk::{Disk, DiskFile, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation, PowerCutDisk, Tearing};
use mantis_store::{
    AttachmentId, Durability, FileKind, ManualClock, OpenError, Options, Part, Store, Unreadable, check, repair,
    restore, verify, verify_showing,
};

use super::{POLICIES, open, options};
use crate::support::{Numbers, START_MS, delete};

fn some_options() -> Options {
    options(&Arc::new(ManualClock::new(START_MS)), 7)
}

fn open_on(disk: impl Disk, durability: Durability) -> Store {
    Store::open(some_options(), Arc::new(disk), durability).unwrap().0
}

/// Bytes of several pieces of a backup.
fn large() -> Bytes {
    let mut numbers = Numbers::new(3);
    (0..600_000).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect::<Vec<_>>().into()
}

/// Keeps the bytes, and commits their key.
fn keep(store: &Store, bytes: &Bytes) -> AttachmentId {
    let attached = store.attach(bytes).unwrap();
    crate::support::commit(store, |transaction| transaction.put(&attached.id().key(), "named", None));
    store.flush();
    attached.id()
}

/// Deletes the key.
fn forget(store: &Store, id: AttachmentId) {
    forget_unsynced(store, id);
    store.flush();
}

fn forget_unsynced(store: &Store, id: AttachmentId) {
    crate::support::commit(store, |transaction| transaction.delete(&id.key()));
    store.note_attachment_dropped(id);
}

fn name(id: AttachmentId) -> String {
    format!("attachment-{id}.mantis")
}

#[test]
fn attachments_are_there_after_the_store_is_opened_again() {
    for durability in POLICIES {
        let (disk, bytes) = (MemoryDisk::new(), Bytes::from_static(b"some code"));
        let store = open_on(disk.clone(), durability);
        let id = keep(&store, &bytes);
        assert_eq!(store.attachment(id).unwrap(), bytes);
        assert_eq!(disk.files()[&name(id)], &bytes[..]);
        store.checkpoint().unwrap();
        drop(store);
        let (store, recovered) = open(&disk, durability).unwrap();
        assert_eq!(recovered.attachments_missing, []);
        assert_eq!(store.attachment(id).unwrap(), bytes);
        let checkpoints = disk.files().into_iter().filter(|(name, _)| name.starts_with("checkpoint"));
        for (name, file) in checkpoints {
            assert!(!file.windows(bytes.len()).any(|window| window == bytes), "{name} repeats the bytes");
        }
    }
}

#[test]
fn a_store_in_memory_keeps_attachments_too() {
    let store = Store::new(some_options());
    let bytes = Bytes::from_static(b"some code");
    let id = keep(&store, &bytes);
    store.remove_unused_attachments();
    assert_eq!((store.attachment(id).unwrap(), store.attachment_bytes_in_memory()), (bytes, 9));
    forget(&store, id);
    store.remove_unused_attachments();
    assert_eq!(store.attachment_bytes_in_memory(), 0);
}

/// Whatever is left of the disk opens, and has the bytes of every attachment that it names.
#[test]
fn no_power_cut_separates_a_name_from_its_bytes() {
    for durability in POLICIES {
        let disk = PowerCutDisk::new();
        let store = open_on(disk.clone(), durability);
        let (first, second) = (Bytes::from(vec![1; 2_000]), Bytes::from(vec![2; 2_000]));
        let kept = keep(&store, &first);
        let dropped = keep(&store, &second);
        forget(&store, dropped);
        store.remove_unused_attachments();
        store.checkpoint().unwrap();
        store.remove_unused_attachments();
        let again = keep(&store, &second);
        assert_eq!(again, dropped);
        assert!(store.attachment(kept).is_ok() && store.attachment(again).is_ok());
        drop(store);
        let (mut numbers, mut named) = (Numbers::new(5), 0);
        disk.cuts(|operations, wreck| {
            let mut images = vec![wreck.least(), wreck.most()];
            images.extend((0..6).map(|_| wreck.disk(Tearing::Sectors, |options| numbers.below(options))));
            for image in images {
                let (store, recovered) =
                    open(&image, durability).unwrap_or_else(|error| panic!("{operations}: {error}"));
                assert_eq!(recovered.attachments_missing, [], "{durability:?} after {operations}");
                for id in [kept, dropped] {
                    if store.get(&id.key()).is_some() {
                        store
                            .attachment(id)
                            .unwrap_or_else(|error| panic!("{durability:?} after {operations}: {error}"));
                        named += 1;
                    }
                }
                let files = image.files().into_keys().filter(|name| name.starts_with("attachment-"));
                let wanted = [kept, dropped].iter().filter(|id| store.get(&id.key()).is_some()).count();
                assert_eq!(files.count(), wanted, "what no commit names is removed by the opening");
            }
        });
        assert!(named > 20, "{named}");
    }
}

#[test]
fn what_is_dropped_goes_once_that_is_durable_and_no_backup_sends_it() {
    let disk = MemoryDisk::new();
    let store = open_on(disk.clone(), Durability::Never);
    let bytes = large();
    let id = keep(&store, &bytes);
    let is_there = || disk.files().contains_key(&name(id));
    forget_unsynced(&store, id);
    store.remove_unused_attachments();
    assert!(is_there(), "a power cut may bring its key back");
    let other = keep(&store, &Bytes::from_static(b"other"));
    store.checkpoint().unwrap();
    store.remove_unused_attachments();
    assert!(!is_there() && disk.files().contains_key(&name(other)));

    let id = keep(&store, &bytes);
    let mut backup = store.backup();
    let mut pieces = vec![backup.next().unwrap().unwrap()];
    forget(&store, id);
    store.checkpoint().unwrap();
    store.remove_unused_attachments();
    assert!(is_there());
    pieces.extend(backup.by_ref().map(Result::unwrap));
    drop(backup);
    store.remove_unused_attachments();
    assert!(!is_there());
    let restored = MemoryDisk::new();
    restore(&*file_of(&pieces.concat()), &restored, &some_options()).unwrap();
    assert_eq!(open_on(restored, Durability::Always).attachment(id).unwrap(), bytes);
}

/// One that is attached and not named, for a commit that failed, does not stay for ever.
#[test]
fn what_no_commit_names_is_removed() {
    let disk = MemoryDisk::new();
    let store = open_on(disk.clone(), Durability::Always);
    let attached = store.attach(&Bytes::from_static(b"some code")).unwrap();
    let id = attached.id();
    store.remove_unused_attachments();
    assert!(disk.files().contains_key(&name(id)));
    drop(attached);
    store.remove_unused_attachments();
    assert!(!disk.files().contains_key(&name(id)));
}

/// A file with these bytes.
fn file_of(bytes: &[u8]) -> Box<dyn DiskFile> {
    MemoryDisk::with_files(BTreeMap::from([("backup".to_owned(), bytes.to_vec())])).open("backup").unwrap()
}

fn backup_of(store: &Store) -> Vec<u8> {
    store.backup().collect::<Result<Vec<_>, _>>().unwrap().concat()
}

#[test]
fn a_backup_carries_attachments_and_no_bit_of_it_flips_unnoticed() {
    let in_memory = Store::new(some_options());
    for store in [open_on(MemoryDisk::new(), Durability::Always), in_memory] {
        let (small, large) = (Bytes::from_static(b"some code"), large());
        let ids = [keep(&store, &small), keep(&store, &large)];
        let estimate = store.backup().bytes_estimate();
        let bytes = backup_of(&store);
        assert!(estimate >= 600_009 && estimate < bytes.len() as u64 + 1_000, "{estimate}");
        assert_eq!(verify(&mut &bytes[..]).unwrap().bytes, bytes.len() as u64);
        let disk = MemoryDisk::new();
        restore(&*file_of(&bytes), &disk, &some_options()).unwrap();
        let report = check(&disk, &some_options()).unwrap();
        assert!(report.is_right(), "{report:?}");
        let (restored, recovered) = open(&disk, Durability::Always).unwrap();
        assert_eq!(recovered.attachments_missing, []);
        assert_eq!(ids.map(|id| restored.attachment(id).unwrap()), [small.clone(), large.clone()]);
    }
    let store = Store::new(some_options());
    keep(&store, &Bytes::from_static(b"some code"));
    keep(&store, &Bytes::from_static(b"other code"));
    let bytes = backup_of(&store);
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1 << bit;
            let refused = verify(&mut &damaged[..]);
            assert!(
                matches!(refused, Err(Unreadable::Damaged(_) | Unreadable::Newer(_))),
                "{offset} {bit}: {refused:?}"
            );
        }
    }
    for length in 0..bytes.len() {
        assert!(verify(&mut &bytes[..length]).is_err(), "cut to {length}");
    }
    assert!(verify(&mut &[&bytes[..], b"x"].concat()[..]).is_err());
}

#[test]
fn missing_and_damaged_attachments_are_reported_and_keep_nothing_from_opening() {
    let disk = MemoryDisk::new();
    let store = open_on(disk.clone(), Durability::Always);
    let ids = [b"lost", b"torn", b"fine"].map(|bytes| keep(&store, &Bytes::from_static(bytes)));
    drop(store);
    let mut files = disk.files();
    files.remove(&name(ids[0]));
    files.get_mut(&name(ids[1])).unwrap()[0] ^= 1;
    let orphan = AttachmentId::of(b"orphan");
    files.insert(name(orphan), b"orphan".to_vec());
    let disk = MemoryDisk::with_files(files.clone());

    let report = check(&disk, &some_options()).unwrap();
    assert!(!report.is_right() && report.lacks_attachments_alone());
    let found = |id| report.files.iter().find(|file| file.name == name(id)).unwrap();
    assert!(ids.iter().chain([&orphan]).all(|id| found(*id).kind == FileKind::Attachment));
    assert!(!found(ids[0]).is_right() && !found(ids[1]).is_right());
    assert!(found(ids[2]).is_right() && found(ids[2]).findings.is_empty());
    assert!(found(orphan).is_right() && found(orphan).findings[0].what.contains("no commit names it"));

    let (into, options) = (MemoryDisk::new(), some_options());
    let repaired = repair(&disk, &into, &options).unwrap();
    assert_eq!(repaired.attachments_lost.len(), 2);
    assert_eq!(open_on(into, Durability::Always).attachment(ids[2]).unwrap(), "fine");

    let (store, recovered) = open(&disk, Durability::Always).unwrap();
    assert_eq!(recovered.attachments_missing, [ids[0]]);
    assert!(ids[..2].iter().all(|id| store.attachment(*id).is_err()));
    assert_eq!(store.attachment(ids[2]).unwrap(), "fine");
    // A backup leaves out what is not there, and tells.
    let mut backup = store.backup();
    let bytes = backup.by_ref().collect::<Result<Vec<_>, _>>().unwrap().concat();
    let mut left_out = ids[..2].to_vec();
    left_out.sort_unstable();
    assert_eq!(backup.attachments_left_out(), left_out);
    let mut shown = Vec::new();
    let mut show = |part: Part<'_>| shown.extend(if let Part::Attachment(id) = part { Some(id) } else { None });
    verify_showing(&mut &bytes[..], &mut show).unwrap();
    assert_eq!(shown, [ids[2]]);
    assert!(!disk.files().contains_key(&name(orphan)));
    // The same bytes again heal it.
    keep(&store, &Bytes::from_static(b"torn"));
    assert_eq!(store.attachment(ids[1]).unwrap(), "torn");
    delete(&store, "nothing");
}

/// What cannot be read now may be there: a backup without it would pass for a whole one.
#[test]
fn a_backup_that_cannot_read_an_attachment_breaks_off() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let store = open_on(disk.clone(), Durability::Always);
    let id = keep(&store, &Bytes::from_static(b"some code"));
    let mut backup = store.backup();
    let error = std::io::ErrorKind::QuotaExceeded;
    disk.plan(Some(Fault { at: 0, only: Some(Operation::Open), times: u64::MAX, error }));
    let outcomes: Vec<_> = backup.by_ref().collect();
    assert!(outcomes.last().unwrap().is_err() && disk.injected() > 0);
    assert_eq!(backup.attachments_left_out(), []);
    disk.plan(None);
    assert_eq!(store.attachment(id).unwrap(), "some code");
    assert!(store.backup().all(|piece| piece.is_ok()));
}

/// Programs that know of no attachments read the format first.
#[test]
fn only_a_store_that_has_had_attachments_is_of_format_2() {
    let format = |disk: &MemoryDisk| disk.files()["store.mantis"][12];
    for durability in POLICIES {
        let disk = MemoryDisk::new();
        let store = open_on(disk.clone(), durability);
        crate::support::put(&store, "key", "value");
        store.flush();
        assert_eq!((format(&disk), backup_of(&store)[12]), (1, 1));
        let id = keep(&store, &Bytes::from_static(b"some code"));
        assert_eq!((format(&disk), backup_of(&store)[12]), (2, 2));
        forget(&store, id);
        crate::support::put(&store, "key", "other");
        store.flush();
        drop(store);
        assert!(open(&disk, durability).is_ok());
        assert_eq!(format(&disk), 2, "older programs would still not know what they find in its log");
    }
    let mut files = BTreeMap::from([("store.mantis".to_owned(), vec![0; 64])]);
    files.get_mut("store.mantis").unwrap()[..8].copy_from_slice(b"MANTISDB");
    assert!(matches!(open(&MemoryDisk::with_files(files), Durability::Always), Err(OpenError::Damaged { .. })));
}
