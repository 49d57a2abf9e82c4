//! Plugins from a folder: `NAME.wasm`, and beside it `NAME.toml` or `NAME.json` with what it may do.

use std::path::{Path, PathBuf};

use super::plugin_host::PluginHost;
use crate::error::LoadError;
use crate::limits::FOLDER_FILES_MAX;
use crate::manifest;
use crate::plugin::PluginInfo;

impl PluginHost {
    /// Installs each `NAME.wasm` of a folder with the options in `NAME.toml` or `NAME.json`, in the order of their names. One that
    /// fails does not keep the others from being installed.
    ///
    /// # Errors
    /// [`LoadError::Read`] when the folder cannot be read. Each plugin has an outcome of its own, after its path.
    pub async fn load_dir(&self, folder: &Path) -> Result<Vec<(PathBuf, Result<PluginInfo, LoadError>)>, LoadError> {
        let mut outcomes = Vec::new();
        for path in component_files(folder)? {
            let outcome = self.load_file(&path).await;
            outcomes.push((path, outcome));
        }
        Ok(outcomes)
    }

    /// Installs one component under its file's name, with the options beside it.
    ///
    /// # Errors
    /// [`LoadError`], which names the file.
    pub async fn load_file(&self, path: &Path) -> Result<PluginInfo, LoadError> {
        let component = self.read_component(path)?;
        let options = manifest::options_of(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let installed = self.install_from_file(&name, component.into(), options).await;
        installed.map_err(|error| LoadError::Install { path: path.to_owned(), error })
    }

    fn read_component(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let read = |error| LoadError::Read { path: path.to_owned(), error };
        let (metadata, max) = (std::fs::metadata(path).map_err(read)?, self.component_bytes_max() as u64);
        // A pipe has no end that one could wait for, and a device none at all.
        if !metadata.is_file() {
            return Err(read(std::io::Error::other("it is not a regular file")));
        }
        let bytes = metadata.len();
        if bytes > max {
            return Err(LoadError::TooLarge { path: path.to_owned(), bytes, max });
        }
        std::fs::read(path).map_err(read)
    }
}

/// The files `NAME.wasm` of a folder, in the order of their names.
///
/// # Errors
/// [`LoadError::Read`], also where the folder has more than 10,000 files of any name.
pub fn component_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut paths = files(folder)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    Ok(paths)
}

/// The files `NAME.toml` and `NAME.json` of a folder without a `NAME.wasm`, in the order of their names: a component that was forgotten
/// or renamed.
///
/// # Errors
/// As of [`component_files`].
pub fn orphan_manifests(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut paths = files(folder)?;
    paths.retain(|path| {
        let is_manifest = path.extension().is_some_and(|extension| extension == "toml" || extension == "json");
        is_manifest && !path.with_extension("wasm").exists()
    });
    Ok(paths)
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let read = |error| LoadError::Read { path: folder.to_owned(), error };
    let mut paths = Vec::new();
    for (count, entry) in std::fs::read_dir(folder).map_err(read)?.enumerate() {
        if count >= FOLDER_FILES_MAX {
            return Err(read(std::io::Error::other(format!("it has more than {FOLDER_FILES_MAX} files"))));
        }
        paths.push(entry.map_err(read)?.path());
    }
    paths.sort();
    Ok(paths)
}
