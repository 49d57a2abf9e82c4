//! Directories that are moved, replaced, removed, reached by other names, locked, or inherited: data reported as durable is found again
//! under the store's name, and no directory but the store's is touched.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;
use std::{env, fs, process};

use fork::{Fork, fork, waitpid};
use mantis_store::disk::{DirectoryDisk, Disk, MemoryDisk};
use mantis_store::{
    DiskEvent, DiskThreads, Durability, Error, Expect, OpenError, RestoreError, StorageFailure, Store, Update, Version,
    check, restore,
};

use super::{POLICIES, open, options, outcome, state_of};
use crate::support::{put, value};

/// Longer than any disk takes, and far shorter than a test may hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names the directory to a process that runs one test by itself.
const ALONE: &str = "MANTIS_TEST_ALONE";

/// Runs the test called `name` in a process of its own, with `directory` in the variable [`ALONE`].
#[track_caller]
fn run_alone(name: &str, directory: &Path) -> Output {
    let name = format!("durability::place::{name}");
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["--exact", &name, "--nocapture"]).env(ALONE, directory).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{name}: {output:?}");
    output
}

/// The directory of a process that runs one test by itself.
fn alone_in() -> Option<PathBuf> {
    env::var_os(ALONE).map(PathBuf::from)
}

/// A directory called `data` in one of its own.
struct Data {
    directory: tempfile::TempDir,
}

impl Data {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.at("data")
    }

    fn disk(&self) -> DirectoryDisk {
        DirectoryDisk::new(self.data()).unwrap()
    }

    /// A store with a key that is durable.
    fn store(&self, durability: Durability) -> Store {
        let (store, _) = open(&self.disk(), durability).unwrap();
        put(&store, "before", "1");
        store.flush();
        assert!(store.is_durable(1));
        store
    }

    fn move_away(&self) {
        fs::rename(self.data(), self.at("away")).unwrap();
    }
}

/// Writes if that is not refused.
fn try_put(store: &Store, key: &str) -> Result<Version, Error> {
    let update = Update::Put { value: "1".into(), expires_at_ms: None };
    store.write(key.as_bytes(), update, Expect::Anything, None).map(|written| written.unwrap().version)
}

/// The contents of all files of a directory except the lock file.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .filter(|(name, _)| name != "lock")
        .collect()
}

/// Writes one more key and syncs, which must fail for a reason that contains all of `said`.
#[track_caller]
fn check_fails(store: &Store, durability: Durability, said: &[&str]) {
    let displaced = Error::StorageFailed(StorageFailure::Displaced);
    let version = put(store, "later", "1");
    store.flush();
    assert!(store.has_failed() && !store.is_durable(version), "{durability:?}");
    if durability == Durability::Always {
        assert_eq!(outcome(store, version), Poll::Ready(Err(displaced)));
        assert_eq!(store.get(b"later"), None);
    }
    let (failure, is_for_good) = store.disk_failure().unwrap();
    assert!(is_for_good && said.iter().all(|said| failure.contains(said)), "{durability:?}: {failure}");
    assert_eq!(try_put(store, "again"), Err(displaced), "{durability:?}");
}

/// The durable key is in `directory`.
#[track_caller]
fn check_kept(directory: &Path, durability: Durability) {
    let (store, recovered) = open(&DirectoryDisk::new(directory).unwrap(), durability).unwrap();
    assert_eq!(value(store.get(b"before")).as_deref(), Some("1"), "{recovered}");
}

#[test]
fn a_moved_directory_fails_the_store_at_the_next_sync() {
    for durability in POLICIES {
        let data = Data::new();
        let store = data.store(durability);
        data.move_away();
        fs::create_dir(data.data()).unwrap();
        let (name, away) = (data.data(), data.at("away"));
        let said = ["moved", name.to_str().unwrap(), "another directory", away.to_str().unwrap()];
        check_fails(&store, durability, &said);
        assert!(store.checkpoint().is_err());
        drop(store);
        assert_eq!(files(&data.data()), BTreeMap::new(), "another's directory is left alone");
        check_kept(&away, durability);
        fs::remove_dir(data.data()).unwrap();
        fs::rename(&away, data.data()).unwrap();
        check_kept(&data.data(), durability);
    }
}

