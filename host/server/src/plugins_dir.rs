//! Plugins from a directory: each `NAME.wasm` is installed under its name, as the manifest beside it says.
//!
//! They are installed while the server already answers: compiling one may take minutes. Until then `/ready` names it, and its calls are
//! answered 503. One that cannot be installed, or a directory that cannot be read, is reported in the log and keeps nothing else from
//! starting; a plugin of its name that the database keeps is used then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mantis_plugin::{Error, Expected, LoadError, PluginHost};

use crate::failure::Failure;

/// The pause until a busy compiler is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// The plugins of a directory, to be installed.
pub(crate) struct Found {
    host: PluginHost,
    plugins: Vec<(PathBuf, Expected)>,
}

/// Lists the plugins of a directory, which are expected from here on. An empty path names no directory.
pub(crate) fn find(host: &PluginHost, dir: &Path) -> Found {
    let mut found = Found { host: host.clone(), plugins: Vec::new() };
    if dir.as_os_str().is_empty() {
        return found;
    }
    let files = mantis_plugin::component_files(dir)
        .and_then(|components| Ok((components, mantis_plugin::orphan_manifests(dir)?)));
    let (components, orphans) = files.unwrap_or_else(|error| {
        tracing::error!(%error, "no plugin is installed from the directory that --plugins (`plugins.dir`) names");
        (Vec::new(), Vec::new())
    });
    for manifest in orphans {
        let manifest = manifest.display();
        tracing::error!(%manifest, "there is no component beside this manifest; add NAME.wasm, or remove the manifest");
    }
    for path in components {
        let expected = host.expect(&path.file_stem().unwrap_or_default().to_string_lossy());
        found.plugins.push((path, expected));
    }
    found
}

impl Found {
    /// Installs them by name.
    pub(crate) async fn install(self) {
        for (path, expected) in self.plugins {
            match load(&self.host, &path).await {
                Ok(plugin) => tracing::info!(plugin = plugin.name, functions = plugin.functions.len(), "installed"),
                Err(error) => {
                    tracing::error!(plugin = expected.name(), %error, "a plugin is not installed");
                    if self.host.give_up_file(&expected).await {
                        tracing::warn!(
                            plugin = expected.name(),
                            "the plugin of this name that the database keeps is used"
                        );
                    }
                }
            }
        }
    }
}

/// Loads a plugin, and waits for the compiler as long as it takes.
async fn load(host: &PluginHost, path: &Path) -> Result<mantis_plugin::PluginInfo, LoadError> {
    loop {
        match host.load_file(path).await {
            Err(LoadError::Install { error: Error::CompileTimeout { .. }, .. }) => {}
            Err(LoadError::Install { error: Error::CompilerBusy { .. }, .. }) => tokio::time::sleep(BUSY_PAUSE).await,
            outcome => return outcome,
        }
    }
}

pub(crate) fn failure(error: LoadError) -> Failure {
    match error {
        LoadError::Read { path, error } => Failure::file("read", &path, &error),
        other => Failure::usage(other.to_string()),
    }
}
