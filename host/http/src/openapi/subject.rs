//! The server that a document describes.

use mantis_db::Limits;
use mantis_plugin::{LimitRange, PluginInfo};

/// What the document shows of the server besides its routes.
pub(crate) struct Subject<'a> {
    pub(crate) version: &'a str,
    pub(crate) limits: &'a Limits,
    /// Cursor prefix of this incarnation of the store, if it is known.
    pub(crate) incarnation: Option<&'a str>,
    pub(crate) plugins: &'a [PluginInfo],
    /// What plugins may choose their limits from.
    pub(crate) limit_ranges: &'a [LimitRange],
}