#[test]
fn a_removed_or_replaced_directory_fails_the_store() {
    for durability in POLICIES {
        for replace in [|_: &Path| (), |name: &Path| fs::write(name, "a file").unwrap()] {
            let data = Data::new();
            let store = data.store(durability);
            data.move_away();
            replace(&data.data());
            check_fails(&store, durability, &["moved", data.data().to_str().unwrap()]);
            drop(store);
            check_kept(&data.at("away"), durability);
        }
        let data = Data::new();
        let store = data.store(durability);
        fs::remove_dir_all(data.data()).unwrap();
        check_fails(&store, durability, &["removed", "nothing"]);
        assert!(!data.data().exists());
    }
}

#[test]
fn a_link_that_leads_elsewhere_fails_the_store() {
    for durability in POLICIES {
        let data = Data::new();
        for name in ["one", "two"] {
            fs::create_dir(data.at(name)).unwrap();
        }
        symlink("one", data.data()).unwrap();
        let store = data.store(durability);
        fs::remove_file(data.data()).unwrap();
        symlink("two", data.data()).unwrap();
        check_fails(&store, durability, &["another directory", data.data().to_str().unwrap()]);
        drop(store);
        assert_eq!(files(&data.at("two")), BTreeMap::new());
        check_kept(&data.at("one"), durability);
    }
}

#[test]
fn no_segment_or_checkpoint_goes_to_another_directory_of_that_name() {
    let data = Data::new();
    let store = data.store(Durability::Never);
    data.move_away();
    fs::create_dir(data.data()).unwrap();
    let mut written = 0;
    // A segment holds a few of them.
    while !store.has_failed() {
        written += 1;
        assert!(written < 100, "a segment of the log was begun");
        put(&store, "later", &"v".repeat(50));
    }
    assert_eq!(files(&data.data()), BTreeMap::new());

    let data = Data::new();
    let store = data.store(Durability::Never);
    data.move_away();
    fs::create_dir(data.data()).unwrap();
    assert!(store.checkpoint().is_err() && store.has_failed());
    assert_eq!(files(&data.data()), BTreeMap::new());
}

#[test]
fn an_idle_store_reports_that_its_directory_was_moved() {
    for durability in POLICIES {
        let data = Data::new();
        let store = data.store(durability);
        let (sender, events) = mpsc::channel();
        let _threads = DiskThreads::start(&store, Box::new(move |event| sender.send(event).unwrap())).unwrap();
        data.move_away();
        let event = events.recv_timeout(PATIENCE).unwrap();
        let is_right = |said: &str| said.contains(data.data().to_str().unwrap()) && said.contains("moved");
        assert!(matches!(&event, DiskEvent::Failed(said) if is_right(said)), "{durability:?}: {event:?}");
        assert!(store.has_failed());
    }
}

#[test]
fn a_store_restored_under_the_old_name_is_left_alone() {
    let data = Data::new();
    let store = data.store(Durability::Never);
    store.checkpoint().unwrap().unwrap();
    let backup = MemoryDisk::with_files(BTreeMap::from([(
        "backup".to_owned(),
        store.backup().collect::<Result<Vec<_>, _>>().unwrap().concat(),
    )]));
    data.move_away();
    restore(&*backup.open("backup").unwrap(), &data.disk(), &options(&Arc::default(), 3)).unwrap();
    let restored = files(&data.data());
    assert!(restored.keys().any(|name| name.starts_with("checkpoint-")));
    for _ in 0..3 {
        let _ = try_put(&store, "later");
        assert!(store.checkpoint().is_err());
    }
    store.flush();
    drop(store);
    assert_eq!(files(&data.data()), restored);
    check_kept(&data.data(), Durability::Always);
}

