//! What a plugin may do and how it runs, and what the host tells about it.

use std::sync::Arc;

use mantis_db::Grants;

use crate::{FunctionInfo, Statistics};

/// How a plugin is installed. The default grants nothing, keeps the host's limits and uses a fresh instance for each call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginOptions {
    /// The buckets that it sees.
    pub grants: Grants,
    /// Limits of its own, below the host's.
    pub limits: PluginLimits,
    /// Whether instances serve several calls, one after another. Their memory lives on then: what one call leaves there, the
    /// next may find.
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

/// Limits of one plugin. What is not given is the host's; what is given may not exceed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// How long a call may take in all, in milliseconds.
    pub call_deadline_ms: Option<u64>,
    /// Bytes of linear memory of one instance.
    pub memory_bytes_max: Option<usize>,
    /// Resource handles that an instance may hold at once.
    pub handles_max: Option<usize>,
    /// Bytes that a call may take in and give out through host functions.
    pub transfer_bytes_max: Option<u64>,
    /// Log lines of a call that are kept.
    pub log_lines_max: Option<u32>,
}

/// What the host tells about a plugin.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PluginInfo {
    /// The name under which it is called.
    pub name: String,
    /// The component's size.
    pub component_bytes: usize,
    /// The component's SHA-256, in hexadecimal.
    pub sha256: String,
    /// The interfaces that it imports, such as `mantis:db/kv@0.1.0`.
    pub imports: Vec<String>,
    /// What can be called, in the component's order.
    pub functions: Arc<[FunctionInfo]>,
    /// Exports that cannot be called, and why.
    pub skipped: Arc<[SkippedFunction]>,
    /// Whether it runs its own transactions: its calls are not wrapped in one.
    pub own_transactions: bool,
    /// What it sees.
    pub grants: Grants,
    /// Its limits, all of them given.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: bool,
    /// What happened so far.
    pub statistics: Statistics,
}

/// An export that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFunction {
    /// Its name, as that of a [`FunctionInfo`].
    pub name: String,
    /// Why not.
    pub reason: String,
}
