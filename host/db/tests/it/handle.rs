//! A handle that brings all it needs: opening, closing, dropping, reading only. None of it needs a runtime, and none of it hangs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use std::{fs, thread};

use mantis_db::disk::DirectoryDisk;
use mantis_db::{
    Code, Database, Durability, Limits, OpenError, OpenOptions, Result, Session, SetOptions, StorageOptions, Written,
};
use pollster::block_on;
use tempfile::TempDir;

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_mins(1);
const POLICIES: [Durability; 3] = [Durability::Always, Durability::Interval { ms: 50 }, Durability::Never];

fn set(session: &mut Session, key: &str, value: &str) -> Result<Written> {
    block_on(async { session.kv("default")?.set(key.as_bytes(), value.as_bytes()).await })
}

fn get(session: &mut Session, key: &str) -> Option<String> {
    let entry = block_on(async { session.kv("default")?.get(key.as_bytes()).await }).unwrap();
    entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

/// Runs `work` in another thread, and fails if it does not end.
#[track_caller]
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    done.recv_timeout(PATIENCE).expect("it ends")
}

/// Names, contents and times of change of all files in a directory, and the directory's own.
fn files(path: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let mut files = BTreeMap::from([(String::new(), (Vec::new(), changed(path)))]);
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, (fs::read(entry.path()).unwrap(), changed(&entry.path())));
    }
    files
}

struct Data(TempDir);

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    fn open(&self, durability: Durability) -> Database {
        OpenOptions::new().durability(durability).open(self.path()).unwrap()
    }
}

#[test]
fn what_a_closed_database_acknowledged_is_there_for_the_next() {
    for durability in POLICIES {
        let data = Data::new();
        let database = data.open(durability);
        assert!(database.recovered().unwrap().is_new, "{durability:?}");
        let mut session = database.session();
        let written = set(&mut session, "a", "1").unwrap();
        assert_eq!(written.durable, durability == Durability::Always);
        ends({
            let database = database.clone();
            move || database.close()
        })
        .unwrap();
        // Others may open it, while handles to the closed one go on reading.
        let next = data.open(durability);
        assert_eq!(next.recovered().unwrap().version, written.version, "{durability:?}");
        assert_eq!((get(&mut next.session(), "a"), get(&mut session, "a")), (Some("1".into()), Some("1".into())));
        let before = files(&data.path());
        let refused = set(&mut session, "a", "2").unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::ReadOnly, "the database is shutting down and takes no writes")
        );
        database.close().unwrap();
        drop((session, database));
        assert_eq!(files(&data.path()), before, "{durability:?}: the closed one writes nothing");
        set(&mut next.session(), "a", "3").unwrap();
    }
}

#[test]
fn dropping_the_last_handle_closes_and_frees_the_directory() {
    for durability in POLICIES {
        let data = Data::new();
        for round in 0..20 {
            let database = data.open(durability);
            let mut session = database.session();
            assert_eq!(get(&mut session, "round"), (round > 0).then(|| (round - 1).to_string()), "{durability:?}");
            set(&mut session, "round", &round.to_string()).unwrap();
            drop(database);
            // A session is a handle too.
            assert!(matches!(Database::open(data.path()), Err(OpenError::InUseHere)), "{durability:?}");
            set(&mut session, "round", &round.to_string()).unwrap();
            ends(move || drop(session));
        }
    }
}

