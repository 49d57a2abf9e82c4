//! Plugins that the database keeps: what a restart, a crash between the file and its commit, or another client could do to them.

use std::sync::Arc;

use bytes::Bytes;
use mantis_db::plugins::{NewPluginVersion, PLUGIN_MANIFEST_BYTES_MAX, PluginError, PluginRecord};
use mantis_db::{
    ChangeFilter, Code, Database, Durability, EngineOptions, Expect, Limits, ManualClock, SeededRandom, Since,
    StorageOptions, restore, verify,
};
use mantis_store::disk::{Disk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation, PowerCutDisk};

use crate::on_disk::{drive, open_with};
use crate::support::{Stage, now};

fn open(disk: &(impl Disk + Clone + 'static)) -> Database {
    open_with(disk, Limits::default(), StorageOptions::default())
}

fn component(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Keeps a version of a plugin, whose manifest is its component's text.
fn keep(database: &Database, name: &str, text: &'static str, expect: Expect) -> Result<PluginRecord, PluginError> {
    let written = database.write_component(&component(text))?;
    let new = NewPluginVersion { component: written, manifest: text.to_owned() };
    drive(database, database.keep_plugin(name, new, expect, 10), 9).unwrap()
}

/// The numbers of the versions, the current one first.
fn numbers(plugin: &PluginRecord) -> Vec<u64> {
    plugin.versions.iter().map(|version| version.number).collect()
}

#[track_caller]
fn check(database: &Database, name: &str, text: &str) {
    let plugin = database.plugin(name).unwrap();
    let current = plugin.current().unwrap();
    assert_eq!(current.manifest, text);
    assert_eq!(database.plugin_component(current).unwrap(), text);
}

#[test]
fn plugins_are_there_after_a_restart_with_their_versions() {
    let disk = MemoryDisk::new();
    let database = open(&disk);
    for text in ["one", "two", "three", "four"] {
        keep(&database, "a", text, Expect::Anything).unwrap();
    }
    keep(&database, "b", "two", Expect::Absent).unwrap();
    database.store().checkpoint().unwrap();
    drive(&database, database.roll_back_plugin("a", None, Expect::Anything), 9).unwrap().unwrap();
    drop(database);
    let database = open(&disk);
    let (plugins, unreadable) = database.plugins().unwrap();
    assert_eq!((plugins.iter().map(numbers).collect::<Vec<_>>(), unreadable.len()), (vec![vec![3, 4, 2], vec![1]], 0));
    check(&database, "a", "three");
    check(&database, "b", "two");
    for version in &plugins[0].versions {
        assert_eq!(database.plugin_component(version).unwrap(), version.manifest);
    }
    let files = || disk.files().into_keys().filter(|name| name.starts_with("attachment-")).count();
    assert_eq!(files(), 3, "a file for each component, and none for the version that went");
    // `b` still names the component that `a` had.
    drive(&database, database.forget_plugin("a", Expect::Present), 9).unwrap().unwrap();
    database.maintain();
    assert_eq!(files(), 1);
    check(&database, "b", "two");
    assert!(database.plugin("a").is_none());
    let again = keep(&database, "a", "new", Expect::Anything).unwrap();
    assert_eq!(numbers(&again), [1]);
}

#[test]
fn a_lost_update_is_refused() {
    let Stage { database, .. } = Stage::new();
    let first = keep(&database, "a", "one", Expect::Absent).unwrap();
    assert_eq!(database.plugin("a").unwrap(), first);
    let second = keep(&database, "a", "two", Expect::Version(first.revision)).unwrap();
    let refused = |outcome: Result<PluginRecord, PluginError>| match outcome {
        Err(PluginError::Refused(revision)) => revision,
        other => panic!("{other:?}"),
    };
    for expect in [Expect::Version(first.revision), Expect::Absent] {
        assert_eq!(refused(keep(&database, "a", "late", expect)), Some(second.revision));
        assert_eq!(refused(now(database.roll_back_plugin("a", None, expect))), Some(second.revision));
        assert!(matches!(now(database.forget_plugin("a", expect)), Err(PluginError::Refused(_))));
    }
    assert_eq!(refused(keep(&database, "b", "new", Expect::Present)), None);
    check(&database, "a", "two");
    // A rollback is a change like any other: its revision is new.
    let third = now(database.roll_back_plugin("a", Some(1), Expect::Version(second.revision))).unwrap();
    assert!(third.revision > second.revision);
    assert!(matches!(now(database.roll_back_plugin("a", None, Expect::Anything)), Err(PluginError::VersionNotFound)));
    assert!(matches!(
        now(database.roll_back_plugin("a", Some(9), Expect::Anything)),
        Err(PluginError::VersionNotFound)
    ));
    assert!(matches!(now(database.roll_back_plugin("b", None, Expect::Anything)), Err(PluginError::NotFound)));
    assert!(matches!(now(database.forget_plugin("b", Expect::Anything)), Err(PluginError::NotFound)));
}

#[test]
fn plugins_are_no_buckets_and_no_changes() {
    let Stage { database, .. } = Stage::new();
    keep(&database, "a", "one", Expect::Anything).unwrap();
    now(database.forget_plugin("a", Expect::Anything)).unwrap();
    let mut session = database.session();
    let buckets: Vec<_> =
        now(session.buckets()).unwrap().into_iter().map(|bucket| (bucket.name, bucket.keys)).collect();
    assert_eq!(buckets, [("default".to_owned(), 0)]);
    let changes = now(session.changes(&ChangeFilter::default(), &Since::Earliest, 100)).unwrap();
    assert!(changes.changes.is_empty(), "{changes:?}");
}

#[test]
fn plugins_have_bounds() {
    let Stage { database, .. } = Stage::with(|limits| limits.store_bytes_max = 100_000);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        keep(&database, name, "one", Expect::Anything).unwrap();
    }
    assert!(matches!(keep(&database, "k", "one", Expect::Anything), Err(PluginError::TooMany { max: 10 })));
    keep(&database, "a", "two", Expect::Anything).unwrap();
    let written = database.write_component(&component("one")).unwrap();
    let new = NewPluginVersion { component: written, manifest: " ".repeat(PLUGIN_MANIFEST_BYTES_MAX + 1) };
    assert!(now(database.keep_plugin("a", new, Expect::Anything, 10)).is_err());
    let large = Bytes::from(vec![0; 60_000]);
    let held = database.write_component(&large).unwrap();
    let refused = database.write_component(&Bytes::from(vec![1; 60_000])).unwrap_err();
    assert_eq!(refused.code(), Code::StoreFull, "components in memory count");
    drop(held);
    database.maintain();
    assert!(database.write_component(&Bytes::from(vec![1; 60_000])).is_ok());
}

/// Whatever was written before the power failed: a plugin is there with its component, or is not there.
#[test]
fn no_power_cut_leaves_a_plugin_without_its_component() {
    let disk = PowerCutDisk::new();
    let database = open(&disk);
    keep(&database, "a", "one", Expect::Anything).unwrap();
    keep(&database, "a", "two", Expect::Anything).unwrap();
    keep(&database, "b", "three", Expect::Anything).unwrap();
    drive(&database, database.forget_plugin("b", Expect::Anything), 9).unwrap().unwrap();
    database.maintain();
    drop(database);
    let mut seen = [0; 3];
    disk.cuts(|operations, wreck| {
        for image in [wreck.least(), wreck.most()] {
            let database = open(&image);
            let (plugins, _) = database.plugins().unwrap();
            seen[plugins.len()] += 1;
            for version in plugins.iter().flat_map(|plugin| &plugin.versions) {
                let component = database.plugin_component(version);
                assert_eq!(component.unwrap(), version.manifest, "after {operations} operations");
            }
        }
    });
    assert!(seen.iter().all(|&seen| seen > 0), "{seen:?}");
}

#[test]
fn a_full_disk_refuses_a_component_and_keeps_the_version_before() {
    let inner = MemoryDisk::new();
    let disk = Arc::new(FailingDisk::new(inner.clone()));
    let (clock, random) = (Arc::new(ManualClock::new(1_000_000)), Arc::new(SeededRandom::new(3)));
    let opened =
        Database::open_with(Limits::default(), clock, random, Arc::clone(&disk) as _, StorageOptions::default())
            .unwrap();
    let database = opened.0;
    keep(&database, "a", "one", Expect::Anything).unwrap();
    for only in [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDirectory] {
        let error = std::io::ErrorKind::StorageFull;
        disk.plan(Some(Fault { at: 0, times: 1, error, only: Some(only) }));
        let refused = database.write_component(&component("two")).unwrap_err();
        assert_eq!(refused.code(), Code::DiskFull, "{only:?}");
    }
    database.maintain();
    check(&database, "a", "one");
    keep(&database, "a", "two", Expect::Anything).unwrap();
    check(&database, "a", "two");
}

#[test]
fn a_backup_has_the_plugins_and_a_restored_database_runs_them() {
    let database = open_with(
        &MemoryDisk::new(),
        Limits::default(),
        StorageOptions { durability: Durability::Never, ..StorageOptions::default() },
    );
    keep(&database, "a", "one", Expect::Anything).unwrap();
    keep(&database, "a", "two", Expect::Anything).unwrap();
    let backup: Vec<u8> = database.store().backup().collect::<Result<Vec<_>, _>>().unwrap().concat();
    verify(&mut &backup[..]).unwrap();
    let file = MemoryDisk::with_files([("backup".to_owned(), backup)].into());
    let disk = MemoryDisk::new();
    let options = EngineOptions::new(Arc::new(ManualClock::new(5)), Arc::new(SeededRandom::new(9)));
    restore(&*file.open("backup").unwrap(), &disk, &options).unwrap();
    let restored = open(&disk);
    check(&restored, "a", "two");
    assert_eq!(numbers(&restored.plugin("a").unwrap()), [2, 1]);
    drive(&restored, restored.roll_back_plugin("a", None, Expect::Anything), 9).unwrap().unwrap();
    check(&restored, "a", "one");
}
