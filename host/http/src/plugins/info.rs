//! A plugin as JSON.

use mantis_db::{Access, Grants};
use mantis_plugin::{FunctionInfo, PluginInfo, PluginLimits, Statistics};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct InfoOut<'a> {
    name: &'a str,
    component_bytes: usize,
    sha256: &'a str,
    imports: &'a [String],
    functions: &'a [FunctionInfo],
    skipped: Vec<SkippedOut<'a>>,
    own_transactions: bool,
    grants: Vec<GrantOut<'a>>,
    limits: PluginLimits,
    reuse: bool,
    statistics: Statistics,
}

#[derive(Serialize)]
struct SkippedOut<'a> {
    name: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct GrantOut<'a> {
    bucket: &'a str,
    access: &'static str,
}

impl<'a> InfoOut<'a> {
    pub(super) fn of(info: &'a PluginInfo) -> Self {
        let skipped = info.skipped.iter();
        Self {
            name: &info.name,
            component_bytes: info.component_bytes,
            sha256: &info.sha256,
            imports: &info.imports,
            functions: &info.functions,
            skipped: skipped.map(|skipped| SkippedOut { name: &skipped.name, reason: &skipped.reason }).collect(),
            own_transactions: info.own_transactions,
            grants: grants_out(&info.grants),
            limits: info.limits,
            reuse: info.reuse,
            statistics: info.statistics,
        }
    }
}

/// The grants in the words of the query parameter that gave them.
fn grants_out(grants: &Grants) -> Vec<GrantOut<'_>> {
    if grants.is_all() {
        return vec![GrantOut { bucket: "*", access: "write" }];
    }
    let name = |access| if access == Access::Write { "write" } else { "read" };
    grants.buckets().iter().map(|(bucket, access)| GrantOut { bucket, access: name(*access) }).collect()
}
