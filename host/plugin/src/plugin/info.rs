//! The description of an installed plugin, for clients.

use std::sync::Arc;

use mantis_db::Grants;
use mantis_db::plugins::{PluginRecord, PluginVersion};

use crate::component::{FunctionInfo, SkippedFunction};
use crate::limits::PluginLimits;
use crate::manifest::Manifest;
use crate::options::PluginOptions;
use crate::stats::Statistics;

/// The description of an installed plugin.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PluginInfo {
    /// The name under which it is called.
    pub name: String,
    /// The component's size.
    pub component_bytes: usize,
    /// The component's SHA-256, in hexadecimal.
    pub sha256: String,
    /// The interfaces that it imports, such as `mantis:db/kv@0.1.0`.
    pub imports: Vec<String>,
    /// The functions that can be called, in the component's order.
    pub functions: Arc<[FunctionInfo]>,
    /// Exports that cannot be called, and why.
    pub skipped: Arc<[SkippedFunction]>,
    /// Whether it runs its own transactions: its calls are not wrapped in one.
    pub own_transactions: bool,
    /// The buckets that it sees.
    pub grants: Grants,
    /// Its limits, all of them given.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: bool,
    /// Its counters.
    pub statistics: Statistics,
    /// Whether it can be called.
    pub state: PluginState,
    /// Where it comes from.
    pub source: PluginSource,
    /// Its versions, where it is kept.
    pub kept: Option<Arc<KeptVersions>>,
}

/// Whether a plugin can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PluginState {
    /// It can.
    Ready,
    /// It is being compiled after the start; calls wait for that.
    Starting,
    /// It cannot, for this reason.
    Broken(String),
}

/// Where a plugin comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PluginSource {
    /// The database keeps it: it is there after a restart, and in backups.
    Kept,
    /// A file of a folder.
    File,
    /// The program that runs this host.
    Program,
}

/// The versions of a plugin that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVersions {
    /// The commit that changed the plugin last.
    pub revision: u64,
    /// The number of the current version.
    pub current: u64,
    /// All that are kept, the newest first.
    pub versions: Vec<VersionInfo>,
}

/// A version of a plugin that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number.
    pub number: u64,
    /// The component's SHA-256, in hexadecimal.
    pub sha256: String,
    /// The component's size.
    pub component_bytes: u64,
    /// When it was installed, in ms since the epoch.
    pub installed_ms: u64,
}

impl KeptVersions {
    /// Those of a record; `None` where it has none.
    pub(crate) fn of(record: &PluginRecord) -> Option<Arc<Self>> {
        let mut versions: Vec<_> = record.versions.iter().map(VersionInfo::of).collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        Some(Arc::new(Self { revision: record.revision, current: record.current()?.number, versions }))
    }
}

impl VersionInfo {
    fn of(version: &PluginVersion) -> Self {
        let (number, installed_ms) = (version.number, version.installed_ms);
        Self { number, sha256: hexadecimal(&version.hash), component_bytes: version.component_bytes, installed_ms }
    }
}

impl PluginInfo {
    /// The description of a plugin that is kept and whose record is damaged.
    pub(crate) fn unreadable(name: &str, state: PluginState) -> Self {
        Self {
            name: name.to_owned(),
            component_bytes: 0,
            sha256: hexadecimal(&[0; 32]),
            imports: Vec::new(),
            functions: Arc::from([]),
            skipped: Arc::from([]),
            own_transactions: false,
            grants: Grants::none(),
            limits: PluginLimits::default(),
            reuse: false,
            statistics: Statistics::default(),
            state,
            source: PluginSource::Kept,
            kept: None,
        }
    }

    /// The description of a plugin that is kept and cannot be called now.
    pub(crate) fn unready(record: &PluginRecord, state: PluginState) -> Option<Self> {
        let current = record.current()?;
        // One that cannot be read is why the plugin is broken.
        let options = Manifest::from_json(&current.manifest).ok().and_then(|manifest| manifest.try_into().ok());
        let PluginOptions { grants, limits, reuse } = options.unwrap_or_default();
        Some(Self {
            component_bytes: usize::try_from(current.component_bytes).unwrap_or(usize::MAX),
            sha256: hexadecimal(&current.hash),
            grants,
            limits,
            reuse,
            kept: KeptVersions::of(record),
            ..Self::unreadable(&record.name, state)
        })
    }
}

/// Bytes in hexadecimal, in lower case.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
        text.extend([digit(byte >> 4), digit(byte & 0xf)]);
        text
    })
}
