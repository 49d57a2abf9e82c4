//! Plugins from a directory: each `NAME.wasm` is installed under its name, as `NAME.toml` beside it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mantis_db::{Access, Grants};
use mantis_plugin::{PluginHost, PluginLimits, PluginOptions};
use serde::Deserialize;

use crate::failure::{Exit, Failure, Outcome};

/// What `NAME.toml` may say. Without one a plugin has no grants.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Manifest {
    reuse: bool,
    /// Buckets, and what is allowed on each; `*` is all of them.
    grants: BTreeMap<String, GrantedAccess>,
    limits: PluginLimits,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GrantedAccess {
    Read,
    Write,
}

/// Installs every plugin of a directory, by name. An empty path names no directory.
pub(crate) async fn install_all(host: &PluginHost, dir: &Path) -> Outcome {
    if dir.as_os_str().is_empty() {
        return Ok(());
    }
    for path in components(dir)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let component = std::fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let options = options(&path.with_extension("toml"))?;
        let plugin = host
            .install(&name, component.into(), options)
            .await
            .map_err(|error| Failure::new(Exit::Local, format!("cannot install {}: {error}", path.display())))?;
        tracing::info!(plugin = plugin.name, functions = plugin.functions.len(), "installed");
    }
    Ok(())
}

fn components(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::file("read the directory", dir, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::file("read the directory", dir, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn options(path: &Path) -> Outcome<PluginOptions> {
    let manifest: Manifest = match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| Failure::usage(format!("in {}: {error}", path.display())))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest::default(),
        Err(error) => return Err(Failure::file("read", path, &error)),
    };
    let access = |access| match access {
        GrantedAccess::Read => Access::Read,
        GrantedAccess::Write => Access::Write,
    };
    let grants = Grants::from_pairs(manifest.grants.into_iter().map(|(bucket, granted)| (bucket, access(granted))))
        .map_err(|invalid| Failure::usage(format!("in {}: {invalid}", path.display())))?;
    Ok(PluginOptions::new(grants).limits(manifest.limits).reuse(manifest.reuse))
}
