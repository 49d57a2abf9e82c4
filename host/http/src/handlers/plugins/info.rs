//! A plugin as JSON.

use mantis_plugin::{FunctionInfo, PluginInfo, PluginLimits, Statistics};
use serde::Serialize;

use crate::handlers::plugins::grants::{self, GrantOut};

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
            grants: grants::shown(&info.grants),
            limits: info.limits,
            reuse: info.reuse,
            statistics: info.statistics,
        }
    }
}
