//! Plugins that will be installed: a server answers requests before it has compiled all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The names of plugins that are expected, and how often.
#[derive(Clone, Default)]
pub(super) struct ExpectedNames(Arc<Mutex<BTreeMap<String, usize>>>);

/// A plugin is expected until this is dropped.
pub struct Expected {
    names: ExpectedNames,
    name: String,
}

impl ExpectedNames {
    pub(super) fn announce(&self, name: &str) -> Expected {
        *self.0.lock().entry(name.to_owned()).or_default() += 1;
        Expected { names: self.clone(), name: name.to_owned() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.lock().contains_key(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }
}

impl Expected {
    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expected").field(&self.name).finish()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut names = self.names.0.lock();
        if let Some(times) = names.get_mut(&self.name) {
            *times -= 1;
            if *times == 0 {
                names.remove(&self.name);
            }
        }
    }
}
