//! The host: installs plugins, keeps them, and passes calls on.
//!
//! | file | holds |
//! |---|---|
//! | `plugin_host` | [`PluginHost`] |
//! | `kept` | plugins that the database keeps: install, roll back, forget, and start them again |
//! | `folder` | plugins from a folder |

mod folder;
mod kept;
mod plugin_host;

pub use folder::component_files;
pub use kept::KeptPlugin;
pub use plugin_host::PluginHost;
