//! The host: installs plugins, keeps them, and passes calls on.
//!
//! | file | holds |
//! |---|---|
//! | `plugin_host` | [`PluginHost`] |
//! | `folder` | plugins from a folder |

mod folder;
mod plugin_host;

pub use folder::component_files;
pub use plugin_host::PluginHost;
