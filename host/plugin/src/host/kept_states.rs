//! What is known of the plugins that the database keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::error::CallError;
use crate::limits::STARTING_WAIT_MS_MAX;
use crate::plugin::{KeptVersions, PluginState};

/// The state of a plugin, and its versions where it is ready.
type State = (PluginState, Option<Arc<KeptVersions>>);

/// What is known of the plugins that the database keeps, by name.
pub(super) struct Kept {
    states: RwLock<BTreeMap<String, State>>,
    /// Changes when one of them is no longer starting.
    settled: watch::Sender<()>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { states: RwLock::default(), settled: watch::Sender::new(()) }
    }
}

impl Kept {
    pub(super) fn state(&self, name: &str) -> Option<PluginState> {
        self.states.read().get(name).map(|(state, _)| state.clone())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.states.read().keys().cloned().collect()
    }

    pub(super) fn versions(&self, name: &str) -> Option<Arc<KeptVersions>> {
        self.states.read().get(name).and_then(|(_, versions)| versions.clone())
    }

    pub(super) fn set(&self, name: &str, state: PluginState, versions: Option<Arc<KeptVersions>>) {
        self.states.write().insert(name.to_owned(), (state, versions));
        self.settled.send_replace(());
    }

    /// Forgets one: it was removed, or a file of its name has taken its place.
    pub(super) fn remove(&self, name: &str) {
        self.states.write().remove(name);
        self.settled.send_replace(());
    }

    /// Waits until a plugin is no longer starting. Returns at once where it is not.
    ///
    /// # Errors
    /// It cannot be called.
    pub(super) async fn wait_for(&self, name: &str) -> Result<(), CallError> {
        let mut settled = self.settled.subscribe();
        let deadline = tokio::time::Instant::now() + Duration::from_millis(STARTING_WAIT_MS_MAX);
        loop {
            match self.state(name) {
                None | Some(PluginState::Ready) => return Ok(()),
                Some(PluginState::Broken(reason)) => return Err(CallError::Unavailable(reason)),
                Some(PluginState::Starting) => {
                    let waited = tokio::time::timeout_at(deadline, settled.changed()).await;
                    let starting = || CallError::Unavailable("it is still being compiled; try again later".into());
                    waited.map_err(|_| starting())?.map_err(|_| starting())?;
                }
            }
        }
    }
}
