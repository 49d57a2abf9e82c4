//! Whether the client of long work is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the client is gone: set when this is dropped.
pub(crate) struct Presence(Arc<AtomicBool>);

impl Presence {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    pub(crate) fn absence(&self) -> Absence {
        Absence(Arc::clone(&self.0))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether the client is gone.
#[derive(Clone)]
pub(crate) struct Absence(Arc<AtomicBool>);

impl Absence {
    pub(crate) fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
