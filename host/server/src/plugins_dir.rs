//! Plugins from a directory: each `NAME.wasm` is installed under its name, as the manifest beside it says.

use std::path::Path;

use mantis_plugin::{LoadError, PluginHost};

use crate::failure::{Exit, Failure, Outcome};

/// Installs every plugin of a directory, by name, and stops at the first that fails. An empty path names no directory.
pub(crate) async fn install_all(host: &PluginHost, dir: &Path) -> Outcome {
    if dir.as_os_str().is_empty() {
        return Ok(());
    }
    for path in mantis_plugin::component_files(dir).map_err(failure)? {
        let plugin = host.load_file(&path).await.map_err(failure)?;
        tracing::info!(plugin = plugin.name, functions = plugin.functions.len(), "installed");
    }
    Ok(())
}

pub(crate) fn failure(error: LoadError) -> Failure {
    match error {
        LoadError::Read { path, error } => Failure::file("read", &path, &error),
        LoadError::Manifest { path, reason } => Failure::usage(format!("in {}: {reason}", path.display())),
        LoadError::Install { path, error } => {
            Failure::new(Exit::Local, format!("cannot install {}: {error}", path.display()))
        }
        other => Failure::new(Exit::Local, format!("cannot install {other}")),
    }
}
