//! The server that a document describes.

use mantis_db::Limits;
use mantis_db::tables::schema::TableDocument;
use mantis_plugin::{LimitRange, PluginInfo};

/// What the document shows of the server besides its routes.
pub(crate) struct Subject<'a> {
    pub(crate) version: &'a str,
    pub(crate) limits: &'a Limits,
    /// Cursor prefix of this incarnation of the store, if it is known.
    pub(crate) incarnation: Option<&'a str>,
    /// The tables that are shown one by one, and how many there are besides.
    pub(crate) tables: &'a [TableDocument],
    pub(crate) tables_left_out: usize,
    pub(crate) plugins: &'a [PluginInfo],
    /// What plugins may choose their limits from.
    pub(crate) limit_ranges: &'a [LimitRange],
}
