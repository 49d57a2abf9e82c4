//! The door of the crate: [`PluginHost`], and plugins from a folder.

mod folder;
mod plugin_host;

pub use folder::{Manifest, ManifestAccess};
pub(crate) use plugin_host::Inner;
pub use plugin_host::{NAME_BYTES_MAX, PluginHost};
