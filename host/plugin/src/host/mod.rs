//! The host: installs plugins, keeps them, and passes calls on.
//!
//! | file | holds |
//! |---|---|
//! | `plugin_host` | [`PluginHost`] |
//! | `expected` | [`Expected`]: a plugin that will be installed |
//! | `folder` | plugins from a folder |

mod expected;
mod folder;
mod kept;
mod plugin_host;

pub use expected::Expected;
pub use folder::{component_files, orphan_manifests};
pub use plugin_host::PluginHost;
