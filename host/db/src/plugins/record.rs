//! A plugin that is kept, and its bytes in the catalogue.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | 1, the layout |
//! | 1..9 | the number of the newest version that it ever had (u64 BE) |
//! | 9 | how many versions follow, at most 3; the current one first, then the others, those last that were current longest ago |
//! | of each: 8 | its number (u64 BE) |
//! | 32 | the SHA-256 of its component |
//! | 8 | the component's length (u64 BE) |
//! | 8 | when it was installed, in ms since the epoch (u64 BE) |
//! | 4 | the length of its manifest (u32 BE), which follows |

/// Versions of a plugin that are kept.
pub const PLUGIN_VERSIONS_MAX: usize = 3;

const LAYOUT: u8 = 1;

/// A plugin that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRecord {
    /// Its name.
    pub name: String,
    /// The commit that changed it last, by an installation or a rollback.
    pub revision: u64,
    /// The current version, then the others, those last that were current longest ago.
    pub versions: Vec<PluginVersion>,
    /// The number of the newest version that it ever had.
    newest: u64,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginVersion {
    /// Its number: 1 for the first, and never used again.
    pub number: u64,
    /// The SHA-256 of its component.
    pub hash: [u8; 32],
    /// The component's length.
    pub component_bytes: u64,
    /// When it was installed, in ms since the epoch.
    pub installed_ms: u64,
    /// The document that says what it may do, as it was given.
    pub manifest: String,
}

impl PluginRecord {
    pub(super) fn new(name: &str) -> Self {
        Self::without_versions(name, 0)
    }

    pub(super) fn without_versions(name: &str, revision: u64) -> Self {
        Self { name: name.to_owned(), revision, versions: Vec::new(), newest: 0 }
    }

    /// The current version.
    #[must_use]
    pub fn current(&self) -> Option<&PluginVersion> {
        self.versions.first()
    }

    /// Makes `version` the current one, with the next number, and returns those that are no longer kept.
    pub(super) fn add(&mut self, version: PluginVersion) -> Vec<PluginVersion> {
        self.newest += 1;
        self.versions.insert(0, PluginVersion { number: self.newest, ..version });
        self.versions.split_off(self.versions.len().min(PLUGIN_VERSIONS_MAX))
    }

    /// Makes the version of the number `to` the current one, or else the newest one before the current one. `None` if there is none.
    pub(super) fn roll_back(&mut self, to: Option<u64>) -> Option<()> {
        let current = self.current()?.number;
        let older = || self.versions.iter().map(|version| version.number).filter(|&number| number < current).max();
        let to = to.or_else(older)?;
        let place = self.versions.iter().position(|version| version.number == to)?;
        let version = self.versions.remove(place);
        self.versions.insert(0, version);
        Some(())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(self.newest.to_be_bytes());
        bytes.extend(u8::try_from(self.versions.len()));
        for version in &self.versions {
            bytes.extend(version.number.to_be_bytes());
            bytes.extend(version.hash);
            bytes.extend(version.component_bytes.to_be_bytes());
            bytes.extend(version.installed_ms.to_be_bytes());
            bytes.extend(u32::try_from(version.manifest.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(version.manifest.as_bytes());
        }
        bytes
    }

    /// The plugin in the catalogue's entry of a name; `None` where it cannot be read.
    pub(super) fn decode(name: &str, revision: u64, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.take::<1>()? != [LAYOUT] {
            return None;
        }
        let newest = reader.u64()?;
        let [count] = reader.take::<1>()?;
        let mut versions = Vec::new();
        for _ in 0..count {
            let (number, hash) = (reader.u64()?, reader.take::<32>()?);
            let (component_bytes, installed_ms) = (reader.u64()?, reader.u64()?);
            let length = u32::from_be_bytes(reader.take::<4>()?);
            let manifest = reader.text(usize::try_from(length).ok()?)?;
            versions.push(PluginVersion { number, hash, component_bytes, installed_ms, manifest });
        }
        let is_whole = reader.0.is_empty() && (1..=PLUGIN_VERSIONS_MAX).contains(&versions.len());
        is_whole.then(|| Self { name: name.to_owned(), revision, versions, newest })
    }
}

/// Bytes that are read from the front.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(taken.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(manifest: &str) -> PluginVersion {
        PluginVersion { number: 0, hash: [7; 32], component_bytes: 9, installed_ms: 5, manifest: manifest.to_owned() }
    }

    fn numbers(plugin: &PluginRecord) -> Vec<u64> {
        plugin.versions.iter().map(|version| version.number).collect()
    }

    #[test]
    fn the_version_that_a_rollback_returned_to_is_not_the_next_to_go() {
        let mut plugin = PluginRecord::new("a");
        for _ in 0..3 {
            assert!(plugin.add(version("{}")).is_empty());
        }
        assert_eq!(numbers(&plugin), [3, 2, 1]);
        plugin.roll_back(None).unwrap();
        assert_eq!(numbers(&plugin), [2, 3, 1]);
        plugin.roll_back(None).unwrap();
        assert_eq!(numbers(&plugin), [1, 2, 3]);
        assert!(plugin.roll_back(None).is_none() && plugin.roll_back(Some(4)).is_none());
        let gone: Vec<_> = plugin.add(version("{}")).iter().map(|version| version.number).collect();
        assert_eq!((numbers(&plugin), gone), (vec![4, 1, 2], vec![3]));
        plugin.roll_back(Some(2)).unwrap();
        assert_eq!(numbers(&plugin), [2, 4, 1]);
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_never_else() {
        let mut plugin = PluginRecord { revision: 8, ..PluginRecord::new("a") };
        plugin.add(version("{}"));
        plugin.add(version(r#"{"reuse":true}"#));
        let bytes = plugin.encode();
        assert_eq!(PluginRecord::decode("a", 8, &bytes), Some(plugin));
        for length in 0..bytes.len() {
            assert_eq!(PluginRecord::decode("a", 8, &bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(PluginRecord::decode("a", 8, &[&bytes[..], &[0]].concat()), None);
        assert_eq!(PluginRecord::decode("a", 8, &[2; 200]), None);
    }
}