#[test]
fn nothing_is_restored_into_the_directory_of_an_open_store() {
    let data = Data::new();
    let store = data.store(Durability::Always);
    let backup = MemoryDisk::with_files(BTreeMap::from([(
        "backup".to_owned(),
        store.backup().collect::<Result<Vec<_>, _>>().unwrap().concat(),
    )]));
    for entry in fs::read_dir(data.data()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let restored = restore(&*backup.open("backup").unwrap(), &data.disk(), &options(&Arc::default(), 3));
    assert!(matches!(restored, Err(RestoreError::InUseHere)), "{restored:?}");
    assert_eq!(files(&data.data()), BTreeMap::new());
    check_fails(&store, Durability::Always, &["log-00000000000000000000.mantis", "removed"]);
}

/// Does `meddle` with the current segment's file, after which a sync would be of no use.
#[track_caller]
fn check_meddled(meddle: impl Fn(&Path)) {
    for durability in POLICIES {
        let data = Data::new();
        let store = data.store(durability);
        let log = data.data().join("log-00000000000000000000.mantis");
        meddle(&log);
        check_fails(&store, durability, &[log.to_str().unwrap(), "somebody else"]);
    }
}

#[test]
fn a_log_that_lost_its_name_fails_the_store() {
    check_meddled(|log| fs::remove_file(log).unwrap());
    check_meddled(|log| fs::rename(log, log.with_extension("old")).unwrap());
    check_meddled(|log| {
        fs::copy(log, log.with_extension("new")).unwrap();
        fs::rename(log.with_extension("new"), log).unwrap();
    });
}

#[test]
fn a_file_that_somebody_else_put_there_is_not_removed() {
    for name in ["checkpoint-00000000000000000001.mantis", "checkpoint-00000000000000000009.mantis"] {
        let data = Data::new();
        let store = data.store(Durability::Never);
        store.checkpoint().unwrap().unwrap();
        fs::write(data.at("foreign"), "foreign").unwrap();
        fs::rename(data.at("foreign"), data.data().join(name)).unwrap();
        for _ in 0..3 {
            let _ = try_put(&store, "a");
            let _ = store.checkpoint();
        }
        assert_eq!(fs::read(data.data().join(name)).unwrap(), b"foreign");
        let (failure, is_for_good) = store.disk_failure().unwrap();
        assert!(is_for_good && failure.contains(name) && failure.contains("somebody else"), "{failure}");
    }
}

#[test]
fn a_segment_that_somebody_else_made_fails_the_store() {
    let data = Data::new();
    let store = data.store(Durability::Never);
    for version in 2..40 {
        fs::write(data.data().join(format!("log-{version:020}.mantis")), "foreign").unwrap();
    }
    while try_put(&store, "a").is_ok() {
        assert!(store.version() < 100, "the next segment was begun");
    }
    let (failure, is_for_good) = store.disk_failure().unwrap();
    assert!(is_for_good && failure.contains("somebody else"), "{failure}");
    assert!(
        files(&data.data()).values().filter(|bytes| *bytes == b"foreign").count() == 38,
        "all of them are left alone"
    );
}

#[test]
fn a_process_opens_a_store_once_under_any_name() {
    let data = Data::new();
    let store = data.store(Durability::Always);
    symlink("data", data.at("link")).unwrap();
    fs::create_dir(data.at("beside")).unwrap();
    for name in ["data", "link", "beside/../data"] {
        let disk = DirectoryDisk::new(data.at(name)).unwrap();
        let opened = open(&disk, Durability::Always).map(drop);
        assert!(matches!(opened, Err(OpenError::InUseHere)), "{name}: {opened:?}");
        let reading = DirectoryDisk::read_only(data.at(name)).unwrap();
        let checked = check(&reading, &options(&Arc::default(), 1)).map(drop);
        assert!(matches!(checked, Err(OpenError::InUseHere)), "{name}: {checked:?}");
    }
    drop(store);
    check_kept(&data.at("link"), Durability::Always);
}

#[test]
fn removing_the_lock_file_releases_no_lock() {
    const NAME: &str = "removing_the_lock_file_releases_no_lock";
    if let Some(directory) = alone_in() {
        let opened = open(&DirectoryDisk::new(&directory).unwrap(), Durability::Always).map(drop);
        assert!(matches!(opened, Err(OpenError::InUse)), "{opened:?}");
        let reading = DirectoryDisk::read_only(&directory).unwrap();
        let checked = check(&reading, &options(&Arc::default(), 1)).map(drop);
        assert!(matches!(checked, Err(OpenError::InUse)), "{checked:?}");
        return;
    }
    let data = Data::new();
    let store = data.store(Durability::Always);
    run_alone(NAME, &data.data());
    fs::remove_file(data.data().join("lock")).unwrap();
    let here = open(&data.disk(), Durability::Always).map(drop);
    assert!(matches!(here, Err(OpenError::InUseHere)), "{here:?}");
    run_alone(NAME, &data.data());
    // The attempt creates the file again, and the directory's own lock refuses it.
    fs::remove_file(data.data().join("lock")).unwrap_or_default();
    run_alone(NAME, &data.data());
    let version = put(&store, "later", "1");
    store.flush();
    assert!(store.is_durable(version), "whose lock it is does not suffer");
}

/// A program of an earlier version locks only the file.
#[test]
fn a_lock_on_the_lock_file_still_keeps_others_out() {
    let data = Data::new();
    drop(data.store(Durability::Always));
    let file = fs::File::options().write(true).open(data.data().join("lock")).unwrap();
    file.try_lock().unwrap();
    let opened = open(&data.disk(), Durability::Always).map(drop);
    assert!(matches!(opened, Err(OpenError::InUse)), "{opened:?}");
    let reading = DirectoryDisk::read_only(data.data()).unwrap();
    assert!(matches!(check(&reading, &options(&Arc::default(), 1)), Err(OpenError::InUse)));
    file.unlock().unwrap();
    let (_store, _) = open(&data.disk(), Durability::Always).unwrap();
    let file = fs::File::options().write(true).open(data.data().join("lock")).unwrap();
    assert!(matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)), "and it is kept out itself");
}

