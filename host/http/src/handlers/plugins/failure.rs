//! Errors of an installation or call, as problems.

use mantis_db::Code as DbCode;
use mantis_plugin::{CallError, Error, KeepError};
use serde_json::json;

use crate::protocol::conditions;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Problem;

pub(super) fn of_install(error: &Error) -> Problem {
    let code = match error {
        Error::NameInvalid(_) => Code::PluginNameInvalid,
        Error::ComponentTooLarge { .. } => Code::BodyTooLarge,
        Error::LimitInvalid { .. } => Code::ParameterInvalid,
        Error::PluginsTooMany { .. } => Code::PluginsTooMany,
        Error::CompilerBusy { .. } => Code::PluginBusy,
        Error::ComponentInvalid(_)
        | Error::ComponentNested { .. }
        | Error::ImportUnknown { .. }
        | Error::ImportMismatch(_)
        | Error::NothingToCall(_)
        | Error::RequirementsTooLarge(_) => Code::PluginInvalid,
        Error::CompileTimeout { .. } => Code::PluginCompileTimeout,
        _ => {
            tracing::error!(%error, "a plugin could not be installed");
            return Code::Internal.into();
        }
    };
    of_component(Problem::new(code).detail(error.to_string()))
}

/// A problem with a component's body. Its limit is another one than that of all other bodies.
pub(super) fn of_component(problem: Problem) -> Problem {
    if problem.code() == AnyCode::Http(Code::BodyTooLarge) {
        return problem.hint(
            "Make the component smaller (`wasm-tools strip` removes names and debug information), or raise the server's \
             `--plugin-component-bytes-max`.",
        );
    }
    problem
}

/// Why the database does not keep a plugin as it was asked to.
pub(super) fn of_keeping(error: KeepError) -> Problem {
    let detail = error.to_string();
    let code = match error {
        KeepError::Install(error) => return of_install(&error),
        KeepError::Refused(revision) => return conditions::revision_failed(revision),
        KeepError::Db(error) => return error.into(),
        KeepError::NotFound => return Code::PluginNotFound.into(),
        KeepError::VersionNotFound => return Code::PluginVersionNotFound.into(),
        KeepError::FromFile => return Code::PluginFromDirectory.into(),
        KeepError::Unreadable(_) => Code::PluginUnavailable,
        _ => {
            tracing::error!(detail, "a plugin could not be kept");
            return Code::Internal.into();
        }
    };
    Problem::new(code).detail(detail)
}

pub(crate) fn of_call(error: CallError) -> Problem {
    let detail = error.to_string();
    let problem = match error {
        CallError::PluginNotFound(_) => Problem::new(Code::PluginNotFound),
        CallError::FunctionNotFound(_) => Problem::new(Code::FunctionNotFound),
        CallError::ArgumentsInvalid { place, .. } => {
            Problem::new(Code::ArgumentsInvalid).member("argument", place.into())
        }
        CallError::Plugin(error) => return Problem::new(Code::PluginError).member("error", error),
        CallError::Deadline { .. } => Problem::new(Code::PluginDeadline),
        CallError::Trap { .. } => Problem::new(Code::PluginTrap),
        CallError::Limit { limit, .. } => Problem::new(Code::PluginLimit).member("limit", json!(limit.as_str())),
        CallError::Conflict { .. } => Problem::new(DbCode::Conflict),
        CallError::Db(error) => return Problem::from(error).in_body(),
        CallError::Unavailable(_) => Problem::new(Code::PluginUnavailable),
        CallError::Busy(_) => Problem::new(Code::PluginBusy),
        CallError::Expected(_) => Problem::new(Code::PluginExpected),
        _ => {
            tracing::error!(detail, "a plugin call failed");
            return Code::Internal.into();
        }
    };
    problem.detail(detail)
}
