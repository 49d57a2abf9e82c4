//! Plugins from a folder: `NAME.wasm`, and beside it `NAME.toml` or `NAME.json` with what it may do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mantis_db::{Access, GrantInvalid, Grants};
use serde::Deserialize;

use crate::{Error, PluginHost, PluginInfo, PluginLimits, PluginOptions};

/// Bytes of a file that says what a plugin may do.
const MANIFEST_BYTES_MAX: u64 = 64 << 10;
/// Files that are looked at in a folder.
const FILES_MAX: usize = 10_000;

/// What a plugin may do and how it runs, as written in files. Everything may be left out; then it sees nothing.
///
/// ```
/// let manifest: mantis_plugin::Manifest = toml::from_str(r#"
///     reuse = false
///
///     [grants]                # buckets; "*" is every bucket
///     leaderboard = "write"
///     players = "read"
///
///     [limits]
///     call_deadline_ms = 500
/// "#)?;
/// let options = mantis_plugin::PluginOptions::try_from(manifest)?;
/// assert_eq!(options.limits.call_deadline_ms, Some(500));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// The buckets that it sees, and what is allowed on each.
    pub grants: BTreeMap<String, ManifestAccess>,
    /// Limits of its own.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: bool,
}

/// What is allowed on a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestAccess {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl From<ManifestAccess> for Access {
    fn from(access: ManifestAccess) -> Self {
        match access {
            ManifestAccess::Read => Self::Read,
            ManifestAccess::Write => Self::Write,
        }
    }
}

impl TryFrom<Manifest> for PluginOptions {
    type Error = GrantInvalid;

    fn try_from(manifest: Manifest) -> Result<Self, Self::Error> {
        let pairs = manifest.grants.into_iter().map(|(bucket, access)| (bucket, access.into()));
        let grants = Grants::from_pairs(pairs)?;
        Ok(PluginOptions::new(grants).limits(manifest.limits).reuse(manifest.reuse))
    }
}

impl PluginHost {
    /// Installs each `NAME.wasm` of a folder with the options in `NAME.toml` or `NAME.json`, in the order of their names. One that
    /// fails does not keep the others from being installed.
    ///
    /// # Errors
    /// When the folder cannot be read. Each plugin's own outcome stands beside its path.
    pub async fn load_dir(&self, folder: &Path) -> Result<Vec<(PathBuf, Result<PluginInfo, Error>)>, Error> {
        let mut outcomes = Vec::new();
        for path in components(folder)? {
            let outcome = self.load_file(&path).await;
            outcomes.push((path, outcome));
        }
        Ok(outcomes)
    }

    /// Installs one component under its file's name, with the options beside it.
    ///
    /// # Errors
    /// [`Error::File`], which names the file, for whatever went wrong.
    pub async fn load_file(&self, path: &Path) -> Result<PluginInfo, Error> {
        let component = read(path, self.component_bytes_max() as u64)?;
        let options = manifest(path)?.try_into().map_err(|reason| file_error(path, reason))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let installed = self.install(&name, component.into(), options).await;
        installed.map_err(|error| file_error(path, error))
    }
}

fn file_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

fn components(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|error| file_error(folder, error))?;
    let mut paths = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let path = entry.map_err(|error| file_error(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn manifest(component: &Path) -> Result<Manifest, Error> {
    let (toml_path, json_path) = (component.with_extension("toml"), component.with_extension("json"));
    let text = |path: &Path| {
        let bytes = read(path, MANIFEST_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_| file_error(path, "it is not UTF-8"))
    };
    match (toml_path.exists(), json_path.exists()) {
        (true, true) => Err(file_error(&json_path, "there is a .toml as well; keep one of them")),
        (true, false) => toml::from_str(&text(&toml_path)?).map_err(|error| file_error(&toml_path, error)),
        (false, true) => serde_json::from_str(&text(&json_path)?).map_err(|error| file_error(&json_path, error)),
        (false, false) => Ok(Manifest::default()),
    }
}

/// Reads a file whole, unless it is too large.
fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let bytes = std::fs::metadata(path).map_err(|error| file_error(path, error))?.len();
    if bytes > bytes_max {
        return Err(file_error(path, format!("it has {bytes} bytes; the limit is {bytes_max}")));
    }
    std::fs::read(path).map_err(|error| file_error(path, error))
}