#[test]
fn changing_the_current_directory_changes_nothing() {
    const NAME: &str = "changing_the_current_directory_changes_nothing";
    let Some(directory) = alone_in() else {
        run_alone(NAME, Data::new().directory.path());
        return;
    };
    let elsewhere = directory.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (place, durability) in POLICIES.into_iter().enumerate() {
        env::set_current_dir(&directory).unwrap();
        let name = format!("data-{place}");
        let (store, _) = open(&DirectoryDisk::new(&name).unwrap(), durability).unwrap();
        env::set_current_dir(&elsewhere).unwrap();
        for round in 0..30 {
            let version = put(&store, "a", &"v".repeat(50));
            store.flush();
            assert!(store.is_durable(version), "{durability:?}: {:?}", store.disk_failure());
            if round % 10 == 9 {
                store.checkpoint().unwrap().unwrap();
            }
        }
        let state = state_of(&store);
        drop(store);
        assert_eq!(files(&elsewhere), BTreeMap::new());
        let (store, _) = open(&DirectoryDisk::new(directory.join(name)).unwrap(), durability).unwrap();
        assert_eq!(state_of(&store), state);
    }
}

/// The outcome of each write in a child of the process that opened a store. None of them may reach the disk.
fn check_child(store: Store, disk: &DirectoryDisk, threads: Option<DiskThreads>) -> Result<(), String> {
    let version = try_put(&store, "child").map_err(|error| error.to_string())?;
    // It is polled twice: once to yield, and once for the answer.
    let (mut settled, waker) = (Box::pin(store.settled(version)), std::task::Waker::noop());
    let mut context = std::task::Context::from_waker(waker);
    let _ = settled.as_mut().poll(&mut context);
    let outcome = settled.as_mut().poll(&mut context);
    if !matches!(outcome, Poll::Ready(Err(Error::StorageFailed(_) | Error::NoLogThread))) {
        return Err(format!("{outcome:?}"));
    }
    drop(settled);
    if store.durability() != Some(Durability::Always) && !store.has_failed() {
        return Err("it has not failed".to_owned());
    }
    let attempts = [
        disk.create("log-00000000000000000099.mantis").map(drop),
        disk.rename("store.mantis", "room.unfinished"),
        disk.remove("store.mantis"),
        disk.sync_directory(),
        disk.lock().map(drop),
        disk.open("store.mantis").and_then(|file| file.write_at(b"x", 0)).map(drop),
        disk.open("store.mantis").and_then(|file| file.set_size(0)),
        disk.open("store.mantis").and_then(|file| file.sync()),
        // Where there is nothing new, none is made.
        store.checkpoint().and_then(|made| made.map(drop).ok_or_else(|| std::io::ErrorKind::NotFound.into())),
    ];
    if let Some(place) = attempts.iter().position(Result::is_ok) {
        return Err(format!("attempt {place} succeeds"));
    }
    // The threads stayed in the parent, and cannot be waited for.
    std::mem::forget(threads);
    drop(store);
    Ok(())
}

