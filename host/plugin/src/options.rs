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

/// What an update changes of a plugin's options; what it does not name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionsChange {
    /// Whether to begin with the default options instead of those of the version before.
    pub reset: bool,
    /// All grants.
    pub grants: Option<Grants>,
    /// The limits to set.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: Option<bool>,
}

impl OptionsChange {
    /// These options, whatever was before.
    #[must_use]
    pub fn all_of(options: PluginOptions) -> Self {
        Self { reset: true, grants: Some(options.grants), limits: options.limits, reuse: Some(options.reuse) }
    }

    /// The options of the version before, changed.
    #[must_use]
    pub fn over(&self, before: PluginOptions) -> PluginOptions {
        let before = if self.reset { PluginOptions::default() } else { before };
        let (new, old) = (self.limits, before.limits);
        PluginOptions {
            grants: self.grants.clone().unwrap_or(before.grants),
            limits: PluginLimits {
                call_deadline_ms: new.call_deadline_ms.or(old.call_deadline_ms),
                memory_bytes_max: new.memory_bytes_max.or(old.memory_bytes_max),
                handles_max: new.handles_max.or(old.handles_max),
                transfer_bytes_max: new.transfer_bytes_max.or(old.transfer_bytes_max),
                log_lines_max: new.log_lines_max.or(old.log_lines_max),
            },
            reuse: self.reuse.unwrap_or(before.reuse),
        }
    }
}

impl Default for PluginOptions {
    fn default() -> Self {
        Self::new(Grants::none())
    }
}