#[test]
fn writers_that_race_with_close_are_acknowledged_or_refused() {
    for durability in POLICIES {
        let data = Data::new();
        let database = data.open(durability);
        let written: Vec<_> = (0..4)
            .map(|writer| {
                let mut session = database.session();
                thread::spawn(move || {
                    let mut last = None;
                    for count in 0.. {
                        match set(&mut session, &writer.to_string(), &count.to_string()) {
                            Ok(_) => last = Some(count),
                            Err(error) => {
                                assert_eq!(error.code(), Code::ReadOnly, "{error}");
                                break;
                            }
                        }
                    }
                    last
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(30));
        let closers: Vec<_> = (0..3)
            .map(|_| {
                let database = database.clone();
                thread::spawn(move || database.close())
            })
            .collect();
        for closer in closers {
            ends(move || closer.join().unwrap()).unwrap();
        }
        let next = data.open(durability);
        for (writer, thread) in written.into_iter().enumerate() {
            let last: Option<u64> = ends(move || thread.join().unwrap());
            let found = get(&mut next.session(), &writer.to_string());
            assert_eq!(found, last.map(|last| last.to_string()), "{durability:?}");
        }
    }
}

#[test]
fn a_handle_may_be_closed_and_dropped_inside_a_runtime() {
    let data = Data::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(data.path()).unwrap();
        let mut session = database.session();
        session.kv("default").unwrap().set(b"a", b"1").await.unwrap();
        database.close().unwrap();
        drop((session, database));
        let database = Database::open(data.path()).unwrap();
        let mut session = database.session();
        // Accepted, and not waited for: the future is dropped with the handle.
        let mut bucket = session.kv("default").unwrap();
        let mut write = Box::pin(bucket.set(b"b", b"1"));
        let _ = std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context).is_ready())).await;
        drop(write);
        drop((session, database));
        let database = Database::open(data.path()).unwrap();
        let found = database.session().kv("default").unwrap().get(b"b").await.unwrap();
        assert!(found.is_some(), "what was accepted is written before the end");
    });
}

#[test]
fn the_callback_of_disk_events_may_close_the_database_panic_and_drop_the_last_handle() {
    let data = Data::new();
    let held: Arc<Mutex<Option<Database>>> = Arc::default();
    let (sender, events) = mpsc::channel();
    let (calls, in_callback) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&held));
    let counted = Arc::clone(&calls);
    let database = OpenOptions::new()
        .on_disk_event(move |_| {
            match counted.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("a panic of the callback, which the test expects"),
                1 => in_callback.lock().unwrap().as_ref().unwrap().close().unwrap(),
                _ => {}
            }
            drop(in_callback.lock().unwrap().take());
            let _ = sender.send(());
        })
        .storage(StorageOptions { checkpoint_bytes: 1, ..Default::default() })
        .open(data.path())
        .unwrap();
    let mut session = database.session();
    *held.lock().unwrap() = Some(database);
    let refused = ends(move || {
        (0..).find_map(|round| {
            set(&mut session, "a", &round.to_string()).err().map(|error| (error, session.operations()))
        })
    });
    assert_eq!(refused.unwrap().0.code(), Code::ReadOnly);
    events.recv_timeout(PATIENCE).expect("the callback returns");
    assert!(calls.load(Ordering::SeqCst) >= 2);
    drop(ends(move || {
        loop {
            match Database::open(data.path()) {
                Ok(database) => return (database, data),
                Err(OpenError::InUseHere) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }));
}

#[test]
fn reading_only_changes_nothing_and_refuses_writes() {
    let data = Data::new();
    let missing = OpenOptions::new().read_only(true).open(data.path()).unwrap_err();
    assert!(matches!(missing, OpenError::Io { .. }) && !data.path().exists(), "{missing}");
    fs::create_dir(data.path()).unwrap();
    let empty = OpenOptions::new().read_only(true).open(data.path()).unwrap_err();
    assert!(matches!(empty, OpenError::Missing) && files(&data.path()).len() == 1, "{empty}");

    let database = data.open(Durability::Always);
    let mut session = database.session();
    set(&mut session, "a", "1").unwrap();
    block_on(async {
        let options = SetOptions { ttl_ms: Some(1), ..SetOptions::default() };
        session.kv("default")?.set_with(b"gone", b"1", &options).await
    })
    .unwrap();
    let open = || OpenOptions::new().read_only(true).open(data.path());
    assert!(matches!(open(), Err(OpenError::InUseHere)), "a writer has it open");
    drop((session, database));

    // A torn end: what a crash leaves is ignored, and stays.
    let log = fs::read_dir(data.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("log-"))
        .unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(log)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[7; 5]))
        .unwrap();
    fs::write(data.path().join("checkpoint-00000000000000000099.unfinished"), "x").unwrap();
    let before = files(&data.path());
    let (reader, second) = (open().unwrap(), open().unwrap());
    assert!(reader.is_read_only() && reader.recovered().unwrap().cut.is_some());
    thread::sleep(Duration::from_millis(5));
    let mut session = reader.session();
    assert_eq!((get(&mut session, "a"), get(&mut session, "gone")), (Some("1".into()), None));
    let version = reader.version();
    for _ in 0..3 {
        reader.maintain();
    }
    let refusals = [
        set(&mut session, "a", "2").map(drop),
        set(&mut session, "new", "2").map(drop),
        block_on(async { session.kv("default")?.delete(b"a").await }).map(drop),
        block_on(async { session.kv("default")?.increment(b"count", 1).await }).map(drop),
        block_on(session.drop_bucket("default")).map(drop),
        block_on(reader.transact(async |session| session.kv("default")?.set(b"a", b"2").await)).map(drop),
        reader.check_writable(),
    ];
    for refused in refusals {
        let refused = refused.unwrap_err();
        assert!(refused.code() == Code::ReadOnly || refused.code() == Code::BucketReserved, "{refused}");
        assert!(refused.code() != Code::ReadOnly || refused.message().contains("opened read-only"), "{refused}");
    }
    assert_eq!((reader.version(), get(&mut session, "a")), (version, Some("1".into())));
    reader.close().unwrap();
    assert_eq!(get(&mut second.session(), "a"), Some("1".into()));
    assert_eq!(files(&data.path()), before, "nothing in the directory was changed");

    // A writer opens it meanwhile; the reader does not see what it commits.
    let writer = data.open(Durability::Always);
    set(&mut writer.session(), "a", "3").unwrap();
    assert_eq!(get(&mut session, "a"), Some("1".into()));
}

