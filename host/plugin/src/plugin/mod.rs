//! An installed plugin: everything that a call needs, looked up once.
//!
//! | file | holds |
//! |---|---|
//! | `installed` | [`Plugin`]: from a component, options and limits to what can be called |
//! | `info` | [`PluginInfo`]: its description for clients |
//! | `history` | whether a function has proved quick |

mod history;
mod info;
mod installed;

pub use info::{KeptVersions, PluginInfo, PluginSource, PluginState, VersionInfo};
pub(crate) use installed::{Plugin, Shared, Source};
