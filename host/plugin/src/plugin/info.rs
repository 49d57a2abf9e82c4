//! The description of an installed plugin, for clients.

use std::sync::Arc;

use mantis_db::Grants;

use crate::component::{FunctionInfo, SkippedFunction};
use crate::limits::PluginLimits;
use crate::stats::Statistics;

/// The description of an installed plugin.
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
    /// The functions that can be called, in the component's order.
    pub functions: Arc<[FunctionInfo]>,
    /// Exports that cannot be called, and why.
    pub skipped: Arc<[SkippedFunction]>,
    /// Whether it runs its own transactions: its calls are not wrapped in one.
    pub own_transactions: bool,
    /// The buckets that it sees.
    pub grants: Grants,
    /// Its limits, all of them given.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: bool,
    /// Its counters.
    pub statistics: Statistics,
}
