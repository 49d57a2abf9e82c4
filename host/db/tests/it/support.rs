//! A database with a clock that tests move, and short ways to use it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mantis_db::{Code, Database, Entry, Expect, Limits, ManualClock, Result, SeededRandom, Session, SetOptions};

/// The result of a future that is ready when first polled.
#[track_caller]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the embedded engine made a caller wait"),
    }
}

pub(crate) struct Stage {
    pub(crate) database: Database,
    pub(crate) clock: Arc<ManualClock>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let clock = Arc::new(ManualClock::new(1_000_000));
        let database = Database::in_memory_with(limits, clock.clone(), Arc::new(SeededRandom::new(3))).unwrap();
        Self { database, clock }
    }

    pub(crate) fn session(&self) -> Session {
        self.database.session()
    }
}

/// The most used operations, on one bucket.
pub(crate) trait Short {
    fn put(&mut self, bucket: &str, key: &str, value: &str) -> u64;
    fn read(&mut self, bucket: &str, key: &str) -> Option<Entry>;
    fn text(&mut self, bucket: &str, key: &str) -> Option<String>;
}

impl Short for Session {
    #[track_caller]
    fn put(&mut self, bucket: &str, key: &str, value: &str) -> u64 {
        now(self.kv(bucket).unwrap().set(key.as_bytes(), value.as_bytes())).unwrap().version
    }

    #[track_caller]
    fn read(&mut self, bucket: &str, key: &str) -> Option<Entry> {
        now(self.kv(bucket).unwrap().get(key.as_bytes())).unwrap()
    }

    #[track_caller]
    fn text(&mut self, bucket: &str, key: &str) -> Option<String> {
        self.read(bucket, key).map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
    }
}

/// Options that give a value a time to live.
pub(crate) fn for_ms(ttl_ms: u64) -> SetOptions {
    SetOptions { ttl_ms: Some(ttl_ms), ..SetOptions::default() }
}

pub(crate) fn only_if(expect: Expect) -> SetOptions {
    SetOptions { expect, ..SetOptions::default() }
}

/// The code that an operation failed with.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.expect_err("it should have failed").code()
}
