//! `RawDatabase`: opening, sessions, housekeeping, figures.

use std::sync::Arc;

use mantis_db::{Access, Database, Grants, Limits};
use wasm_bindgen::prelude::*;

use crate::output;
use crate::platform::{Function, PageClock, PageRandom};
use crate::session::RawSession;

/// Bytes of all keys and values when the page names no limit: a quarter of what a page's memory can hold at all.
const STORE_BYTES_MAX: u64 = 1 << 30;
/// Bytes of history for the change feed. A server keeps 64 MiB; a page follows closely and has less room.
const FEED_BYTES_MAX: usize = 8 << 20;

/// One database in the page's memory.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RawDatabase(Database);

#[wasm_bindgen]
impl RawDatabase {
    /// An empty database. `clock` answers milliseconds since the epoch; `Date.now` when it is not given.
    #[wasm_bindgen(constructor)]
    pub fn new(clock: Option<Function>, store_bytes_max: Option<f64>) -> Self {
        let mut limits = Limits::default();
        limits.store_bytes_max = store_bytes_max.and_then(crate::input::whole).unwrap_or(STORE_BYTES_MAX);
        limits.feed_bytes_max = FEED_BYTES_MAX;
        match Database::in_memory(limits, Arc::new(PageClock::new(clock)), Arc::new(PageRandom)) {
            Ok(database) => Self(database),
            Err(invalid) => wasm_bindgen::throw_str(invalid.limit),
        }
    }

    /// A session that may do everything.
    pub fn session(&self) -> RawSession {
        RawSession::new(self.0.session())
    }

    /// A session that may read the buckets of `read` and write those of `write`, and sees no other. Spaces separate names.
    #[wasm_bindgen(js_name = sessionWith)]
    pub fn session_with(&self, read: &str, write: &str) -> RawSession {
        let mut grants = Grants::none();
        for (names, access) in [(read, Access::Read), (write, Access::Write)] {
            grants = names.split_ascii_whitespace().fold(grants, |grants, name| grants.bucket(name, access));
        }
        RawSession::new(self.0.session_with(Arc::new(grants)))
    }

    /// The newest commit.
    pub fn version(&self) -> u64 {
        self.0.version()
    }

    /// The time by the database's clock, in milliseconds since the epoch.
    #[wasm_bindgen(js_name = nowMs)]
    pub fn now_ms(&self) -> f64 {
        output::number(self.0.now_ms())
    }

    /// Removes what has expired and frees what nobody can read any more.
    pub fn maintain(&self) {
        self.0.maintain();
    }

    /// Refuses writes from now on.
    #[wasm_bindgen(js_name = closeForWrites)]
    pub fn close_for_writes(&self) {
        self.0.close_for_writes();
    }

    /// The engine's figures, by name.
    pub fn stats(&self) -> JsValue {
        output::stats(&self.0.stats())
    }
}
