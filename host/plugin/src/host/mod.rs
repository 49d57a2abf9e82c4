//! The host: installs plugins, keeps them, and passes calls on.
//!
//! | file | holds |
//! |---|---|
//! | `plugin_host` | [`PluginHost`] |
//! | `kept` | plugins that the database keeps: install, roll back, forget, and start them again |
//! | `kept_states` | what is known of them |
//! | `expected` | [`Expected`]: a plugin that will be installed |
//! | `folder` | plugins from a folder |

mod expected;
mod folder;
mod kept;
mod kept_states;
mod plugin_host;

pub use expected::Expected;
pub use folder::{component_files, orphan_manifests};
pub use kept::KeptPlugin;
pub use plugin_host::{PluginHost, check_name};
