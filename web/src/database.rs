//! `RawDatabase`: opening, sessions, housekeeping, statistics.

use std::sync::Arc;

use mantis_db::{Database, Grants, Limits, Session};
use wasm_bindgen::prelude::*;

use crate::platform::{Function, PageClock, PageRandom};
use crate::session::RawSession;
use crate::{memory, output};

/// The most bytes of all keys and values, with the memory around them, by default: a quarter of the largest memory that a page can have.
const STORE_BYTES_MAX: u64 = 1 << 30;
/// Bytes of history for the change feed. A server keeps 64 MiB; a page follows closely and has less memory.
const FEED_BYTES_MAX: usize = 8 << 20;

/// One database in the page's memory; with tables, the queries of its plugins that were parsed lately.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RawDatabase(Database, #[cfg(feature = "tables")] Arc<mantis_db::tables::QueryTexts>);

impl RawDatabase {
    /// A session that may do no more than this.
    pub(crate) fn with_grants(&self, grants: Grants) -> RawSession {
        self.opened(self.0.session_with(Arc::new(grants)))
    }

    #[cfg_attr(not(feature = "tables"), allow(clippy::unused_self, reason = "with tables it has the parsed queries"))]
    fn opened(&self, session: Session) -> RawSession {
        RawSession(
            session,
            #[cfg(feature = "tables")]
            Arc::clone(&self.1),
        )
    }
}

#[wasm_bindgen]
impl RawDatabase {
    /// An empty database. `clock` returns milliseconds since the epoch; `Date.now` by default.
    #[wasm_bindgen(constructor)]
    pub fn new(clock: Option<Function>, store_bytes_max: Option<f64>) -> Self {
        let mut limits = Limits::default();
        limits.store_bytes_max = store_bytes_max.and_then(crate::input::whole).unwrap_or(STORE_BYTES_MAX);
        limits.feed_bytes_max = FEED_BYTES_MAX;
        match Database::in_memory_within(
            limits,
            Arc::new(PageClock::new(clock)),
            Arc::new(PageRandom),
            memory::has_room,
        ) {
            Ok(database) => Self(
                database,
                #[cfg(feature = "tables")]
                Arc::default(),
            ),
            Err(invalid) => wasm_bindgen::throw_str(invalid.limit),
        }
    }

    /// A session with all grants.
    pub fn session(&self) -> RawSession {
        self.opened(self.0.session())
    }

    /// A session that may read the buckets of `read` and write those of `write`. Spaces separate names. With tables, whose names may have
    /// spaces, there is `sessionGranted` instead.
    #[cfg(not(feature = "tables"))]
    #[wasm_bindgen(js_name = sessionWith)]
    pub fn session_with(&self, read: &str, write: &str) -> RawSession {
        let mut grants = Grants::none();
        for (names, access) in [(read, mantis_db::Access::Read), (write, mantis_db::Access::Write)] {
            grants = names.split_ascii_whitespace().fold(grants, |grants, name| grants.bucket(name, access));
        }
        self.with_grants(grants)
    }

    /// The newest commit.
    pub fn version(&self) -> u64 {
        self.0.version()
    }

    /// The time of the database's clock, in milliseconds since the epoch.
    #[wasm_bindgen(js_name = nowMs)]
    pub fn now_ms(&self) -> f64 {
        output::number(self.0.now_ms())
    }

    /// Removes expired keys and frees versions that no reader needs.
    pub fn maintain(&self) {
        self.0.maintain();
    }

    /// The engine's statistics, by name.
    pub fn stats(&self) -> JsValue {
        output::stats(&self.0.stats())
    }
}
