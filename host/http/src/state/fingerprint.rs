//! What the documents are made of, as a number.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::protocol::problem::Result;
use crate::state::State;

impl State {
    /// A number that changes with the tables, the plugins and their grants.
    pub(crate) async fn fingerprint(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        self.session().await?.tables_fingerprint().await?.hash(&mut hasher);
        for plugin in self.plugins.list() {
            (plugin.name, plugin.sha256).hash(&mut hasher);
            plugin.grants.to_string().hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}
