//! How a plugin is installed: what it may see, its limits, and whether its instances are reused.

use mantis_db::Grants;

use crate::limits::PluginLimits;

/// How a plugin is installed. The default grants nothing, keeps the host's limits and uses a fresh instance for each call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginOptions {
    /// The buckets and tables that it sees.
    pub grants: Grants,
    /// Limits of its own, at most the host's.
    pub limits: PluginLimits,
    /// Whether instances serve several calls, one after another. Their memory lives on then: what one call leaves there, the
    /// next may read.
    pub reuse: bool,
}

impl PluginOptions {
    /// No grants, the host's limits, a fresh instance for each call.
    #[must_use]
    pub fn new(grants: Grants) -> Self {
        Self { grants, limits: PluginLimits::default(), reuse: false }
    }

    /// Sets limits of its own.
    #[must_use]
    pub fn limits(mut self, limits: PluginLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets whether instances serve several calls.
    #[must_use]
    pub fn reuse(mut self, reuse: bool) -> Self {
        self.reuse = reuse;
        self
    }
}

impl Default for PluginOptions {
    fn default() -> Self {
        Self::new(Grants::none())
    }
}