#[test]
fn another_process_that_has_the_directory_is_named_as_such() {
    let data = Data::new();
    drop(data.open(Durability::Always));
    // As another process would: the lock of the directory, with no store of this process behind it.
    let held = std::fs::File::open(data.path()).unwrap();
    held.lock().unwrap();
    for read_only in [false, true] {
        let refused = OpenOptions::new().read_only(read_only).open(data.path()).unwrap_err();
        assert!(matches!(refused, OpenError::InUse), "{refused}");
    }
    held.unlock().unwrap();
    data.open(Durability::Always).close().unwrap();
}

#[test]
fn a_database_in_memory_expires_by_itself_and_ends_with_its_handle() {
    let database = Database::in_memory().unwrap();
    let mut session = database.session();
    block_on(async {
        let options = SetOptions { ttl_ms: Some(1), ..SetOptions::default() };
        session.kv("default")?.set_with(b"gone", b"1", &options).await
    })
    .unwrap();
    let counted = database.clone();
    ends(move || {
        while counted.stats().expired == 0 {
            thread::sleep(Duration::from_millis(5));
        }
    });
    database.close().unwrap();
    assert_eq!(set(&mut session, "a", "1").unwrap_err().code(), Code::ReadOnly);
    ends(move || drop((session, database)));
}

#[test]
fn limits_that_no_database_enforces_are_refused_by_name() {
    let data = Data::new();
    let mut limits = Limits::default();
    limits.key_bytes_max = 0;
    let options = OpenOptions::new().limits(limits);
    for refused in [
        options.open(data.path()),
        options.in_memory(),
        options.clone().read_only(true).open_on(Arc::new(DirectoryDisk::new(data.path()).unwrap())),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, OpenError::Options(_)) && refused.to_string().contains("key_bytes_max"), "{refused}");
    }
}

