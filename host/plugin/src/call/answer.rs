//! The result of a call.

use mantis_db::Committed;
use serde_json::Value;
use wasmtime::component::Val;

use crate::component::{FunctionInfo, ValueType};
use crate::json;

/// The result of a call that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// The function's result as JSON; null if it returned nothing.
    pub value: Value,
    /// The call's commit; if it wrote nothing, the newest commit that it saw, 0 before there is any.
    ///
    /// A plugin that runs its own transactions gets each of their commits itself. For its calls this is the newest of all commits
    /// when the function returned: its own are at or before it, and durable when this one is.
    pub committed: Committed,
}

/// The JSON of a function's result; its own error as `Err`.
pub(super) fn to_json(info: &FunctionInfo, returned: Option<Val>) -> Result<Value, Value> {
    let plain = |value: Option<Box<Val>>, value_type: Option<&ValueType>| match (value, value_type) {
        (Some(value), Some(value_type)) => json::to_json(*value, value_type),
        _ => Value::Null,
    };
    match (returned, &info.error) {
        (Some(Val::Result(Ok(value))), Some(_)) => Ok(plain(value, info.result.as_ref())),
        (Some(Val::Result(Err(value))), Some(error)) => Err(plain(value, error.as_ref())),
        (value, _) => Ok(plain(value.map(Box::new), info.result.as_ref())),
    }
}

/// Whether a function returned the error by which the database reports a conflict.
pub(super) fn is_conflict(info: &FunctionInfo, returned: Option<&Val>) -> bool {
    match returned {
        Some(Val::Result(Err(Some(error)))) => {
            matches!(&**error, Val::Variant(case, _) if case == "conflict") && info.reports_conflicts()
        }
        _ => false,
    }
}