#[test]
fn a_child_process_writes_nothing_and_releases_no_lock() {
    const NAME: &str = "a_child_process_writes_nothing_and_releases_no_lock";
    let Some(directory) = alone_in() else {
        run_alone(NAME, Data::new().directory.path());
        return;
    };
    for (place, durability) in POLICIES.into_iter().enumerate() {
        let data = directory.join(format!("data-{place}"));
        let disk = DirectoryDisk::new(&data).unwrap();
        let (store, _) = open(&disk, durability).unwrap();
        let threads = (durability == Durability::Always).then(|| DiskThreads::start(&store, Box::new(|_| {})).unwrap());
        let before = files(&data);
        match fork().unwrap() {
            Fork::Child => {
                let checked = check_child(store, &disk, threads);
                drop(disk);
                if let Err(what) = &checked {
                    eprintln!("{durability:?}: {what}");
                }
                process::exit(i32::from(checked.is_err()));
            }
            Fork::Parent(child) => {
                let status = waitpid(child).unwrap();
                assert_eq!(status, 0, "{durability:?}");
            }
        }
        assert_eq!(files(&data), before, "{durability:?}");
        run_alone("removing_the_lock_file_releases_no_lock", &data);
        let version = put(&store, "parent", "1");
        store.flush();
        assert!(store.is_durable(version), "{durability:?}: the parent goes on");
        drop((store, threads));
        let (store, _) = open(&disk, durability).unwrap();
        assert_eq!(value(store.get(b"parent")).as_deref(), Some("1"), "{durability:?}");
    }
}

#[test]
fn a_directory_stays_locked_between_two_uses() {
    let data = Data::new();
    drop(data.store(Durability::Always));
    let locked = DirectoryDisk::read_only(data.data()).unwrap().locked().unwrap();
    for _ in 0..2 {
        assert!(check(&locked, &options(&Arc::default(), 1)).unwrap().is_right());
        let opened = open(&data.disk(), Durability::Always).map(drop);
        assert!(matches!(opened, Err(OpenError::InUseHere)), "{opened:?}");
        assert!(data.disk().locked().is_err());
    }
    locked.check_place().unwrap();
    data.move_away();
    assert!(locked.check_place().is_err() && locked.path() == data.data());
    drop(locked);
    check_kept(&data.at("away"), Durability::Always);
}