#[test]
fn without_a_thread_for_the_log_a_write_is_an_error_that_says_so() {
    let data = Data::new();
    let disk = Arc::new(DirectoryDisk::new(data.path()).unwrap());
    let (clock, random) = (Arc::new(mantis_db::SystemClock), Arc::new(mantis_db::SystemRandom));
    let (database, _) = Database::open_with(Limits::default(), clock, random, disk, StorageOptions::default()).unwrap();
    let mut session = database.session();
    let (refused, session_back) = ends(move || (set(&mut session, "a", "1").unwrap_err(), session));
    session = session_back;
    assert_eq!(refused.code(), Code::StorageFailed);
    assert!(refused.message().contains("DiskThreads"), "{refused}");

    let guard = mantis_db::DiskThreads::start(database.store(), Box::new(|_| ())).unwrap();
    set(&mut session, "a", "1").unwrap();
    drop(guard);
    let refused = ends(move || set(&mut session, "a", "2").unwrap_err());
    assert!(refused.message().contains("DiskThreads"), "a guard that was dropped: {refused}");
    ends({
        let database = database.clone();
        move || database.close()
    })
    .unwrap();
    assert!(Database::open(data.path()).is_ok(), "it lets go of the directory too");
}

#[test]
fn a_commit_in_the_callback_of_disk_events_does_not_wait_for_itself() {
    // The log's thread reports that the disk has space again; a write in that callback would wait for that thread.
    use mantis_db::disk::MemoryDisk;
    use mantis_store::testing::{FailingDisk, Fault, Operation};
    let disk = Arc::new(FailingDisk::new(MemoryDisk::new()));
    let (sender, written) = mpsc::channel();
    let held: Arc<Mutex<Option<Database>>> = Arc::default();
    let in_callback = Arc::clone(&held);
    let options = OpenOptions::new().on_disk_event(move |event| {
        if let (mantis_db::DiskEvent::Full(_), Some(database)) = (event, &*in_callback.lock().unwrap()) {
            let _ = sender.send(set(&mut database.session(), "told", "1"));
        }
    });
    let database = options.open_on(Arc::clone(&disk) as _).unwrap();
    *held.lock().unwrap() = Some(database.clone());
    let full = std::io::ErrorKind::StorageFull;
    disk.plan(Some(Fault { at: 0, only: Some(Operation::Write), times: 1, error: full }));
    let refused = ends({
        let database = database.clone();
        move || set(&mut database.session(), "a", "1")
    });
    assert_eq!(refused.unwrap_err().code(), Code::DiskFull);
    let told = written.recv_timeout(PATIENCE).expect("the callback returns").unwrap();
    assert!(told.durable);
    assert_eq!(get(&mut database.session(), "told"), Some("1".into()));
    drop(held.lock().unwrap().take());
    ends(move || drop(database));
}

#[test]
fn a_child_process_drops_its_handle_and_ends_nothing_of_its_parents() {
    use fork::{Fork, fork, waitpid};
    // In a process of its own: a child has the locks that other threads held, for ever.
    const ALONE: &str = "MANTIS_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "handle::a_child_process_drops_its_handle_and_ends_nothing_of_its_parents";
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let status = ends(move || alone.args([name, "--exact"]).env(ALONE, "1").status().unwrap());
        assert!(status.success());
        return;
    }
    let data = Data::new();
    let database = data.open(Durability::Always);
    set(&mut database.session(), "a", "1").unwrap();
    match fork().unwrap() {
        Fork::Child => {
            // Neither of them may wait for threads that stayed in the parent, write, or release the lock.
            let refused = set(&mut database.session(), "a", "2").is_err();
            let closed = database.close().is_ok();
            drop(database);
            std::process::exit(i32::from(!refused || !closed));
        }
        Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0),
    }
    assert!(matches!(Database::open(data.path()), Err(OpenError::InUseHere)));
    set(&mut database.session(), "b", "2").unwrap();
    database.close().unwrap();
    let next = data.open(Durability::Always);
    let mut session = next.session();
    assert_eq!((get(&mut session, "a"), get(&mut session, "b")), (Some("1".into()), Some("2".into())));
}
