//! Which components the plugins of a database need and do not have, of one that is not open or of a backup.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::Part;

use super::record::PluginRecord;
use crate::keyspace::name_in_plugin_key;

/// What was seen of plugins while a database or a backup was read.
#[derive(Debug, Default)]
pub struct ComponentsSeen {
    versions: Vec<([u8; 32], LostComponent)>,
    there: BTreeSet<[u8; 32]>,
}

/// A version of a plugin whose component is missing or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostComponent {
    /// The plugin.
    pub plugin: String,
    /// The number of the version.
    pub version: u64,
    /// Whether it is the current one: the plugin cannot be called.
    pub is_current: bool,
}

impl ComponentsSeen {
    /// Takes notice of a part.
    pub fn see(&mut self, part: Part<'_>) {
        match part {
            Part::Entry { key, version, value } => {
                let Some(name) = name_in_plugin_key(key) else { return };
                let Some(plugin) = PluginRecord::decode(name, version, value) else { return };
                for (place, version) in plugin.versions.iter().enumerate() {
                    let (plugin, number) = (name.to_owned(), version.number);
                    let lost = LostComponent { plugin, version: number, is_current: place == 0 };
                    self.versions.push((version.hash, lost));
                }
            }
            Part::Attachment(id) => {
                self.there.insert(*id.hash());
            }
            _ => {}
        }
    }

    /// The versions without an intact component, by plugin. Right once everything was seen.
    #[must_use]
    pub fn lost(&self) -> Vec<LostComponent> {
        let lost = self.versions.iter().filter(|(hash, _)| !self.there.contains(hash));
        lost.map(|(_, lost)| lost.clone()).collect()
    }
}

impl fmt::Display for LostComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, version, is_current } = self;
        write!(f, "{plugin}, version {version}{}", if *is_current { " (current)" } else { "" })
    }
}
