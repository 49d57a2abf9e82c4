//! What the pool knows about one object.

use tokio::time::Instant;

/// What the pool knows about one object.
#[derive(Clone, Debug)]
pub struct Metrics {
    created: Instant,
    last_used: Option<Instant>,
    recycled_count: u64,
}

impl Metrics {
    /// Of an object created now.
    pub(crate) fn new() -> Self {
        Self { created: Instant::now(), last_used: None, recycled_count: 0 }
    }

    /// The object is handed out.
    pub(crate) fn note_use(&mut self, now: Instant) {
        self.last_used = Some(now);
    }

    /// The object is handed out from idle.
    pub(crate) fn note_recycled_use(&mut self, now: Instant) {
        self.recycled_count += 1;
        self.note_use(now);
    }

    /// When the object was created.
    #[must_use]
    pub fn created_at(&self) -> Instant {
        self.created
    }

    /// When the object was last handed out; `None` before that.
    #[must_use]
    pub fn last_used_at(&self) -> Option<Instant> {
        self.last_used
    }

    /// How often the object was handed out from idle.
    #[must_use]
    pub fn recycled_count(&self) -> u64 {
        self.recycled_count
    }
}
